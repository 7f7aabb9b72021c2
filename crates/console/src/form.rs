//! Forms. Every one posts, carries the session's proof for exactly the path it posts to, and has the
//! command that does the same beside it.

use maud::{Markup, html};
use qnt9_model::Role;

use crate::paths;
use crate::view::{View, Visitor};

/// The name of the hidden field with the proof.
pub const CSRF_FIELD: &str = "csrf";

/// A form that posts to `action`; for a visitor without a session, nothing.
pub fn post(visitor: &Visitor, action: &str, fields: &Markup) -> Markup {
    html! {
        @if let Some(person) = &visitor.person {
            form method="post" action=(action) {
                input type="hidden" name=(CSRF_FIELD) value=((person.csrf)(action));
                (fields)
            }
        }
    }
}

/// The command that does the same as the form above it.
#[must_use]
pub fn command(text: &str) -> Markup {
    html! { code.cmd { (text) } }
}

/// Why the visitor cannot do this, as a sentence; `None` when they can.
#[must_use]
pub fn barrier(view: &View<'_>, act: &str, needed: Role) -> Option<Markup> {
    match &view.visitor.person {
        None => {
            let back = paths::segment(&view.visitor.here);
            Some(html! { a href={ (paths::LOGIN) "?next=" (back) } { "Sign in" } " to " (act) "." })
        }
        Some(person) if person.role < needed => Some(html! {
            "To " (act) " one must be " (needed) "; " (person.name) " is " (person.role) "."
        }),
        Some(_) => None,
    }
}
