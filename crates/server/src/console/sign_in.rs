//! Signing in with a token or a link, as a person of the demo, and out again.

use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use qnt9_console::form::CSRF_FIELD;
use qnt9_console::pages::{self, SignIn};
use qnt9_console::paths;
use serde::Deserialize;

use super::guard::Caller;
use super::{Console, look, session};
use crate::{Core, hash_token};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    token: String,
    next: String,
}

/// The page; with a token in the address, the session at once and the address without it.
pub(super) async fn page(
    State(console): State<Console>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Response {
    if asked.token.is_empty() {
        return show(&console.core, &caller, &asked.next, None);
    }
    enter(&console, &caller, &asked)
}

/// What the form posts.
pub(super) async fn with_token(
    State(console): State<Console>,
    caller: Caller,
    Form(asked): Form<Asked>,
) -> Response {
    enter(&console, &caller, &asked)
}

fn enter(console: &Console, caller: &Caller, asked: &Asked) -> Response {
    let core = &console.core;
    let token = asked.token.trim();
    let by_link = || Some((console.used_links.take(core, token)?, None));
    let by_token = || {
        let identity = core.identify(token)?;
        Some((identity.actor.person()?.to_owned(), Some(hash_token(token))))
    };
    // A link may name somebody who has no name here any more.
    match by_link().or_else(by_token).filter(|(name, _)| core.person(name).is_some()) {
        Some((name, token_digest)) => begin(core, &name, token_digest.as_deref(), &asked.next),
        None => {
            let failure = "This token is not known here, was used before, or belongs to a job";
            show(core, caller, &asked.next, Some(failure))
        }
    }
}

#[derive(Deserialize)]
pub(super) struct AsDemo {
    person: String,
    #[serde(default)]
    next: String,
}

/// One of the demo's people: only where they exist and only for this machine.
pub(super) async fn as_demo(
    State(console): State<Console>,
    caller: Caller,
    Form(asked): Form<AsDemo>,
) -> Response {
    if demo_people(&console.core).iter().any(|(name, _)| *name == asked.person) {
        return begin(&console.core, &asked.person, None, &asked.next);
    }
    let failure =
        "Only the embedded reference project, served to this machine alone, has demo people";
    show(&console.core, &caller, &asked.next, Some(failure))
}

#[derive(Deserialize)]
pub(super) struct Out {
    #[serde(rename = "csrf", default)]
    proof: String,
}

const _: () = assert!(CSRF_FIELD.len() == 4, "the field above is spelled out by serde");

/// Ends the session.
pub(super) async fn out(
    State(console): State<Console>,
    caller: Caller,
    Form(asked): Form<Out>,
) -> Response {
    let core = &console.core;
    let proven = caller.session.as_ref().is_some_and(|session| {
        session::is_proof(core, &session.value, paths::LOGOUT, &asked.proof)
    });
    if !proven {
        return look::forged(core, &caller);
    }
    ([(SET_COOKIE, session::end(core))], Redirect::to("/")).into_response()
}

fn begin(core: &Core, name: &str, token_digest: Option<&str>, next: &str) -> Response {
    tracing::info!(person = name, "signed in to the console");
    let next = if is_local(next) { next } else { "/" };
    ([(SET_COOKIE, session::begin(core, name, token_digest))], Redirect::to(next)).into_response()
}

/// Whether a path stays on this server: not `//host`, not a scheme.
fn is_local(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.chars().any(char::is_control)
        && !next.starts_with(paths::LOGIN)
}

fn show(core: &Core, caller: &Caller, next: &str, failure: Option<&str>) -> Response {
    let demo = demo_people(core);
    let page = pages::sign_in(&caller.visitor(core), &SignIn { next, demo, failure });
    let status = if failure.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    look::html(status, page)
}

/// The demo's people with their roles, where the sign-in page may offer them.
fn demo_people(core: &Core) -> Vec<(String, String)> {
    if !core.config().listen.ip().is_loopback() {
        return Vec::new();
    }
    core.read(|state| {
        let embedded = state.projects.values().any(|project| project.embedded);
        let people = state.platform.people.values().filter(|person| embedded && person.demo);
        people.map(|person| (person.name.clone(), person.role.to_string())).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn after_signing_in_one_stays_on_this_server() {
        assert!(is_local("/"));
        assert!(is_local("/p/qnt9-srs/runs/7?job=x#job"));
        for next in ["", "//evil.example", "https://evil.example", "/\\evil", "/a\r\nb", "/login?x"]
        {
            assert!(!is_local(next), "{next}");
        }
    }
}
