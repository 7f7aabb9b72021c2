//! The proof tree of a gate, and of whatever else explains itself: each rule with what it is known
//! from, who can change it, and when.

use maud::{Markup, html};
use qnt9_engine::explain::{Act, Explain, Explanation};
use qnt9_model::Why;

use crate::status::Shape;
use crate::time::Clock;
use crate::view::View;
use crate::{form, text};

/// What explains itself at the moment of a view.
pub(crate) fn explain<'a>(view: &View<'a>) -> Explain<'a> {
    Explain { platform: view.platform(), project: view.project, now: view.now() }
}

/// Why something stands where it stands: the answer, the tree, who can unblock it, and when.
pub(crate) fn panel(view: &View<'_>, id: &str, explanation: &Explanation) -> Markup {
    let Explanation { why, .. } = explanation;
    html! {
        section.panel id=(id) data-live aria-labelledby={ (id) "-h" } {
            h2 id={ (id) "-h" } { "Why " (explanation.subject) " stands where it stands" }
            (answer(view, explanation))
            details.more id={ (id) "-proof" } {
                summary { "The proof" }
                (tree(why, view.clock))
            }
            (commands_of(explanation))
        }
    }
}

/// The answer in a line, who can change it, and the earliest time at which it can go on.
fn answer(view: &View<'_>, explanation: &Explanation) -> Markup {
    let (why, who) = (&explanation.why, explanation.who());
    let word = match why.holds {
        qnt9_model::why::Holds::Yes => "it holds",
        qnt9_model::why::Holds::NotYet => "not yet",
        qnt9_model::why::Holds::No | qnt9_model::why::Holds::Barred => "no, and it will not",
    };
    let unmet = why.unmet();
    html! {
        p {
            @let shape = Shape::of_rule(why.holds);
            @match &why.evidence {
                Some(evidence) => (shape.fitting(view.sentence(evidence))),
                None => (shape.fitting(text::capital(word))),
            }
        }
        @if why.evidence.is_none() && !unmet.is_empty() {
            ul.plain { @for sentence in &unmet { li.soft { (sentence) } } }
        }
        @if !who.is_empty() || explanation.earliest(view.now()).is_some() {
            dl.facts {
                @if !who.is_empty() { dt { "Can unblock it" } dd { (text::list(&who, "or")) } }
                @if let Some(at) = explanation.earliest(view.now()) {
                    dt { "Earliest" } dd { (view.clock.moment(at)) ", " (view.clock.relative(at)) ", if everybody acts at once" }
                }
            }
        }
    }
}

fn commands_of(explanation: &Explanation) -> Markup {
    let all: Vec<String> = explanation.acts.iter().flat_map(commands).collect();
    html! { @for command in &all { (form::command(command)) } }
}

/// The commands that do what can be done about something.
#[must_use]
pub fn commands(act: &Act) -> Vec<String> {
    match act {
        Act::Approve { environment, commit, person } => {
            vec![format!("qnt9 approve {environment} {} --as {person}", commit.short())]
        }
        Act::DecideLost { run, job } => ["resume", "rerun", "abandon"]
            .map(|decision| format!("qnt9 {decision} {run}.{job}"))
            .to_vec(),
    }
}

/// The rules a gate is made of; the whole tree when it has no parts.
pub(crate) fn tree(why: &Why, clock: &Clock) -> Markup {
    html! {
        ul.why {
            @if why.of.is_empty() { (rule(why, clock)) }
            @for part in &why.of { (rule(part, clock)) }
        }
    }
}

fn rule(why: &Why, clock: &Clock) -> Markup {
    html! {
        li {
            (Shape::of_rule(why.holds).quiet(&why.rule))
            @if let Some(evidence) = &why.evidence {
                span.ev {
                    (evidence)
                    @if let Some(at) = why.at { "; holds at " (clock.moment(at)) ", " (clock.relative(at)) }
                    @if !why.who.is_empty() { "; can change it: " (text::list(&why.who, "or")) }
                }
            }
            @if !why.of.is_empty() { ul { @for part in &why.of { (rule(part, clock)) } } }
        }
    }
}
