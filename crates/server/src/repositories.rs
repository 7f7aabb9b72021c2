//! Serves the projects' git repositories, and brings an embedded project into one.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use qnt9_github::artifacts::{Artifact, ArtifactIndex, ArtifactServer};
use qnt9_github::git::{Conversation, GitHost, Repositories, Service};
use qnt9_model::{Door, Entry, Fact, PushId, RunId, StreamId};
use qnt9_runner::git;
use tokio::io::AsyncReadExt as _;

use crate::Core;
use crate::orders::pushes;

/// What git said of an error is shown up to this.
const COMPLAINT_BYTES_MAX: u64 = 4096;

/// Pushes that could not be settled when they had been received. Together with those that were offered
/// before this server decided for their project, nobody is receiving them any more; all others are
/// settled by the task that receives them.
#[derive(Debug, Default)]
pub(crate) struct Abandoned(Mutex<BTreeSet<(StreamId, PushId)>>);

impl Abandoned {
    pub(crate) fn contains(&self, core: &Core, project: &StreamId, push: PushId) -> bool {
        push.0 <= core.machine().owned_since(project)
            || self.set().contains(&(project.clone(), push))
    }

    fn set(&self) -> std::sync::MutexGuard<'_, BTreeSet<(StreamId, PushId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the outside's own clients speak: git, the artifact actions, terraform.
pub(crate) fn router(core: &Core, door: &Arc<dyn Door>) -> Router {
    let states = core.key().seal_key("terraform-states");
    let index = Arc::new(Artifacts { core: core.clone() });
    qnt9_terraform::StateServer::new(door.clone(), core.blobs().clone(), states)
        .router()
        .merge(ArtifactServer::new(door.clone(), index, core.blobs().clone()).router())
        .merge(repositories(core, door))
}

struct Artifacts {
    core: Core,
}

impl ArtifactIndex for Artifacts {
    fn artifacts(&self, project: &StreamId, run: RunId) -> Option<Vec<Artifact>> {
        self.core.read(|state| {
            let project = state.projects.get(project)?;
            project.runs.get(&run)?;
            let first = (run, String::new());
            let of_run = project.artifacts.range(first..).take_while(|((of, _), _)| *of == run);
            let now = crate::machine::now();
            let of_run = of_run.filter(|(_, kept)| kept.expires > now);
            let artifacts = of_run.map(|((_, name), kept)| Artifact {
                name: name.clone(),
                attempt: kept.attempt.clone(),
                blob: kept.blob.clone(),
                bytes: kept.bytes,
                expires: kept.expires,
            });
            Some(artifacts.collect())
        })
    }
}

/// `/git/PROJECT.git/…`
fn repositories(core: &Core, door: &Arc<dyn Door>) -> Router {
    qnt9_github::git::router(GitHost {
        door: door.clone(),
        repositories: Arc::new(Hosted { core: core.clone() }),
        public_read: core.config().public_read,
    })
}

struct Hosted {
    core: Core,
}

impl Repositories for Hosted {
    fn serve(
        &self,
        project: &StreamId,
        service: Service,
        advertise: bool,
        protocol: Option<&str>,
    ) -> Result<Conversation, String> {
        let service = match service {
            Service::UploadPack => git::Service::UploadPack,
            Service::ReceivePack => git::Service::ReceivePack,
        };
        let git = pushes::git(&self.core, project);
        let mut child =
            git.serve(service, advertise, protocol).map_err(|error| error.to_string())?;
        let input = child.stdin.take().ok_or("git has no standard input")?;
        let output = child.stdout.take().ok_or("git has no standard output")?;
        let complaints = child.stderr.take().ok_or("git has no standard error")?;
        let end = async move {
            let mut said = String::new();
            let mut complaints = complaints.take(COMPLAINT_BYTES_MAX);
            let read = complaints.read_to_string(&mut said).await;
            let status = child.wait().await.map_err(|error| error.to_string())?;
            match (status.success(), read) {
                (true, _) => Ok(()),
                (false, Ok(_)) => Err(format!("git ended with {status}: {}", said.trim())),
                (false, Err(error)) => Err(format!("git ended with {status} ({error})")),
            }
        };
        Ok(Conversation { input: Box::new(input), output: Box::new(output), end: Box::pin(end) })
    }

    fn settle(
        &self,
        project: &StreamId,
        push: PushId,
    ) -> Pin<Box<dyn Future<Output = Vec<String>> + Send>> {
        let (core, project) = (self.core.clone(), project.clone());
        Box::pin(async move {
            let settled = pushes::settle(&core, &project, push).await;
            match settled {
                Ok(entries) => remarks(&core, &entries),
                Err(error) => {
                    tracing::warn!(%project, %push, "a push was not settled: {error}");
                    core.abandoned().set().insert((project.clone(), push));
                    vec![format!("qnt9: the push is stored, but not yet looked at: {error}")]
                }
            }
        })
    }
}

/// What a push started, for the eyes of whoever pushed.
fn remarks(core: &Core, entries: &[Entry]) -> Vec<String> {
    let remark = |entry: &Entry| match &entry.fact {
        Fact::RunCreated { name, path, .. } => {
            let (stream, run) = (&entry.stream, entry.sequence);
            Some(format!("qnt9: run {run}, {name} ({path}): {}/p/{stream}/runs/{run}", core.url()))
        }
        Fact::WorkflowRefused { message, .. } => Some(format!("qnt9: {}", message.show())),
        Fact::PolicyRefused { message, .. } => {
            Some(format!("qnt9: the rules stay as they were: {}", message.show()))
        }
        _ => None,
    };
    entries
        .iter()
        .filter_map(remark)
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

impl Core {
    /// Makes a project with a repository that holds these files as its first commit on the default
    /// branch. Nothing is started by it. Done before, it changes nothing.
    pub async fn create_project(
        &self,
        project: &NewProject,
        files: &[git::NewFile],
        by: &git::Signature,
    ) -> Result<(), String> {
        let NewProject { name, embedded, time_scale, default_branch } = project;
        let command = qnt9_model::Command::CreateProject {
            project: name.clone(),
            embedded: *embedded,
            time_scale: *time_scale,
            default_branch: default_branch.clone(),
        };
        // Its entries are this server's to write until all of it is there.
        if !self.claim(name).await {
            return Err(format!(
                "another server decides for {name}: {}",
                self.owner_of(name).unwrap_or_default()
            ));
        }
        let created = self.tell(&StreamId::platform(), command).await;
        created.map_err(|refusal| refusal.to_string())?;
        let repository = pushes::git(self, name);
        repository.init(default_branch).await.map_err(|error| error.to_string())?;
        let refs = repository.refs().await.map_err(|error| error.to_string())?;
        if refs.is_empty() && !files.is_empty() {
            let commit = repository.commit(files, &[], "Import", by).await;
            let commit = commit.map_err(|error| error.to_string())?;
            let branch = format!("refs/heads/{default_branch}");
            let moved = repository.update_ref(&branch, &commit, None).await;
            moved.map_err(|error| error.to_string())?;
        }
        let is_known = self
            .read(|state| state.projects.get(name).is_some_and(|project| !project.refs.is_empty()));
        if is_known {
            return Ok(());
        }
        pushes::import(self, name).await.map(drop).map_err(|error| error.to_string())
    }
}

/// A project to be made.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// Its name.
    pub name: StreamId,
    /// The embedded reference project.
    pub embedded: bool,
    /// By what its declared waits are divided.
    pub time_scale: u32,
    /// Its default branch.
    pub default_branch: String,
}
