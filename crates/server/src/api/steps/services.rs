//! What a step needs of the services around it: where an environment is reached, whether it is
//! healthy, and databases of its own.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use qnt9_cluster::health::{self, Got, Health, Probe, Unhealthy};
use qnt9_engine::state::{Deployment, Project};
use qnt9_model::EnvironmentName;
use serde::Deserialize;
use tokio::time::Instant;

use crate::Core;
use crate::api::error::ApiError;
use crate::api::request::{Asked, Body, JobCaller, list};
use crate::api::shapes::{DatabaseAction, HealthShape, StepDatabase, Url};
use crate::orders::replicas;

/// How long one health check through an environment's address may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a gateway that died may take until it carries again.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries to reach it.
const GATEWAY_PULSE: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
pub(crate) struct Where {
    environment: EnvironmentName,
    service: Option<String>,
}

/// Where a service of an environment is reached.
pub(crate) async fn url(
    State(core): State<Core>,
    caller: JobCaller,
    Asked(asked): Asked<Where>,
) -> Result<Json<Url>, ApiError> {
    let address = caller
        .look(&core, |project| address(project, &asked.environment, asked.service.as_deref()))?;
    Ok(Json(Url { url: format!("http://{address}") }))
}

/// The named service's address; without a name that of the first one in qnt9.toml that has one there.
fn address(
    project: &Project,
    environment: &EnvironmentName,
    service: Option<&str>,
) -> Result<String, ApiError> {
    let order = |name: &str| {
        let policy = project.policy.as_ref().map(|(_, policy)| policy);
        policy.and_then(|policy| policy.services.iter().position(|known| known.name == name))
    };
    let places = project.places.iter().filter(|(place, state)| {
        place.environment == *environment
            && state.address.is_some()
            && service.is_none_or(|service| place.service == service)
    });
    let first = places.min_by_key(|(place, _)| order(&place.service).unwrap_or(usize::MAX));
    first.and_then(|(_, state)| state.address.clone()).ok_or_else(|| {
        let known: Vec<String> = project.places.keys().map(ToString::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        ApiError::unknown("address of environment", environment, Some(list(&known)))
    })
}

/// What serves at an address of the environment.
fn serving<'a>(
    project: &'a Project,
    environment: &EnvironmentName,
    address: &str,
) -> Option<&'a Deployment> {
    let mut places = project.places.iter().filter(|(place, _)| place.environment == *environment);
    let (_, state) = places.find(|(_, state)| state.address.as_deref() == Some(address))?;
    project.deployments.get(&state.serving?)
}

#[derive(Deserialize)]
pub(crate) struct Check {
    environment: EnvironmentName,
    service: Option<String>,
    path: Option<String>,
}

/// One check through an environment's address.
pub(crate) async fn health(
    State(core): State<Core>,
    caller: JobCaller,
    Asked(asked): Asked<Check>,
) -> Result<Json<HealthShape>, ApiError> {
    let (address, path, line, serving) = caller.look(&core, |project| {
        let address = address(project, &asked.environment, asked.service.as_deref())?;
        let serving = serving(project, &asked.environment, &address);
        let policy = project.policy.as_ref().map(|(_, policy)| policy);
        let service = serving.and_then(|serving| policy?.service(&serving.place.service));
        let (path, line) = match (asked.path, service) {
            (Some(path), _) => (path, None),
            (None, Some(service)) => (service.health.clone(), Some(service.health_line)),
            (None, None) => ("/health".to_owned(), None),
        };
        Ok((address, path, line, serving.map(|serving| serving.id)))
    })?;
    let address: SocketAddr = address
        .parse()
        .map_err(|_| ApiError::Failed(format!("the address `{address}` cannot be read")))?;
    let probe = Probe { address, path: path.clone(), expect_status: StatusCode::OK };
    let report = match check_through_gateway(&probe).await {
        Health::Healthy => {
            let report = format!("GET http://{address}{path}: 200");
            return Ok(Json(HealthShape { healthy: true, report }));
        }
        Health::Unhealthy(unhealthy) => unhealthy.to_string(),
    };
    let log = serving.map(|id| replicas::last_words(&core, &caller.project, id));
    let rule = line.map(|line| format!("\n  qnt9.toml:{line}  health = \"{path}\""));
    let report = format!("{report}{}{}", log.unwrap_or_default(), rule.unwrap_or_default());
    Ok(Json(HealthShape { healthy: false, report }))
}

/// Asks until something answers: the gateway does, also in the name of a service that is down. Only a
/// gateway that died says nothing, and it is started again, so its silence is no answer.
async fn check_through_gateway(probe: &Probe) -> Health {
    let until = Instant::now() + GATEWAY_PATIENCE;
    loop {
        let health = health::check(probe, CHECK_TIMEOUT).await;
        let is_silence =
            matches!(&health, Health::Unhealthy(Unhealthy { got: Got::Nothing(_), .. }));
        if !is_silence || Instant::now() > until {
            return health;
        }
        tokio::time::sleep(GATEWAY_PULSE).await;
    }
}

/// A database on the platform's PostgreSQL.
pub(crate) async fn database(
    State(core): State<Core>,
    caller: JobCaller,
    Body(asked): Body<StepDatabase>,
) -> Result<Json<Url>, ApiError> {
    let postgres = core.config().postgres.clone();
    let postgres = postgres.ok_or_else(|| {
        let reason = "this server was started without PostgreSQL; `qnt9 doctor` says what it needs";
        ApiError::from(qnt9_model::Refusal::Unavailable { reason: reason.to_owned() })
    })?;
    let failed = |error| ApiError::failed("PostgreSQL", &error);
    // The server may be somebody's own and serves all projects: a job reaches only databases that
    // jobs of its project have made.
    let name = format!("{}.{}", caller.project, asked.name);
    let url = match asked.action {
        DatabaseAction::Create => postgres.ensure_database(&name).await.map_err(failed)?,
        DatabaseAction::Drop => {
            postgres.drop_database(&name).await.map_err(failed)?;
            String::new()
        }
    };
    Ok(Json(Url { url }))
}
