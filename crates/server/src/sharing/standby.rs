//! Answers at the addresses of dead servers of this machine: the jobs they started go on, and their
//! steps ask where they were told to.
//!
//! A dead server's address is taken when it is free and given back when the server lives again. A
//! server that is only held up keeps its address, and what is asked there waits with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use qnt9_store::folder::Server;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Core;

/// How often it is looked who lives.
const PULSE: Duration = Duration::from_millis(300);

/// Runs until the task it runs in is ended; then every address is given back.
pub(crate) async fn stand_by(core: Core, router: Router) {
    let mut taken: BTreeMap<SocketAddr, watch::Sender<bool>> = BTreeMap::new();
    loop {
        let root = core.folder().root().to_owned();
        let servers = tokio::task::spawn_blocking(move || Server::all(&root)).await;
        match servers {
            Ok(Ok(servers)) => {
                let dead = addresses_of_dead(&servers, core.config().listen);
                taken.retain(|address, _| dead.contains(address));
                for address in dead {
                    if !taken.contains_key(&address)
                        && let Ok(listener) = TcpListener::bind(address).await
                    {
                        tracing::info!(%address, "answering in the place of a server that ended");
                        taken.insert(address, serve(listener, router.clone()));
                    }
                }
            }
            Ok(Err(error)) => tracing::warn!("who shares the data folder is not known: {error}"),
            Err(error) => tracing::error!("looking who shares the data folder failed: {error}"),
        }
        tokio::time::sleep(PULSE).await;
    }
}

/// The addresses that nobody answers at although jobs may ask there.
fn addresses_of_dead(servers: &[Server], own: SocketAddr) -> Vec<SocketAddr> {
    let address_of = |server: &Server| -> Option<SocketAddr> {
        server.holder.address.as_deref()?.strip_prefix("http://")?.parse().ok()
    };
    let alive: Vec<SocketAddr> =
        servers.iter().filter(|server| server.is_alive).filter_map(address_of).collect();
    let dead = servers.iter().filter(|server| !server.is_alive).filter_map(address_of);
    dead.filter(|address| *address != own && !alive.contains(address)).collect()
}

/// Serves until the sender is dropped.
fn serve(listener: TcpListener, router: Router) -> watch::Sender<bool> {
    let (stop, mut stopping) = watch::channel(false);
    let stopped = async move {
        // Nothing is ever sent: the end of the sender is the sign.
        let _ = stopping.changed().await;
    };
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
        if let Err(error) = served {
            tracing::error!("standing by at another server's address ended: {error}");
        }
    });
    stop
}

#[cfg(test)]
mod tests {
    use qnt9_store::folder::Holder;

    use super::*;

    #[test]
    fn only_the_addresses_of_the_dead_are_free() {
        let server = |name: &str, port: Option<u16>, is_alive| Server {
            name: name.to_owned(),
            holder: Holder {
                pid: Some(1),
                address: port.map(|at| format!("http://127.0.0.1:{at}")),
            },
            is_alive,
        };
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let servers = [
            server("a", Some(1), true),
            server("b", Some(2), false),
            server("c", None, false),
            server("restarted elsewhere", Some(3), false),
            server("in its place", Some(3), true),
            server("me before", Some(9), false),
        ];
        assert_eq!(addresses_of_dead(&servers, at(9)), [at(2)]);
    }
}
