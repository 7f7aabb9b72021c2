//! Find or do, as a page of its own for browsers without scripts.

use maud::{Markup, html};

use crate::frame::{Section, page};
use crate::view::View;

/// The page.
#[must_use]
pub fn find(view: &View<'_>) -> Markup {
    let body = html! {
        div.head { h1 { "Find or do" } }
        p.meta { span { "Every place of this project, with the command that says the same" } }
        section.panel aria-label="Places and actions" { (crate::find::list(&crate::find::finds(view))) }
    };
    page(view, Section::None, &format!("Find · {}", view.stream), &body)
}
