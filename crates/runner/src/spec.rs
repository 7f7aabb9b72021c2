//! What the server hands to the shim of a job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use qnt9_workflow::{Defaults, Step, Template};
use serde::{Deserialize, Serialize};

use crate::limits::{CANCEL_INTERRUPT_GRACE, CANCEL_TERMINATE_GRACE, CANCEL_TIMEOUT, JOB_TIMEOUT};

/// The latest version of [`JobSpec`]; this program reads it and those before. 2 added `resume_from`.
pub const SPEC_VERSION: u32 = 2;

/// One attempt at one job. Holds no secret, so it may lie in the job's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// At most [`SPEC_VERSION`].
    pub version: u32,
    /// The run's number.
    pub run: u64,
    /// The job's key with its matrix leg, safe as a file name.
    pub job: String,
    /// Counted from 1.
    pub attempt: u32,
    /// Where the steps reach the platform, without a slash at the end.
    pub server_url: String,
    /// What `actions/checkout` fetches.
    pub checkout: CheckoutSource,
    /// The contexts of expressions that do not change while the job runs: `github`, `needs`,
    /// `strategy`, `matrix`, `inputs`, `vars`. The shim adds `env`, `job`, `steps`, `runner`,
    /// `secrets`, and to `github` what only it knows (`workspace`, `event_path`, `token`).
    pub contexts: BTreeMap<String, serde_json::Value>,
    /// `env:` of the workflow.
    pub workflow_env: Vec<(String, Template)>,
    /// `env:` of the job.
    pub job_env: Vec<(String, Template)>,
    /// Those of the job, completed by those of the workflow.
    pub defaults: Defaults,
    /// In order; a step's index here is its number everywhere.
    pub steps: Vec<Step>,
    /// `outputs:` of the job.
    pub outputs: Vec<(String, Template)>,
    /// How long things may take.
    pub patience: Patience,
    /// Where things lie.
    pub folders: Folders,
    /// The earlier attempt on whose steps and workspace this one goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_from: Option<ResumeFrom>,
}

/// An attempt that was kept (see [`crate::kept`]), and the first step that is carried out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeFrom {
    /// The kept attempt's folder. It stays as it is: the workspace is copied.
    pub attempt_dir: PathBuf,
    /// What the attempt is called, for people.
    pub attempt: String,
    /// The step, counted from 0. Those before it are taken over as they ended.
    pub step: u32,
}

/// The secret part of a job. It travels through the shim's standard input and lies in no file.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSecrets {
    /// Valid for this attempt only; also `github.token` and `secrets.GITHUB_TOKEN`.
    pub token: String,
    /// The `secrets` context.
    pub secrets: BTreeMap<String, String>,
    /// Further texts to hide in logs.
    pub masks: Vec<String>,
}

impl JobSecrets {
    /// All secrets by name, the job's token among them.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = (&str, &str)> {
        let token = ("GITHUB_TOKEN", self.token.as_str());
        let others = self.secrets.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        std::iter::once(token).chain(others.filter(|(name, _)| *name != "GITHUB_TOKEN"))
    }
}

impl std::fmt::Debug for JobSecrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.secrets.keys().collect();
        formatter.debug_struct("JobSecrets").field("names", &names).finish_non_exhaustive()
    }
}

/// What `actions/checkout` fetches when its inputs say nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutSource {
    /// Over HTTP, without credentials: the job's token goes along.
    pub clone_url: String,
    /// The commit's full id.
    pub sha: String,
    /// The full name, such as `refs/heads/main`.
    pub reference: String,
}

/// How long things may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// `timeout-minutes` of the job.
    pub job_ms: u64,
    /// From SIGINT to SIGTERM when a step is cancelled.
    pub interrupt_ms: u64,
    /// From SIGTERM to SIGKILL.
    pub terminate_ms: u64,
    /// What `always()` steps get after a cancel.
    pub cancel_ms: u64,
}

impl Default for Patience {
    /// GitHub's.
    fn default() -> Self {
        let ms = |duration: std::time::Duration| {
            u64::try_from(duration.as_millis()).expect("the limits are hours, not ages")
        };
        Self {
            job_ms: ms(JOB_TIMEOUT),
            interrupt_ms: ms(CANCEL_INTERRUPT_GRACE),
            terminate_ms: ms(CANCEL_TERMINATE_GRACE),
            cancel_ms: ms(CANCEL_TIMEOUT),
        }
    }
}

/// The folders of a job. All are absolute; those that are missing are created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folders {
    /// `GITHUB_WORKSPACE`
    pub workspace: PathBuf,
    /// `RUNNER_TEMP`, emptied when the job starts.
    pub temp: PathBuf,
    /// `RUNNER_TOOL_CACHE`, kept between jobs.
    pub tool_cache: PathBuf,
    /// Where `qnt9` lies; goes first on the steps' `PATH`.
    pub bin: PathBuf,
}

impl JobSpec {
    /// The mark in the environment of every process of this attempt, by which those that a dead
    /// shim left behind are found.
    #[must_use]
    pub fn tracking_id(&self) -> String {
        use sha2::Digest as _;
        let place = sha2::Sha256::digest(self.folders.workspace.as_os_str().as_encoded_bytes());
        let place = hex::encode(&place[..8]);
        format!("qnt9_{}.{}.{}_{place}", self.run, self.job, self.attempt)
    }
}
