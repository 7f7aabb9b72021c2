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
/// The service that users look for companies in, and the scenario whose requests they send.
const SEARCHED: (&str, &str) = ("stock", "load-tests/staging.toml");
/// What is asked of every other service.
const OTHERS: &str =
    "[thresholds]\nerror_percent = 5.0\n\n[[request]]\nname = \"health\"\npath = \"/health\"\n";

/// The steady users, once there is something to use: of each service.
#[derive(Default)]
pub struct Traffic {
    steady: Vec<Steady>,
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
        if !self.steady.is_empty() {
            return;
        }
        let addresses: Vec<(String, String)> = core.read(|state| {
            let project = state.projects.get(&reference::PROJECT.into());
            let places = project.into_iter().flat_map(|project| &project.places);
            let serving = places.filter(|(place, state)| {
                place.environment.as_str() == "production" && state.serving.is_some()
            });
            let known = serving
                .filter_map(|(place, state)| Some((place.service.clone(), state.address.clone()?)));
            known.collect()
        });
        for (service, address) in addresses {
            if !answers(&address).await {
                tracing::warn!("{service} has no users: it does not answer at {address}");
                continue;
            }
            match start(&service, &address).await {
                Ok(steady) => self.steady.push(steady),
                Err(reason) => tracing::warn!("{service} has no users: {reason}"),
            }
        }
    }

    /// What the users have seen so far.
    pub fn seen(&self) -> Seen {
        let counts = self.steady.iter().map(Steady::counts);
        counts.fold(Seen::default(), |seen, counts| Seen {
            requests: seen.requests + counts.requests,
            failed: seen.failed + counts.failed,
        })
    }

    /// The users go home.
    pub async fn stop(&mut self) -> Seen {
        let seen = self.seen();
        for steady in self.steady.drain(..) {
            steady.stop().await;
        }
        seen
    }
}

/// Waits until the address answers: after a restart its replicas are still on their way.
async fn answers(address: &str) -> bool {
    let Ok(address) = address.parse() else { return false };
    let probe = Probe { address, path: "/health".to_owned(), expect_status: StatusCode::OK };
    let patience = Patience {
        successes: 1,
        interval: Duration::from_millis(50),
        answer_timeout: Duration::from_secs(2),
        deadline: START_PATIENCE,
    };
    wait_until_healthy(&probe, patience).await.is_ok()
}

async fn start(service: &str, address: &str) -> Result<Steady, String> {
    let (searched, file) = SEARCHED;
    let text = match service == searched {
        true => reference::text(file).ok_or("the scenario is not embedded")?,
        false => OTHERS,
    };
    let scenario = Scenario::parse(file, text).map_err(|error| error.to_string())?;
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
