//! What the shim of an attempt is told.

use std::collections::BTreeMap;

use qnt9_engine::contexts;
use qnt9_engine::state::{LegState, Project, Run};
use qnt9_model::fact::ResumePoint;
use qnt9_model::{AttemptId, StreamId};
use qnt9_runner::limits::WORKSPACE_KEPT;
use qnt9_runner::spec::{
    CheckoutSource, Folders, JobSecrets, JobSpec, Patience, ResumeFrom, SPEC_VERSION,
};

use super::{folder, folders};
use crate::Core;

/// Why an attempt cannot be handed to a shim.
pub(super) enum Unbuildable {
    /// Another version of this program may be able to.
    NotYet(String),
    /// Nothing will change that: the sentence that says why.
    Never(String),
}

/// Everything that the shim of an attempt must know.
pub(super) fn build(
    core: &Core,
    stream: &StreamId,
    project: &Project,
    run: &Run,
    leg: &LegState,
    attempt: &AttemptId,
) -> Result<(JobSpec, JobSecrets), Unbuildable> {
    let not_yet = |reason: &str| Unbuildable::NotYet(reason.to_owned());
    let workflow = run
        .workflow
        .as_ref()
        .ok_or_else(|| not_yet("this version cannot read the stored workflow"))?;
    let job =
        workflow.job(&leg.job).ok_or_else(|| not_yet("the stored workflow has no such job"))?;
    let resumes = leg.attempts.last().and_then(|attempt| attempt.resumes.as_ref());
    let resume_from = resumes.map(|point| resume_from(core, stream, point)).transpose()?;
    let mut known = contexts::of_leg(stream, project, run, &attempt.job);
    if project.embedded {
        let mut vars = qnt9_workflow::Object::new();
        vars.insert("NOTIFY_WEBHOOK", qnt9_workflow::Value::String(webhook(core)));
        known.insert("vars", qnt9_workflow::Value::Object(vars));
    }
    let contexts = known.iter().map(|(name, value)| (name.to_owned(), value.clone().into()));
    let dir = folder(core, stream, attempt);
    let token = core.job_token(stream, attempt);
    let in_scope = |environment: &Option<qnt9_model::EnvironmentName>| {
        environment.is_none() || environment == &leg.leg.environment
    };
    let mut secrets: BTreeMap<String, String> = project
        .secrets
        .iter()
        .filter(|((_, environment), _)| in_scope(environment))
        .map(|((name, _), value)| (name.clone(), value.show().to_owned()))
        .collect();
    secrets.insert("GITHUB_TOKEN".to_owned(), token.clone());
    let patience = Patience {
        job_ms: u64::try_from(leg.leg.timeout_ms).unwrap_or(u64::MAX),
        ..Patience::default()
    };
    let spec = JobSpec {
        version: SPEC_VERSION,
        run: run.id.0,
        job: attempt.job.to_string(),
        attempt: attempt.attempt,
        server_url: core.url(),
        checkout: CheckoutSource {
            clone_url: format!("{}/git/{stream}.git", core.url()),
            sha: run.commit.to_string(),
            reference: run.reference.clone(),
        },
        contexts: contexts.collect(),
        workflow_env: workflow.env.clone(),
        job_env: job.env.clone(),
        defaults: qnt9_workflow::Defaults {
            shell: job.defaults.shell.clone().or_else(|| workflow.defaults.shell.clone()),
            working_directory: job
                .defaults
                .working_directory
                .clone()
                .or_else(|| workflow.defaults.working_directory.clone()),
        },
        steps: job.steps.clone(),
        outputs: job.outputs.clone(),
        patience,
        folders: Folders {
            workspace: dir.join("workspace"),
            temp: dir.join("temp"),
            tool_cache: core.folder().root().join("tool-cache"),
            bin: core.folder().root().join("bin"),
        },
        resume_from,
    };
    Ok((spec, JobSecrets { token, secrets, masks: Vec::new() }))
}

fn resume_from(
    core: &Core,
    stream: &StreamId,
    point: &ResumePoint,
) -> Result<ResumeFrom, Unbuildable> {
    let attempt_dir = folders::kept(core, stream, &point.attempt);
    if !attempt_dir.is_dir() {
        let days = WORKSPACE_KEPT.as_secs() / (24 * 60 * 60);
        return Err(Unbuildable::Never(format!(
            "the workspace of attempt {} is not kept: it is for the last failed attempt of a job, for \
             {days} days, and if it is not too big",
            point.attempt
        )));
    }
    Ok(ResumeFrom { attempt_dir, attempt: point.attempt.to_string(), step: point.step })
}

/// The embedded project's notifications go to the receiver that stands in for a chat.
fn webhook(core: &Core) -> String {
    format!("{}/standin/webhook", core.url())
}
