//! Where runs and legs stand, as a shape, a word and a reason. Every wait names what it waits for.

use qnt9_engine::gates::Gate;
use qnt9_engine::state::{Job, JobPlan, LegPhase, LegState, Run};
use qnt9_model::Millis;
use qnt9_model::fact::Outcome;

use crate::status::Shape;
use crate::text;
use crate::view::View;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The shape.
    pub(crate) shape: Shape,
    /// The word.
    pub(crate) word: &'static str,
    /// Why, or what it waits for.
    pub(crate) reason: Option<String>,
}

impl Standing {
    fn new(shape: Shape, word: &'static str, reason: Option<String>) -> Self {
        Self { shape, word, reason }
    }
}

/// Where a run stands.
pub(crate) fn of_run(view: &View<'_>, run: &Run) -> Standing {
    if let Some((outcome, _)) = run.finished {
        let reason = match &run.superseded {
            Some((by, over)) => Some(format!("run {by} took its place in {over}")),
            None => run.cancel.clone(),
        };
        return Standing::new(Shape::of(outcome), outcome.word(), reason);
    }
    if run.workflow.is_none() {
        let reason = "this version of qnt9 cannot read the stored workflow".to_owned();
        return Standing::new(Shape::Bad, "unreadable", Some(reason));
    }
    if let Some(reason) = &run.cancel {
        return Standing::new(Shape::Run, "cancelling", Some(reason.clone()));
    }
    if run.started.is_none() {
        let group = run.concurrency.as_ref().map_or("its group", |group| &group.group);
        let reason = format!("another run of the concurrency group `{group}` goes first");
        return Standing::new(Shape::Wait, "queued", Some(reason));
    }
    let legs = || run.legs.values();
    if let Some(lost) = legs().find(|leg| leg.phase == LegPhase::Lost) {
        let reason = format!("{}: its runner is gone, a person must decide", lost.leg.name);
        return Standing::new(Shape::Wait, "needs a decision", Some(reason));
    }
    if legs().any(|leg| leg.phase == LegPhase::Running) {
        return Standing::new(Shape::Run, "running", None);
    }
    let held =
        |leg: &&LegState| matches!(leg.phase, LegPhase::Queued | LegPhase::Gated | LegPhase::Open);
    match legs().find(held) {
        Some(leg) => Standing::new(Shape::Wait, "waits", of_leg(view, run, leg).reason),
        None => Standing::new(Shape::Run, "running", None),
    }
}

/// Where one leg of a job stands.
pub(crate) fn of_leg(view: &View<'_>, run: &Run, leg: &LegState) -> Standing {
    match leg.phase {
        LegPhase::Done(outcome, _) => {
            Standing::new(Shape::of(outcome), outcome.word(), leg.reason.clone())
        }
        LegPhase::Running => Standing::new(Shape::Run, "running", None),
        LegPhase::Lost => {
            Standing::new(Shape::Wait, "runner lost", leg.reason.clone().map(|r| text::capital(&r)))
        }
        LegPhase::Open => {
            let reason = match &leg.reason {
                Some(reason) => format!("to be tried again: {reason}"),
                None => "for a free runner".to_owned(),
            };
            Standing::new(Shape::Wait, "waits", Some(reason))
        }
        LegPhase::Queued => {
            let group = leg.leg.concurrency.as_ref().map(|c| c.group.as_str()).unwrap_or_default();
            Standing::new(Shape::Wait, "waits", Some(format!("for concurrency group `{group}`")))
        }
        LegPhase::Gated => {
            let unmet = Gate::of(view.platform(), view.project, run, leg)
                .map(|gate| wait_words(&gate.why(view.now())));
            Standing::new(Shape::Wait, "waits", unmet)
        }
    }
}

/// What a gate still wants, in a few words: the rules at its first level that do not hold.
pub(crate) fn wait_words(why: &qnt9_model::Why) -> String {
    let unmet = why.of.iter().filter(|part| part.holds != qnt9_model::why::Holds::Yes);
    let words: Vec<String> = unmet
        .map(|part| match &part.evidence {
            Some(evidence) => format!("{} ({evidence})", part.rule),
            None => part.rule.clone(),
        })
        .collect();
    if words.is_empty() { "its turn".to_owned() } else { words.join("; ") }
}

/// Where a job stands: the loudest of its legs.
pub(crate) fn of_job(view: &View<'_>, run: &Run, job: &Job) -> Standing {
    match &job.plan {
        JobPlan::Waiting if run.finished.is_some() => {
            Standing::new(Shape::Idle, "not reached", run.cancel.clone())
        }
        JobPlan::Waiting => {
            let open: Vec<String> = needs(run, &job.key)
                .into_iter()
                .filter(|need| run.job_result(need).is_none())
                .collect();
            let reason = (!open.is_empty()).then(|| format!("for {}", text::list(&open, "and")));
            Standing::new(Shape::Idle, "waits", reason)
        }
        JobPlan::Skipped { reason } => {
            Standing::new(Shape::Idle, "skipped", Some(reason.show().to_owned()))
        }
        JobPlan::Impossible { reason } => {
            Standing::new(Shape::Bad, "failure", Some(reason.show().to_owned()))
        }
        JobPlan::Planned { legs, .. } => {
            let rank = |shape: Shape| match shape {
                Shape::Bad => 4,
                Shape::Run => 3,
                Shape::Wait => 2,
                Shape::Idle => 1,
                Shape::Ok => 0,
            };
            let legs = legs.iter().filter_map(|key| run.legs.get(key));
            let standings = legs.map(|leg| of_leg(view, run, leg));
            let loudest = standings.max_by_key(|standing| rank(standing.shape));
            loudest.unwrap_or_else(|| Standing::new(Shape::Idle, "no legs", None))
        }
    }
}

/// The keys of the jobs that a job needs.
pub(crate) fn needs(run: &Run, key: &str) -> Vec<String> {
    let workflow = run.workflow.as_deref();
    workflow.and_then(|workflow| workflow.job(key)).map_or_else(Vec::new, |job| job.needs.clone())
}

/// The name of a job as shown: that of its legs without their matrix, or as the file has it.
pub(crate) fn job_name(run: &Run, key: &str) -> String {
    let workflow = run.workflow.as_deref();
    let named = workflow.and_then(|workflow| workflow.job(key)).and_then(|job| job.name.as_ref());
    match named {
        Some(name) if !name.has_expressions() => name.source.clone(),
        _ => key.to_owned(),
    }
}

/// When a leg began to run and when it ended.
pub(crate) fn ran(leg: &LegState) -> Option<(Millis, Option<Millis>)> {
    let first = leg.attempts.first()?.started;
    let end = match leg.phase {
        LegPhase::Done(_, at) => Some(at),
        _ => None,
    };
    Some((first, end))
}

/// The environments that a run's legs are for, in the order of its jobs.
pub(crate) fn environments(run: &Run) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for job in &run.jobs {
        for leg in run.legs.values().filter(|leg| leg.job == job.key) {
            if let Some(name) = &leg.leg.environment
                && !names.iter().any(|known| known == name.as_str())
            {
                names.push(name.to_string());
            }
        }
    }
    names
}

/// Whether a leg failed or failed to be planned.
pub(crate) fn failed(leg: &LegState) -> bool {
    matches!(leg.phase, LegPhase::Done(Outcome::Failure, _))
}
