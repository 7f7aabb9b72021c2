//! The state of one stream as bytes, so that a start need not fold the whole log.
//!
//! A snapshot is made by one version of the state and read by the same: [`STATE_VERSION`] goes up
//! whenever a type of [`state`](crate::state) or what [`apply`](crate::apply) makes of a fact
//! changes, and an older snapshot is then refused and the log folded. Nothing is lost by that: a
//! snapshot has nothing that the log has not.

use std::collections::BTreeMap;

use qnt9_model::StreamId;
use qnt9_model::planted::{self, Fault};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::agenda::Agenda;
use crate::packed::{UnpressError, press, unpress};
use crate::state::{History, Platform, Project, State};

/// The version of the state's shape and meaning.
pub const STATE_VERSION: u32 = 2;

/// Why a snapshot cannot be read; the log is to be folded instead.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Another version of qnt9 wrote it.
    #[error("the snapshot has version {found:?}, and this qnt9 reads version {STATE_VERSION}")]
    Version {
        /// Its version, if it has any.
        found: Option<u32>,
    },
    /// Its bytes are not those of a state.
    #[error("the snapshot is damaged")]
    Damaged(#[source] UnpressError),
}

/// The state of a stream, to be read again by [`read`]. A stream without entries gives an empty one.
#[must_use]
pub fn write(state: &State, stream: &StreamId) -> Vec<u8> {
    let mut bytes = STATE_VERSION.to_le_bytes().to_vec();
    bytes.extend(if stream.as_str() == StreamId::PLATFORM {
        press(&PlatformPart::of(state))
    } else {
        state.projects.get(stream).map_or_else(|| press(&Project::default()), press)
    });
    bytes
}

/// Puts a stream's state, as [`write`] wrote it, in the place of what `state` has of that stream.
/// Reads the platform's before those of projects, as the log is folded.
pub fn read(state: &mut State, stream: &StreamId, bytes: &[u8]) -> Result<(), SnapshotError> {
    if stream.as_str() == StreamId::PLATFORM {
        let part: PlatformPart<Platform> = open(bytes)?;
        state.platform = part.platform;
        for (name, settings) in part.projects {
            let project = state.projects.entry(name).or_default();
            project.embedded = settings.embedded;
            project.time_scale = settings.time_scale;
            project.default_branch = settings.default_branch;
        }
        return Ok(());
    }
    let mut project: Project = open(bytes)?;
    if planted::is(Fault::SnapshotForgetsHolders) {
        project.holders.clear();
    }
    project.complete();
    state.projects.insert(stream.clone(), project);
    Ok(())
}

fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    let (version, rest) =
        bytes.split_first_chunk().ok_or(SnapshotError::Version { found: None })?;
    match u32::from_le_bytes(*version) {
        STATE_VERSION => unpress(rest).map_err(SnapshotError::Damaged),
        found => Err(SnapshotError::Version { found: Some(found) }),
    }
}

/// What the platform's stream makes of the state: its own part, and how its projects were created.
#[derive(Serialize, Deserialize)]
struct PlatformPart<P> {
    platform: P,
    projects: BTreeMap<StreamId, Settings>,
}

#[derive(Serialize, Deserialize)]
struct Settings {
    embedded: bool,
    time_scale: u32,
    default_branch: String,
}

impl<'a> PlatformPart<&'a Platform> {
    fn of(state: &'a State) -> Self {
        let settings = |project: &Project| Settings {
            embedded: project.embedded,
            time_scale: project.time_scale,
            default_branch: project.default_branch.clone(),
        };
        let projects = state.projects.iter();
        let projects = projects.map(|(name, project)| (name.clone(), settings(project)));
        Self { platform: &state.platform, projects: projects.collect() }
    }
}

impl Project {
    /// Makes again what is not written because it follows from the rest.
    fn complete(&mut self) {
        self.workflows.values_mut().for_each(|stored| stored.read());
        for run in self.runs.values_mut() {
            if let Some(stored) = self.workflows.get(&run.written) {
                run.source = stored.source.clone();
                run.workflow.clone_from(&stored.workflow);
            }
        }
        self.history = History::of(&self.commits);
        self.agenda = Agenda::of_all(self.live.iter().copied());
    }
}
