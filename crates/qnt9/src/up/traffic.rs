//! The demonstration's users: steady traffic to production from the moment it serves, counted as the
//! users see it.

use std::time::Duration;

use http::StatusCode;
use qnt9_cluster::health::{Patience, Probe, wait_until_healthy};
use qnt9_load::{Connections, Scenario, Steady, SteadyPlan, Target};
use qnt9_server::Core;

use super::reference;

/// Requests a second.
const RATE: u32 = 200;
/// How long a user waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long production may take to answer after a restart.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// The scenario whose requests the users send.
const SCENARIO: &str = "load-tests/staging.toml";

/// The steady users, once there is something to use.
#[derive(Default)]
pub struct Traffic {
    steady: Option<Steady>,
}

/// What the users saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub requests: u64,
    pub failed: u64,
}

impl Traffic {
    /// Starts when production serves and nobody uses it yet.
    pub async fn start_if_serving(&mut self, core: &Core) {
        if self.steady.is_some() {
            return;
        }
        let address = core.read(|state| {
            let project = state.projects.get(&reference::PROJECT.into())?;
            let production = "production".into();
            let deployment = project.serving_environment(&production)?;
            project.places.get(&deployment.place)?.address.clone()
        });
        let Some(address) = address else { return };
        if !answers(&address).await {
            tracing::warn!("production has no users: it does not answer at {address}");
            return;
        }
        match start(&address).await {
            Ok(steady) => self.steady = Some(steady),
            Err(reason) => tracing::warn!("production has no users: {reason}"),
        }
    }

    /// What the users have seen so far.
    pub fn seen(&self) -> Seen {
        self.steady.as_ref().map_or_else(Seen::default, |steady| {
            let counts = steady.counts();
            Seen { requests: counts.requests, failed: counts.failed }
        })
    }

    /// The users go home.
    pub async fn stop(&mut self) -> Seen {
        let seen = self.seen();
        if let Some(steady) = self.steady.take() {
            steady.stop().await;
        }
        seen
    }
}

/// Waits until the address answers: after a restart its replicas are still on their way.
async fn answers(address: &str) -> bool {
    let Ok(address) = address.parse() else { return false };
    let probe = Probe { address, path: "/".to_owned(), expect_status: StatusCode::OK };
    let patience = Patience {
        successes: 1,
        interval: Duration::from_millis(50),
        answer_timeout: Duration::from_secs(2),
        deadline: START_PATIENCE,
    };
    wait_until_healthy(&probe, patience).await.is_ok()
}

async fn start(address: &str) -> Result<Steady, String> {
    let text = reference::text(SCENARIO).ok_or("the scenario is not embedded")?;
    let scenario = Scenario::parse(SCENARIO, text).map_err(|error| error.to_string())?;
    let target: Target =
        format!("http://{address}").parse().map_err(|_| format!("{address} is no address"))?;
    let plan = SteadyPlan {
        rate: RATE,
        connections: Connections::Kept,
        answer_timeout: PATIENCE,
        seed: 1,
    };
    Steady::start(&target, &scenario, plan).await.map_err(|error| error.to_string())
}
