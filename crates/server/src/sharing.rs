//! One log, several servers: who decides for which stream, and what the others know of it.
//!
//! | file       | idea                                                             |
//! |------------|------------------------------------------------------------------|
//! | `keeper`   | takes and renews leases, takes over what a dead server left      |
//! | `share`    | which free stream is whose, and when one is given up             |
//! | `follower` | learns what the owners of other streams append                   |
//! | `forward`  | brings requests to the server whose stream they are about        |
//! | `standby`  | answers at the addresses of dead servers of this machine         |
//!
//! The fence of a lease protects the log: who lost it, however late they notice, appends nothing. All
//! else here is only for being quick.

mod follower;
pub(crate) mod forward;
mod keeper;
mod share;
pub(crate) mod standby;

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use qnt9_model::StreamId;
use qnt9_store::LeaseHolder;

use tokio::sync::oneshot;

use crate::Core;
use keeper::Keeper;

/// How long a lease counts without being renewed: as long may nobody decide when a server dies.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// Who decides for which stream, as it was last looked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners(Arc<RwLock<BTreeMap<StreamId, LeaseHolder>>>);

impl Owners {
    /// Who holds the lease of a stream.
    pub(crate) fn of(&self, stream: &StreamId) -> Option<LeaseHolder> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(stream).cloned()
    }

    fn set(&self, owners: BTreeMap<StreamId, LeaseHolder>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = owners;
    }
}

/// How leases are asked for by name; nothing where the log is not shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Arc<OnceLock<Sender<keeper::Request>>>);

/// The threads that share a log with other servers.
pub(crate) struct Sharing {
    keeper: keeper::Handle,
    follower: follower::Handle,
}

impl Sharing {
    /// Begins to follow, and to own what is free.
    pub(crate) fn start(core: &Core, me: LeaseHolder) -> std::io::Result<Self> {
        let (machine, log) = (core.machine().clone(), core.log().clone());
        let follower = follower::start(machine.clone(), log.clone())?;
        let keeper = Keeper::new(machine, log, core.owners().clone(), me).start()?;
        // Set once, for a core is shared with others once.
        let _ = core.claims().0.set(keeper.requests());
        Ok(Self { keeper, follower })
    }

    /// Gives up all leases, so that others need not wait for their end.
    pub(crate) fn stop(self) {
        self.keeper.stop();
        self.follower.stop();
    }
}

impl Core {
    /// Whether this server decides for the stream.
    #[must_use]
    pub fn owns(&self, stream: &StreamId) -> bool {
        self.machine().owns(stream)
    }

    /// The streams that this server decides for, where several share a log.
    #[must_use]
    pub fn decides(&self) -> Option<Vec<String>> {
        let leased = self.machine().leased()?;
        Some(leased.into_iter().map(|stream| stream.0).collect())
    }

    /// The address of the server that decides for the stream, if one does.
    #[must_use]
    pub fn owner_of(&self, stream: &StreamId) -> Option<String> {
        if self.owns(stream) {
            return Some(self.url());
        }
        self.owners().of(stream).map(|owner| owner.address)
    }

    /// Makes this server decide for a stream that nobody decides for yet; whether it does now.
    pub(crate) async fn claim(&self, stream: &StreamId) -> bool {
        if let Some(keeper) = self.claims().0.get()
            && !self.owns(stream)
        {
            let (reply, claimed) = oneshot::channel();
            // A keeper that has ended claims nothing.
            let _ = keeper.send(keeper::Request::Claim { stream: stream.clone(), reply });
            let _ = claimed.await;
        }
        self.owns(stream)
    }
}
