//! Terraform state: one decision compares lock holder, lineage and serial, so that no update is lost.

use qnt9_model::door::Workspace;
use qnt9_model::fact::Fact;
use qnt9_model::planted::{self, Fault};
use qnt9_model::{Actor, Command, Refusal, Role, UserText};

use super::On;

pub(super) fn decide(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    if let Actor::Job(attempt) = on.by {
        on.attempt(attempt)?;
    } else {
        on.person("use Terraform state", Role::Developer)?;
    }
    let (Command::LockState { workspace: name, .. }
    | Command::UnlockState { workspace: name, .. }
    | Command::WriteState { workspace: name, .. }
    | Command::DeleteState { workspace: name, .. }) = command
    else {
        return Err(on.wrong("ask it here"));
    };
    let empty = Workspace::default();
    let workspace = on.project.workspaces.get(name).unwrap_or(&empty);
    match command {
        Command::LockState { lock, info, .. } => lock_state(workspace, name, lock, info),
        Command::UnlockState { lock, .. } => unlock(on, workspace, name, lock.as_deref()),
        Command::WriteState { lock, serial, lineage, md5, blob, bytes, .. } => {
            holds_lock(workspace, name, lock.as_deref())?;
            if let Some(current) = &workspace.current {
                if current.serial == *serial && current.md5 == *md5 && current.lineage == *lineage {
                    return Ok(Vec::new());
                }
                not_older(name, current, *serial, lineage)?;
            }
            Ok(vec![Fact::StateWritten {
                workspace: name.clone(),
                serial: *serial,
                lineage: lineage.clone(),
                md5: md5.clone(),
                blob: blob.clone(),
                bytes: *bytes,
            }])
        }
        Command::DeleteState { lock, .. } => {
            holds_lock(workspace, name, lock.as_deref())?;
            if workspace.current.is_none() {
                return Ok(Vec::new());
            }
            Ok(vec![Fact::StateDeleted { workspace: name.clone() }])
        }
        _ => Err(on.wrong("ask it here")),
    }
}

fn lock_state(
    workspace: &Workspace,
    name: &str,
    lock: &str,
    info: &str,
) -> Result<Vec<Fact>, Refusal> {
    match &workspace.lock {
        Some(held) if held.id == lock => Ok(Vec::new()),
        Some(held) if !planted::is(Fault::LockTwice) => Err(locked(name, held)),
        _ => Ok(vec![Fact::StateLocked {
            workspace: name.to_owned(),
            lock: lock.to_owned(),
            info: UserText::from(info),
        }]),
    }
}

fn unlock(
    on: &On<'_>,
    workspace: &Workspace,
    name: &str,
    lock: Option<&str>,
) -> Result<Vec<Fact>, Refusal> {
    let Some(held) = &workspace.lock else { return Ok(Vec::new()) };
    if lock.is_some_and(|lock| lock != held.id) {
        return Err(locked(name, held));
    }
    let forced = lock.is_none() || held.by != *on.by;
    if forced {
        on.person("force a lock open", Role::Admin)?;
    }
    Ok(vec![Fact::StateUnlocked { workspace: name.to_owned(), lock: held.id.clone(), forced }])
}

fn holds_lock(workspace: &Workspace, name: &str, lock: Option<&str>) -> Result<(), Refusal> {
    match (&workspace.lock, lock) {
        (None, None) => Ok(()),
        (Some(held), Some(lock)) if held.id == lock => Ok(()),
        (Some(_), _) if planted::is(Fault::WriteWithoutLock) => Ok(()),
        (Some(held), _) => Err(locked(name, held)),
        (None, Some(lock)) => Err(Refusal::StateConflict {
            workspace: name.to_owned(),
            reason: format!("lock {lock} is no longer held; it was released or forced"),
        }),
    }
}

fn not_older(
    name: &str,
    current: &qnt9_model::door::StateVersion,
    serial: u64,
    lineage: &str,
) -> Result<(), Refusal> {
    let reason = if current.lineage != lineage && !planted::is(Fault::LineageNotCompared) {
        format!("its lineage is {lineage}, and the current state's is {}", current.lineage)
    } else if serial <= current.serial && !planted::is(Fault::SerialNotCompared) {
        format!("its serial is {serial}, and the current state's is {}", current.serial)
    } else {
        return Ok(());
    };
    Err(Refusal::StateConflict { workspace: name.to_owned(), reason })
}

fn locked(name: &str, held: &qnt9_model::door::StateLock) -> Refusal {
    Refusal::StateLocked {
        workspace: name.to_owned(),
        lock: held.id.clone(),
        holder: format!("{} (lock {})", held.by, held.id),
        info: held.info.show().to_owned(),
    }
}
