//! Schedules that are due: their runs, on the default branch's head.
//!
//! Moments that pass while the machine is off are dropped, as on GitHub, but for the last one: it is
//! started late, once, and says how many before it were dropped. What is more than a day late is
//! dropped, too.

use qnt9_model::Millis;
use qnt9_model::fact::{Cause, Fact};
use qnt9_model::limits::SCHEDULE_LATE_MAX_MS;
use qnt9_model::{Sha, StreamId, UserText};
use qnt9_workflow::Workflow;
use serde::Deserialize as _;
use serde_json::json;

use crate::calendar;
use crate::launch::{self, NewRun};
use crate::state::{Project, ScheduleState};

/// The fact about the first schedule that is due.
pub(crate) fn next(stream: &StreamId, project: &Project, now: Millis) -> Option<Fact> {
    let is_due = |state: &&ScheduleState| state.due.is_some_and(|due| due <= now);
    let state = project.schedules.iter().find(is_due)?;
    let due = state.due?;
    let Some((last, missed)) = last_moment(state, due, now) else {
        let reason = "qnt9 did not run then, and more than a day passed since".to_owned();
        return Some(skipped(state, due, reason));
    };
    Some(
        run(stream, project, state, last, missed)
            .unwrap_or_else(|reason| skipped(state, last, reason)),
    )
}

/// When the next schedule is due.
pub(crate) fn due(project: &Project) -> Option<Millis> {
    project.schedules.iter().filter_map(|state| state.due).min()
}

/// The last moment of a schedule until now, if it is not too late, and how many passed before it.
fn last_moment(state: &ScheduleState, due: Millis, now: Millis) -> Option<(Millis, u64)> {
    let (mut last, mut missed) = (due, 0);
    while let Some(next) = calendar::next_of(&state.schedule, last).filter(|next| *next <= now) {
        last = next;
        missed += 1;
    }
    (now.since(last) <= SCHEDULE_LATE_MAX_MS).then_some((last, missed))
}

fn skipped(state: &ScheduleState, due: Millis, reason: String) -> Fact {
    Fact::ScheduleSkipped {
        path: state.path.clone(),
        schedule: state.schedule.clone(),
        due,
        reason: UserText::from(reason),
    }
}

fn run(
    stream: &StreamId,
    project: &Project,
    state: &ScheduleState,
    due: Millis,
    missed: u64,
) -> Result<Fact, String> {
    let reference = format!("refs/heads/{}", project.default_branch);
    let commit: &Sha =
        project.refs.get(&reference).ok_or_else(|| format!("there is no {reference}"))?;
    let workflow = Workflow::deserialize(&*state.workflow).map_err(|error| error.to_string())?;
    let pusher = project.pushers.get(commit).and_then(|pushers| pushers.first());
    let by = pusher.cloned().unwrap_or_else(|| "qnt9".to_owned());
    let schedule = state.schedule.clone();
    let event = json!({
        "schedule": schedule.cron,
        "sender": {"login": by},
        "repository": launch::repository(stream, project),
    });
    let new = NewRun {
        stream,
        project,
        path: &state.path,
        source: &state.workflow,
        workflow: &workflow,
        cause: Cause::Schedule { by, schedule, due, missed },
        event_name: "schedule",
        event,
        reference: &reference,
        commit,
        inputs: Vec::new(),
        title: workflow.display_name().to_owned(),
    };
    new.fact()
}
