//! Every form: whose it is, whether it was made for them, and what the machine says to it.

use std::collections::BTreeMap;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{StatusCode, Uri};
use qnt9_console::form::CSRF_FIELD;
use qnt9_console::time::Clock;
use qnt9_console::{View, pages, paths};
use qnt9_model::command::{Again, Decision};
use qnt9_model::fact::Subjects;
use qnt9_model::refusal::RefusalClass;
use qnt9_model::{
    Command, Entry, EnvironmentName, Fact, JobKey, Refusal, ReleaseDigest, RunId, StreamId,
};

use super::guard::Caller;
use super::session::{self, Session};
use super::{Console, look};
use crate::Core;
use crate::machine::now;

/// Longest text that a form takes; its field says the same.
const TEXT_CHARS_MAX: usize = 2000;

type Fields = BTreeMap<String, String>;

/// Approve, reject, cancel, run again in whole or in part, decide about a lost job.
pub(super) async fn on_run(
    State(console): State<Console>,
    caller: Caller,
    uri: Uri,
    Path((project, run, act)): Path<(String, String, String)>,
    Form(fields): Form<Fields>,
) -> Response {
    let core = &console.core;
    let Some(session) = proven(core, &caller, uri.path(), &fields) else {
        return look::forged(core, &caller);
    };
    let stream = StreamId::from(project.as_str());
    let Some((run, command)) = run.parse().ok().and_then(|run| {
        let run = RunId(run);
        Some((run, command_on_run(run, &act, &fields)?))
    }) else {
        return unknown(core, &caller, "such thing to do with a run");
    };
    let back = paths::run(&stream, run);
    match core.ask(&stream, &session.actor, command).await {
        Ok(entries) => {
            let next = created(&entries).map_or(back, |new| paths::run(&stream, new));
            Redirect::to(&next).into_response()
        }
        Err(refusal) => refused(core, &caller, &stream, &refusal, &back),
    }
}

fn command_on_run(run: RunId, act: &str, fields: &Fields) -> Option<Command> {
    let environment = || fields.get("environment").map(|name| EnvironmentName::from(name.as_str()));
    let comment = text(fields, "comment");
    Some(match act {
        "approve" => {
            let seen = Some(seen(fields));
            Command::Approve { run, environment: environment()?, seen, comment }
        }
        "reject" => Command::Reject { run, environment: environment()?, comment },
        "cancel" => Command::CancelRun { run },
        "force-cancel" => Command::ForceCancelRun { run },
        "rerun" => {
            let what = match (fields.get("what").map(String::as_str), fields.get("job")) {
                (None, None) => Again::All,
                (Some("failed"), None) => Again::Failed,
                (None, Some(job)) => Again::Job(JobKey::from(job.as_str())),
                _ => return None,
            };
            Command::Rerun { run, what }
        }
        "retry" => {
            let job = JobKey::from(fields.get("job")?.as_str());
            Command::RetryFrom { run, job, step: fields.get("step")?.parse().ok()? }
        }
        "resolve" => {
            let job = JobKey::from(fields.get("job")?.as_str());
            let decision = match fields.get("decision")?.as_str() {
                "resume" => Decision::Resume,
                "rerun" => Decision::Rerun,
                "abandon" => Decision::Abandon,
                _ => return None,
            };
            Command::ResolveLost { run, job, decision }
        }
        _ => return None,
    })
}

/// What the page showed as the subjects of an approval.
fn seen(fields: &Fields) -> Subjects {
    let shown = |name: &str| fields.get(name).filter(|value| !value.is_empty()).cloned();
    Subjects { release: shown("release").map(ReleaseDigest), plan: shown("plan") }
}

/// Roll back, stop a rollout, or promote what waits.
pub(super) async fn on_environment(
    State(console): State<Console>,
    caller: Caller,
    uri: Uri,
    Path((project, environment, act)): Path<(String, String, String)>,
    Form(fields): Form<Fields>,
) -> Response {
    let core = &console.core;
    let Some(session) = proven(core, &caller, uri.path(), &fields) else {
        return look::forged(core, &caller);
    };
    let stream = StreamId::from(project.as_str());
    let environment = EnvironmentName::from(environment);
    let back = paths::environment(&stream, &environment);
    let command = match (act.as_str(), fields.get("to")) {
        ("abort", _) => Command::AbortRollout { environment: environment.clone() },
        ("promote", _) => Command::Promote { environment: environment.clone() },
        ("rollback", Some(to)) => {
            let to = ReleaseDigest::from(to.as_str());
            Command::Rollback { environment: environment.clone(), to }
        }
        _ => return unknown(core, &caller, "such thing to do with an environment"),
    };
    match core.ask(&stream, &session.actor, command).await {
        Ok(entries) => {
            tell_why(core, &stream, &session, &environment, &fields).await;
            let requested = entries.iter().find_map(|entry| match &entry.fact {
                Fact::DeploymentRequested { .. } => Some(qnt9_model::DeploymentId(entry.sequence)),
                Fact::DeploymentFinished { deployment, .. } | Fact::Promoted { deployment } => {
                    Some(*deployment)
                }
                _ => None,
            });
            let next = requested.map_or(back, |id| paths::deployment(&stream, id));
            Redirect::to(&next).into_response()
        }
        Err(refusal) => refused(core, &caller, &stream, &refusal, &back),
    }
}

/// Keeps the reason of a rollback as a notification. The rollback stands without it.
async fn tell_why(
    core: &Core,
    stream: &StreamId,
    session: &Session,
    environment: &EnvironmentName,
    fields: &Fields,
) {
    let (Some(reason), Some(to)) = (text(fields, "reason"), fields.get("to")) else { return };
    let to = ReleaseDigest::from(to.as_str()).short();
    let title = format!("{} rolls {environment} back to {to}", session.name);
    let notify = Command::Notify { call: None, title, text: reason, webhook: None };
    if let Err(refusal) = core.tell(stream, notify).await {
        tracing::warn!(%refusal, "the reason of a rollback was not kept");
    }
}

/// The session whose form this is.
fn proven(core: &Core, caller: &Caller, path: &str, fields: &Fields) -> Option<Session> {
    let session = caller.session.clone()?;
    let given = fields.get(CSRF_FIELD)?;
    session::is_proof(core, &session.value, path, given).then_some(session)
}

fn text(fields: &Fields, name: &str) -> Option<String> {
    let text: String = fields.get(name)?.trim().chars().take(TEXT_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

fn created(entries: &[Entry]) -> Option<RunId> {
    let created = entries.iter().find(|entry| matches!(entry.fact, Fact::RunCreated { .. }))?;
    Some(RunId(created.sequence))
}

fn unknown(core: &Core, caller: &Caller, what: &str) -> Response {
    look::html(StatusCode::NOT_FOUND, pages::not_found(&caller.visitor(core), what))
}

/// The page of a refusal: its sentence and its proof.
fn refused(
    core: &Core,
    caller: &Caller,
    stream: &StreamId,
    refusal: &Refusal,
    back: &str,
) -> Response {
    let visitor = caller.visitor(core);
    let clock = Clock::utc(now());
    let trouble = core.trouble();
    let page = core.read(|state| {
        let view = View::of(state, stream, &clock, &visitor, trouble.as_deref())?;
        Some(pages::refused(&view, refusal, back))
    });
    let page = page
        .unwrap_or_else(|| pages::trouble(&visitor, "That was refused", &refusal.to_string(), "/"));
    let status = match refusal.class() {
        RefusalClass::Unknown => StatusCode::NOT_FOUND,
        RefusalClass::Forbidden => StatusCode::FORBIDDEN,
        RefusalClass::Conflict | RefusalClass::Held => StatusCode::CONFLICT,
        RefusalClass::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    look::html(status, page)
}
