//! `qnt9 state unlock`: who holds the lock of a Terraform state, whether they still work, and forcing it.

use std::process::ExitCode;

use qnt9_model::Millis;
use qnt9_server::api::shapes::{Phase, RunDetail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::asking::Asking;
use crate::cli::{Common, Unlock};
use crate::client::segment;
use crate::failure::{Exit, Failure};
use crate::render::Clock;
use crate::talk;

/// What the server says of a workspace.
#[derive(Deserialize)]
struct Workspace {
    lock: Option<Lock>,
}

/// A lock as the server knows it.
#[derive(Clone, Debug, Deserialize)]
struct Lock {
    id: String,
    /// `job 514.deploy.1`, or a person.
    by: String,
    since: Millis,
    /// terraform's own account of it, JSON.
    info: String,
}

/// Whether the lock may be forced open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Safety {
    /// Nobody holds it.
    Free,
    /// Whoever held it is gone for good.
    Safe,
    /// Whoever holds it works.
    Unsafe,
    /// Only a person can tell.
    Unknown,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Explained {
    workspace: String,
    lock: Option<String>,
    by: Option<String>,
    since: Option<Millis>,
    /// What terraform was doing: `OperationTypeApply`.
    operation: Option<String>,
    /// Who ran terraform, on which machine.
    who: Option<String>,
    safety: Safety,
    /// Why.
    reason: String,
    /// What to do.
    next: String,
}

/// Explains the lock; without `--explain` forces it open, too.
pub async fn unlock(common: &Common, args: &Unlock) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let client = &ask.client;
    let project = client.project(common.project.as_deref()).await?;
    let (project, workspace) = (segment(&project), segment(&args.workspace));
    let path = format!("/api/terraform/{project}/state/{workspace}");
    let found: Workspace = client.get(&format!("{path}/versions")).await?;
    let explained = match &found.lock {
        None => free(&args.workspace),
        Some(lock) => explain(&ask, &args.workspace, lock).await?,
    };
    if args.explain || found.lock.is_none() {
        ask.print(&explained, text);
        let is_held = matches!(explained.safety, Safety::Unsafe | Safety::Unknown);
        return Ok(if is_held { ExitCode::from(Exit::Held as u8) } else { ExitCode::SUCCESS });
    }
    let lock = found.lock.expect("asked above").id;
    if let Some(meant) = args.lock.as_ref().filter(|meant| **meant != lock) {
        return Err(Failure::new(format!("it is not the lock {meant} that is held: it is {lock}"))
            .hint("look again with --explain"));
    }
    ask.say(text(&explained, &ask.clock).trim_end());
    confirm(args, explained.safety)?;
    client.delete_with(&format!("{path}/lock"), &json!({ "ID": lock })).await?;
    let done = json!({ "workspace": args.workspace, "lock": lock, "forced": true });
    ask.print(&done, |_, _| format!("the lock {lock} of {} is open", args.workspace));
    Ok(ExitCode::SUCCESS)
}

fn confirm(args: &Unlock, safety: Safety) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let warning = if safety == Safety::Safe { "" } else { "it may still be in use; " };
    match talk::confirmed(&format!("{warning}force the lock of {} open? [y/N] ", args.workspace)) {
        talk::Confirmation::Yes => Ok(()),
        talk::Confirmation::No => Err(Failure::new("nothing was done: the lock is held as before")),
        talk::Confirmation::NobodyThere => Err(Failure::usage("there is no terminal to ask at")
            .hint("add --yes to do it without being asked")),
    }
}

fn free(workspace: &str) -> Explained {
    Explained {
        workspace: workspace.to_owned(),
        lock: None,
        by: None,
        since: None,
        operation: None,
        who: None,
        safety: Safety::Free,
        reason: "nobody holds its lock".to_owned(),
        next: "nothing: terraform can take it".to_owned(),
    }
}

async fn explain(ask: &Asking, workspace: &str, lock: &Lock) -> Result<Explained, Failure> {
    let info: Value = serde_json::from_str(&lock.info).unwrap_or_default();
    let said = |key: &str| info[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let (safety, reason, next) = match attempt(&lock.by) {
        None => (
            Safety::Unknown,
            format!(
                "{} ran terraform away from qnt9, which cannot see whether it still works",
                lock.by
            ),
            "ask them whether their terraform still runs; only if not: qnt9 state unlock"
                .to_owned(),
        ),
        Some((run, job, number)) => {
            let detail: RunDetail = ask.get(&format!("/runs/{run}")).await?;
            judge(&detail, run, job, number)
        }
    };
    Ok(Explained {
        workspace: workspace.to_owned(),
        lock: Some(lock.id.clone()),
        by: Some(lock.by.clone()),
        since: Some(lock.since),
        operation: said("Operation"),
        who: said("Who"),
        safety,
        reason,
        next,
    })
}

/// Run, job and attempt of `job 514.deploy.1`.
fn attempt(by: &str) -> Option<(u64, &str, u32)> {
    let name = by.strip_prefix("job ")?;
    let (run, rest) = name.split_once('.')?;
    let (job, attempt) = rest.rsplit_once('.')?;
    Some((run.parse().ok()?, job, attempt.parse().ok()?))
}

fn judge(detail: &RunDetail, run: u64, job: &str, number: u32) -> (Safety, String, String) {
    let force = "qnt9 state unlock forces it open".to_owned();
    let mut legs = detail.jobs.iter().flat_map(|one| &one.legs);
    let Some(leg) = legs.find(|leg| leg.job.as_str() == job) else {
        let reason = format!("run {run} has no job {job} any more");
        return (Safety::Unknown, reason, "look at the run: qnt9 runs".to_owned());
    };
    let newest = leg.attempts.iter().map(|attempt| attempt.number).max().unwrap_or(0);
    match leg.phase {
        _ if newest > number => {
            let reason = format!(
                "it was taken by attempt {number} of job {job}, which is over: attempt {newest} came after it"
            );
            (Safety::Safe, reason, force)
        }
        Phase::Done => {
            let reason =
                format!("job {job} of run {run} has ended and did not give it back: nobody will");
            (Safety::Safe, reason, force)
        }
        Phase::Lost => {
            let reason = format!(
                "the runner of job {run}.{job} was lost; its terraform may have been in the middle of a change"
            );
            let next = format!(
                "decide about the job first: qnt9 resume {run}.{job}, or abandon; then look at the state, and force it"
            );
            (Safety::Unknown, reason, next)
        }
        _ => {
            let reason = format!(
                "job {job} of run {run} is at work: forcing it lets two write the same state"
            );
            (
                Safety::Unsafe,
                reason,
                format!("wait: qnt9 logs -f {run}.{job}; or stop it: qnt9 cancel {run}"),
            )
        }
    }
}

fn text(explained: &Explained, clock: &Clock) -> String {
    let Explained { workspace, by, since, operation, who, safety, reason, next, lock } = explained;
    let Some(lock) = lock else { return format!("{workspace}: {reason}\n") };
    let word = match safety {
        Safety::Free | Safety::Safe => "it is safe to force it open",
        Safety::Unsafe => "it is not safe to force it open",
        Safety::Unknown => "whether it is safe, only a person can tell",
    };
    let since = since.map(|since| clock.relative(since)).unwrap_or_default();
    let by = by.as_deref().unwrap_or_default();
    let mut text = format!("{workspace} is locked by {by}, {since}\n");
    let doing = [operation.as_deref(), who.as_deref()];
    let doing: Vec<&str> = doing.into_iter().flatten().collect();
    if !doing.is_empty() {
        text.push_str(&format!("  terraform says  {}\n", doing.join(", by ")));
    }
    text.push_str(&format!("  lock            {lock}\n  {reason}\n  {word}\n  next: {next}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_read_from_who_holds_the_lock() {
        assert_eq!(attempt("job 514.deploy.1"), Some((514, "deploy", 1)));
        assert_eq!(attempt("job 5.a.b.12"), Some((5, "a.b", 12)));
        assert_eq!(attempt("alice"), None);
    }
}
