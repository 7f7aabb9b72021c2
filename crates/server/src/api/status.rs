//! What is going on, on one page: now, or at an earlier moment.

use axum::Json;
use axum::extract::{Path, State};
use qnt9_engine::State as EngineState;
use qnt9_engine::gates::Gate;
use qnt9_engine::state::{LegPhase, Project, Run};
use qnt9_model::{Millis, StreamId};
use serde::Deserialize;

use super::error::ApiError;
use super::request::{Asked, Caller};
use super::shapes::{MomentShape, RunShape, StatusShape, WaitingShape};
use super::show;
use crate::Core;
use crate::machine::now;
use crate::past::{Moment, When};

/// Ended runs that are told of beside those that go on.
const ENDED_RUNS_SHOWN: usize = 5;

/// The moment a request is about.
#[derive(Deserialize)]
pub(super) struct Which {
    at: Option<String>,
    fact: Option<u64>,
}

impl Which {
    fn when(&self) -> Result<Option<When>, ApiError> {
        match (&self.at, self.fact) {
            (None, None) => Ok(None),
            (None, Some(fact)) => Ok(Some(When::Entry(fact))),
            (Some(_), Some(_)) => Err(ApiError::invalid("moment", "give `at` or `fact`, not both")),
            (Some(text), None) => match qnt9_console::time::read(text) {
                Some(at) if at > now() => {
                    Err(ApiError::invalid("moment", format!("`{text}` is still to come")))
                }
                Some(at) => Ok(Some(When::At(at))),
                None => Err(ApiError::invalid(
                    "moment",
                    format!("`{text}` is no moment: write 2026-11-23T14:10:02Z, or milliseconds"),
                )),
            },
        }
    }
}

/// The board, the runs that go on and what waits for people; with `at` or `fact` as it was then.
pub(super) async fn status(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
    Asked(which): Asked<Which>,
) -> Result<Json<StatusShape>, ApiError> {
    let Some(when) = which.when()? else {
        return caller
            .look(&core, &project, |state, stream, _| Ok(Json(shape(state, stream, now(), None))));
    };
    let (stream, newest) = caller
        .look(&core, &project, |_, stream, project| Ok((stream.clone(), project.sequence)))?;
    let moment = core.past(&stream, when).await.map_err(|error| {
        tracing::info!(%error, "an earlier moment was not shown");
        ApiError::from(qnt9_model::Refusal::from(error))
    })?;
    let at = match when {
        When::At(at) => at,
        When::Entry(_) => moment.last.time,
    };
    let then = describe(&moment, at, newest);
    Ok(Json(shape(&moment.state, &stream, at, Some(then))))
}

fn describe(moment: &Moment, at: Millis, newest: u64) -> MomentShape {
    let fact = moment.last.sequence;
    MomentShape {
        at,
        fact,
        recorded: moment.last.time,
        what: qnt9_console::describe(&moment.last.fact),
        by: moment.last.actor.to_string(),
        previous: (fact > 1).then(|| fact - 1),
        next: (fact < newest).then(|| fact + 1),
        newest,
    }
}

fn shape(
    state: &EngineState,
    stream: &StreamId,
    now: Millis,
    then: Option<MomentShape>,
) -> StatusShape {
    let project = &state.projects[stream];
    StatusShape {
        then,
        project: show::project(stream, project),
        environments: show::environments(project),
        runs: runs(project),
        waiting: waiting(state, project, now),
    }
}

/// Every run that goes on and the last ones that ended, newest first.
fn runs(project: &Project) -> Vec<RunShape> {
    let ended = project.runs.values().rev().filter(|run| run.finished.is_some());
    let live = project.live.iter().filter_map(|id| project.runs.get(id));
    let mut shown: Vec<&Run> = ended.take(ENDED_RUNS_SHOWN).chain(live).collect();
    shown.sort_by_key(|run| std::cmp::Reverse(run.id));
    shown.iter().map(|run| show::run(project, run)).collect()
}

/// The jobs that gates hold, the longest waiting first.
fn waiting(state: &EngineState, project: &Project, now: Millis) -> Vec<WaitingShape> {
    let live = project.live.iter().filter_map(|id| project.runs.get(id));
    let legs = live.flat_map(|run| run.legs.values().map(move |leg| (run, leg)));
    let gated = legs.filter(|(_, leg)| leg.phase == LegPhase::Gated);
    let gated = gated.filter_map(|(run, leg)| {
        let gate = Gate::of(&state.platform, project, run, leg)?;
        let why = gate.why(now);
        Some(WaitingShape {
            run: run.id,
            job: leg.leg.job.clone(),
            environment: gate.environment.clone(),
            commit: run.commit.clone(),
            since: leg.queued,
            missing: why.unmet(),
            why,
        })
    });
    let mut gated: Vec<WaitingShape> = gated.collect();
    gated.sort_by_key(|waiting| waiting.since);
    gated
}
