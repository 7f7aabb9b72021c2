//! Terraform states: one holder per lock, and no version lost.

use qnt9_model::{Entry, Fact};

use super::Broken;
use super::book::Project;

impl Project {
    pub(super) fn terraform(&mut self, entry: &Entry) -> Result<(), Broken> {
        let broken = |what: String| Err(Broken::of("lock", entry, what));
        match &entry.fact {
            Fact::StateLocked { workspace, lock, .. } => {
                let known = self.workspaces.entry(workspace.clone()).or_default();
                if let Some((other, by)) = &known.lock {
                    return broken(format!("{by} holds it by {other}"));
                }
                known.lock = Some((lock.clone(), entry.actor.clone()));
            }
            Fact::StateUnlocked { workspace, lock, forced } => {
                let known = self.workspaces.entry(workspace.clone()).or_default();
                let Some((held, by)) = known.lock.take() else {
                    return broken("nobody held it".to_owned());
                };
                if held != *lock || (!forced && by != entry.actor) {
                    return broken(format!("{by} held it by {held}"));
                }
            }
            Fact::StateWritten { workspace, serial, lineage, .. } => {
                let known = self.workspaces.entry(workspace.clone()).or_default();
                if let Some((lock, by)) = known.lock.as_ref().filter(|(_, by)| *by != entry.actor) {
                    return broken(format!("{by} holds it by {lock}"));
                }
                if known.lineage.as_ref().is_some_and(|known| known != lineage) {
                    return broken("it is of another lineage".to_owned());
                }
                if known.lineage.is_some() && *serial <= known.serial {
                    return broken(format!("version {} would be lost", known.serial));
                }
                (known.serial, known.lineage) = (*serial, Some(lineage.clone()));
            }
            Fact::StateDeleted { workspace } => {
                let known = self.workspaces.entry(workspace.clone()).or_default();
                (known.serial, known.lineage) = (0, None);
            }
            _ => {}
        }
        Ok(())
    }
}
