//! One release after the other behind a gateway, by the recipe that fails nobody: start the new
//! replicas, wait until they are healthy, move the weights, drain the old arm, kill its replicas.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http::StatusCode;
use qnt9_cluster::gateway::{Arm, Config, Control, Listener, write_config};
use qnt9_cluster::health::{Patience, Probe, wait_until_healthy};
use qnt9_model::{DeploymentId, Place};

use super::backend::Backend;

const REPLICAS: usize = 2;
const PATIENCE: Patience = Patience {
    successes: 2,
    interval: Duration::from_millis(5),
    answer_timeout: Duration::from_secs(1),
    deadline: Duration::from_secs(10),
};

/// A place, the releases that ran there, and the gateway's control connection.
pub(crate) struct Rollout {
    dir: PathBuf,
    control: Control,
    pub(crate) place: Place,
    pub(crate) address: SocketAddr,
    generation: u64,
    running: Vec<Backend>,
    releases: u64,
    /// How long the gateway took to apply each change of weights.
    pub(crate) switches: Vec<Duration>,
}

impl Rollout {
    /// Connects to a gateway and has it carry a first release.
    pub(crate) async fn begin(dir: &Path, address: SocketAddr) -> Self {
        let place = Place { environment: "production".into(), service: "stock".to_owned() };
        let control = Control::connect(dir).await.expect("the gateway runs");
        let dir = dir.to_owned();
        let (generation, running, releases, switches) = (0, vec![], 0, vec![]);
        let mut rollout =
            Self { dir, control, place, address, generation, running, releases, switches };
        rollout.release(&[100]).await;
        rollout.switches.clear();
        rollout
    }

    /// Brings the next release, with these percentages one after the other, the last being 100.
    pub(crate) async fn release(&mut self, percentages: &[u32]) {
        let (old, new) = (release_name(self.releases), release_name(self.releases + 1));
        self.releases += 1;
        let mut starting = Vec::new();
        for _ in 0..REPLICAS {
            let backend = Backend::start(&new).await;
            let (address, path) = (backend.address, "/health".to_owned());
            let probe = Probe { address, path, expect_status: StatusCode::OK };
            wait_until_healthy(&probe, PATIENCE).await.expect("the replica is healthy");
            starting.push(backend);
        }
        let arm = |arm: &str, weight, backends: &[Backend]| Arm {
            arm: arm.to_owned(),
            weight,
            backends: backends.iter().map(|backend| backend.address).collect(),
        };
        for percent in percentages {
            let mut arms = vec![arm(&new, *percent, &starting)];
            if *percent < 100 {
                arms.push(arm(&old, 100 - percent, &self.running));
            }
            self.apply(arms).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let wait = Duration::from_secs(10);
        let in_flight = self.control.drain(&self.place, &old, wait).await.expect("drains");
        assert_eq!(in_flight, 0, "{old} is drained");
        self.running = starting;
    }

    async fn apply(&mut self, arms: Vec<Arm>) {
        self.generation += 1;
        let listener = Listener {
            place: self.place.clone(),
            generation: self.generation,
            address: self.address,
            rollout: Some(DeploymentId(self.releases)),
            arms,
        };
        let config = Config { generation: self.generation, listeners: vec![listener] };
        write_config(&self.dir, &config).expect("the configuration is written");
        let begun = Instant::now();
        let applied = self.control.apply().await.expect("the configuration is applied");
        assert_eq!(applied.generation, self.generation);
        self.switches.push(begun.elapsed());
    }
}

fn release_name(number: u64) -> String {
    format!("release-{number}")
}
