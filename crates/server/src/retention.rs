//! Removes the bytes of artifacts whose time is over. That they were kept stays in the log.

use std::collections::BTreeSet;
use std::time::Duration;

use qnt9_engine::State;
use qnt9_model::Millis;
use qnt9_store::Digest;

use crate::{Core, machine};

/// How often it is looked for.
const PULSE: Duration = Duration::from_secs(60 * 60);

/// Looks from time to time until the task it runs in is ended.
pub(crate) async fn run(core: Core) {
    loop {
        let blobs = core.read(|state| expired(state, machine::now()));
        let removing = core.clone();
        let removed = tokio::task::spawn_blocking(move || remove(&removing, &blobs)).await;
        match removed {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "expired artifacts were removed"),
            Err(error) => tracing::error!("expired artifacts were not removed: {error}"),
        }
        tokio::time::sleep(PULSE).await;
    }
}

/// Blobs that only expired artifacts name.
fn expired(state: &State, now: Millis) -> BTreeSet<String> {
    let (mut over, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for artifact in state.projects.values().flat_map(|project| project.artifacts.values()) {
        let set = if artifact.expires <= now { &mut over } else { &mut kept };
        set.insert(artifact.blob.clone());
    }
    over.retain(|blob| !kept.contains(blob));
    over
}

fn remove(core: &Core, blobs: &BTreeSet<String>) -> usize {
    let digests = blobs.iter().filter_map(|blob| blob.parse::<Digest>().ok());
    digests
        .filter(|digest| match core.blobs().delete(digest) {
            Ok(was_there) => was_there,
            Err(error) => {
                tracing::warn!(%digest, "an expired artifact was not removed: {error}");
                false
            }
        })
        .count()
}

#[cfg(test)]
mod tests {
    use qnt9_engine::state::{Artifact, Project};
    use qnt9_model::RunId;

    use super::*;

    #[test]
    fn a_blob_goes_when_no_artifact_that_is_kept_names_it() {
        let artifact = |blob: &str, expires| Artifact {
            blob: blob.to_owned(),
            bytes: 1,
            expires: Millis(expires),
            attempt: "1.build.1".parse().unwrap(),
        };
        let mut project = Project::default();
        let kept = [("a", "old", 10), ("b", "shared", 10), ("c", "shared", 99), ("d", "new", 99)];
        for (name, blob, expires) in kept {
            project.artifacts.insert((RunId(1), name.to_owned()), artifact(blob, expires));
        }
        let mut state = State::default();
        state.projects.insert("shop".into(), project);
        let names = |now| expired(&state, Millis(now)).into_iter().collect::<Vec<_>>();
        assert_eq!(names(9), Vec::<String>::new());
        assert_eq!(names(10), ["old"]);
        assert_eq!(names(99), ["new", "old", "shared"]);
    }
}
