//! Concurrency groups: of all runs and jobs that name the same one, one runs and the others wait.
//!
//! As on GitHub, runs and jobs share the groups of their project, a newcomer takes the place of
//! whoever waits unless it says `queue: max`, and a job holds its group while it waits for its gates.
//! Unlike there, who is newer is told by the runs and not by the moment at which a job came to wait:
//! an older run's job never takes the place of a newer one's.

use qnt9_model::fact::{Concurrency, Fact, Queue};
use qnt9_model::limits::CONCURRENCY_QUEUE_MAX;
use qnt9_model::planted::{self, Fault};
use qnt9_model::{JobKey, RunId};
use qnt9_workflow::Scope;

use crate::state::{LegPhase, LegState, Project, Run};

/// Evaluates a `concurrency:`.
pub(crate) fn evaluate(
    of: &qnt9_workflow::Concurrency,
    scope: &Scope<'_>,
) -> Result<Concurrency, String> {
    let failed = |error: qnt9_workflow::EvaluationError| format!("concurrency: {error}");
    let cancel_in_progress = of.cancels_in_progress(scope).map_err(failed)?;
    let queue = match of.queue {
        qnt9_workflow::Queue::Single => Queue::Single,
        qnt9_workflow::Queue::Max => Queue::Max,
    };
    if cancel_in_progress && queue == Queue::Max {
        let message = "`queue: max` and `cancel-in-progress: true` cannot be used together";
        return Err(format!("concurrency: {message}"));
    }
    let group = of.group.interpolate(scope).map_err(failed)?.to_lowercase();
    Ok(Concurrency { group, cancel_in_progress, queue })
}

/// A run or a job that is in a group. Members are ordered by their runs, and the jobs of one run by
/// their places in their matrix and their keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    run: RunId,
    index: u32,
    /// `None` is the run as a whole.
    job: Option<JobKey>,
}

struct Standing<'a> {
    member: Member,
    terms: &'a Concurrency,
    holds: bool,
    is_to_stop: bool,
}

/// What follows for a run that waits for its group: its turn, another's, or nothing yet.
pub(crate) fn run_waits(project: &Project, run: &Run, terms: &Concurrency) -> Option<Fact> {
    next(project, terms, &Member { run: run.id, index: 0, job: None })
}

/// As [`run_waits`], for a leg.
pub(crate) fn leg_waits(project: &Project, run: &Run, leg: &LegState) -> Option<Fact> {
    let Some(terms) = &leg.leg.concurrency else { return Some(admit(&member(run, leg))) };
    next(project, terms, &member(run, leg))
}

fn member(run: &Run, leg: &LegState) -> Member {
    Member { run: run.id, index: leg.leg.index, job: Some(leg.leg.job.clone()) }
}

fn next(project: &Project, terms: &Concurrency, me: &Member) -> Option<Fact> {
    let members = members(project, &terms.group);
    let over = || format!("concurrency group `{}`", terms.group);
    let waiting = || members.iter().filter(|other| !other.holds);
    let newer = waiting().filter(|other| other.member > *me && other.terms.queue == Queue::Single);
    let newer = newer.filter(|_| !planted::is(Fault::PendingNotSuperseded));
    let holder = members.iter().find(|other| other.holds);
    let holder = holder.filter(|_| !planted::is(Fault::TwoOfAGroup));
    if let Some(newer) = newer.max_by_key(|other| &other.member).filter(|_| holder.is_some()) {
        return Some(superseded(me, newer.member.run, over()));
    }
    let ahead = waiting().filter(|other| other.member < *me).count();
    if terms.queue == Queue::Max && ahead >= CONCURRENCY_QUEUE_MAX {
        let reason = format!("{CONCURRENCY_QUEUE_MAX} wait for {} already", over());
        return Some(cancel(me, reason));
    }
    match holder {
        None if ahead == 0 => Some(admit(me)),
        Some(holder) if terms.cancel_in_progress && !holder.is_to_stop => {
            let reason = format!("run {} of the same concurrency group came", me.run);
            Some(cancel(&holder.member, reason))
        }
        _ => None,
    }
}

/// Everybody in a group, oldest first.
fn members<'a>(project: &'a Project, group: &str) -> Vec<Standing<'a>> {
    let runs = project.groups.get(group).into_iter().flatten();
    let runs = runs.filter_map(|id| project.live_run(*id));
    let mut members: Vec<Standing<'a>> = runs.flat_map(|run| members_of(run, group)).collect();
    members.sort_by(|one, other| one.member.cmp(&other.member));
    members
}

fn members_of<'a>(run: &'a Run, group: &str) -> Vec<Standing<'a>> {
    let same = |terms: &&Concurrency| terms.group == *group;
    let whole = run.concurrency.as_ref().filter(same).map(|terms| Standing {
        member: Member { run: run.id, index: 0, job: None },
        terms,
        holds: run.started.is_some(),
        is_to_stop: run.cancel.is_some(),
    });
    let of_leg = |leg: &'a LegState| {
        let terms = leg.leg.concurrency.as_ref().filter(same)?;
        (!matches!(leg.phase, LegPhase::Done(..))).then(|| Standing {
            member: member(run, leg),
            terms,
            holds: leg.phase != LegPhase::Queued,
            is_to_stop: leg.cancel.is_some() || run.cancel.is_some(),
        })
    };
    whole.into_iter().chain(run.legs.values().filter_map(of_leg)).collect()
}

fn admit(me: &Member) -> Fact {
    match &me.job {
        None => Fact::RunStarted { run: me.run },
        Some(job) => Fact::JobAdmitted { run: me.run, job: job.clone() },
    }
}

fn superseded(me: &Member, by: RunId, over: String) -> Fact {
    match &me.job {
        None => Fact::RunSuperseded { run: me.run, by, over },
        Some(job) => Fact::JobSuperseded { run: me.run, job: job.clone(), by, over: Some(over) },
    }
}

fn cancel(member: &Member, reason: String) -> Fact {
    match &member.job {
        None => Fact::RunCancelRequested { run: member.run, reason },
        Some(job) => Fact::JobCancelRequested { run: member.run, job: job.clone(), reason },
    }
}
