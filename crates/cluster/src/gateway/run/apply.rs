//! From one configuration to the next: everything is tried before anything is switched. An address that
//! cannot be had keeps no other place from being carried; it is tried again every second.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::{Carried, Gateway, STOP_WAIT};
use crate::gateway::config::{Config, ConfigError, Listener, read_config};
use crate::gateway::control::{Applied, Unbound};
use crate::gateway::entrance::{Open, bind};
use crate::gateway::route::Route;

/// Why the gateway keeps the configuration it has.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error("there is no configuration yet")]
    NoConfig,
    // The cause is part of the text here: over the socket there is nothing but text.
    #[error("{0}{cause}", cause = cause(.0))]
    Config(#[from] ConfigError),
    #[error("generation {given} is older than generation {carried}, which is carried")]
    Older { given: u64, carried: u64 },
    #[error("generation {generation} is carried already with other content; count up")]
    SameNumber { generation: u64 },
}

fn cause(error: &ConfigError) -> String {
    std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default()
}

impl Gateway {
    /// Carries the traffic by the configuration in the directory; answers its generation and what could
    /// not be listened on. After an error everything is as before.
    pub(super) async fn apply(&self) -> Result<Applied, ApplyError> {
        let mut carried = self.carried.lock().await;
        let applied = carried.apply_file(&self.dir).await;
        carried.refused = applied.as_ref().err().map(ToString::to_string);
        applied.map(|generation| Applied { generation, unbound: carried.unbound.clone() })
    }

    /// As [`Self::apply`], at the start, when it is in order that there is nothing yet.
    pub(super) async fn apply_if_any(&self) -> Result<Applied, ApplyError> {
        match self.apply().await {
            Err(ApplyError::NoConfig) => {
                self.carried.lock().await.refused = None;
                Ok(Applied::default())
            }
            applied => applied,
        }
    }
}

impl Carried {
    async fn apply_file(&mut self, dir: &std::path::Path) -> Result<u64, ApplyError> {
        let config = read_config(dir)?.ok_or(ApplyError::NoConfig)?;
        let (given, carried) = (config.generation, self.config.generation);
        if given < carried {
            return Err(ApplyError::Older { given, carried });
        }
        if given == carried && config == self.config {
            self.bind_missing().await;
            return Ok(given);
        }
        if given == carried && carried != 0 {
            return Err(ApplyError::SameNumber { generation: given });
        }
        let bound = self.bind_new(&config).await;
        self.switch(config, bound).await;
        Ok(given)
    }

    /// Binds the addresses that are not open yet, and notes those that cannot be had.
    async fn bind_new(&mut self, config: &Config) -> BTreeMap<SocketAddr, TcpListener> {
        let mut bound = BTreeMap::new();
        self.unbound.clear();
        for Listener { place, address, .. } in &config.listeners {
            if self.open.contains_key(address) {
                continue;
            }
            match bind(*address).await {
                Ok(socket) => drop(bound.insert(*address, socket)),
                Err(error) => {
                    let (place, reason) = (place.clone(), error.to_string());
                    self.unbound.push(Unbound { place, address: *address, reason });
                }
            }
        }
        bound
    }

    /// Tries again to listen where that was not possible.
    pub(super) async fn bind_missing(&mut self) {
        if self.unbound.is_empty() {
            return;
        }
        let config = self.config.clone();
        let bound = self.bind_new(&config).await;
        self.open_bound(&config, bound, &self.routes());
    }

    /// Nothing here can fail. `bound` are the new listeners' sockets.
    async fn switch(&mut self, config: Config, bound: BTreeMap<SocketAddr, TcpListener>) {
        let known = self.routes();
        for listener in &config.listeners {
            let is_changed = !self.config.listeners.contains(listener);
            if let Some(open) = self.open.get(&listener.address).filter(|_| is_changed) {
                let route = Arc::new(route(listener, &known));
                self.replaced.push(open.entrance.switch(route));
            }
        }
        self.open_bound(&config, bound, &known);
        self.close_unwanted(&config).await;
        self.config = config;
        self.retire_backends(&known);
    }

    fn open_bound(
        &mut self,
        config: &Config,
        mut bound: BTreeMap<SocketAddr, TcpListener>,
        known: &[Arc<Route>],
    ) {
        for listener in &config.listeners {
            if let Some(socket) = bound.remove(&listener.address) {
                let route = Arc::new(route(listener, known));
                let open = Open::new(socket, listener.address, route);
                self.open.insert(listener.address, open);
            }
        }
    }

    async fn close_unwanted(&mut self, config: &Config) {
        let wanted = |address: &SocketAddr| {
            config.listeners.iter().any(|listener| listener.address == *address)
        };
        let unwanted: Vec<SocketAddr> =
            self.open.keys().filter(|address| !wanted(address)).copied().collect();
        for address in unwanted {
            if let Some(open) = self.open.remove(&address) {
                // Clients are turned away here, so that an arm found drained stays so.
                let place = open.entrance.place();
                self.replaced.push(open.entrance.switch(Arc::new(Route::nowhere(place))));
                tokio::spawn(open.close(STOP_WAIT).await);
            }
        }
    }

    /// Closes the idle connections to backends that no open listener asks any more.
    fn retire_backends(&self, known: &[Arc<Route>]) {
        let in_use: Vec<_> = self.open.values().map(|open| open.entrance.route()).collect();
        for backend in known.iter().flat_map(|route| route.backends()) {
            if !in_use
                .iter()
                .flat_map(|route| route.backends())
                .any(|used| Arc::ptr_eq(used, backend))
            {
                backend.retire();
            }
        }
    }
}

/// A listener's route, which goes on with the arms and backends that its place has already.
fn route(listener: &Listener, known: &[Arc<Route>]) -> Route {
    let at_place = || known.iter().filter(|route| route.place == listener.place);
    Route::new(
        listener,
        |arm| at_place().find_map(|route| Some(route.arm(arm)?.arm.clone())),
        |arm, address| {
            let mut backends =
                at_place().filter_map(|route| route.arm(arm)).flat_map(|arm| &arm.backends);
            backends.find(|backend| backend.address == address && !backend.is_retired()).cloned()
        },
    )
}
