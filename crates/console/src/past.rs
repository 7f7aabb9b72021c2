//! Back in time: which moment a page is about, and the way to other moments.
//!
//! Without JavaScript it is a form with a time and links from fact to fact; with JavaScript a slider
//! beside it whose marks are the deployments.

use maud::{Markup, html};
use qnt9_model::{Actor, Fact, Millis};

use crate::view::View;
use crate::{facts, paths, text, time};

/// Deployments that are marked on the slider, the newest ones.
const MARKS_MAX: usize = 60;

/// An earlier moment that a page is about.
#[derive(Clone, Debug)]
pub struct Then {
    /// The last fact that was recorded by then.
    pub number: u64,
    /// That fact.
    pub fact: Fact,
    /// Whose doing it was.
    pub by: Actor,
    /// When it was recorded.
    pub recorded: Millis,
    /// The newest fact of all.
    pub newest: u64,
    /// Now, the real one; the clock of the page stands at the moment it is about.
    pub now: Millis,
}

/// Says that a page is about the past, and offers the way to other moments. On a page about now it is
/// an empty place that the slider fills.
pub(crate) fn banner(view: &View<'_>) -> Markup {
    html! {
        div #then data-live {
            @if let Some(then) = view.past {
                div.panel.notice role="status" {
                    p {
                        strong { "You look at the past: " (view.clock.exact(view.now())) "." }
                        " This is how things stood then; nothing can be done here. Other pages tell of today."
                    }
                    p.soft {
                        "The last fact by then is " (then.number) " of " (text::number(then.newest)) ", "
                        (view.clock.exact(then.recorded)) ": " (facts::describe(&then.fact)) ", by " (then.by) "."
                    }
                    p.row { (neighbours(view, then)) }
                }
            }
        }
    }
}

fn neighbours(view: &View<'_>, then: &Then) -> Markup {
    let home = paths::home(view.stream);
    let marks = marks(view);
    let before = marks.iter().rev().find(|mark| **mark < view.now());
    html! {
        @if then.number > 1 { a.btn href={ (home) "?fact=" (then.number - 1) } rel="prev" { "One fact back" } }
        @if then.number < then.newest { a.btn href={ (home) "?fact=" (then.number + 1) } rel="next" { "One fact on" } }
        @if let Some(before) = before { a.btn href={ (home) "?at=" (before.0) } { "The deployment before" } }
        a.btn href=(home) { "Back to now" }
    }
}

/// The form that leads to another moment.
pub(crate) fn form(view: &View<'_>) -> Markup {
    let home = paths::home(view.stream);
    let now = view.past.map_or(view.now(), |then| then.now);
    let first = view.project.runs.values().next().map_or(now, |run| run.created);
    let marks: Vec<String> = marks(view).iter().map(|mark| mark.0.to_string()).collect();
    html! {
        section.panel aria-labelledby="past-title" {
            h2 #past-title { "Back in time" }
            form.filters method="get" action=(home) data-slider
                data-from=(first.0) data-to=(now.0) data-at=(view.now().0) data-marks=(marks.join(",")) {
                div {
                    label for="past-at" { "As it stood at (UTC)" }
                    input #past-at type="datetime-local" name="at" step="1" required
                        value=(time::field(view.now())) max=(time::field(now));
                }
                button.btn { "Show" }
                span #past-back data-live {
                    @if view.past.is_none() && view.project.sequence > 1 {
                        a.btn href={ (home) "?fact=" (view.project.sequence - 1) } rel="prev" { "One fact back" }
                    }
                }
            }
            div #past-command data-live {
                (crate::form::command(&format!("qnt9 status --at {}", time::machine(view.now()))))
            }
        }
    }
}

/// When deployments of this project ended, oldest first.
fn marks(view: &View<'_>) -> Vec<Millis> {
    let ended = view.project.deployments.values().rev().filter_map(|deployment| {
        let (_, at) = deployment.outcome.as_ref()?;
        Some(*at)
    });
    let mut marks: Vec<Millis> = ended.take(MARKS_MAX).collect();
    marks.sort();
    marks
}
