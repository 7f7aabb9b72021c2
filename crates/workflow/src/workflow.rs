//! A workflow file that has been read and checked.
//!
//! These types are stored and read back by later versions: a field is only ever added with
//! `#[serde(default)]`, and none changes its meaning.

use serde::{Deserialize, Serialize};

use crate::trigger::Trigger;
use crate::{Condition, EvaluationError, Leg, Matrix, Position, Scope, Template, Value};

/// A whole workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// The path of its file, as it was given to [`crate::parse`].
    pub path: String,
    pub name: Option<String>,
    pub run_name: Option<Template>,
    pub on: Vec<Trigger>,
    pub env: Vec<(String, Template)>,
    pub defaults: Defaults,
    pub concurrency: Option<Concurrency>,
    pub permissions: Option<Permissions>,
    /// In the order of the file.
    pub jobs: Vec<Job>,
}

impl Workflow {
    /// The name that people see: `name:`, or else the path.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.path)
    }

    pub fn job(&self, key: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.key.eq_ignore_ascii_case(key))
    }

    /// Every job that `key` needs, directly or through others, in the order of the file.
    pub fn ancestors(&self, key: &str) -> Vec<&Job> {
        let mut wanted: Vec<&str> = self.job(key).iter().flat_map(|job| job.needs_keys()).collect();
        let mut at = 0;
        while let Some(next) = wanted.get(at).copied() {
            for need in self.job(next).iter().flat_map(|job| job.needs_keys()) {
                if !wanted.iter().any(|known| known.eq_ignore_ascii_case(need)) {
                    wanted.push(need);
                }
            }
            at += 1;
        }
        let is_wanted = |job: &&Job| wanted.iter().any(|key| key.eq_ignore_ascii_case(&job.key));
        self.jobs.iter().filter(is_wanted).collect()
    }
}

/// One job of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its key under `jobs:`.
    pub key: String,
    pub position: Position,
    pub name: Option<Template>,
    /// The keys of the jobs that must end before it, spelled as under `jobs:`.
    pub needs: Vec<String>,
    pub condition: Option<Condition>,
    pub strategy: Option<Strategy>,
    pub environment: Option<EnvironmentRef>,
    pub concurrency: Option<Concurrency>,
    pub env: Vec<(String, Template)>,
    pub defaults: Defaults,
    pub outputs: Vec<(String, Template)>,
    pub timeout_minutes: Option<Template>,
    pub continue_on_error: Option<Template>,
    pub runs_on: RunsOn,
    pub permissions: Option<Permissions>,
    pub steps: Vec<Step>,
}

impl Job {
    /// The name that people see: `name:`, or else the key. The legs of a matrix are told apart by
    /// their labels, unless the name itself is computed.
    ///
    /// # Errors
    /// An expression of the name has no value in the scope.
    pub fn display_name(
        &self,
        leg: Option<&Leg>,
        scope: &Scope<'_>,
    ) -> Result<String, EvaluationError> {
        let name = match &self.name {
            Some(name) if name.has_expressions() => return name.interpolate(scope),
            Some(name) if !name.source.is_empty() => &name.source,
            _ => &self.key,
        };
        Ok(match leg {
            Some(leg) if !leg.label.is_empty() => format!("{name} ({})", leg.label),
            _ => name.clone(),
        })
    }

    fn needs_keys(&self) -> impl Iterator<Item = &str> {
        self.needs.iter().map(String::as_str)
    }
}

/// One step of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub id: Option<String>,
    pub position: Position,
    pub name: Option<Template>,
    pub condition: Option<Condition>,
    pub action: StepAction,
    pub env: Vec<(String, Template)>,
    pub continue_on_error: Option<Template>,
    pub timeout_minutes: Option<Template>,
}

impl Step {
    /// The name that people see: `name:`, or else what the step does.
    ///
    /// # Errors
    /// An expression of the name has no value in the scope.
    pub fn display_name(&self, scope: &Scope<'_>) -> Result<String, EvaluationError> {
        match (&self.name, &self.action) {
            (Some(name), _) => name.interpolate(scope),
            (None, StepAction::Uses { reference, .. }) => Ok(format!("Run {reference}")),
            (None, StepAction::Run { script, .. }) => {
                let script = script.interpolate(scope)?;
                Ok(format!("Run {}", script.trim_start().lines().next().unwrap_or_default()))
            }
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StepAction {
    /// `run:`
    Run { script: Template, shell: Option<Template>, working_directory: Option<Template> },
    /// `uses:`, an action in a repository (`owner/name[/path]@ref`) or in the workspace (`./path`).
    Uses { reference: String, with: Vec<(String, Template)> },
}

/// `strategy:`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    pub matrix: Option<Matrix>,
    /// True unless said otherwise; see [`Strategy::fails_fast`].
    pub fail_fast: Option<Template>,
    pub max_parallel: Option<Template>,
}

/// `defaults.run`
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Defaults {
    pub shell: Option<Template>,
    pub working_directory: Option<Template>,
}

/// `concurrency:`, of which at most one holder of a group runs at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concurrency {
    pub group: Template,
    pub cancel_in_progress: Option<Template>,
    #[serde(default, skip_serializing_if = "Queue::is_single")]
    pub queue: Queue,
}

/// How many may wait for a concurrency group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Queue {
    /// One: a newcomer takes the place of whoever waits.
    #[default]
    Single,
    /// As many as GitHub lets wait, in the order in which they came.
    Max,
}

impl Queue {
    const fn is_single(&self) -> bool {
        matches!(self, Self::Single)
    }
}

impl Concurrency {
    /// Whether a newcomer cancels the holder; false unless said otherwise.
    pub fn cancels_in_progress(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        self.cancel_in_progress.as_ref().map_or(Ok(false), |template| template.boolean(scope))
    }
}

/// `environment:`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentRef {
    pub name: Template,
    /// Evaluated when the job has ended.
    pub url: Option<Template>,
}

/// `runs-on:`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunsOn {
    pub group: Option<Template>,
    pub labels: Vec<Template>,
}

impl RunsOn {
    /// The labels that a runner must all have. One `${{ }}` may yield an array of them.
    pub fn labels(&self, scope: &Scope<'_>) -> Result<Vec<String>, EvaluationError> {
        let mut labels = Vec::new();
        for template in &self.labels {
            match template.value(scope)? {
                Value::Array(items) if items.iter().all(Value::is_primitive) => {
                    labels.extend(items.iter().map(Value::to_text));
                }
                _ => labels.push(template.interpolate(scope)?),
            }
        }
        Ok(labels)
    }
}

/// `permissions:`, what the job's token may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permissions {
    ReadAll,
    WriteAll,
    /// The scopes that are named; all others are [`Access::None`].
    Scopes(Vec<(String, Access)>),
}

impl Permissions {
    pub fn access(&self, scope: &str) -> Access {
        match self {
            Self::ReadAll => Access::Read,
            Self::WriteAll => Access::Write,
            Self::Scopes(scopes) => scopes
                .iter()
                .find(|(name, _)| name == scope)
                .map_or(Access::None, |(_, access)| *access),
        }
    }
}

/// How far a permission reaches. Who may write may also read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Access {
    None,
    Read,
    Write,
}
