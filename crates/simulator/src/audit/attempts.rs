//! Attempts: they count up, one at a time, and what an old one says changes nothing.

use qnt9_model::fact::Outcome;
use qnt9_model::{Actor, AttemptId, Entry, Fact, JobKey, RunId};

use super::Broken;
use super::book::{LegBook, Project};

/// A job whose runner was lost so often is not tried again by itself.
const ATTEMPTS_LOST_MAX: u32 = 3;

impl Project {
    pub(super) fn attempts(&mut self, entry: &Entry) -> Result<(), Broken> {
        if let Actor::Job(attempt) = &entry.actor {
            self.counts(entry, attempt)?;
        }
        match &entry.fact {
            Fact::JobStarted { attempt, .. } => self.begin(entry, attempt),
            Fact::StepFinished { attempt, step, .. } => {
                let leg = self.counts(entry, attempt)?;
                if !leg.steps.insert(*step) {
                    return Err(Broken::of("no-step-twice", entry, "the step had ended"));
                }
                Ok(())
            }
            Fact::LogSealed { attempt, first_line, lines, .. } => {
                let leg = self.counts(entry, attempt)?;
                if leg.next_line != *first_line {
                    let what = format!("line {} is the next", leg.next_line);
                    return Err(Broken::of("log-without-gap", entry, what));
                }
                leg.next_line += lines;
                Ok(())
            }
            Fact::JobFinished { attempt, result, outputs, .. } => {
                let known = self.leg_mut(attempt);
                let Some(leg) = known.filter(|leg| leg.ended.is_none()) else {
                    return Err(Broken::of("job-ends-once", entry, "it had ended"));
                };
                // Attempt 0 is a job that never started.
                let never = attempt.attempt == 0 && !leg.is_running();
                if leg.attempts != attempt.attempt && !never {
                    return Err(Broken::of("fencing", entry, "an old attempt ends the job"));
                }
                (leg.ended, leg.is_lost) = (Some(*result), false);
                leg.outputs.clone_from(outputs);
                self.leave(attempt.run, &attempt.job);
                Ok(())
            }
            Fact::JobLost { attempt, retry, .. } => {
                let is_asked_for = self.leg(attempt).is_some_and(|leg| leg.is_asked_for);
                let leg = match is_asked_for {
                    true => self.lost(entry, attempt)?,
                    false => self.counts(entry, attempt)?,
                };
                leg.is_asked_for = false;
                if *retry && leg.environment.is_some() {
                    let what = "a job with an environment is tried again, and nobody decided that";
                    return Err(Broken::of("nothing-twice", entry, what));
                }
                if *retry && leg.attempts - leg.attempts_before >= ATTEMPTS_LOST_MAX {
                    let what = "it was lost often enough";
                    return Err(Broken::of("lost-for-ever", entry, what));
                }
                (leg.is_lost, leg.waits_for_retry) = (!retry, *retry);
                Ok(())
            }
            Fact::JobRerun { attempt } => {
                let leg = self.lost(entry, attempt)?;
                (leg.is_lost, leg.is_asked_for, leg.waits_for_retry) = (false, false, true);
                leg.decided += 1;
                if entry.actor.person().is_none() {
                    return Err(Broken::of("nothing-twice", entry, "no person decided that"));
                }
                Ok(())
            }
            Fact::JobResumeRequested { attempt } => {
                self.lost(entry, attempt)?.is_asked_for = true;
                Ok(())
            }
            Fact::JobResumed { attempt, .. } => {
                let leg = self.lost(entry, attempt)?;
                (leg.is_lost, leg.is_asked_for) = (false, false);
                Ok(())
            }
            Fact::JobCancelRequested { run, job, .. } => {
                let run = self.runs.get_mut(run);
                if let Some(leg) = run.and_then(|run| run.legs.get_mut(job)) {
                    leg.is_cancelled = true;
                }
                Ok(())
            }
            Fact::GatesClosed { run, job, .. } => self.end(entry, *run, job, Outcome::Failure),
            Fact::JobSuperseded { run, job, .. } => self.end(entry, *run, job, Outcome::Cancelled),
            _ => Ok(()),
        }
    }

    /// The job of an attempt that counts now.
    fn counts(&mut self, entry: &Entry, attempt: &AttemptId) -> Result<&mut LegBook, Broken> {
        match self.leg_mut(attempt) {
            Some(leg) if leg.is_running() && leg.attempts == attempt.attempt => Ok(leg),
            _ => Err(Broken::of("fencing", entry, format!("{attempt} does not count"))),
        }
    }

    fn lost(&mut self, entry: &Entry, attempt: &AttemptId) -> Result<&mut LegBook, Broken> {
        match self.leg_mut(attempt) {
            Some(leg) if leg.is_lost && leg.attempts == attempt.attempt => Ok(leg),
            _ => Err(Broken::of("fencing", entry, format!("{attempt} is not lost"))),
        }
    }

    fn begin(&mut self, entry: &Entry, attempt: &AttemptId) -> Result<(), Broken> {
        let broken = |invariant, what: &str| Err(Broken::of(invariant, entry, what));
        let Some(leg) = self.leg(attempt) else {
            return broken("attempts-count-up", "the job was not planned");
        };
        if leg.ended.is_some() || leg.is_lost || leg.is_running() {
            return broken("attempts-count-up", "the job has ended, is lost or runs");
        }
        if attempt.attempt != leg.attempts + 1 {
            return broken("attempts-count-up", "it is not the next one");
        }
        if self.runs.get(&attempt.run).is_some_and(|run| !run.started) {
            return broken("concurrency", "the job starts before its run has its turn");
        }
        if let Some(why) = self.runs.get(&attempt.run).and_then(|run| run.stops(leg)) {
            return broken("stopped", why);
        }
        if leg.group.is_some() && !leg.admitted && self.has_queued(attempt, leg) {
            return broken("concurrency", "the job waits for its group");
        }
        if let Some(environment) = &leg.environment {
            if leg.opened.is_none() {
                return broken("gates", "the job starts, and its gates never opened");
            }
            if self.holders.get(environment) != Some(&(attempt.run, attempt.job.clone())) {
                return broken(
                    "one-holder",
                    "the job starts, and another one holds its environment",
                );
            }
        }
        if let Some(most) = self.parallel_max(attempt, &leg.job.clone())
            && self.running(attempt, &leg.job.clone()) >= most as usize
        {
            return broken("max-parallel", "enough legs run already");
        }
        if let Some(leg) = self.leg_mut(attempt) {
            leg.attempts += 1;
            leg.waits_for_retry = false;
            leg.steps.clear();
            leg.next_line = 1;
        }
        Ok(())
    }

    /// Whether somebody else runs in the group of a leg that was never admitted.
    fn has_queued(&self, attempt: &AttemptId, leg: &LegBook) -> bool {
        let holder = leg.group.as_ref().and_then(|group| self.groups.get(group));
        holder.is_some_and(|holder| *holder != (attempt.run, Some(attempt.job.clone())))
    }

    fn parallel_max(&self, attempt: &AttemptId, job: &str) -> Option<u32> {
        self.runs.get(&attempt.run)?.jobs.get(job)?.max_parallel
    }

    fn running(&self, attempt: &AttemptId, job: &str) -> usize {
        let Some(run) = self.runs.get(&attempt.run) else { return 0 };
        let of_job = run.legs.values().filter(|leg| leg.job == job);
        of_job.filter(|leg| leg.is_running() || leg.is_lost).count()
    }

    fn end(
        &mut self,
        entry: &Entry,
        run: RunId,
        job: &JobKey,
        outcome: Outcome,
    ) -> Result<(), Broken> {
        let leg = self.runs.get_mut(&run).and_then(|run| run.legs.get_mut(job));
        match leg.filter(|leg| leg.ended.is_none() && leg.attempts == leg.attempts_before) {
            Some(leg) => leg.ended = Some(outcome),
            None => return Err(Broken::of("job-ends-once", entry, "it had ended or started")),
        }
        self.leave(run, job);
        Ok(())
    }

    /// A job that ended holds nothing any more.
    fn leave(&mut self, run: RunId, job: &JobKey) {
        self.holders.retain(|_, holder| *holder != (run, job.clone()));
        self.groups.retain(|_, holder| *holder != (run, Some(job.clone())));
    }
}
