//! The proof tree of a gate: each rule with what it is known from, who can change it, and when.

use maud::{Markup, html};
use qnt9_model::Why;

use crate::status::Shape;
use crate::text;
use crate::time::Clock;

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
