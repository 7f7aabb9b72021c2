//! What people's and jobs' programs call over HTTP: JSON under `/api/v1`, and `/healthz`.
//!
//! | file           | idea                                                          |
//! |----------------|---------------------------------------------------------------|
//! | [`shapes`]     | what goes over the wire                                       |
//! | `show`         | from the machine's state to shapes                            |
//! | `status`, `runs`, `logs`, `environments`, `rollback`, `why`, `things` | what people ask |
//! | `steps`        | what the steps of a job ask, by their attempt's token         |
//! | `standin`      | somewhere for the laptop's notifications to go                |
//!
//! Every request but `/healthz` and the stand-in needs a bearer token. Nothing is decided here: a
//! handler asks the machine, and a refusal becomes a status by its class.

mod checks;
pub(crate) mod compare;
mod environments;
mod error;
mod logs;
mod policy;
mod request;
mod rollback;
mod runs;
pub mod shapes;
mod show;
mod standin;
mod status;
mod steps;
mod things;
mod why;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use http::StatusCode;

use crate::Core;
use shapes::Healthz;

/// The largest body of an ordinary request.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The largest plan, as `terraform show -json` writes it.
const PLAN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The largest release, packed.
const RELEASE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The routes under `/api/v1`, `/healthz` and `/standin`.
pub fn router(core: Core) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/api/v1/projects", get(things::projects))
        .route("/api/v1/audit/{stream}", get(things::audit))
        .nest("/api/v1/projects/{project}", of_project())
        .nest("/api/v1/step", of_step())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(core)
        .merge(standin::router())
}

fn of_project() -> Router<Core> {
    Router::new()
        .route("/", get(things::project))
        .route("/changes", get(things::changes))
        .route("/status", get(status::status))
        .route("/runs", get(runs::list))
        .route("/runs/{run}", get(runs::show))
        .route("/runs/{run}/approve", post(runs::approve))
        .route("/runs/{run}/reject", post(runs::reject))
        .route("/runs/{run}/cancel", post(runs::cancel))
        .route("/runs/{run}/rerun", post(runs::rerun))
        .route("/runs/{run}/jobs/{job}/log", get(logs::log))
        .route("/runs/{run}/jobs/{job}/resolve", post(runs::resolve))
        .route("/runs/{run}/jobs/{job}/retry", post(runs::retry))
        .route("/dispatch", post(runs::dispatch))
        .route("/checks/{check}", post(checks::answer))
        .route("/environments", get(environments::environments))
        .route("/environments/{environment}/rollback", post(rollback::rollback))
        .route("/environments/{environment}/abort", post(rollback::abort))
        .route("/environments/{environment}/promote", post(rollback::promote))
        .route("/environments/{environment}/note", post(rollback::note))
        .route("/releases", get(environments::releases))
        .route("/diff", get(compare::compare))
        .route("/deployments", get(environments::deployments))
        .route("/deployments/{deployment}", get(environments::deployment))
        .route("/deployments/{deployment}/summary", get(environments::summary))
        .route("/policy/test", post(policy::test))
        .route("/why/{subject}", get(why::why))
        .route("/secrets", get(things::secrets))
        .route("/secrets/{name}", put(things::set_secret))
        .route("/secrets/{name}", delete(things::remove_secret))
        .route("/notifications", get(things::notifications))
        .route("/evidence", get(things::evidence))
}

fn of_step() -> Router<Core> {
    let plans = post(steps::record_plan).get(steps::recorded_plan);
    let releases = post(steps::build_release).get(steps::find_release);
    Router::new()
        .route("/context", get(steps::context))
        .route("/wait", post(steps::wait))
        .route("/release", releases.layer(DefaultBodyLimit::max(RELEASE_BYTES_MAX)))
        .route("/plan", plans.layer(DefaultBodyLimit::max(PLAN_BYTES_MAX)))
        .route("/deploy", post(steps::deploy))
        .route("/evidence", post(steps::evidence))
        .route("/load", post(steps::load))
        .route("/notify", post(steps::notify))
        .route("/url", get(steps::url))
        .route("/health", get(steps::health))
        .route("/database", post(steps::database))
        .route("/environment-database", get(steps::environment_database))
}

async fn healthz(State(core): State<Core>) -> (StatusCode, Json<Healthz>) {
    let trouble = core.trouble();
    let (status, word) = match trouble {
        None => (StatusCode::OK, "ok"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "trouble"),
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    (status, Json(Healthz { status: word.to_owned(), version, trouble, decides: core.decides() }))
}

#[cfg(test)]
mod tests;
