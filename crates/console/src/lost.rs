//! A job whose runner was lost: what is known, and the three things that a person can decide.

use maud::{Markup, html};
use qnt9_engine::explain::Known;
use qnt9_engine::state::{LegState, Run};
use qnt9_model::Role;

use crate::status::Shape;
use crate::view::View;
use crate::{form, paths, text};

/// What each decision means: the form's value, the button's words, the consequence.
const DECISIONS: [(&str, &str, &str); 3] = [
    (
        "resume",
        "Look for it once more",
        "If its runner is found, what it did and does counts; if not, the question comes back.",
    ),
    (
        "rerun",
        "Run the job again",
        "The job begins anew, and the steps that ended are run a second time.",
    ),
    ("abandon", "Give it up", "The job counts as failed; what its steps changed stays changed."),
];

/// The panel with what is known and the three buttons.
pub(crate) fn panel(view: &View<'_>, run: &Run, leg: &LegState) -> Markup {
    let known = Known::of(run, leg);
    let asked = leg.attempts.last().is_some_and(|attempt| attempt.asked.is_some());
    let place = leg.leg.environment.as_ref().map_or("something", |name| name.as_str());
    let id = format!("lost-{}", leg.leg.job);
    let subject = format!("{}.{}", run.id, leg.leg.job);
    html! {
        section.panel.notice id=(id) data-live aria-labelledby={ (id) "-h" } {
            h2 id={ (id) "-h" } { "The runner of " (leg.leg.name) " was lost: a person decides" }
            p { (view.sentence(&known.reason)) ". It may have changed " (place) " already, so it is not run again by itself." }
            (steps(&known))
            p.soft { "Look at " (place) " and at the end of its log, then decide." }
            @if asked { p { (Shape::Run.loud("Its runner is being looked for once more")) } }
            @match form::barrier(view, "decide this", Role::Developer) {
                Some(barrier) => p.soft { (barrier) },
                None => (form::post(view.visitor, &paths::run_act(view.stream, run.id, "resolve"), &html! {
                    input type="hidden" name="job" value=(leg.leg.job);
                    dl.facts.acts {
                        @for (decision, words, consequence) in DECISIONS {
                            @let class = if decision == "abandon" { "no" } else { "" };
                            dt { button class={ "btn " (class) } name="decision" value=(decision) { (words) } }
                            dd { (consequence) }
                        }
                    }
                })),
            }
            @for (decision, _, _) in DECISIONS { (form::command(&format!("qnt9 {decision} {subject}"))) }
        }
    }
}

fn steps(known: &Known) -> Markup {
    html! {
        ul.plain aria-label="What is known of its steps" {
            @for (_, name, outcome) in &known.ended {
                li { (Shape::of(*outcome).quiet(text::cut(name, 90))) " " span.soft { (outcome.word()) } }
            }
            @if let Some((_, name)) = &known.in_flight {
                li { (Shape::Wait.loud(text::cut(name, 90))) " " span.soft { "was under way: it may have done all, some or nothing of its work" } }
            }
            @for (_, name) in &known.not_begun {
                li { (Shape::Idle.quiet(text::cut(name, 90))) " " span.soft { "not begun" } }
            }
        }
    }
}
