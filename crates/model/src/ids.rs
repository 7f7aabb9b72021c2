//! Ids and the few scalar types that every other word is made of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// The moment `duration_ms` milliseconds later.
    #[must_use]
    pub const fn plus(self, duration_ms: i64) -> Self {
        Self(self.0.saturating_add(duration_ms))
    }

    /// Milliseconds from `earlier` until this moment; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

name_type!(
    /// A stream of facts: `platform`, or the name of a project.
    StreamId
);
name_type!(
    /// The full hexadecimal object name of a git commit.
    Sha
);
name_type!(
    /// The digest of a release: `sha256:` and 64 hexadecimal digits of its OCI manifest.
    ReleaseDigest
);
name_type!(
    /// The name of an environment as `qnt9.toml` and `environment:` write it.
    EnvironmentName
);
name_type!(
    /// One job of a run, one leg of a matrix: the job's key, with `.N` behind it for leg N.
    /// Safe as a file name.
    JobKey
);

impl StreamId {
    /// The stream of what belongs to no project: people, tokens, projects.
    pub const PLATFORM: &'static str = "platform";

    /// The platform's own stream.
    #[must_use]
    pub fn platform() -> Self {
        Self(Self::PLATFORM.to_owned())
    }
}

impl Sha {
    /// The first seven digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl ReleaseDigest {
    /// `4be1…77`, for people.
    #[must_use]
    pub fn short(&self) -> String {
        let hex = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
        match (hex.get(..4), hex.get(hex.len().saturating_sub(2)..)) {
            (Some(head), Some(tail)) if hex.len() > 6 => format!("{head}…{tail}"),
            _ => hex.to_owned(),
        }
    }
}

macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

number_type!(
    /// A run: the sequence number of the fact that created it.
    RunId
);
number_type!(
    /// A deployment: the sequence number of the fact that requested it.
    DeploymentId
);
number_type!(
    /// A push: the sequence number of the fact that announced it.
    PushId
);
number_type!(
    /// A check that was asked for: the sequence number of the fact that requested it.
    CheckId
);
number_type!(
    /// A notification: the sequence number of the fact that posted it.
    NotificationId
);

/// One try at one job. It is the fencing token of everything the try does: an answer that names an
/// older attempt changes nothing. Written `RUN.JOB.ATTEMPT`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The run.
    pub run: RunId,
    /// The job within it.
    pub job: JobKey,
    /// Counted from 1.
    pub attempt: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.run, self.job, self.attempt)
    }
}

impl FromStr for AttemptId {
    type Err = NotAnAttempt;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotAnAttempt(text.to_owned());
        let (run, rest) = text.split_once('.').ok_or_else(wrong)?;
        let (job, attempt) = rest.rsplit_once('.').ok_or_else(wrong)?;
        Ok(Self {
            run: run.parse().map_err(|_| wrong())?,
            job: job.into(),
            attempt: attempt.parse().map_err(|_| wrong())?,
        })
    }
}

/// A text that should have been `RUN.JOB.ATTEMPT`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not of the form RUN.JOB.ATTEMPT")]
pub struct NotAnAttempt(pub String);

/// Names one call of a step command. The same key asked twice is the same request asked twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallKey {
    /// The attempt whose step calls.
    pub attempt: AttemptId,
    /// The step's place in the job, from 0.
    pub step: u32,
    /// Which call of that step, from 1.
    pub call: u32,
}

/// Where a service runs: one environment's instance of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The environment.
    pub environment: EnvironmentName,
    /// The service's name in `qnt9.toml`.
    pub service: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.environment, self.service)
    }
}
