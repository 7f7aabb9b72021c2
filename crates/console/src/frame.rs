//! What every page has around it.

use maud::{DOCTYPE, Markup, html};

use crate::view::{View, Visitor};
use crate::{assets, find, form, past, paths};

/// The entries of the navigation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Home,
    Runs,
    Environments,
    Approvals,
    Releases,
    Notifications,
    Audit,
    None,
}

const NAVIGATION: [(Section, &str, &str); 7] = [
    (Section::Home, "Home", ""),
    (Section::Runs, "Runs", "runs"),
    (Section::Environments, "Environments", "environments"),
    (Section::Approvals, "Approvals", "approvals"),
    (Section::Releases, "Releases", "releases"),
    (Section::Notifications, "Notifications", "notifications"),
    (Section::Audit, "Audit", "audit"),
];

/// A page of a project.
pub(crate) fn page(view: &View<'_>, section: Section, title: &str, body: &Markup) -> Markup {
    let events = paths::section(view.stream, "events");
    let top = html! {
        span.soft { (view.stream) }
        nav aria-label="Project" {
            @for (entry, word, name) in NAVIGATION {
                @let href = if name.is_empty() { paths::home(view.stream) } else { paths::section(view.stream, name) };
                a href=(href) aria-current=[(entry == section).then_some("page")] { (word) }
            }
        }
    };
    let find_href = paths::section(view.stream, "find");
    let find = html! { a href=(find_href) data-find { "Find or do " kbd { "/" } } };
    let foot = html! {
        span { "qnt9 " (env!("CARGO_PKG_VERSION")) }
        span { "times in " (view.clock.zone_name()) }
        @if view.project.time_scale > 1 {
            span { "demonstration: declared waits and load tests run " (view.project.time_scale) " times shorter" }
        }
        span { "keys: " kbd { "?" } }
    };
    let dialogs = html! {
        dialog #palette aria-label="Find or do" {
            label.hidden for="palette-text" { "Find or do" }
            input #palette-text type="text" placeholder="Find or do" autocomplete="off";
            (find::list(&find::finds(view)))
        }
        (keys())
    };
    let trouble = view.trouble.map(|trouble| {
        html! {
            div.panel.alert role="alert" {
                (crate::status::Shape::Bad.loud("Nothing can be recorded at the moment"))
                p { (trouble) " Commands are refused until it is; what runs goes on and is recorded afterwards." }
            }
        }
    });
    let main = html! { (trouble.unwrap_or_default()) (past::banner(view)) (body) };
    let frame = Frame { title, events: Some(&events), top, find, foot, dialogs, main };
    frame.markup(view.visitor)
}

/// A page outside of any project: signing in, an address that leads nowhere.
pub(crate) fn bare(visitor: &Visitor, title: &str, body: &Markup) -> Markup {
    let foot = html! { span { "qnt9 " (env!("CARGO_PKG_VERSION")) } };
    let none = Markup::default;
    let main = html! { (body) };
    let frame =
        Frame { title, events: None, top: none(), find: none(), foot, dialogs: none(), main };
    frame.markup(visitor)
}

struct Frame<'a> {
    title: &'a str,
    events: Option<&'a str>,
    top: Markup,
    find: Markup,
    foot: Markup,
    dialogs: Markup,
    main: Markup,
}

impl Frame<'_> {
    fn markup(&self, visitor: &Visitor) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · qnt9" }
                    link rel="stylesheet" href=(assets::style().path);
                    link rel="icon" type="image/svg+xml" href=(assets::icon().path);
                    script defer src=(assets::script().path) {}
                }
                body data-events=[self.events] {
                    a.skip href="#main" { "Skip to what matters" }
                    header.top {
                        a.brand href="/" { "qnt9" }
                        (self.top)
                        span.right { (self.find) (account(visitor)) }
                    }
                    main #main { (self.main) }
                    footer.foot { (self.foot) }
                    (self.dialogs)
                }
            }
        }
    }
}

fn account(visitor: &Visitor) -> Markup {
    html! {
        @match &visitor.person {
            Some(person) => {
                span { (person.name) @if person.demo { " (demo)" } }
                (form::post(visitor, paths::LOGOUT, &html! { button.btn.bare { "Sign out" } }))
            }
            None => a href={ (paths::LOGIN) "?next=" (paths::segment(&visitor.here)) } { "Sign in" },
        }
    }
}

fn keys() -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            div.keys {
                h2 #keys-title { "Keys" }
                dl.facts {
                    dt { kbd { "/" } } dd { "find or do" }
                    dt { kbd { "f" } } dd { "search in the log" }
                    dt { kbd { "?" } } dd { "this list" }
                    dt { kbd { "Esc" } } dd { "close" }
                }
                form.row method="dialog" { button.btn { "Close" } }
            }
        }
    }
}
