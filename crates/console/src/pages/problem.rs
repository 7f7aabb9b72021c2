//! Pages for what did not go as asked: refusals with their reasons, addresses that lead nowhere.

use maud::{Markup, html};
use qnt9_model::{Refusal, StreamId};

use crate::frame::{Section, bare, page};
use crate::status::Shape;
use crate::time::Clock;
use crate::view::{View, Visitor};
use crate::{paths, text, why};

/// A command was refused: its sentence, and the proof tree where a gate holds.
#[must_use]
pub fn refused(view: &View<'_>, refusal: &Refusal, back: &str) -> Markup {
    let body = html! {
        div.head { h1 { "That was refused" } (Shape::Bad.loud(class(refusal))) }
        section.panel.alert role="alert" {
            p { (view.sentence(&refusal.to_string())) "." }
            (proof(refusal, view.clock))
            p.soft { "Nothing was changed." }
            a.btn href=(back) { "Back" }
        }
    };
    page(view, Section::None, "Refused", &body)
}

fn proof(refusal: &Refusal, clock: &Clock) -> Markup {
    match refusal {
        Refusal::Held { why, .. } => why::tree(why, clock),
        _ => Markup::default(),
    }
}

fn class(refusal: &Refusal) -> &'static str {
    use qnt9_model::refusal::RefusalClass as Class;
    match refusal.class() {
        Class::Unknown => "no such thing",
        Class::Forbidden => "not allowed",
        Class::Conflict => "against how things are",
        Class::Held => "held by a gate",
        Class::Invalid => "not understood",
        Class::Unavailable => "not now",
    }
}

/// Something else went wrong: what, why, and what to do.
#[must_use]
pub fn trouble(visitor: &Visitor, title: &str, reason: &str, back: &str) -> Markup {
    let body = html! {
        div.head { h1 { (title) } }
        section.panel.alert role="alert" { p { (reason) } a.btn href=(back) { "Back" } }
    };
    bare(visitor, title, &body)
}

/// The address leads nowhere. `what` names what was looked for.
#[must_use]
pub fn not_found(visitor: &Visitor, what: &str) -> Markup {
    let body = html! {
        div.head { h1 { "There is no such page" } }
        section.panel { p { "There is no " (what) " here." } a.btn href="/" { "To the start" } }
    };
    bare(visitor, "Not found", &body)
}

/// There is no project yet, or there are several to choose from.
#[must_use]
pub fn no_project(visitor: &Visitor, projects: &[StreamId]) -> Markup {
    let body = html! {
        @if projects.is_empty() {
            div.head { h1 { "There is no project yet" } }
            section.panel {
                p { "The platform is up and waits for its first one. The reference project with people, workflows and environments comes with" }
                (crate::form::command("qnt9 up"))
            }
        } @else {
            div.head { h1 { (text::head_number(projects.len())) " projects" } }
            section.panel { ul.plain { @for project in projects { li { a href=(paths::home(project)) { strong { (project) } } } } } }
        }
    };
    bare(visitor, "Projects", &body)
}
