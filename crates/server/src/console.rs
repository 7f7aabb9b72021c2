//! Serves the console: its pages, what their forms post, live updates.
//!
//! | file      | idea                                                             |
//! |-----------|------------------------------------------------------------------|
//! | `guard`   | whose request it is, from where, and the headers of every answer |
//! | `session` | cookies, proofs of forms, links that sign in once                |
//! | `sign_in` | signing in and out                                               |
//! | `look`    | every page                                                       |
//! | `act`     | every form                                                       |
//! | `logs`    | windows, steps and searches of a log that may be long            |
//! | `audit`   | entries of the log of facts, newest first                        |
//! | `live`    | server-sent events                                               |
//!
//! What the pages look like is `qnt9_console`'s; what may be done is the engine's. Reading is free on
//! the machine itself; every write needs a session and the proof that its form came from here.

mod act;
mod audit;
mod guard;
mod live;
mod logs;
mod look;
mod session;
mod sign_in;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use qnt9_console::paths;

use crate::Core;
pub(crate) use guard::guard_programs;
use session::UsedLinks;
pub(crate) use session::cookie_of_port;

/// The largest form.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// What every handler needs.
#[derive(Clone)]
struct Console {
    core: Core,
    used_links: Arc<UsedLinks>,
}

/// The console's routes.
pub(crate) fn router(core: Core) -> Router {
    let console = Console { core, used_links: Arc::default() };
    Router::new()
        .route("/", get(look::start))
        .route(paths::LOGIN, get(sign_in::page).post(sign_in::with_token))
        .route(paths::LOGIN_DEMO, post(sign_in::as_demo))
        .route(paths::LOGOUT, post(sign_in::out))
        .route("/assets/{file}", get(look::asset))
        .route("/p/{project}", get(look::home))
        .route("/p/{project}/runs", get(look::runs))
        .route("/p/{project}/environments", get(look::environments))
        .route("/p/{project}/approvals", get(look::approvals))
        .route("/p/{project}/releases", get(look::releases))
        .route("/p/{project}/diff", get(look::difference))
        .route("/p/{project}/notifications", get(look::notifications))
        .route("/p/{project}/audit", get(audit::page))
        .route("/p/{project}/find", get(look::find))
        .route("/p/{project}/events", get(live::events))
        .route("/p/{project}/deployments/{deployment}", get(look::deployment))
        .route("/p/{project}/environments/{environment}/{act}", post(act::on_environment))
        .route("/p/{project}/runs/{run}", get(look::run))
        .route("/p/{project}/runs/{run}/{act}", post(act::on_run))
        .route("/p/{project}/runs/{run}/artifacts/{name}", get(look::artifact))
        .route("/p/{project}/runs/{run}/jobs/{job}/log", get(logs::page))
        .route("/p/{project}/runs/{run}/jobs/{job}/log.txt", get(logs::raw))
        .route("/p/{project}/runs/{run}/jobs/{job}/lines", get(logs::fragment))
        .route("/p/{project}/runs/{run}/jobs/{job}/live", get(live::lines))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn_with_state(console.clone(), guard::guard))
        .with_state(console)
}
