//! A new `qnt9 up` takes over from a running one, of an older version for instance. Only the server is
//! replaced: jobs, services, the gateway and PostgreSQL go on under the programs they were started with.

use std::path::Path;
use std::time::Duration;

use qnt9_store::folder::Holder;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::failure::Failure;

/// How long the running server may take to leave.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked whether it has.
const PULSE: Duration = Duration::from_millis(20);

/// What a running `qnt9 up` is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// End everything: Ctrl-C, SIGINT, SIGTERM.
    Stop,
    /// End the server only, since another takes over: SIGUSR2, as with nginx.
    Leave,
}

/// Waits until a signal asks for the end.
pub async fn wait_to_be_asked() -> Asked {
    tokio::select! {
        () = heard(SignalKind::interrupt()) => Asked::Stop,
        () = heard(SignalKind::terminate()) => Asked::Stop,
        () = heard(SignalKind::user_defined2()) => Asked::Leave,
    }
}

async fn heard(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signals) => {
            if signals.recv().await.is_some() {
                return;
            }
        }
        // Signals cannot be had; then only a kill ends this, as it would anyway.
        Err(error) => tracing::warn!("a signal is not heard: {error}"),
    }
    std::future::pending::<()>().await;
}

/// The port of the server that works in this data folder.
pub fn port_of(holder: &Holder) -> Option<u16> {
    let (_, port) = holder.address.as_deref()?.rsplit_once(':')?;
    port.parse().ok()
}

/// Asks the server that is in the way to leave, and waits until it has.
pub async fn take_over(
    data: &Path,
    holder: &Holder,
    find: impl Fn() -> Option<Holder>,
) -> Result<(), Failure> {
    let pid = holder.pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let pid = pid.ok_or_else(|| {
        Failure::new(format!(
            "{} is in use by {holder}, which does not say who it is",
            data.display()
        ))
    })?;
    // It holds the lock, so the number is its own and nobody else's.
    match kill_process(pid, Signal::USR2) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => {
            let what = format!("{holder} cannot be asked to leave {}", data.display());
            return Err(Failure::because(what, &error));
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while find().is_some() {
        if Instant::now() > deadline {
            return Err(Failure::new(format!(
                "{holder} was asked to leave {} and is still there after {} s",
                data.display(),
                PATIENCE.as_secs()
            ))
            .hint(format!(
                "end it: kill -9 {pid} loses nothing; then run `qnt9 up` again",
                pid = pid.as_raw_nonzero()
            )));
        }
        sleep(PULSE).await;
    }
    Ok(())
}
