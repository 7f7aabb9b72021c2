//! Runs and their jobs: created, queued, planned, ended.

use std::collections::BTreeMap;

use qnt9_model::fact::{Cause, Leg, Outcome};
use qnt9_model::{Entry, Fact, JobKey, Millis, RunId};
use qnt9_workflow::{Job, Workflow};
use serde::Deserialize as _;
use serde_json::Value;

use super::Broken;
use super::book::{JobBook, LegBook, Project, RunBook};

impl Project {
    pub(super) fn runs(&mut self, entry: &Entry) -> Result<(), Broken> {
        match &entry.fact {
            Fact::RunCreated { .. } => self.create(entry),
            Fact::RunStarted { run } => self.start(entry, *run),
            Fact::RunSuperseded { run, .. } => {
                let run = self.live_run(entry, *run)?;
                if run.started {
                    return Err(Broken::of("concurrency", entry, "it was running already"));
                }
                (run.superseded, run.cancelled) = (true, true);
                Ok(())
            }
            Fact::RunCancelRequested { run, .. } => {
                self.live_run(entry, *run)?.cancelled = true;
                Ok(())
            }
            Fact::RunKillRequested { run, .. } => {
                let run = self.live_run(entry, *run)?;
                (run.cancelled, run.killed) = (true, true);
                Ok(())
            }
            Fact::RunFinished { run, result } => self.finish(entry, *run, *result),
            Fact::JobPlanned { run: id, key, legs, max_parallel, fail_fast, .. } => {
                self.plan(entry, *id, key)?;
                let time = entry.time;
                let protected = legs.iter().filter(|leg| leg.environment.is_some());
                self.gated.extend(protected.map(|leg| (*id, leg.job.clone())));
                let run = self.live_run(entry, *id)?;
                let book = run.jobs.entry(key.clone()).or_default();
                book.legs = legs.iter().map(|leg| leg.job.clone()).collect();
                (book.max_parallel, book.fail_fast) = (*max_parallel, *fail_fast);
                for leg in legs {
                    run.legs.insert(leg.job.clone(), LegBook::planned(leg, key, time));
                }
                Ok(())
            }
            Fact::JobSkipped { run, key, .. } => {
                self.plan(entry, *run, key)?;
                self.job_result(*run, key, Outcome::Skipped);
                Ok(())
            }
            Fact::JobImpossible { run, key, .. } => {
                self.plan(entry, *run, key)?;
                self.job_result(*run, key, Outcome::Failure);
                Ok(())
            }
            Fact::JobAdmitted { run, job } => self.admit(entry, *run, job),
            _ => Ok(()),
        }
    }

    fn live_run(&mut self, entry: &Entry, run: RunId) -> Result<&mut RunBook, Broken> {
        match self.runs.get_mut(&run) {
            Some(run) if run.finished.is_none() => Ok(run),
            Some(_) => Err(Broken::of("run-ends-once", entry, "the run was over")),
            None => Err(Broken::of("run", entry, "there is no such run")),
        }
    }

    fn create(&mut self, entry: &Entry) -> Result<(), Broken> {
        let Fact::RunCreated {
            path,
            number,
            cause,
            reference,
            commit,
            workflow,
            concurrency,
            repeat,
            ..
        } = &entry.fact
        else {
            return Ok(());
        };
        // To run it again is another attempt at the run of that number.
        if !matches!(cause, Cause::Rerun { .. }) {
            let last = self.numbers.insert(path.clone(), *number).unwrap_or(0);
            if *number != last + 1 {
                return Err(Broken::of("run-number", entry, format!("the last one was {last}")));
            }
        }
        let jobs = self.jobs_of(path, workflow);
        let mut run = RunBook {
            cause: cause.clone(),
            reference: reference.clone(),
            commit: commit.clone(),
            group: concurrency.clone(),
            started: false,
            superseded: false,
            cancelled: false,
            killed: false,
            jobs,
            legs: Default::default(),
            finished: None,
        };
        let id = RunId(entry.sequence);
        if let (Cause::Rerun { of, .. }, Some(repeat)) = (cause, repeat) {
            self.take_over(id, &mut run, *of, repeat, entry.time);
        }
        self.runs.insert(id, run);
        self.live.insert(id);
        Ok(())
    }

    /// The jobs of a file, which hardly ever changes from one run to the next.
    fn jobs_of(&mut self, path: &str, workflow: &Value) -> BTreeMap<String, JobBook> {
        match self.files.get(path) {
            Some((known, jobs)) if known == workflow => jobs.clone(),
            _ => {
                let parsed = Workflow::deserialize(workflow).ok();
                let jobs = parsed.iter().flat_map(|workflow| &workflow.jobs);
                let jobs: BTreeMap<_, _> =
                    jobs.map(|job| (job.key.clone(), JobBook::of(job))).collect();
                self.files.insert(path.to_owned(), (workflow.clone(), jobs.clone()));
                jobs
            }
        }
    }

    /// What a run takes over from the one it repeats.
    fn take_over(
        &mut self,
        id: RunId,
        run: &mut RunBook,
        of: RunId,
        repeat: &qnt9_model::fact::Repeat,
        time: Millis,
    ) {
        let Some(earlier) = self.runs.get(&of) else { return };
        let resumed = repeat.resumes.as_ref().map(|resumes| &resumes.attempt.job);
        for (key, job) in &earlier.jobs {
            let some_legs =
                job.legs.iter().any(|leg| repeat.legs.contains(leg) || Some(leg) == resumed);
            if repeat.jobs.contains(key) || some_legs {
                run.jobs.insert(key.clone(), job.clone());
            }
        }
        for (key, leg) in &earlier.legs {
            let is_kept = repeat.jobs.contains(&leg.job) || repeat.legs.contains(key);
            let mut leg = LegBook { checks: Vec::new(), ..leg.clone() };
            if is_kept {
                leg.attempts_before = leg.attempts;
            } else if run.jobs.get(&leg.job).is_some_and(|job| job.is_planned) {
                leg = LegBook {
                    queued: time,
                    admitted: false,
                    opened: None,
                    approvals: Vec::new(),
                    is_rejected: false,
                    attempts: 0,
                    attempts_before: 0,
                    decided: 0,
                    is_lost: false,
                    is_asked_for: false,
                    waits_for_retry: false,
                    steps: Default::default(),
                    next_line: 1,
                    is_cancelled: false,
                    outputs: Vec::new(),
                    ended: None,
                    ..leg
                };
            } else {
                continue;
            }
            if leg.environment.is_some() {
                self.gated.insert((id, key.clone()));
            }
            run.legs.insert(key.clone(), leg);
        }
        let plans = self.plans.range((of, "".into())..).take_while(|((run, _), _)| *run == of);
        // What a job made that is run again is made anew.
        let kept = |job| run.legs.get(job).is_some_and(|leg| leg.attempts > 0);
        let plans: Vec<_> = plans
            .filter(|(_, (_, job))| kept(job))
            .map(|((_, environment), plan)| ((id, environment.clone()), plan.clone()))
            .collect();
        self.plans.extend(plans);
    }

    fn start(&mut self, entry: &Entry, id: RunId) -> Result<(), Broken> {
        let run = self.live_run(entry, id)?;
        if run.started || run.superseded {
            return Err(Broken::of("run-starts-once", entry, "it has started or was superseded"));
        }
        run.started = true;
        let group = run.group.as_ref().map(|terms| terms.group.clone());
        if let Some(group) = group
            && let Some((other, _)) = self.groups.insert(group, (id, None))
            && other != id
        {
            return Err(Broken::of("concurrency", entry, format!("run {other} runs in its group")));
        }
        Ok(())
    }

    /// A job leaves the queue of its own group.
    fn admit(&mut self, entry: &Entry, id: RunId, job: &JobKey) -> Result<(), Broken> {
        let run = self.live_run(entry, id)?;
        let Some(leg) = run.legs.get_mut(job).filter(|leg| leg.ended.is_none() && !leg.admitted)
        else {
            return Err(Broken::of("concurrency", entry, "the job does not queue"));
        };
        leg.admitted = true;
        let Some(group) = leg.group.clone() else {
            return Err(Broken::of("concurrency", entry, "the job has no group"));
        };
        match self.groups.insert(group, (id, Some(job.clone()))) {
            None => Ok(()),
            Some(other) => {
                Err(Broken::of("concurrency", entry, format!("{other:?} runs in its group")))
            }
        }
    }

    fn plan(&mut self, entry: &Entry, id: RunId, key: &str) -> Result<(), Broken> {
        let run = self.live_run(entry, id)?;
        if !run.started {
            return Err(Broken::of("concurrency", entry, "the run waits for its turn"));
        }
        let Some(job) = run.jobs.get(key) else {
            return Err(Broken::of("job-planned-once", entry, "the file has no such job"));
        };
        if job.is_planned {
            return Err(Broken::of("job-planned-once", entry, "it was planned before"));
        }
        if let Some(need) = job.needs.iter().find(|need| run.result(need).is_none()) {
            return Err(Broken::of("needs", entry, format!("{need} has not ended")));
        }
        if let Some(job) = run.jobs.get_mut(key) {
            job.is_planned = true;
        }
        Ok(())
    }

    fn job_result(&mut self, run: RunId, key: &str, result: Outcome) {
        let job = self.runs.get_mut(&run).and_then(|run| run.jobs.get_mut(key));
        if let Some(job) = job {
            job.result = Some(result);
        }
    }

    fn finish(&mut self, entry: &Entry, id: RunId, result: Outcome) -> Result<(), Broken> {
        let run = self.live_run(entry, id)?;
        if run.started
            && let Some(key) = run.jobs.keys().find(|key| run.result(key).is_none())
        {
            return Err(Broken::of("run-result", entry, format!("{key} has not ended")));
        }
        let results: Vec<Outcome> = run.jobs.keys().filter_map(|key| run.result(key)).collect();
        let expected = if !run.started {
            Outcome::Cancelled
        } else if results.contains(&Outcome::Failure) {
            Outcome::Failure
        } else if run.cancelled || results.contains(&Outcome::Cancelled) {
            Outcome::Cancelled
        } else if results.contains(&Outcome::Success) {
            Outcome::Success
        } else {
            Outcome::Skipped
        };
        if result != expected {
            let what = format!("its jobs say {}", expected.word());
            return Err(Broken::of("run-result", entry, what));
        }
        run.finished = Some(result);
        for leg in run.legs.values_mut() {
            (leg.approvals, leg.steps) = (Vec::new(), Default::default());
        }
        self.live.remove(&id);
        self.groups.retain(|_, holder| *holder != (id, None));
        Ok(())
    }

    pub(super) fn close(&self, stream: &qnt9_model::StreamId) -> Result<(), Broken> {
        for (environment, (run, job)) in &self.holders {
            if self.runs.get(run).is_none_or(|run| run.finished.is_some()) {
                let what = format!("{stream}: {job} of run {run} is over and holds {environment}");
                return Err(Broken::new("one-holder", what));
            }
        }
        Ok(())
    }
}

impl JobBook {
    fn of(job: &Job) -> Self {
        let condition = job.condition.as_ref().map_or("", |condition| condition.source.as_str());
        Self {
            needs: job.needs.clone(),
            outlives_cancel: condition.contains("always()") || condition.contains("cancelled()"),
            ..Self::default()
        }
    }
}

impl RunBook {
    /// Why nothing of this job may begin any more.
    pub(super) fn stops(&self, leg: &LegBook) -> Option<&'static str> {
        let job = self.jobs.get(&leg.job)?;
        let has_failed =
            |leg: &LegBook| leg.ended == Some(Outcome::Failure) && !leg.continue_on_error;
        let mut siblings = job.legs.iter().filter_map(|key| self.legs.get(key));
        if self.killed || (self.cancelled && !job.outlives_cancel) {
            Some("its run was cancelled")
        } else if leg.is_cancelled {
            Some("it was cancelled")
        } else if job.fail_fast && siblings.any(has_failed) {
            Some("another leg has failed, and one failure stops the others")
        } else {
            None
        }
    }

    /// How a job came out; a failure that may be is none.
    pub(super) fn result(&self, key: &str) -> Option<Outcome> {
        let job = self.jobs.get(key)?;
        if !job.is_planned || job.result.is_some() {
            return job.result;
        }
        let mut worst = Outcome::Success;
        for leg in &job.legs {
            let leg = self.legs.get(leg)?;
            let outcome = leg.ended?;
            if !(leg.continue_on_error && outcome == Outcome::Failure) {
                worst = worst.max(outcome);
            }
        }
        Some(worst)
    }
}

impl LegBook {
    fn planned(leg: &Leg, key: &str, queued: Millis) -> Self {
        Self {
            job: key.to_owned(),
            environment: leg.environment.clone(),
            group: leg.concurrency.as_ref().map(|concurrency| concurrency.group.clone()),
            continue_on_error: leg.continue_on_error,
            queued,
            admitted: false,
            opened: None,
            approvals: Vec::new(),
            is_rejected: false,
            checks: Vec::new(),
            attempts: 0,
            attempts_before: 0,
            decided: 0,
            is_lost: false,
            is_asked_for: false,
            waits_for_retry: false,
            steps: Default::default(),
            next_line: 1,
            is_cancelled: false,
            outputs: Vec::new(),
            ended: None,
        }
    }
}
