//! Which contexts and functions an expression may use at which place, from GitHub's documentation
//! of context availability.

use crate::expression::{Function, Vocabulary};

const STATUS: &[Function] =
    &[Function::Always, Function::Success, Function::Failure, Function::Cancelled];
const STATUS_AND_FILES: &[Function] = &[
    Function::Always,
    Function::Success,
    Function::Failure,
    Function::Cancelled,
    Function::HashFiles,
];
const FILES: &[Function] = &[Function::HashFiles];

const fn place(contexts: &'static [&'static str], functions: &'static [Function]) -> Place {
    Place { contexts, functions }
}

pub(super) type Place = Vocabulary<'static>;

/// Where no expression may stand.
pub(super) const NOWHERE: Place = place(&[], &[]);

const WORKFLOW: &[&str] = &["github", "inputs", "vars"];
pub(super) const RUN_NAME: Place = place(WORKFLOW, &[]);
pub(super) const WORKFLOW_CONCURRENCY: Place = place(WORKFLOW, &[]);
pub(super) const WORKFLOW_ENV: Place = place(&["github", "inputs", "vars", "secrets"], &[]);

const NEEDS: &[&str] = &["github", "inputs", "vars", "needs"];
pub(super) const JOB_IF: Place = place(NEEDS, STATUS);
pub(super) const STRATEGY: Place = place(NEEDS, &[]);

const LEG: &[&str] = &["github", "inputs", "vars", "needs", "strategy", "matrix"];
/// Most keys of a job.
pub(super) const JOB: Place = place(LEG, &[]);
pub(super) const JOB_ENV: Place =
    place(&["github", "inputs", "vars", "needs", "strategy", "matrix", "secrets"], &[]);
pub(super) const JOB_DEFAULTS: Place =
    place(&["github", "inputs", "vars", "needs", "strategy", "matrix", "env"], &[]);

const RUNNER: &[&str] =
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env"];
const RUNNER_AND_SECRETS: &[&str] = &[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env",
    "secrets",
];
pub(super) const ENVIRONMENT_URL: Place = place(RUNNER, &[]);
pub(super) const JOB_OUTPUTS: Place = place(RUNNER_AND_SECRETS, &[]);
pub(super) const STEP: Place = place(RUNNER_AND_SECRETS, FILES);
pub(super) const STEP_IF: Place = place(RUNNER, STATUS_AND_FILES);
