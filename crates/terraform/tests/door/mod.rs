//! A machine that knows people and Terraform states only, in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use qnt9_model::door::{Answer, Identity, StateLock, StateVersion, Workspace};
use qnt9_model::{
    Actor, Ask, AttemptId, Command, Door, Entry, Fact, Millis, Refusal, Role, RunId, StreamId,
};

pub(crate) const PROJECT: &str = "shop";
pub(crate) const DEVELOPER: &str = "token-of-dora";
pub(crate) const VIEWER: &str = "token-of-vera";
pub(crate) const ADMIN: &str = "token-of-adam";
pub(crate) const JOB_OF_OTHER_PROJECT: &str = "token-of-a-job-elsewhere";

#[derive(Clone, Default)]
pub(crate) struct MemoryDoor {
    pub(crate) states: Arc<Mutex<BTreeMap<String, Workspace>>>,
    /// Why the log cannot be written, where it cannot.
    pub(crate) closed: Arc<Mutex<Option<String>>>,
}

impl MemoryDoor {
    fn decide(&self, ask: &Ask) -> Result<Vec<Fact>, Refusal> {
        if let Some(reason) = self.closed.lock().unwrap().clone() {
            return Err(Refusal::Unavailable { reason });
        }
        let mut states = self.states.lock().unwrap();
        let role = role_of(&ask.by);
        match ask.command.clone() {
            Command::LockState { workspace, lock, info } => {
                let state = states.entry(workspace.clone()).or_default();
                if state.lock.as_ref().is_some_and(|held| held.id == lock) {
                    return Ok(Vec::new());
                }
                check_lock(state, &workspace, None)?;
                let info = qnt9_model::UserText::from(info);
                let (by, since) = (ask.by.clone(), Millis(1000));
                state.lock = Some(StateLock { id: lock.clone(), info: info.clone(), since, by });
                Ok(vec![Fact::StateLocked { workspace, lock, info }])
            }
            Command::UnlockState { workspace, lock } => {
                let state = states.entry(workspace.clone()).or_default();
                let forced = lock.is_none();
                if forced && role < Role::Admin {
                    let person = ask.by.to_string();
                    let act = "force-unlock a state";
                    return Err(Refusal::Role { person, act, needed: Role::Admin, has: role });
                }
                if !forced {
                    check_lock(state, &workspace, lock.as_deref())?;
                }
                let held = state.lock.take();
                let unlocked =
                    |held: StateLock| Fact::StateUnlocked { workspace, lock: held.id, forced };
                Ok(held.map(unlocked).into_iter().collect())
            }
            Command::WriteState { workspace, lock, serial, lineage, md5, blob, bytes } => {
                let state = states.entry(workspace.clone()).or_default();
                check_lock(state, &workspace, lock.as_deref())?;
                if let Some(current) = &state.current {
                    check_follows(current, &workspace, serial, &lineage, &md5)?;
                    if current.serial == serial {
                        return Ok(Vec::new());
                    }
                }
                let version = StateVersion {
                    serial,
                    lineage: lineage.clone(),
                    md5: md5.clone(),
                    blob: blob.clone(),
                    bytes,
                    written: Millis(2000),
                    by: ask.by.clone(),
                };
                state.history.push(version.clone());
                state.current = Some(version);
                Ok(vec![Fact::StateWritten { workspace, serial, lineage, md5, blob, bytes }])
            }
            Command::DeleteState { workspace, lock } => {
                let state = states.entry(workspace.clone()).or_default();
                check_lock(state, &workspace, lock.as_deref())?;
                state.current = None;
                Ok(vec![Fact::StateDeleted { workspace }])
            }
            other => panic!("the backend asked for {other:?}"),
        }
    }
}

fn check_lock(state: &Workspace, workspace: &str, lock: Option<&str>) -> Result<(), Refusal> {
    match &state.lock {
        Some(held) if lock != Some(held.id.as_str()) => Err(Refusal::StateLocked {
            workspace: workspace.to_owned(),
            lock: held.id.clone(),
            holder: held.by.to_string(),
            info: held.info.show().to_owned(),
        }),
        _ => Ok(()),
    }
}

fn check_follows(
    current: &StateVersion,
    workspace: &str,
    serial: u64,
    lineage: &str,
    md5: &str,
) -> Result<(), Refusal> {
    let reason = if current.lineage != lineage {
        "it has another lineage than the state that is there".to_owned()
    } else if serial < current.serial || (serial == current.serial && md5 != current.md5) {
        format!("its serial is {serial}, and {} is there already", current.serial)
    } else {
        return Ok(());
    };
    Err(Refusal::StateConflict { workspace: workspace.to_owned(), reason })
}

fn role_of(actor: &Actor) -> Role {
    match actor.person() {
        Some("adam") => Role::Admin,
        Some("vera") => Role::Viewer,
        _ => Role::Developer,
    }
}

impl Door for MemoryDoor {
    fn ask(&self, ask: Ask) -> Answer {
        let decided = self.decide(&ask).map(|facts| {
            let entry = |fact| Entry {
                stream: ask.stream.clone(),
                sequence: 1,
                time: Millis(1000),
                actor: ask.by.clone(),
                fact,
            };
            facts.into_iter().map(entry).collect()
        });
        Box::pin(async move { decided })
    }

    fn who(&self, token: &str) -> Option<Identity> {
        if token == JOB_OF_OTHER_PROJECT {
            let attempt = AttemptId { run: RunId(7), job: "plan".into(), attempt: 1 };
            let project = Some(StreamId::from("other"));
            return Some(Identity { actor: Actor::Job(attempt), role: Role::Developer, project });
        }
        let name = match token {
            DEVELOPER => "dora",
            VIEWER => "vera",
            ADMIN => "adam",
            _ => return None,
        };
        let actor = Actor::Person { name: name.to_owned(), demo: false };
        Some(Identity { role: role_of(&actor), actor, project: None })
    }

    fn workspace(&self, _project: &StreamId, name: &str) -> Option<Workspace> {
        self.states.lock().unwrap().get(name).cloned()
    }

    fn has_project(&self, project: &StreamId) -> bool {
        project.as_str() == PROJECT
    }
}
