//! Why a run, a job, an environment or a deployment stands where it stands: a proof tree, who can
//! change it, and when it can go on at the earliest.
//!
//! The gates' own trees come from [`crate::gates`]; here they are put under what they belong to. It
//! decides nothing.

mod conduct;

use qnt9_model::fact::{DeploymentOutcome, Direction, Outcome};
use qnt9_model::why::Holds;
use qnt9_model::{Actor, EnvironmentName, JobKey, Millis, RunId, Sha, Why};

use crate::gates::{Gate, duration};
use crate::state::{Deployment, Job, JobPlan, LegPhase, LegState, Platform, Project, Run};

/// What explains itself, at one moment.
#[derive(Clone, Copy)]
pub struct Explain<'a> {
    /// People.
    pub platform: &'a Platform,
    /// The project.
    pub project: &'a Project,
    /// Now.
    pub now: Millis,
}

/// Why something stands where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What it is about, in words.
    pub subject: String,
    /// The tree.
    pub why: Why,
    /// Whether it is gates that hold it now.
    pub held: bool,
    /// What people can do about it.
    pub acts: Vec<Act>,
}

/// What a person can do about something that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// This person can approve it.
    Approve {
        /// For where.
        environment: EnvironmentName,
        /// What.
        commit: Sha,
        /// Who.
        person: String,
    },
    /// A developer decides what becomes of a job whose runner was lost.
    DecideLost {
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
    },
}

impl Explanation {
    fn new(subject: String, why: Why) -> Self {
        Self { subject, why, held: false, acts: Vec::new() }
    }

    /// The people who can unblock it, each once.
    #[must_use]
    pub fn who(&self) -> Vec<String> {
        let mut people = able(&self.why);
        people.sort();
        people.dedup();
        people
    }

    /// When it can go on at the earliest, if everybody acts at once; `None` when it goes on already,
    /// never will, or time alone does not say.
    #[must_use]
    pub fn earliest(&self, now: Millis) -> Option<Millis> {
        let at = self.why.earliest.or(self.why.at);
        at.filter(|at| self.why.holds == Holds::NotYet && *at > now)
    }
}

impl Explain<'_> {
    /// Why a run stands where it stands: one part per job.
    #[must_use]
    pub fn run(&self, run: &Run) -> Explanation {
        let parts = run.jobs.iter().map(|job| self.job_of_file(run, job)).collect();
        let mut why = Why::all(format!("run {} of {}", run.id, run.name), parts);
        match (&run.superseded, &run.cancel, run.finished) {
            (Some((by, over)), ..) => {
                why.holds = Holds::No;
                why.evidence = Some(format!("superseded by run {by} in {over}"));
            }
            (_, _, Some((outcome, at))) => {
                why.holds = of_outcome(outcome);
                let took = duration(at.since(run.created));
                why.evidence = Some(format!("{} after {took}", outcome.word()));
            }
            (_, Some(reason), None) => why.evidence = Some(format!("being cancelled: {reason}")),
            (_, None, None) if run.started.is_none() => {
                let group = run.concurrency.as_ref().map(|concurrency| concurrency.group.clone());
                let group = group.unwrap_or_default();
                why.evidence = Some(format!("waits for its turn in the group `{group}`"));
            }
            _ => {}
        }
        let acts = run.legs.values().flat_map(|leg| self.acts(run, leg)).collect();
        let any = |is: fn(LegPhase) -> bool| run.legs.values().any(|leg| is(leg.phase));
        let goes_on = any(|phase| matches!(phase, LegPhase::Open | LegPhase::Running));
        let held = any(|phase| phase == LegPhase::Gated) && !goes_on;
        Explanation { acts, held, ..Explanation::new(format!("run {}", run.id), why) }
    }

    /// Why one leg of a job stands where it stands.
    #[must_use]
    pub fn job(&self, run: &Run, leg: &LegState) -> Explanation {
        let subject = format!("job {} of run {}", leg.leg.name, run.id);
        let (acts, held) = (self.acts(run, leg), leg.phase == LegPhase::Gated);
        Explanation { acts, held, ..Explanation::new(subject, self.leg(run, leg)) }
    }

    /// What an environment is at: the rollout that is under way, else the newest job that waits for
    /// it, else whatever happened to it last. `None` for an environment that nobody knows.
    #[must_use]
    pub fn environment(&self, name: &EnvironmentName) -> Option<Explanation> {
        let places = self.project.places.iter().filter(|(place, _)| &place.environment == name);
        let mut moving = places.filter_map(|(_, state)| state.active);
        if let Some(rollout) = moving.find_map(|id| self.project.deployments.get(&id)) {
            return Some(self.deployment(rollout));
        }
        let (waiting, newest) = self.jobs_of(name);
        if let Some((run, leg)) = waiting {
            return Some(self.job(run, leg));
        }
        let mut deployments = self.project.deployments.values().rev();
        let last = deployments.find(|deployment| &deployment.place.environment == name);
        match (last, newest) {
            // A rollback belongs to no job, so no job tells of it.
            (Some(last), Some((_, leg))) if last.call.is_none() && last.requested > leg.queued => {
                Some(self.deployment(last))
            }
            (_, Some((run, leg))) => Some(self.job(run, leg)),
            (Some(last), None) => Some(self.deployment(last)),
            (None, None) => {
                let (_, policy) = self.project.policy.as_ref()?;
                policy.environment(name)?;
                let rule = format!("nothing was ever to go to {name}");
                let why = Why::leaf(rule, Holds::NotYet);
                Some(Explanation::new(format!("environment {name}"), why))
            }
        }
    }

    /// The newest job that waits for an environment, and the newest one of it at all.
    fn jobs_of(&self, name: &EnvironmentName) -> (Option<Found<'_>>, Option<Found<'_>>) {
        let mut newest = None;
        for run in self.project.runs.values().rev() {
            let legs = run.legs.values().filter(|leg| leg.leg.environment.as_ref() == Some(name));
            for leg in legs {
                if leg.phase == LegPhase::Gated {
                    return (Some((run, leg)), newest);
                }
                newest = newest.or(Some((run, leg)));
            }
            // What waits is live; once the ended runs begin, the newest of them is enough.
            if newest.is_some() && self.project.live.range(..run.id).next().is_none() {
                break;
            }
        }
        (None, newest)
    }

    /// Why a deployment stands where it stands: who let it go, its replicas, each share of traffic.
    #[must_use]
    pub fn deployment(&self, of: &Deployment) -> Explanation {
        let mut parts = vec![self.permission(of), replicas(of)];
        parts.extend(conduct::smoke(of));
        parts.extend(conduct::promotion(self.project, of));
        parts.extend(of.steps.iter().map(|step| share(of, *step)));
        parts.extend(conduct::exchange(of));
        let rule = format!("deployment {} of {} to {}", of.id, of.release.short(), of.place);
        let mut why = Why::all(rule, parts);
        match &of.outcome {
            None => {}
            Some((DeploymentOutcome::Succeeded, _)) => {
                why.holds = Holds::Yes;
                why.evidence = Some(self.service_of(of));
                why.of.extend(conduct::kept(self.project, of, self.now));
                why.of.extend(conduct::watch(of, self.now));
            }
            Some((DeploymentOutcome::RolledBack { reason, at_percent }, _)) => {
                why.holds = Holds::No;
                why.evidence = Some(format!("rolled back at {at_percent} %: {reason}"));
            }
            Some((DeploymentOutcome::Failed { reason }, _)) => {
                why.holds = Holds::No;
                why.evidence = Some(reason.show().to_owned());
            }
        }
        Explanation::new(format!("deployment {}", of.id), why)
    }

    /// By whose word a deployment goes: the gates of its job, or for a rollback one person.
    fn permission(&self, of: &Deployment) -> Why {
        if let Actor::Person { name, .. } = &of.by {
            let rule = match of.direction {
                Direction::Rollback => "a person rolled back",
                Direction::Forward => "a person asked for it",
            };
            return Why::leaf(rule, Holds::Yes).because(name.clone());
        }
        let job = of.call.as_ref().map(|call| &call.attempt);
        let run = job.and_then(|attempt| self.project.runs.get(&attempt.run));
        let leg = run.zip(job).and_then(|(run, attempt)| run.legs.get(&attempt.job));
        let (Some(run), Some(leg)) = (run, leg) else {
            return Why::leaf("it was asked for", Holds::Yes).because(of.by.to_string());
        };
        let rule = format!("job {} of run {} may deploy here", leg.leg.name, run.id);
        let mut why = Why::leaf(rule, Holds::Yes);
        if let Some((opened, ..)) = &leg.opened {
            let ago = duration(self.now.since(*opened).max(0));
            why.evidence = Some(format!("its gates opened {ago} ago; as they stood then"));
            why.of = proof(leg);
        }
        why
    }

    /// Whether a deployment that succeeded serves still, or what took its place.
    fn service_of(&self, of: &Deployment) -> String {
        if self.project.serving(&of.place).is_some_and(|serving| serving.id == of.id) {
            return "it serves all traffic".to_owned();
        }
        let after = |next: &&Deployment| {
            let succeeded = matches!(next.outcome, Some((DeploymentOutcome::Succeeded, _)));
            next.id > of.id && next.place == of.place && succeeded
        };
        match self.project.deployments.values().find(after) {
            Some(next) => {
                let back = match (next.direction, &next.by) {
                    (Direction::Rollback, Actor::Person { name, .. }) => {
                        format!(", a rollback by {name}")
                    }
                    _ => String::new(),
                };
                let took = next.outcome.as_ref().map_or(next.requested, |(_, at)| *at);
                let ago = duration(self.now.since(took).max(0));
                format!("it served; deployment {} took its place {ago} ago{back}", next.id)
            }
            None => "it served all traffic".to_owned(),
        }
    }

    fn job_of_file(&self, run: &Run, job: &Job) -> Why {
        match &job.plan {
            JobPlan::Waiting => {
                let in_file = run.workflow.as_ref().and_then(|workflow| workflow.job(&job.key));
                let open = in_file.into_iter().flat_map(|job| &job.needs);
                let open: Vec<&str> =
                    open.filter(|key| run.job_result(key).is_none()).map(String::as_str).collect();
                let evidence = match open.as_slice() {
                    [] => "waits to be planned".to_owned(),
                    open => format!("waits for {}", open.join(", ")),
                };
                Why::leaf(job.key.clone(), Holds::NotYet).because(evidence)
            }
            JobPlan::Skipped { reason } => Why::leaf(job.key.clone(), Holds::Yes)
                .because(format!("skipped: {}", reason.show())),
            JobPlan::Impossible { reason } => {
                Why::leaf(job.key.clone(), Holds::No).because(reason.show())
            }
            JobPlan::Planned { legs, .. } => {
                let legs: Vec<&LegState> =
                    legs.iter().filter_map(|key| run.legs.get(key)).collect();
                match legs.as_slice() {
                    [only] => self.leg(run, only),
                    several => {
                        let parts = several.iter().map(|leg| self.leg(run, leg)).collect();
                        Why::all(job.key.clone(), parts)
                    }
                }
            }
        }
    }

    /// Why a leg stands where it stands: its gates while it waits, else how it came out.
    fn leg(&self, run: &Run, leg: &LegState) -> Why {
        let gate = Gate::of(self.platform, self.project, run, leg);
        let name = leg.leg.name.clone();
        match (leg.phase, gate) {
            (LegPhase::Gated, Some(gate)) => gate.why(self.now),
            (LegPhase::Queued, _) => {
                let group = leg.leg.concurrency.as_ref().map_or("", |own| own.group.as_str());
                let evidence = format!("waits for concurrency group `{group}`");
                Why::leaf(name, Holds::NotYet).because(evidence)
            }
            (LegPhase::Gated | LegPhase::Open, _) => {
                Why::leaf(name, Holds::NotYet).because("waits for a free runner")
            }
            (LegPhase::Running, _) => {
                let since = leg.attempts.last().map_or(leg.queued, |attempt| attempt.started);
                let since = duration(self.now.since(since).max(0));
                Why::leaf(name, Holds::NotYet).because(format!("running for {since}"))
            }
            (LegPhase::Lost, _) => {
                let known = Known::of(run, leg);
                let evidence = format!("{}; a person must decide", known.reason);
                Why { of: known.parts(), ..Why::leaf(name, Holds::NotYet).because(evidence) }
            }
            (LegPhase::Done(outcome, at), _) => {
                let mut why = Why::leaf(name, of_outcome(outcome));
                why.evidence = Some(ended(leg, outcome, at));
                why.of = proof(leg);
                why
            }
        }
    }

    /// What people can do about a leg.
    fn acts(&self, run: &Run, leg: &LegState) -> Vec<Act> {
        match leg.phase {
            LegPhase::Gated => {
                let Some(gate) = Gate::of(self.platform, self.project, run, leg) else {
                    return Vec::new();
                };
                let approve = |person: String| Act::Approve {
                    environment: gate.environment.clone(),
                    commit: run.commit.clone(),
                    person,
                };
                able(&gate.why(self.now)).into_iter().map(approve).collect()
            }
            LegPhase::Lost => vec![Act::DecideLost { run: run.id, job: leg.leg.job.clone() }],
            _ => Vec::new(),
        }
    }
}

type Found<'a> = (&'a Run, &'a LegState);

/// What is known of a job whose runner was lost: enough to decide by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Why it counts as lost.
    pub reason: String,
    /// The steps that ended, and how.
    pub ended: Vec<(u32, String, Outcome)>,
    /// The step that was under way when the runner was lost: it may have done all, some or nothing.
    pub in_flight: Option<(u32, String)>,
    /// The steps that were never begun.
    pub not_begun: Vec<(u32, String)>,
}

impl Known {
    /// What is known of the last attempt of a leg.
    #[must_use]
    pub fn of(run: &Run, leg: &LegState) -> Self {
        let attempt = leg.attempts.last();
        let reason = attempt.and_then(|attempt| attempt.reason.clone());
        let reason = reason.or_else(|| leg.reason.clone());
        let ended: Vec<(u32, String, Outcome)> = attempt.map_or_else(Vec::new, |attempt| {
            let steps = attempt.steps.iter();
            steps.map(|(number, step)| (*number, step.name.clone(), step.outcome)).collect()
        });
        let next = ended.iter().map(|(number, ..)| number + 1).max().unwrap_or(0);
        let mut rest = planned_steps(run, leg).into_iter().filter(|(number, _)| *number >= next);
        let in_flight = rest.next();
        Self {
            reason: reason.unwrap_or_else(|| "its runner was lost".to_owned()),
            ended,
            in_flight,
            not_begun: rest.collect(),
        }
    }

    fn parts(&self) -> Vec<Why> {
        let mut parts: Vec<Why> = self
            .ended
            .iter()
            .map(|(_, name, outcome)| {
                Why::leaf(format!("step `{name}` ended"), of_outcome(*outcome))
                    .because(outcome.word())
            })
            .collect();
        parts.extend(self.in_flight.iter().map(|(_, name)| {
            Why::leaf(format!("step `{name}` was under way"), Holds::NotYet)
                .because("it may have done all, some or nothing of its work")
        }));
        parts
    }
}

/// The steps of a leg's job as the file names them, from 0.
#[must_use]
pub fn planned_steps(run: &Run, leg: &LegState) -> Vec<(u32, String)> {
    let workflow = run.workflow.as_deref();
    let Some(job) = workflow.and_then(|workflow| workflow.job(&leg.job)) else { return Vec::new() };
    // Unnamed steps get their name when they begin.
    let names = job.steps.iter().zip(1..).map(|(step, place)| match &step.name {
        Some(name) => name.source.clone(),
        None => format!("Step {place}"),
    });
    (0..).zip(names).collect()
}

fn replicas(of: &Deployment) -> Why {
    let rule = match of.replicas {
        1 => "1 replica is healthy".to_owned(),
        many => format!("{many} replicas are healthy"),
    };
    let ready = of.ready.len();
    if let Some(report) = &of.replica_failure {
        return Why::leaf(rule, Holds::No).because(report.show());
    }
    // Once it carried traffic they were; what became of them afterwards is another matter.
    if of.percent_reached > 0 {
        return Why::leaf(rule.replace("is ", "was ").replace("are ", "were "), Holds::Yes);
    }
    let holds = match (ready as u32 >= of.replicas, of.outcome.is_some()) {
        (true, _) => Holds::Yes,
        (false, false) => Holds::NotYet,
        (false, true) => Holds::No,
    };
    Why::leaf(rule, holds).because(format!("{ready} of {}", of.replicas))
}

/// One step of the rollout. A rollout that has ended reaches no further step.
fn share(of: &Deployment, step: u32) -> Why {
    let rule = format!("{step} % of the traffic");
    let reached = of.percent_reached >= step;
    let stays = of.percent == step && of.outcome.is_none() && step < 100;
    let gave_up = matches!(of.outcome, Some((DeploymentOutcome::RolledBack { .. }, _)))
        && of.percent_reached == step;
    let holds = match (reached, of.outcome.is_some()) {
        (true, _) if !stays && !gave_up => Holds::Yes,
        (_, true) => Holds::No,
        _ => Holds::NotYet,
    };
    let part = Why::leaf(rule, holds);
    if of.percent_reached == step && !of.verdict_reason.is_empty() {
        return part.because(of.verdict_reason.clone());
    }
    if reached || holds != Holds::No { part } else { part.because("not reached") }
}

/// The gates as they stood when they opened.
fn proof(leg: &LegState) -> Vec<Why> {
    let lines = leg.opened.as_ref().map_or(&[][..], |(_, _, proof)| proof);
    // The one tree is the whole rule, which whoever prints this says in other words.
    Why::read(lines).into_iter().flat_map(|whole| whole.of).collect()
}

fn ended(leg: &LegState, outcome: Outcome, at: Millis) -> String {
    let took = duration(at.since(leg.queued).max(0));
    let failed = leg.attempts.last().and_then(|attempt| {
        let step = attempt.steps.values().find(|step| step.conclusion == Outcome::Failure)?;
        Some(format!(" in step `{}`", step.name))
    });
    let reason = leg.reason.as_ref().map(|reason| format!(": {reason}"));
    format!(
        "{} after {took}{}{}",
        outcome.word(),
        failed.unwrap_or_default(),
        reason.unwrap_or_default()
    )
}

/// The people who could make a tree hold.
fn able(why: &Why) -> Vec<String> {
    if why.holds != Holds::NotYet {
        return Vec::new();
    }
    let mut people = why.who.clone();
    people.extend(why.of.iter().flat_map(able));
    people
}

const fn of_outcome(outcome: Outcome) -> Holds {
    match outcome {
        Outcome::Success | Outcome::Skipped => Holds::Yes,
        Outcome::Cancelled | Outcome::Failure => Holds::No,
    }
}
