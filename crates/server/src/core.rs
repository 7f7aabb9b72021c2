//! What everything in the server shares.

use std::sync::Arc;

use qnt9_engine::State;
use qnt9_model::door::{Answer, Door, Identity, Workspace};
use qnt9_model::{Actor, Ask, AttemptId, CheckId, Command, Entry, Refusal, Role, StreamId};
use qnt9_store::key::{MacKey, SealKey};
use qnt9_store::{Blobs, DataFolder, LogHandle, MasterKey};
use tokio::sync::watch;

use crate::config::Config;
use crate::identity;
use crate::machine::Machine;
use crate::orders::gateways::Gateways;
use crate::orders::jobs::LiveJobs;
use crate::past::{Moment, Past, PastError, When};
use crate::repositories::Abandoned;
use crate::sharing::{Claims, Owners};

/// What everything in the server shares. Clones are cheap and the same.
#[derive(Clone)]
pub struct Core {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    folder: DataFolder,
    machine: Machine,
    owners: Owners,
    claims: Claims,
    log: LogHandle,
    blobs: Blobs,
    log_key: SealKey,
    token_key: MacKey,
    session_key: MacKey,
    key: MasterKey,
    live_jobs: LiveJobs,
    gateways: Gateways,
    abandoned: Abandoned,
    settling: tokio::sync::Mutex<()>,
    past: Past,
}

impl Core {
    pub(crate) fn new(
        config: Config,
        folder: DataFolder,
        machine: Machine,
        log: LogHandle,
        blobs: Blobs,
        key: MasterKey,
    ) -> Self {
        let gateways = Gateways::new(&config.program);
        let inner = Inner {
            log_key: key.seal_key("job-logs"),
            token_key: key.mac_key("job-tokens"),
            session_key: key.mac_key("console-sessions"),
            config,
            folder,
            machine,
            owners: Owners::default(),
            claims: Claims::default(),
            log,
            blobs,
            key,
            live_jobs: LiveJobs::default(),
            gateways,
            abandoned: Abandoned::default(),
            settling: tokio::sync::Mutex::default(),
            past: Past::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Asks a command; answered when its facts are durable.
    pub async fn ask(
        &self,
        stream: &StreamId,
        by: &Actor,
        command: Command,
    ) -> Result<Vec<Entry>, Refusal> {
        let ask = Ask { stream: stream.clone(), by: by.clone(), command };
        self.inner.machine.ask(ask).await
    }

    /// Asks a command in the machine's own name.
    pub async fn tell(&self, stream: &StreamId, command: Command) -> Result<Vec<Entry>, Refusal> {
        self.ask(stream, &Actor::Platform, command).await
    }

    /// Reads the durable state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.inner.machine.read(look)
    }

    /// A project as it stood at an earlier moment.
    pub(crate) async fn past(
        &self,
        stream: &StreamId,
        when: When,
    ) -> Result<Arc<Moment>, PastError> {
        self.inner.past.moment(&self.inner.log, stream, when).await
    }

    /// Changes whenever the state does.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.machine.changed()
    }

    /// Why nothing can be recorded at the moment.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner.machine.trouble()
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Where this server is reached.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.config.listen)
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &DataFolder {
        &self.inner.folder
    }

    /// The log, for reading and exporting.
    #[must_use]
    pub fn log(&self) -> &LogHandle {
        &self.inner.log
    }

    /// Where releases lie as OCI layouts, each in a folder named by its digest.
    #[must_use]
    pub fn releases(&self) -> std::path::PathBuf {
        self.inner.folder.root().join("releases")
    }

    /// The blobs.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// The key that job logs are sealed with.
    #[must_use]
    pub fn log_key(&self) -> &SealKey {
        &self.inner.log_key
    }

    /// The master key, for keys of further purposes.
    #[must_use]
    pub fn key(&self) -> &MasterKey {
        &self.inner.key
    }

    /// The key that console sessions are authenticated with.
    #[must_use]
    pub fn session_key(&self) -> &MacKey {
        &self.inner.session_key
    }

    /// The pushes that nobody receives any more.
    pub(crate) fn abandoned(&self) -> &Abandoned {
        &self.inner.abandoned
    }

    /// Held while a push is settled: what was read of the refs must be told before they are read
    /// again, or an older push would be the last to say where a branch is.
    pub(crate) fn settling(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.settling
    }

    /// What followed attempts are at.
    #[must_use]
    pub fn live_jobs(&self) -> &LiveJobs {
        &self.inner.live_jobs
    }

    /// The processes that carry projects' traffic.
    pub(crate) fn gateways(&self) -> &Gateways {
        &self.inner.gateways
    }

    /// The token of an attempt.
    #[must_use]
    pub fn job_token(&self, project: &StreamId, attempt: &AttemptId) -> String {
        identity::job_token(&self.inner.token_key, project, attempt)
    }

    /// The token with which a check answers.
    pub(crate) fn check_token(&self, project: &StreamId, check: CheckId) -> String {
        identity::check_token(&self.inner.token_key, project, check)
    }

    /// Which check a token is of.
    pub(crate) fn check_of_token(&self, token: &str) -> Option<(StreamId, CheckId)> {
        identity::check_of_token(&self.inner.token_key, token)
    }

    pub(crate) fn stop_machine(&self) {
        self.inner.machine.stop();
    }

    /// The thread that decides.
    pub(crate) fn machine(&self) -> &Machine {
        &self.inner.machine
    }

    /// Who decides for the streams of others.
    pub(crate) fn owners(&self) -> &Owners {
        &self.inner.owners
    }

    /// How to ask for the lease of a stream.
    pub(crate) fn claims(&self) -> &Claims {
        &self.inner.claims
    }

    /// The key that jobs' tokens are authenticated with.
    pub(crate) fn token_key(&self) -> &MacKey {
        &self.inner.token_key
    }

    /// Who a token stands for now.
    #[must_use]
    pub fn identify(&self, token: &str) -> Option<Identity> {
        if let Some(identity) = identity::job_of_token(&self.inner.token_key, token) {
            let Actor::Job(attempt) = &identity.actor else { return None };
            let project = identity.project.as_ref()?;
            let counts = self.read(|state| {
                let project = state.projects.get(project);
                project.is_some_and(|project| project.running_leg(attempt).is_some())
            });
            return counts.then_some(identity);
        }
        let digest = identity::hash_token(token);
        self.read(|state| {
            let token = state.platform.tokens.get(&digest)?;
            let person = state.platform.people.get(&token.person)?;
            Some(person_identity(person))
        })
    }

    /// A person by name, for sessions.
    #[must_use]
    pub fn person(&self, name: &str) -> Option<Identity> {
        self.read(|state| state.platform.people.get(name).map(person_identity))
    }
}

fn person_identity(person: &qnt9_model::Person) -> Identity {
    let actor = Actor::Person { name: person.name.clone(), demo: person.demo };
    let role: Role = person.role;
    Identity { actor, role, project: None }
}

impl Door for Core {
    fn ask(&self, ask: Ask) -> Answer {
        let machine = self.inner.machine.clone();
        Box::pin(async move { machine.ask(ask).await })
    }

    fn who(&self, token: &str) -> Option<Identity> {
        self.identify(token)
    }

    fn workspace(&self, project: &StreamId, name: &str) -> Option<Workspace> {
        self.read(|state| state.projects.get(project)?.workspaces.get(name).cloned())
    }

    fn has_project(&self, project: &StreamId) -> bool {
        self.read(|state| state.projects.contains_key(project))
    }
}
