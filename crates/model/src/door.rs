//! The one way to the machine.

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::command::Ask;
use crate::entry::Entry;
use crate::ids::{Millis, StreamId};
use crate::people::Actor;
use crate::refusal::Refusal;
use crate::text::UserText;

/// The facts a command caused, durable and applied; or why it was refused.
pub type Answer = Pin<Box<dyn Future<Output = Result<Vec<Entry>, Refusal>> + Send>>;

/// The one way to the machine: ask, and be answered when the facts are durable. Implemented by the
/// server and given to every crate that speaks a foreign language.
pub trait Door: Send + Sync + 'static {
    /// Asks a command.
    fn ask(&self, ask: Ask) -> Answer;

    /// Who a secret belongs to: a person's token or a job's. `None` for nobody's.
    fn who(&self, token: &str) -> Option<Identity>;

    /// The head of a Terraform state.
    fn workspace(&self, project: &StreamId, name: &str) -> Option<Workspace>;

    /// Whether there is such a project.
    fn has_project(&self, project: &StreamId) -> bool;
}

/// Somebody the door knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub actor: Actor,
    /// What they may do; a job's token may do what a developer may, in its own project only.
    pub role: crate::people::Role,
    /// The project a job's token is bound to.
    pub project: Option<StreamId>,
}

/// A Terraform state as the machine knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The current version, if any was written and not deleted.
    pub current: Option<StateVersion>,
    /// Who holds the lock.
    pub lock: Option<StateLock>,
    /// All versions ever written, oldest first.
    pub history: Vec<StateVersion>,
}

/// One version of a Terraform state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateVersion {
    /// terraform's serial.
    pub serial: u64,
    /// terraform's lineage.
    pub lineage: String,
    /// md5 in hexadecimal.
    pub md5: String,
    /// The sealed blob.
    pub blob: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written.
    pub written: Millis,
    /// By whom.
    pub by: Actor,
}

/// A held lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateLock {
    /// Its id, chosen by terraform.
    pub id: String,
    /// terraform's lock info as JSON.
    pub info: UserText,
    /// Since when.
    pub since: Millis,
    /// By whom.
    pub by: Actor,
}
