//! What must be true after each commit: the state that was reached holds what the facts say, and
//! nothing is left undone that had to follow at once.

use std::collections::BTreeMap;

use qnt9_engine::State;
use qnt9_engine::state::LegPhase;
use qnt9_model::fact::{Outcome, Queue};
use qnt9_model::{AttemptId, Entry, EnvironmentName, Fact, Millis, Person, RunId, StreamId};

use super::book::{LegBook, Project};
use super::{Auditor, Broken};

impl Auditor {
    /// Holds the state that was reached by these entries, and the moment, against the books.
    pub(crate) fn agrees_with(
        &mut self,
        state: &State,
        entries: &[Entry],
        now: Millis,
    ) -> Result<(), Broken> {
        for entry in entries {
            self.state_agrees(state, entry)?;
        }
        let Self { people, projects, .. } = self;
        for (stream, project) in projects {
            let Some(known) = state.projects.get(stream) else { continue };
            if known.holders != project.holders {
                let what =
                    format!("{stream}: {:?} hold, and {:?} did", known.holders, project.holders);
                return Err(Broken::new("one-holder", what));
            }
            project.nobody_waits_for(stream)?;
            let facts = entries.iter().filter(|entry| entry.stream == *stream);
            project.gates_rest(stream, people, now, facts.clone().any(|e| opens(&e.fact)))?;
            for fact in facts.map(|entry| &entry.fact) {
                project.queues_rest(stream, fact)?;
            }
        }
        Ok(())
    }

    fn state_agrees(&self, state: &State, entry: &Entry) -> Result<(), Broken> {
        let stream = &entry.stream;
        match &entry.fact {
            Fact::JobStarted { attempt, .. }
            | Fact::StepFinished { attempt, .. }
            | Fact::JobLost { attempt, .. }
            | Fact::JobRerun { attempt }
            | Fact::JobResumed { attempt, .. } => self.leg_agrees(state, stream, attempt),
            Fact::JobFinished { attempt, .. } => {
                self.leg_agrees(state, stream, attempt)?;
                self.outputs_agree(state, stream, attempt.run)
            }
            // A run that is over is put away, and must lose nothing by it.
            Fact::RunFinished { run, .. } => self.outputs_agree(state, stream, *run),
            _ => Ok(()),
        }
    }

    fn leg_agrees(
        &self,
        state: &State,
        stream: &StreamId,
        attempt: &AttemptId,
    ) -> Result<(), Broken> {
        let Some(leg) = self.projects.get(stream).and_then(|p| p.leg(attempt)) else {
            return Ok(());
        };
        let known = state.projects.get(stream).and_then(|p| p.runs.get(&attempt.run));
        let Some(known) = known.and_then(|run| run.legs.get(&attempt.job)) else { return Ok(()) };
        let agrees = match known.phase {
            LegPhase::Running => leg.is_running(),
            LegPhase::Lost => leg.is_lost,
            LegPhase::Done(outcome, _) => leg.ended == Some(outcome),
            LegPhase::Open => !leg.is_running() && !leg.is_lost && leg.ended.is_none(),
            _ => leg.attempts == leg.attempts_before,
        };
        if !agrees {
            let what =
                format!("{stream}: {attempt} is {:?}, and the facts say {leg:?}", known.phase);
            return Err(Broken::new("state", what));
        }
        Ok(())
    }

    /// What the jobs of a run put out is what the runners said.
    fn outputs_agree(&self, state: &State, stream: &StreamId, id: RunId) -> Result<(), Broken> {
        let run = self.projects.get(stream).and_then(|project| project.runs.get(&id));
        let known = state.projects.get(stream).and_then(|project| project.runs.get(&id));
        let (Some(run), Some(known)) = (run, known) else { return Ok(()) };
        let own = |leg: &&LegBook| leg.ended.is_some() && leg.attempts > leg.attempts_before;
        for (key, leg) in run.legs.iter().filter(|(_, leg)| own(leg)) {
            let last = known.legs.get(key).and_then(|known| known.attempts.last());
            if last.is_none_or(|last| last.outputs != leg.outputs) {
                let what = format!("{stream}: {key} of run {id} put out {:?}", leg.outputs);
                return Err(Broken::new("outputs", what));
            }
        }
        Ok(())
    }
}

/// Whether a gate may open by this fact.
const fn opens(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::EvidenceRecorded { .. }
            | Fact::CauseNoted { .. }
            | Fact::ApprovalGiven { .. }
            | Fact::CheckAnswered { .. }
    )
}

impl Project {
    /// A rollout whose job was cancelled or failed goes no further: nobody waits for it.
    fn nobody_waits_for(&self, stream: &StreamId) -> Result<(), Broken> {
        for (environment, id) in &self.active_places {
            let Some(known) = self.deployments.get(id).filter(|known| known.percent < 100) else {
                continue;
            };
            let leg = known.call.as_ref().and_then(|call| self.leg(&call.attempt));
            let ended = leg.and_then(|leg| leg.ended);
            if matches!(ended, Some(Outcome::Cancelled | Outcome::Failure)) {
                let what = format!("{stream}: deployment {id} rolls out in {environment}");
                return Err(Broken::new("rollout-of-nobody", what));
            }
        }
        Ok(())
    }

    /// No gate waits beyond its time, and none stays shut of which all rules hold.
    fn gates_rest(
        &mut self,
        stream: &StreamId,
        people: &BTreeMap<String, Person>,
        now: Millis,
        may_open: bool,
    ) -> Result<(), Broken> {
        let mut gated = std::mem::take(&mut self.gated);
        gated.retain(|(run, job)| {
            let leg = self.runs.get(run).and_then(|run| run.legs.get(job));
            leg.is_some_and(|leg| leg.opened.is_none() && leg.ended.is_none())
        });
        self.gated = gated;
        for (id, job) in &self.gated {
            let Some((run, leg)) =
                self.runs.get(id).and_then(|run| Some((run, run.legs.get(job)?)))
            else {
                continue;
            };
            let Some(environment) = &leg.environment else { continue };
            // A run that repeats another one has jobs before it has its turn.
            if !run.started || (leg.group.is_some() && !leg.admitted) {
                continue;
            }
            let broken = |what: &str| {
                let what = format!("{stream}: {job} of run {id}, {environment}: {what}");
                Err(Broken::new("gates", what))
            };
            let attempt = AttemptId { run: *id, job: job.clone(), attempt: 0 };
            let subjects = self.subjects(*id, environment);
            for rule in self.rules_in_force(environment) {
                let mut unasked =
                    rule.checks.iter().filter(|check| !self.is_asked(leg, &check.name, &subjects));
                if run.stops(leg).is_none() && unasked.next().is_some() {
                    return broken("a check was not asked about what would be deployed");
                }
                let Some(approvals) = &rule.approvals else { continue };
                let is_late = now >= leg.queued.plus(approvals.expire_after_ms);
                let counted = || self.counted(people, &attempt, leg, rule, approvals, &subjects);
                if is_late && counted().len() < approvals.needed as usize {
                    return broken("it waits beyond the time for its approvals");
                }
            }
            if may_open
                && run.stops(leg).is_none()
                && !self.is_taken(environment)
                && self
                    .rules_in_force(environment)
                    .iter()
                    .all(|rules| self.unmet(now, people, &attempt, leg, rules, &subjects).is_none())
            {
                return broken("all rules hold, and it stays shut");
            }
        }
        Ok(())
    }

    fn is_taken(&self, environment: &EnvironmentName) -> bool {
        self.holders.contains_key(environment) || self.active.contains_key(environment)
    }

    /// Of those who wait for a concurrency group only the newest goes on waiting.
    fn queues_rest(&self, stream: &StreamId, fact: &Fact) -> Result<(), Broken> {
        let Fact::RunCreated { concurrency: Some(terms), .. } = fact else { return Ok(()) };
        let waiting = self.live.iter().filter(|id| {
            self.runs.get(id).is_some_and(|run| {
                !run.started
                    && !run.cancelled
                    && run.group.as_ref().is_some_and(|group| {
                        group.group == terms.group && group.queue == Queue::Single
                    })
            })
        });
        let waiting: Vec<_> = waiting.collect();
        if waiting.len() > 1 {
            let what = format!("{stream}: {waiting:?} wait for {}", terms.group);
            return Err(Broken::new("superseded", what));
        }
        Ok(())
    }
}
