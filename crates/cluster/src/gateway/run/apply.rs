//! From one configuration to the next: everything is tried before anything is switched.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::{Carried, Gateway, STOP_WAIT};
use crate::gateway::config::{Config, ConfigError, Listener, read_config};
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
    #[error("cannot listen on {address} for {place}: {source}", place = listener.place, address = listener.address)]
    Address { listener: Listener, source: std::io::Error },
}

fn cause(error: &ConfigError) -> String {
    std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default()
}

impl Gateway {
    /// Carries the traffic by the configuration in the directory; answers its generation. After an
    /// error everything is as before.
    pub(super) async fn apply(&self) -> Result<u64, ApplyError> {
        let mut carried = self.carried.lock().await;
        let applied = carried.apply_file(&self.dir).await;
        carried.refused = applied.as_ref().err().map(ToString::to_string);
        applied
    }

    /// As [`Self::apply`], at the start, when it is in order that there is nothing yet.
    pub(super) async fn apply_if_any(&self) -> Result<u64, ApplyError> {
        match self.apply().await {
            Err(ApplyError::NoConfig) => {
                self.carried.lock().await.refused = None;
                Ok(0)
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
            return Ok(given);
        }
        if given == carried && carried != 0 {
            return Err(ApplyError::SameNumber { generation: given });
        }
        let bound = self.bind_new(&config).await?;
        self.switch(config, bound).await;
        Ok(given)
    }

    /// Binds the addresses that are not open yet. If one fails, the others are let go again.
    async fn bind_new(&self, config: &Config) -> Result<Vec<TcpListener>, ApplyError> {
        let mut bound = Vec::new();
        for listener in &config.listeners {
            if !self.open.contains_key(&listener.address) {
                let socket = bind(listener.address)
                    .await
                    .map_err(|source| ApplyError::Address { listener: listener.clone(), source })?;
                bound.push(socket);
            }
        }
        Ok(bound)
    }

    /// Nothing here can fail. `bound` are the new listeners' sockets in the configuration's order.
    async fn switch(&mut self, config: Config, bound: Vec<TcpListener>) {
        let known = self.routes();
        let mut bound = bound.into_iter();
        for listener in &config.listeners {
            if self.config.listeners.contains(listener) && self.open.contains_key(&listener.address)
            {
                continue;
            }
            let route = Arc::new(route(listener, &known));
            if let Some(open) = self.open.get(&listener.address) {
                self.replaced.push(open.entrance.switch(route));
            } else if let Some(socket) = bound.next() {
                let open = Open::new(socket, listener.address, route);
                self.open.insert(listener.address, open);
            }
        }
        self.close_unwanted(&config).await;
        self.config = config;
        self.retire_backends(&known);
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
