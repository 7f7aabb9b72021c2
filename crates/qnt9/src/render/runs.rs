//! Runs, one line each.

use qnt9_server::api::shapes::RunShape;

use super::{AT_WORK, Clock, NOT_YET, Table, WAITS, cut, short_reference, sign};

/// Titles are cut to this in lists.
const TITLE_CHARS_MAX: usize = 40;

/// A line per run.
pub fn list(runs: &[RunShape], clock: &Clock) -> String {
    table(runs.iter(), clock).text(0, "no runs")
}

/// A line per run, under heads.
pub fn table<'a>(runs: impl Iterator<Item = &'a RunShape>, clock: &Clock) -> Table {
    let heads = ["  RUN", "STATE", "WORKFLOW", "TITLE", "REF", "COMMIT", "BY", "CREATED", "TOOK"];
    let mut table = Table::new(heads);
    for run in runs {
        let took = run.started.map(|started| clock.took(started, run.finished));
        table.row([
            format!("{} {}", run_sign(run), run.id),
            state(run),
            format!("{} #{}", run.name, run.number),
            if run.title == run.name { String::new() } else { cut(&run.title, TITLE_CHARS_MAX) },
            short_reference(&run.reference).to_owned(),
            run.commit.short().to_owned(),
            run.by.clone(),
            clock.relative(run.created),
            took.unwrap_or_default(),
        ]);
    }
    table
}

/// The sign of where a run stands.
pub fn run_sign(run: &RunShape) -> char {
    match (run.result, run.started) {
        (Some(outcome), _) => sign(outcome),
        (None, None) => NOT_YET,
        (None, Some(_)) if !run.waits_for.is_empty() => WAITS,
        (None, Some(_)) => AT_WORK,
    }
}

/// Where a run stands, in words.
pub fn state(run: &RunShape) -> String {
    if let Some(by) = run.superseded_by {
        return format!("superseded by {by}");
    }
    match (run.result, &run.cancel, run.started) {
        (Some(outcome), ..) => outcome.word().to_owned(),
        (None, Some(_), _) => "being cancelled".to_owned(),
        (None, None, None) => "waits its turn".to_owned(),
        (None, None, Some(_)) if !run.waits_for.is_empty() => {
            let names: Vec<&str> = run.waits_for.iter().map(|name| name.as_str()).collect();
            format!("waits for {}", names.join(", "))
        }
        (None, None, Some(_)) => "running".to_owned(),
    }
}
