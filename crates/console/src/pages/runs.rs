//! Runs: all of them, newest first.

use maud::{Markup, html};
use qnt9_engine::state::Run;
use qnt9_model::fact::Cause;

use crate::frame::{Section, page};
use crate::view::View;
use crate::{paths, standing, text, time};

/// Runs on one page.
const RUNS_PER_PAGE: usize = 30;

/// Which runs are wanted. An empty text wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsFilter {
    /// The workflow's name.
    pub workflow: String,
    /// The branch or tag.
    pub branch: String,
    /// `success`, `failure`, `cancelled`, `skipped`, `running` (anything not over).
    pub status: String,
    /// Only runs before this one.
    pub before: Option<u64>,
}

impl RunsFilter {
    fn wants(&self, run: &Run) -> bool {
        let status = match run.finished {
            Some((outcome, _)) => outcome.word(),
            None => "running",
        };
        (self.workflow.is_empty() || run.name == self.workflow)
            && (self.branch.is_empty() || run.reference_name() == self.branch)
            && (self.status.is_empty() || status == self.status)
            && self.before.is_none_or(|before| run.id.0 < before)
    }

    fn is_narrow(&self) -> bool {
        !(self.workflow.is_empty() && self.branch.is_empty() && self.status.is_empty())
    }

    fn query(&self, before: u64) -> String {
        let pairs =
            [("workflow", &self.workflow), ("branch", &self.branch), ("status", &self.status)];
        let set = pairs.iter().filter(|(_, value)| !value.is_empty());
        let set = set.map(|(name, value)| format!("{name}={}&", paths::segment(value)));
        format!("?{}before={before}", set.collect::<String>())
    }
}

/// The page of runs.
#[must_use]
pub fn runs(view: &View<'_>, filter: &RunsFilter) -> Markup {
    let wanted = view.project.runs.values().rev().filter(|run| filter.wants(run));
    let mut shown: Vec<&Run> = wanted.take(RUNS_PER_PAGE + 1).collect();
    let has_more = shown.len() > RUNS_PER_PAGE;
    shown.truncate(RUNS_PER_PAGE);
    let body = html! {
        div.head { h1 { (title(view)) } }
        p.meta { span { (text::count(view.project.runs.len(), "run", "runs")) " in all, newest first" } }
        (form(view, filter))
        section.panel #runs data-live aria-label="Runs" {
            @if shown.is_empty() && filter.is_narrow() {
                p.empty { "No run is like this. " a href=(paths::section(view.stream, "runs")) { "Show all" } "." }
            } @else {
                (table(view, &shown))
            }
        }
        @if has_more && let Some(last) = shown.last() {
            p { a.btn href=(filter.query(last.id.0)) rel="next" { "Older runs" } }
        }
        (crate::form::command("qnt9 runs"))
    };
    page(view, Section::Runs, &format!("Runs · {}", view.stream), &body)
}

fn title(view: &View<'_>) -> String {
    let live = view.project.live.len();
    match live {
        0 => "Nothing is running".to_owned(),
        1 => "One run is under way".to_owned(),
        many => format!("{} runs are under way", text::head_number(many)),
    }
}

fn form(view: &View<'_>, filter: &RunsFilter) -> Markup {
    let distinct = |pick: fn(&Run) -> &str| {
        let mut names: Vec<&str> = view.project.runs.values().map(pick).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let statuses = vec!["running", "success", "failure", "cancelled", "skipped"];
    let fields = [
        ("workflow", "Workflow", &filter.workflow, distinct(|run| &run.name)),
        ("branch", "Branch", &filter.branch, distinct(Run::reference_name)),
        ("status", "Status", &filter.status, statuses),
    ];
    html! {
        form.filters method="get" action=(paths::section(view.stream, "runs")) data-auto role="search" aria-label="Filter runs" {
            @for (name, word, chosen, options) in fields {
                div {
                    label for={ "filter-" (name) } { (word) }
                    select id={ "filter-" (name) } name=(name) {
                        option value="" { "all" }
                        @for option in options { option value=(option) selected[option == chosen] { (option) } }
                    }
                }
            }
            button.btn { "Filter" }
        }
    }
}

/// The table of runs that several pages show.
pub(crate) fn table(view: &View<'_>, runs: &[&Run]) -> Markup {
    html! {
        @if runs.is_empty() {
            p.empty {
                "Nothing has run yet. Push a commit with a workflow in " code { ".github/workflows" }
                ", and its runs appear here."
            }
        } @else {
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" { "Status" } th scope="col" { "Workflow" } th scope="col" { "Commit" }
                        th.num scope="col" { "When" } th.num scope="col" { "Took" }
                    } }
                    tbody { @for run in runs { (row(view, run)) } }
                }
            }
        }
    }
}

fn row(view: &View<'_>, run: &Run) -> Markup {
    let standing = standing::of_run(view, run);
    let end = run.finished.map_or(view.now(), |(_, at)| at);
    html! {
        tr {
            td.tight { (standing.shape.loud(standing.word)) }
            td {
                a href=(paths::run(view.stream, run.id)) { strong { (run.name) } span.soft { " #" (run.number) } }
                @for environment in standing::environments(run) { " " span.env { (environment) } }
                small { (text::cut(run.title.show(), 90)) " · " (cause(&run.cause)) }
                @if let Some(reason) = &standing.reason { small { (text::capital(&text::cut(reason, 160))) } }
            }
            td { span.chip { (run.reference_name()) " " (run.commit.short()) } }
            td.num.soft { (view.clock.relative(run.created)) }
            td.num { (time::lasting(end.since(run.created))) }
        }
    }
}

/// What started a run, in words.
pub(crate) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Push { by } => format!("pushed by {by}"),
        Cause::Dispatch { by } => format!("dispatched by {by}"),
        Cause::Rerun { by, of } => format!("run {of} again, by {by}"),
        Cause::Schedule { schedule, missed: 0, .. } => format!("by schedule `{}`", schedule.cron),
        Cause::Schedule { schedule, missed, .. } => {
            format!("by schedule `{}`, late, {missed} earlier ones dropped", schedule.cron)
        }
    }
}
