//! The life of the serving process: listen, serve, stop without losing a request.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, serve::ListenerExt as _};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::timeout,
};

use crate::{config::Config, log};

/// Requests still running this long after the signal to stop are given up.
const STOP_WAIT_MAX: Duration = Duration::from_secs(20);

/// Serves until SIGTERM or SIGINT, then finishes the requests that have begun.
pub async fn serve(config: &Config, routes: Router) -> Result<(), String> {
    let address = format!("{}:{}", config.host, config.port);
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let bound = listener.local_addr().map_err(|e| e.to_string())?;
    log::info(&format!(
        "listening on {bound}, environment {}, release {}",
        config.environment, config.release
    ));
    let listener = listener.tap_io(|stream| {
        // Small answers must not wait for more to send. Without it they are only slower.
        let _ = stream.set_nodelay(true);
    });
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, routes).with_graceful_shutdown(async {
        // An error means that `stop` is gone, which is a reason to stop as well.
        let _ = stopped.await;
    });
    let mut server = tokio::spawn(server.into_future());

    tokio::select! {
        _ = terminate.recv() => log::info("stopping: SIGTERM"),
        _ = interrupt.recv() => log::info("stopping: SIGINT"),
        ended = &mut server => return Err(format!("stopped serving by itself: {ended:?}")),
    }
    drop(stop);
    match timeout(STOP_WAIT_MAX, server).await {
        Ok(_) => log::info("stopped, every request answered"),
        Err(_) => {
            let seconds = STOP_WAIT_MAX.as_secs();
            log::warn(&format!("stopped, giving up requests that ran longer than {seconds} s"));
        }
    }
    Ok(())
}
