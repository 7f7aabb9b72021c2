//! Signing in with a personal token.

use maud::{Markup, html};

use crate::frame::bare;
use crate::paths;
use crate::view::Visitor;

/// What the page offers.
#[derive(Default)]
pub struct SignIn<'a> {
    /// Where to go afterwards: a path of this console.
    pub next: &'a str,
    /// The demo's people, where they may be chosen.
    pub demo: Vec<(String, String)>,
    /// Why the last try failed.
    pub failure: Option<&'a str>,
}

/// The page.
#[must_use]
pub fn sign_in(visitor: &Visitor, page: &SignIn<'_>) -> Markup {
    let body = html! {
        div.head { h1 { "Sign in" } }
        p.meta { span { "Reading needs no name on this machine; deciding does" } }
        div.cols {
            div {
                section.panel aria-labelledby="token-title" {
                    h2 #token-title { "With a personal token" }
                    @if let Some(failure) = page.failure {
                        p role="alert" { (crate::status::Shape::Bad.loud(failure)) }
                    }
                    form method="post" action=(paths::LOGIN) {
                        input type="hidden" name="next" value=(page.next);
                        label for="token" { "Token" }
                        input #token type="password" name="token" autocomplete="current-password" required;
                        div.row { button.btn.go { "Sign in" } }
                    }
                }
                @if !page.demo.is_empty() {
                    section.panel aria-labelledby="demo-title" {
                        h2 #demo-title { "As one of the demo's people" }
                        p.soft { "They exist only in the embedded reference project, and only while it is served to this machine alone." }
                        form.row method="post" action=(paths::LOGIN_DEMO) {
                            input type="hidden" name="next" value=(page.next);
                            @for (name, role) in &page.demo {
                                button.btn name="person" value=(name) { "Sign in as " (name) " (demo), " (role) }
                            }
                        }
                    }
                }
            }
            aside aria-label="About tokens" {
                section.panel {
                    h2 { "No token yet?" }
                    p { "Whoever runs this platform gives you one. It begins with " code { "q9p_" } " and is the same that git and the command line take." }
                    p.soft { "The session lasts twelve hours. It is kept in a cookie that only this server reads." }
                }
            }
        }
    };
    bare(visitor, "Sign in", &body)
}
