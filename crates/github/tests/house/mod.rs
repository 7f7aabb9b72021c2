//! A machine with two people, one job and one repository, run with the git of this computer.

#![allow(dead_code, reason = "each test uses the part it needs")]

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

use qnt9_github::Artifact;
use qnt9_github::artifacts::ArtifactIndex;
use qnt9_github::git::{Conversation, Later, Repositories, Service};
use qnt9_model::door::{Answer, Identity, Workspace};
use qnt9_model::fact::RefUpdate;
use qnt9_model::{
    Actor, Ask, AttemptId, Command, Door, Entry, Fact, Millis, PushId, Refusal, Role, RunId,
    StreamId,
};
use tokio::io::AsyncReadExt as _;

pub(crate) const DEVELOPER: &str = "token-of-dora";
pub(crate) const VIEWER: &str = "token-of-vera";
pub(crate) const JOB: &str = "token-of-a-job";
pub(crate) const LATER_ATTEMPT: &str = "token-of-its-next-attempt";
pub(crate) const OTHER_JOB: &str = "token-of-another-job";
pub(crate) const JOB_ELSEWHERE: &str = "token-of-a-job-of-another-project";

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Offered(Actor, Vec<RefUpdate>),
    Settled(PushId),
}

#[derive(Clone)]
pub(crate) struct House {
    pub(crate) repository: PathBuf,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    /// Why pushes are refused, when they are.
    pub(crate) closed: Arc<Mutex<Option<String>>>,
    /// What is started instead of `git receive-pack`.
    pub(crate) instead: Arc<Mutex<Option<&'static str>>>,
    pub(crate) artifacts: Arc<Mutex<Vec<Artifact>>>,
}

impl House {
    pub(crate) fn new(repository: PathBuf) -> Self {
        let (events, closed, instead, artifacts) = Default::default();
        Self { repository, events, closed, instead, artifacts }
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    fn decide(&self, ask: &Ask) -> Result<Vec<Fact>, Refusal> {
        if let Some(reason) = self.closed.lock().unwrap().clone() {
            return Err(Refusal::Unavailable { reason });
        }
        match ask.command.clone() {
            Command::OfferPush { updates } => {
                let offered = Event::Offered(ask.by.clone(), updates.clone());
                self.events.lock().unwrap().push(offered);
                Ok(vec![Fact::PushOffered { by: ask.by.to_string(), updates }])
            }
            Command::KeepArtifact { attempt, name, blob, bytes, retention_days } => {
                let expires = Millis(i64::from(retention_days));
                let kept = Artifact { name, attempt, blob, bytes, expires };
                let mut artifacts = self.artifacts.lock().unwrap();
                artifacts.retain(|other| other.name != kept.name);
                artifacts.push(kept.clone());
                let Artifact { name, attempt, blob, bytes, expires } = kept;
                Ok(vec![Fact::ArtifactKept { attempt, name, blob, bytes, expires }])
            }
            other => panic!("nobody should ask for {other:?}"),
        }
    }
}

impl Door for House {
    fn ask(&self, ask: Ask) -> Answer {
        let decided = self.decide(&ask).map(|facts| {
            let entry = |fact| Entry {
                stream: ask.stream.clone(),
                sequence: 41,
                time: Millis(1000),
                actor: ask.by.clone(),
                fact,
            };
            facts.into_iter().map(entry).collect()
        });
        Box::pin(async move { decided })
    }

    fn who(&self, token: &str) -> Option<Identity> {
        let person = |name: &str, role| {
            let actor = Actor::Person { name: name.to_owned(), demo: false };
            Identity { actor, role, project: None }
        };
        let job = |job: &str, attempt, project: &str| {
            let attempt = AttemptId { run: RunId(7), job: job.into(), attempt };
            let project = Some(StreamId::from(project));
            Identity { actor: Actor::Job(attempt), role: Role::Developer, project }
        };
        match token {
            DEVELOPER => Some(person("dora", Role::Developer)),
            VIEWER => Some(person("vera", Role::Viewer)),
            JOB => Some(job("test", 1, "shop")),
            LATER_ATTEMPT => Some(job("test", 2, "shop")),
            OTHER_JOB => Some(job("lint", 1, "shop")),
            JOB_ELSEWHERE => Some(job("test", 1, "other")),
            _ => None,
        }
    }

    fn workspace(&self, _project: &StreamId, _name: &str) -> Option<Workspace> {
        None
    }

    fn has_project(&self, project: &StreamId) -> bool {
        project.as_str() == "shop"
    }
}

impl ArtifactIndex for House {
    fn artifacts(&self, _project: &StreamId, run: RunId) -> Option<Vec<Artifact>> {
        (run == RunId(7)).then(|| self.artifacts.lock().unwrap().clone())
    }
}

impl Repositories for House {
    fn serve(
        &self,
        _project: &StreamId,
        service: Service,
        advertise: bool,
        protocol: Option<&str>,
    ) -> Result<Conversation, String> {
        let instead = *self.instead.lock().unwrap();
        let mut command = match instead.filter(|_| service == Service::ReceivePack && !advertise) {
            Some(program) => {
                let mut command = tokio::process::Command::new("sh");
                command.args(["-c", program, "sh"]).arg(&self.repository);
                command
            }
            None => {
                let mut command = tokio::process::Command::new("git");
                command.arg(service.name().trim_start_matches("git-")).arg("--stateless-rpc");
                command.args(advertise.then_some("--http-backend-info-refs"));
                command.arg(&self.repository);
                command
            }
        };
        command.envs(protocol.map(|protocol| ("GIT_PROTOCOL", protocol)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(|error| error.to_string())?;
        let input = Box::new(child.stdin.take().unwrap());
        let output = Box::new(child.stdout.take().unwrap());
        let mut complaints = child.stderr.take().unwrap();
        let end = async move {
            let mut said = String::new();
            complaints.read_to_string(&mut said).await.map_err(|error| error.to_string())?;
            let status = child.wait().await.map_err(|error| error.to_string())?;
            if status.success() { Ok(()) } else { Err(format!("git ended with {status}: {said}")) }
        };
        Ok(Conversation { input, output, end: Box::pin(end) })
    }

    fn settle(&self, _project: &StreamId, push: PushId) -> Later<Vec<String>> {
        let events = self.events.clone();
        Box::pin(async move {
            events.lock().unwrap().push(Event::Settled(push));
            vec!["qnt9: run 42, development: http://127.0.0.1/shop/runs/42".to_owned()]
        })
    }
}

/// What a program said on both of its outputs.
pub(crate) fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}
