//! Terraform states and their locks.

use qnt9_model::Fact;
use qnt9_model::door::{StateLock, StateVersion};

use super::Applying;

impl Applying<'_> {
    pub(super) fn terraform(&mut self, fact: &Fact) {
        let (time, by) = (self.time(), self.entry.actor.clone());
        let (Fact::StateLocked { workspace, .. }
        | Fact::StateUnlocked { workspace, .. }
        | Fact::StateWritten { workspace, .. }
        | Fact::StateDeleted { workspace }) = fact
        else {
            return;
        };
        let state = self.project.workspaces.entry(workspace.clone()).or_default();
        match fact {
            Fact::StateLocked { lock, info, .. } => {
                state.lock =
                    Some(StateLock { id: lock.clone(), info: info.clone(), since: time, by });
            }
            Fact::StateUnlocked { .. } => state.lock = None,
            Fact::StateWritten { serial, lineage, md5, blob, bytes, .. } => {
                let version = StateVersion {
                    serial: *serial,
                    lineage: lineage.clone(),
                    md5: md5.clone(),
                    blob: blob.clone(),
                    bytes: *bytes,
                    written: time,
                    by,
                };
                state.current = Some(version.clone());
                state.history.push(version);
            }
            Fact::StateDeleted { .. } => state.current = None,
            _ => {}
        }
    }
}
