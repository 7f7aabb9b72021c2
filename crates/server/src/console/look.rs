//! Every page: read the state, hand it to the page, answer with HTML.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use qnt9_console::log::STEP_LINES_MAX;
use qnt9_console::pages::{self, Chosen, Compared, LiveStep, RunExtras, RunsFilter, Summary};
use qnt9_console::past::Then;
use qnt9_console::time::{self, Clock};
use qnt9_console::{Markup, View, assets, paths};
use qnt9_model::{AttemptId, DeploymentId, RunId, StreamId};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::Console;
use super::guard::Caller;
use super::logs::AttemptLog;
use crate::Core;
use crate::api::compare::meant;
use crate::machine::now;
use crate::past::{PastError, When};

/// Bytes of an artifact that are sent at once.
const PIECE_BYTES: usize = 64 * 1024;

/// A page as an answer.
pub(super) fn html(status: StatusCode, page: Markup) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page.into_string()).into_response()
}

/// Answers with a page of a project, or says that there is no such thing.
pub(super) fn render(
    core: &Core,
    caller: &Caller,
    project: &str,
    what: &str,
    page: impl FnOnce(&View<'_>) -> Option<Markup>,
) -> Response {
    let visitor = caller.visitor(core);
    let clock = Clock::utc(now());
    let trouble = core.trouble();
    let stream = StreamId::from(project);
    let page =
        core.read(|state| page(&View::of(state, &stream, &clock, &visitor, trouble.as_deref())?));
    match page {
        Some(page) => html(StatusCode::OK, page),
        None => html(StatusCode::NOT_FOUND, pages::not_found(&visitor, what)),
    }
}

/// The answer to a form without the right proof.
pub(super) fn forged(core: &Core, caller: &Caller) -> Response {
    let (title, reason) = match caller.session {
        None => ("Sign in first", "Nothing was changed: only a person with a session may do this."),
        Some(_) => (
            "That form is not of this session",
            "Nothing was changed. It may be from before you signed in: open the page again.",
        ),
    };
    html(StatusCode::FORBIDDEN, pages::trouble(&caller.visitor(core), title, reason, "/"))
}

/// `/`: the project's home where there is one, else what there is.
pub(super) async fn start(State(console): State<Console>, caller: Caller) -> Response {
    let projects: Vec<StreamId> =
        console.core.read(|state| state.projects.keys().cloned().collect());
    match projects.as_slice() {
        [one] => Redirect::to(&paths::home(one)).into_response(),
        _ => html(StatusCode::OK, pages::no_project(&caller.visitor(&console.core), &projects)),
    }
}

pub(super) async fn asset(
    State(console): State<Console>,
    caller: Caller,
    Path(file): Path<String>,
) -> Response {
    match assets::find(&format!("/assets/{file}")) {
        Some(asset) => {
            let headers = [
                (CONTENT_TYPE, asset.media_type),
                (CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.content).into_response()
        }
        None => {
            let page = pages::not_found(&caller.visitor(&console.core), "file of that name");
            html(StatusCode::NOT_FOUND, page)
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct HomeAsked {
    at: String,
    fact: Option<u64>,
}

/// Home: of now, or of an earlier moment.
pub(super) async fn home(
    State(console): State<Console>,
    caller: Caller,
    Path(project): Path<String>,
    Query(asked): Query<HomeAsked>,
) -> Response {
    let core = &console.core;
    let when = match (asked.fact, asked.at.as_str()) {
        (Some(fact), _) => Some(When::Entry(fact)),
        (None, "") => None,
        (None, text) => match time::read(text) {
            // What is still to come is told of as now.
            Some(at) => (at < now()).then_some(When::At(at)),
            None => {
                let reason = format!("“{text}” is no date and time.");
                let back = paths::home(&StreamId::from(project.as_str()));
                let page = pages::trouble(
                    &caller.visitor(core),
                    "That moment cannot be read",
                    &reason,
                    &back,
                );
                return html(StatusCode::UNPROCESSABLE_ENTITY, page);
            }
        },
    };
    match when {
        Some(when) => past(core, &caller, project, when).await,
        None => {
            render(core, &caller, &project, "project of that name", |view| Some(pages::home(view)))
        }
    }
}

/// Home as it was at an earlier moment.
async fn past(core: &Core, caller: &Caller, project: String, when: When) -> Response {
    let visitor = caller.visitor(core);
    let stream = StreamId::from(project);
    let newest = core.read(|state| Some(state.projects.get(&stream)?.sequence));
    let Some(newest) = newest else {
        return html(StatusCode::NOT_FOUND, pages::not_found(&visitor, "project of that name"));
    };
    let moment = match core.past(&stream, when).await {
        Ok(moment) => moment,
        Err(error) => {
            let status = match error {
                PastError::Before { .. } | PastError::Future { .. } => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            let (title, reason) = ("That moment cannot be shown", format!("{error}."));
            let page = pages::trouble(&visitor, title, &reason, &paths::home(&stream));
            return html(status, page);
        }
    };
    let at = match when {
        When::At(at) => at,
        When::Entry(_) => moment.last.time,
    };
    let then = Then {
        number: moment.last.sequence,
        fact: moment.last.fact.clone(),
        by: moment.last.actor.clone(),
        recorded: moment.last.time,
        newest,
        now: now(),
    };
    let clock = Clock::utc(at);
    let page = View::of(&moment.state, &stream, &clock, &visitor, None)
        .map(|view| pages::past(&view.then(&then)));
    match page {
        Some(page) => html(StatusCode::OK, page),
        None => html(StatusCode::NOT_FOUND, pages::not_found(&visitor, "project of that name")),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RunsAsked {
    workflow: String,
    branch: String,
    status: String,
    before: Option<u64>,
}

pub(super) async fn runs(
    State(console): State<Console>,
    caller: Caller,
    Path(project): Path<String>,
    Query(asked): Query<RunsAsked>,
) -> Response {
    let RunsAsked { workflow, branch, status, before } = asked;
    let filter = RunsFilter { workflow, branch, status, before };
    render(&console.core, &caller, &project, "project of that name", |view| {
        Some(pages::runs(view, &filter))
    })
}

pub(super) async fn environments(
    State(console): State<Console>,
    caller: Caller,
    Path(project): Path<String>,
) -> Response {
    render(&console.core, &caller, &project, "project of that name", |view| {
        Some(pages::environments(view))
    })
}

pub(super) async fn approvals(
    State(console): State<Console>,
    caller: Caller,
    Path(project): Path<String>,
) -> Response {
    render(&console.core, &caller, &project, "project of that name", |view| {
        Some(pages::approvals(view))
    })
}

pub(super) async fn releases(
    State(console): State<Console>,
    caller: Caller,
    Path(project): Path<String>,
) -> Response {
    render(&console.core, &caller, &project, "project of that name", |view| {
        Some(pages::releases(view))
    })
}

#[derive(Deserialize)]
pub(super) struct Between {
    from: String,
    to: String,
}

pub(super) async fn difference(
    State(console): State<Console>,
    caller: Caller,
    Path(project): Path<String>,
    Query(between): Query<Between>,
) -> Response {
    let Between { from, to } = &between;
    render(&console.core, &caller, &project, "project of that name", |view| {
        let release = |name: &str| meant(view.project, name).map(|(release, _)| release);
        let both = release(from).and_then(|from| Ok((from, release(to)?)));
        let releases = both.map_err(|error| error.to_string());
        Some(pages::difference(view, &Compared { from, to, releases }))
    })
}

pub(super) async fn notifications(
    State(console): State<Console>,
    caller: Caller,
    Path(project): Path<String>,
) -> Response {
    render(&console.core, &caller, &project, "project of that name", |view| {
        Some(pages::notifications(view))
    })
}

pub(super) async fn find(
    State(console): State<Console>,
    caller: Caller,
    Path(project): Path<String>,
) -> Response {
    render(&console.core, &caller, &project, "project of that name", |view| Some(pages::find(view)))
}

pub(super) async fn deployment(
    State(console): State<Console>,
    caller: Caller,
    Path((project, deployment)): Path<(String, String)>,
) -> Response {
    let id = deployment.parse().ok().map(DeploymentId);
    render(&console.core, &caller, &project, "deployment of that number", |view| {
        let deployment = view.project.deployments.get(&id?)?;
        Some(pages::deployment(view, deployment))
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RunAsked {
    job: String,
    attempt: Option<u32>,
}

pub(super) async fn run(
    State(console): State<Console>,
    caller: Caller,
    Path((project, run)): Path<(String, String)>,
    Query(asked): Query<RunAsked>,
) -> Response {
    let core = &console.core;
    let id = run.parse().ok().map(RunId);
    let stream = StreamId::from(project.as_str());
    let chosen = core.read(|state| {
        let run = state.projects.get(&stream)?.runs.get(&id?)?;
        pages::chosen(run, &asked.job, asked.attempt)
    });
    let mut extras = RunExtras::default();
    if let Some((attempt, failed)) = chosen {
        let asked_for = attempt.job.as_str() == asked.job;
        let (mut chosen, summaries) = in_view(core, &stream, attempt, failed).await;
        chosen.asked = asked_for;
        extras = RunExtras { chosen: Some(chosen), summaries };
    }
    render(core, &caller, &project, "run of that number", |view| {
        let run = view.project.runs.get(&id?)?;
        Some(pages::run(view, run, &extras))
    })
}

/// The lines of the step that failed or runs, or else the last ones.
async fn in_view(
    core: &Core,
    stream: &StreamId,
    attempt: AttemptId,
    failed: Option<u32>,
) -> (Chosen, Vec<Summary>) {
    let live = core.live_jobs().watch(stream, &attempt).map(|(live, _)| live);
    let (step, summaries) = live.map(|live| (live.step, live.summaries)).unwrap_or_default();
    let live = step.map(|(number, name, since)| LiveStep { number, name, since });
    let job = attempt.job.to_string();
    let summaries =
        summaries.into_values().map(|markdown| Summary { job: job.clone(), markdown }).collect();
    let open = failed;
    let wanted = failed.or(live.as_ref().map(|live| live.number));
    let log = AttemptLog::of(core, stream, &attempt);
    let lines = match wanted {
        Some(step) => log.in_background(move |log| log.step(step, STEP_LINES_MAX)).await,
        // A job that ended without a step that failed tells its story in the steps themselves.
        None if log.is_unexplained() => log.in_background(|log| log.last(STEP_LINES_MAX)).await,
        None => Ok(Vec::new()),
    };
    let (lines, trouble) = match lines {
        Ok(lines) => (lines, None),
        Err(trouble) => (Vec::new(), Some(trouble)),
    };
    (Chosen { attempt, open, lines, live, trouble, asked: false }, summaries)
}

pub(super) async fn artifact(
    State(console): State<Console>,
    caller: Caller,
    Path((project, run, name)): Path<(String, String, String)>,
) -> Response {
    let core = &console.core;
    let stream = StreamId::from(project.as_str());
    let run = run.parse().ok().map(RunId);
    let missing = || {
        html(
            StatusCode::NOT_FOUND,
            pages::not_found(&caller.visitor(core), "artifact of that name"),
        )
    };
    let blob = core.read(|state| {
        let project = state.projects.get(&stream)?;
        Some(project.artifacts.get(&(run?, name.clone()))?.blob.clone())
    });
    let Some(digest) = blob.and_then(|blob| blob.parse().ok()) else { return missing() };
    let file = match core.blobs().open_file(&digest) {
        Ok(file) => tokio::fs::File::from_std(file),
        Err(error) => {
            tracing::warn!(%error, "an artifact cannot be opened");
            return missing();
        }
    };
    let length = file.metadata().await.map(|data| data.len());
    let body = futures_util::stream::unfold(file, |mut file| async {
        let mut piece = vec![0; PIECE_BYTES];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(piece), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let file_name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let disposition = format!("attachment; filename=\"{file_name}.tar.gz\"");
    let headers =
        [(CONTENT_TYPE, "application/gzip".to_owned()), (CONTENT_DISPOSITION, disposition)];
    let mut answer = (headers, axum::body::Body::from_stream(body)).into_response();
    if let Ok(length) = length {
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    answer
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_. ".contains(c)
}
