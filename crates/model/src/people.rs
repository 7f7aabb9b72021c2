//! Who asks, and what they may.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::AttemptId;

/// What a person may do. Each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads everything but secrets.
    Viewer,
    /// Pushes, dispatches workflows, cancels runs.
    Developer,
    /// Approves and rejects deployments, rolls back.
    Approver,
    /// People, tokens, secrets, forced unlocks.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Approver => "approver",
            Self::Admin => "admin",
        })
    }
}

/// Somebody with a name here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name they sign in with.
    pub name: String,
    /// The address their commits carry.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// One of the embedded reference project's people, who act by themselves.
    pub demo: bool,
}

/// Who caused a fact or asks a command.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The machine itself: a timer, an answer from a runner, something that follows.
    Platform,
    /// A person.
    Person {
        /// Their name.
        name: String,
        /// Whether they are one of the demo's people.
        demo: bool,
    },
    /// A step of a running job, by the token of its attempt.
    Job(AttemptId),
}

impl Actor {
    /// The person's name, if it is one.
    #[must_use]
    pub fn person(&self) -> Option<&str> {
        match self {
            Self::Person { name, .. } => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("qnt9"),
            Self::Person { name, demo: false } => f.write_str(name),
            Self::Person { name, demo: true } => write!(f, "{name} (demo)"),
            Self::Job(attempt) => write!(f, "job {attempt}"),
        }
    }
}
