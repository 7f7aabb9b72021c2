//! What `/` finds or does: every place of the project, with the command that says the same.

use maud::{Markup, html};

use crate::view::View;
use crate::waiting::waiting;
use crate::{paths, text};

/// Runs that are offered.
const RUNS_MAX: usize = 12;

/// One place to go, or thing to do.
pub(crate) struct Find {
    words: String,
    href: String,
    hint: String,
}

/// Everything on offer, what needs people first.
pub(crate) fn finds(view: &View<'_>) -> Vec<Find> {
    let mut finds = Vec::new();
    let mut add = |words: String, href: String, hint: String| {
        finds.push(Find { words, href, hint });
    };
    let section = |name: &str| paths::section(view.stream, name);
    // What waited at an earlier moment is nothing to do now.
    let waiting = if view.past.is_some() { Vec::new() } else { waiting(view) };
    for waiting in waiting.iter().filter(|waiting| waiting.wants_people()) {
        add(
            format!("Approve {} for {}", waiting.run.commit.short(), waiting.environment),
            paths::run(view.stream, waiting.run.id),
            format!("qnt9 approve {} {}", waiting.environment, waiting.run.commit.short()),
        );
    }
    add("Home: what needs you".to_owned(), paths::home(view.stream), String::new());
    for (words, name, hint) in [
        ("Runs", "runs", "qnt9 runs"),
        ("Failed runs", "runs?status=failure", "qnt9 runs"),
        ("Environments: what is where", "environments", "qnt9 environments"),
        ("Approvals", "approvals", ""),
        ("Releases and evidence", "releases", "qnt9 releases"),
        ("Notifications", "notifications", "qnt9 notifications"),
        ("Audit: who did what", "audit", "qnt9 audit verify"),
    ] {
        add(words.to_owned(), section(name), hint.to_owned());
    }
    for environment in crate::board::environments(view) {
        add(
            format!("Roll {environment} back"),
            paths::environment(view.stream, &environment),
            format!("qnt9 rollback {environment} --to RELEASE"),
        );
    }
    for run in view.project.runs.values().rev().take(RUNS_MAX) {
        add(
            format!("Run {}: {}, {}", run.id, run.name, text::cut(run.title.show(), 60)),
            paths::run(view.stream, run.id),
            format!("qnt9 logs {}", run.id),
        );
    }
    for other in view.state.projects.keys().filter(|other| *other != view.stream) {
        add(format!("Project {other}"), paths::home(other), String::new());
    }
    if view.visitor.person.is_none() {
        add("Sign in".to_owned(), paths::LOGIN.to_owned(), String::new());
    }
    finds
}

/// The list, for the palette and for the page of the same name.
pub(crate) fn list(finds: &[Find]) -> Markup {
    html! {
        ul.finds {
            @for find in finds {
                li { a href=(find.href) { (find.words) @if !find.hint.is_empty() { small.mono { (find.hint) } } } }
            }
        }
    }
}
