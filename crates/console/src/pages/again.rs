//! Running an ended run once more: all of it, what failed, one job, or a job from one of its steps on.

use maud::{Markup, html};
use qnt9_engine::explain::planned_steps;
use qnt9_engine::state::{LegPhase, LegState, Run};
use qnt9_model::Role;
use qnt9_model::fact::Outcome;

use crate::view::View;
use crate::{form, paths, text};

/// What can be run again of a run that has ended.
pub(crate) fn panel(view: &View<'_>, run: &Run) -> Markup {
    let act = |name: &str| paths::run_act(view.stream, run.id, name);
    let failed: Vec<&LegState> = run.legs.values().filter(|leg| has_failed(leg)).collect();
    html! {
        p.soft { "Running it again makes a new run of the same commit and event, which takes over what is not repeated." }
        @match form::barrier(view, "run it again", Role::Developer) {
            Some(barrier) => p.soft { (barrier) },
            None => {
                (form::post(view.visitor, &act("rerun"), &html! { div.row { button.btn { "Run all again" } } }))
                @if !failed.is_empty() {
                    (form::post(view.visitor, &act("rerun"), &html! {
                        input type="hidden" name="what" value="failed";
                        div.row { button.btn { "Run failed jobs again" } }
                    }))
                }
                @for leg in &failed { (from_step(view, run, leg)) }
            }
        }
        (form::command(&format!("qnt9 rerun {}", run.id)))
        @if !failed.is_empty() { (form::command(&format!("qnt9 rerun {} --failed", run.id))) }
    }
}

fn has_failed(leg: &LegState) -> bool {
    matches!(leg.phase, LegPhase::Done(Outcome::Failure | Outcome::Cancelled, _))
}

/// The form that goes on from a step of a failed job, on the workspace that was kept of it.
fn from_step(view: &View<'_>, run: &Run, leg: &LegState) -> Markup {
    let Some(attempt) = leg.attempts.last() else { return Markup::default() };
    let ended = (0..).take_while(|step| attempt.steps.contains_key(step)).count();
    let planned = planned_steps(run, leg);
    let offered: Vec<(u32, String)> = planned
        .into_iter()
        .take(ended + 1)
        .map(|(step, name)| (step, attempt.steps.get(&step).map_or(name, |step| step.name.clone())))
        .collect();
    let failed = attempt.steps.iter().find(|(_, step)| step.conclusion == Outcome::Failure);
    let failed = failed.map(|(step, _)| *step);
    let job = &leg.leg.job;
    let id = format!("step-of-{job}");
    let fields = html! {
        input type="hidden" name="job" value=(job);
        label for=(id) { "First step" }
        select id=(id) name="step" {
            @for (step, name) in &offered {
                option value=(step) selected[failed == Some(*step)] { (step + 1) " " (text::cut(name, 60)) }
            }
        }
        div.row { button.btn { "Go on from there" } }
    };
    html! {
        @if offered.len() > 1 {
            details.more id={ "retry-" (job) } {
                summary { "Go on from a step of " (leg.leg.name) }
                p.soft { "The steps before it count as they ended, and the job goes on in a copy of its workspace, if that is still kept." }
                (form::post(view.visitor, &paths::run_act(view.stream, run.id, "retry"), &fields))
                @if let Some(step) = failed { (form::command(&format!("qnt9 runs retry {}.{job} --from-step {}", run.id, step + 1))) }
            }
        }
    }
}
