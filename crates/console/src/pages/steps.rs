//! The steps of one job with their logs: the one that failed is open, those to come are named.

use maud::{Markup, html};
use qnt9_engine::explain::planned_steps;
use qnt9_engine::state::{Attempt, LegPhase, LegState, Run, StepState};
use qnt9_model::fact::Outcome;
use qnt9_model::{AttemptId, Millis};

use crate::log::{Anchors, Lines, LogLine, STEP_LINES_MAX};
use crate::status::Shape;
use crate::view::View;
use crate::{form, paths, standing, text, time};

/// The job in view.
pub struct Chosen {
    /// Which attempt.
    pub attempt: AttemptId,
    /// The step that is open.
    pub open: Option<u32>,
    /// The last lines of that step, or of the whole log where no step is open.
    pub lines: Vec<LogLine>,
    /// The step that runs now.
    pub live: Option<LiveStep>,
    /// Why the lines cannot be shown.
    pub trouble: Option<String>,
    /// Whether the visitor asked for this very job.
    pub asked: bool,
}

/// A step that runs now.
pub struct LiveStep {
    /// Its number, from 0.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: Millis,
}

/// What a step wrote to its summary.
pub struct Summary {
    /// The name of its job.
    pub job: String,
    /// Markdown.
    pub markdown: String,
}

/// The panel of the job in view.
pub(crate) fn panel(view: &View<'_>, run: &Run, chosen: &Chosen) -> Markup {
    let Some(leg) = run.legs.get(&chosen.attempt.job) else { return Markup::default() };
    let number = chosen.attempt.attempt;
    let attempt = leg.attempts.iter().find(|attempt| attempt.number == number);
    let standing = standing::of_leg(view, run, leg);
    html! {
        section.panel.flush #job data-live aria-labelledby="job-title" {
            div.bar {
                strong #job-title { (leg.leg.name) }
                (standing.shape.loud(standing.word))
                @if let Some(attempt) = attempt {
                    span.soft.num { (time::lasting(attempt.finished.unwrap_or(view.now()).since(attempt.started))) }
                }
                (attempts(view, leg, number))
                @if attempt.is_some() {
                    a.soft.end #log-open href={ (paths::log(view.stream, &chosen.attempt, "log")) "#log-search" } { "Search log " kbd { "f" } }
                }
            }
            @if let Some(reason) = &standing.reason { div.step { p { (text::capital(reason)) } } }
            @if let Some(trouble) = &chosen.trouble {
                div.step { p { (Shape::Bad.loud("The log cannot be shown")) " " (trouble) } }
            }
            @match attempt {
                Some(attempt) => (attempt_steps(view, run, leg, attempt, chosen)),
                None => div.step { p.soft { "It has not started, so there is no log yet." } },
            }
        }
        @if attempt.is_some() { (form::command(&follow_command(leg, &chosen.attempt))) }
    }
}

fn follow_command(leg: &LegState, attempt: &AttemptId) -> String {
    let follow = if leg.phase == LegPhase::Running { " -f" } else { "" };
    let last = leg.attempts.last().map_or(1, |last| last.number);
    let number = match attempt.attempt {
        number if number == last => String::new(),
        number => format!(" --attempt {number}"),
    };
    format!("qnt9 logs{follow} {}.{}{number}", attempt.run, attempt.job)
}

fn attempts(view: &View<'_>, leg: &LegState, shown: u32) -> Markup {
    html! {
        @if leg.attempts.len() > 1 {
            span.soft {
                "attempt "
                @for attempt in &leg.attempts {
                    @if attempt.number == shown { strong { (attempt.number) } " " }
                    @else {
                        @let job = paths::segment(leg.leg.job.as_str());
                        a href={ "?job=" (job) "&attempt=" (attempt.number) "#job" } title=(view.clock.exact(attempt.started)) { (attempt.number) } " "
                    }
                }
            }
        }
    }
}

fn attempt_steps(
    view: &View<'_>,
    run: &Run,
    leg: &LegState,
    attempt: &Attempt,
    chosen: &Chosen,
) -> Markup {
    let is_running = leg.phase == LegPhase::Running && attempt.finished.is_none();
    let known = |number: u32| {
        let is_live = chosen.live.as_ref().is_some_and(|live| live.number == number);
        attempt.steps.contains_key(&number) || is_live
    };
    html! {
        @for (number, step) in &attempt.steps { (finished(view, chosen, *number, step)) }
        @if let Some(live) = chosen.live.as_ref().filter(|live| is_running && !attempt.steps.contains_key(&live.number)) {
            details.step id={ "step-" (live.number) } open {
                summary { (Shape::Run.loud(&live.name)) span.d.num { (view.clock.since(live.since)) } }
                (open_lines(view, chosen, is_running))
            }
        } @else if chosen.open.is_none() && !chosen.lines.is_empty() {
            details.step #step-log open {
                summary { (Shape::Idle.quiet("End of the log")) }
                (open_lines(view, chosen, is_running))
            }
        }
        @for (number, name) in planned_steps(run, leg) {
            @if !known(number) {
                div.step { p.faint {
                    (Shape::Idle.quiet(name)) " "
                    @if is_running { "not begun" } @else { "not reached" }
                } }
            }
        }
    }
}

fn finished(view: &View<'_>, chosen: &Chosen, number: u32, step: &StepState) -> Markup {
    let is_open = chosen.open == Some(number);
    let failed = step.conclusion == Outcome::Failure;
    let shape = Shape::of(step.conclusion);
    let tolerated = step.outcome == Outcome::Failure && !failed;
    let took = step.span.finished.since(step.span.started);
    let page = paths::log(view.stream, &chosen.attempt, "log");
    let lines = paths::log(view.stream, &chosen.attempt, "lines");
    html! {
        details.step id={ "step-" (number) } open[is_open] data-failed[failed] {
            summary {
                (shape.fitting(&step.name))
                @if tolerated { span.soft { "failed, which " code { "continue-on-error" } " allows" } }
                @if step.conclusion == Outcome::Skipped { span.soft { "skipped" } }
                span.d.num { (time::lasting(took)) }
            }
            @if is_open { (open_lines(view, chosen, false)) }
            @else {
                p.soft data-lines={ (lines) "&step=" (number) } { a href={ (page) "&step=" (number) } { "Open the log of this step" } }
            }
        }
    }
}

fn open_lines(view: &View<'_>, chosen: &Chosen, is_running: bool) -> Markup {
    let page = paths::log(view.stream, &chosen.attempt, "log");
    let last = chosen.lines.last().map_or(0, |line| line.number);
    let tail = is_running
        .then(|| format!("{}&after={last}", paths::log(view.stream, &chosen.attempt, "live")));
    let lines = Lines { clock: view.clock, href: &page, mark: None, anchors: Anchors::Here };
    html! {
        @if chosen.lines.len() >= STEP_LINES_MAX && let Some(first) = chosen.lines.first() {
            p.soft { "Lines before " (first.number) " are in " a href={ (page) "&line=" (first.number) "#L" (first.number) } { "the whole log" } "." }
        }
        @if chosen.lines.is_empty() && !is_running { p.soft { "It wrote nothing." } }
        div.log data-tail=[tail] { (lines.rows(&chosen.lines)) }
    }
}

/// The lines of a step that was opened, to stand in its place.
#[must_use]
pub fn step_rows(
    view: &View<'_>,
    attempt: &AttemptId,
    lines: &[LogLine],
    has_more: bool,
) -> Markup {
    let page = paths::log(view.stream, attempt, "log");
    let shown = Lines { clock: view.clock, href: &page, mark: None, anchors: Anchors::Here };
    html! {
        @if has_more && let Some(first) = lines.first() {
            p.soft { "Lines before " (first.number) " are in " a href={ (page) "&line=" (first.number) "#L" (first.number) } { "the whole log" } "." }
        }
        @if lines.is_empty() { p.soft { "It wrote nothing." } }
        @else { div.log { (shown.rows(lines)) } }
    }
}
