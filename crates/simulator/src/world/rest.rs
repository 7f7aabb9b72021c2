//! What must be true whenever the machine is at rest, and how everything comes to rest in the end.

use std::collections::BTreeSet;

use qnt9_engine::gates::Gate;
use qnt9_engine::orders::attempt_of;
use qnt9_engine::rollout::awaits_promotion;
use qnt9_engine::snapshot::STATE_VERSION;
use qnt9_engine::state::{LegPhase, Project, Run};
use qnt9_engine::{State, deadline, orders, step};
use qnt9_model::command::Decision;
use qnt9_model::why::Holds;
use qnt9_model::{Actor, Ask, Command, Millis, RunId, StreamId};
use qnt9_store::{
    Digest, Head, Log as _, LogRead as _, NewSnapshot, SealedHead, StoredEntry, verify,
    verify_stream,
};

use crate::audit::{Auditor, Broken};
use crate::random::Random;
use crate::server::Server;

use super::{Event, HOUR, Letter, MINUTE, Origin, SECOND, World};

/// Rounds of sensible behaviour after which every run must have ended.
const ROUNDS_MAX: usize = 1_000;

/// Nothing is overdue, and every run that goes on names what it waits for.
pub(super) fn check(state: &State, auditor: &Auditor, now: Millis) -> Result<(), Broken> {
    for (stream, project) in &state.projects {
        let tick = Ask { stream: stream.clone(), by: Actor::Platform, command: Command::Tick };
        // Nothing else is looked at, and where nothing follows the state stays as it is.
        let alone = [(stream.clone(), project.clone())];
        let mut alone = State { platform: state.platform.clone(), projects: alone.into() };
        let mut quiet = |at: Millis| {
            let facts = step(&mut alone, &tick, at)
                .map_err(|refusal| Broken::new("tick", refusal.to_string()))?;
            match facts.first() {
                None => Ok(()),
                Some(entry) => {
                    let early = at.since(now);
                    let what = crate::told::entry(entry);
                    let what = format!("{early} ms from now, without a deadline: {what}");
                    Err(Broken::new("at-rest", what))
                }
            }
        };
        match deadline(state, now) {
            // The machine is about to wake by itself; that it then has something to do is seen there.
            Some(due) if due <= now => {}
            Some(due) => {
                quiet(now)?;
                quiet(due.plus(-1))?;
            }
            None => quiet(now)?,
        }
        let orders = orders(project);
        let at_work: BTreeSet<RunId> =
            orders.iter().filter_map(attempt_of).map(|a| a.run).collect();
        for id in &project.live {
            let names = |run| at_work.contains(id) || waits(state, project, run, now);
            if !project.runs.get(id).is_some_and(names) {
                let what = format!("{stream}: run {id} neither ends nor says what it waits for");
                return Err(Broken::new("names-what-it-waits-for", what));
            }
        }
        auditor.same_live(stream, &project.live)?;
    }
    Ok(())
}

/// Whether a live run for which no runner has anything to do names what it waits for: a person, a
/// gate, or its turn.
fn waits(state: &State, project: &Project, run: &Run, now: Millis) -> bool {
    if run.started.is_none() {
        let group = |run: &Run| run.concurrency.as_ref().map(|c| c.group.clone());
        return project.live.iter().filter_map(|other| project.runs.get(other)).any(|other| {
            other.id != run.id && group(other).is_some() && group(other) == group(run)
        });
    }
    run.legs.values().any(|leg| match leg.phase {
        LegPhase::Lost => true,
        LegPhase::Queued => leg.leg.concurrency.as_ref().is_some_and(|own| {
            let others = project.live.iter().filter_map(|id| project.runs.get(id));
            let mut others = others.filter(|other| other.is_in_group(&own.group));
            others.any(|other| other.id != run.id || other.legs.len() > 1)
        }),
        LegPhase::Gated => match Gate::of(&state.platform, project, run, leg) {
            Some(gate) => {
                let why = gate.why(now);
                why.holds == Holds::NotYet && !why.unmet().is_empty()
            }
            None => true,
        },
        _ => false,
    })
}

impl World<'_> {
    /// Faults stop and people act sensibly: every run that there is must end. Then the books are
    /// closed.
    pub(super) fn come_to_rest(&mut self) -> Result<(), Broken> {
        self.note(|| "faults stop".to_owned());
        self.swarm.calm();
        self.skew_ms = self.skew_ms.max(0);
        let mut random = Random::new(self.current);
        self.restart()?;
        let waited: BTreeSet<(StreamId, RunId)> = self.live_runs();
        for _ in 0..ROUNDS_MAX {
            if self.live_runs().is_disjoint(&waited) {
                return self.close();
            }
            self.act_sensibly(&mut random);
            let until = self.clock.plus(5 * MINUTE);
            self.pass_until(until)?;
            if !self.is_busy() {
                self.skip_ahead()?;
            }
        }
        let left: Vec<String> = self
            .live_runs()
            .intersection(&waited)
            .map(|(stream, run)| self.stands(stream, *run))
            .collect();
        Err(Broken::new("every-run-ends", format!("{} do not: {}", left.len(), left.join("; "))))
    }

    fn live_runs(&self) -> BTreeSet<(StreamId, RunId)> {
        let projects = self.server.iter().flat_map(|server| &server.state.projects);
        projects
            .flat_map(|(stream, project)| project.live.iter().map(|id| (stream.clone(), *id)))
            .collect()
    }

    /// How a run stands, for those who wonder why it does not end.
    fn stands(&self, stream: &StreamId, id: RunId) -> String {
        let project = self.server.as_ref().and_then(|server| server.state.projects.get(stream));
        let Some(run) = project.and_then(|project| project.runs.get(&id)) else {
            return format!("{stream} {id} is gone");
        };
        let legs: Vec<String> = run
            .legs
            .iter()
            .filter(|(_, leg)| !matches!(leg.phase, LegPhase::Done(..)))
            .map(|(key, leg)| format!("{key} {:?}", leg.phase))
            .collect();
        let jobs: Vec<String> =
            project.into_iter().flat_map(orders).map(|order| format!("{order:?}")).collect();
        let jobs: Vec<&String> =
            jobs.iter().filter(|order| order.contains(&format!("RunId({id})"))).collect();
        let (path, started) = (&run.path, run.started.is_some());
        format!("{stream} {id} {path} started {started}: {legs:?} {jobs:?}")
    }

    /// Lets everything on the agenda happen, except what people would do.
    fn pass_until(&mut self, until: Millis) -> Result<(), Broken> {
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > until {
                break;
            }
            if matches!(entry.get().1, Event::Routine { .. }) {
                entry.remove();
                continue;
            }
            self.next_event()?;
        }
        self.clock = self.clock.max(until);
        Ok(())
    }

    /// Whether somebody works: then time passes as it does.
    fn is_busy(&self) -> bool {
        let projects = self.server.iter().flat_map(|server| server.state.projects.values());
        projects.flat_map(orders).any(|order| {
            !matches!(order, qnt9_model::Order::KeepReplicas(_) | qnt9_model::Order::Notify(_))
        })
    }

    /// Nobody works: on to the next moment at which something is due.
    fn skip_ahead(&mut self) -> Result<(), Broken> {
        let now = self.server_time();
        let due = self.server.as_ref().and_then(|server| deadline(&server.state, now));
        match due {
            // Schedules are due every hour, and a gate may wait for thirty days.
            Some(due) => {
                let least = self.clock.plus(6 * HOUR);
                self.pass_until(due.plus(-self.skew_ms).max(least).plus(SECOND))
            }
            None => Ok(()),
        }
    }

    /// Whoever can approve or promote does, and whoever is asked about a lost job decides.
    fn act_sensibly(&mut self, random: &mut Random) {
        let Some(server) = &self.server else { return };
        let mut letters = Vec::new();
        for (stream, project) in &server.state.projects {
            for run in project.live.iter().filter_map(|id| project.runs.get(id)) {
                for leg in run.legs.values() {
                    let environment = leg.leg.environment.clone();
                    let command = match (leg.phase, environment) {
                        (LegPhase::Lost, _) => Command::ResolveLost {
                            run: run.id,
                            job: leg.leg.job.clone(),
                            decision: random.pick([Decision::Rerun, Decision::Abandon]),
                        },
                        (LegPhase::Gated, Some(environment)) => {
                            let run = run.id;
                            Command::Approve { run, environment, seen: None, comment: None }
                        }
                        _ => continue,
                    };
                    letters.push((stream.clone(), command));
                }
            }
        }
        for (stream, project) in &server.state.projects {
            for (place, known) in &project.places {
                let active = known.active.and_then(|id| project.deployments.get(&id));
                if active.is_some_and(awaits_promotion) {
                    let environment = place.environment.clone();
                    letters.push((stream.clone(), Command::Promote { environment }));
                }
            }
            let locked = project.workspaces.iter().filter(|(_, known)| known.lock.is_some());
            for (workspace, _) in locked.filter(|_| random.chance(250)) {
                let command = Command::UnlockState { workspace: workspace.clone(), lock: None };
                letters.push((stream.clone(), command));
            }
        }
        for (stream, command) in letters {
            for person in self.people.iter().take(6).cloned().collect::<Vec<_>>() {
                let by = Actor::Person { name: person.name, demo: person.demo };
                let ask = Ask { stream: stream.clone(), by, command: command.clone() };
                self.arrive(Letter::new(ask, Origin::Nobody));
            }
        }
    }

    /// The chain verifies, a torn one does not, and all of it folds to the state that was reached.
    fn close(&mut self) -> Result<(), Broken> {
        let Some(server) = self.server.take() else { return Ok(()) };
        check(&server.state, &self.auditor, self.server_time())?;
        self.auditor.close()?;
        if self.is_thorough {
            let whole = Server::fold(&self.disk, None)
                .map_err(|error| Broken::new("fold", error.to_string()))?;
            super::commit::same("whole-fold", &whole, &server)?;
        }
        let resumed = Server::from_snapshots(&self.disk).map_err(|e| Broken::new("snapshot", e))?;
        super::commit::same("snapshot-and-tail", &resumed, &server)?;
        for stream in self.disk.streams().map_err(|e| Broken::new("store", e.to_string()))? {
            self.take_foreign_snapshot(&stream)?;
            self.erase(&stream)?;
            verify_stream(&self.disk, &stream, Some(&self.key))
                .map_err(|error| Broken::new("chain", error.to_string()))?;
            if self.is_thorough {
                self.tear(&stream)?;
            }
        }
        self.server = Some(server);
        Ok(())
    }

    /// A snapshot that was made of another history must be refused.
    fn take_foreign_snapshot(&mut self, stream: &str) -> Result<(), Broken> {
        let failed = |error: qnt9_store::StoreError| Broken::new("store", error.to_string());
        let head = self.disk.head(stream).map_err(failed)?;
        let other = Head { digest: Digest::of(b"another history"), ..head };
        let foreign = NewSnapshot::new(stream, other, STATE_VERSION, b"{}".to_vec());
        match self.disk.put_snapshot(foreign) {
            Ok(()) => Err(Broken::new("snapshot", format!("{stream}: one of another history"))),
            Err(_) => Ok(()),
        }
    }

    /// Content that was erased is gone.
    fn erase(&mut self, stream: &str) -> Result<(), Broken> {
        let failed = |error: qnt9_store::StoreError| Broken::new("store", error.to_string());
        let head = self.disk.head(stream).map_err(failed)?.sequence;
        let from = head.saturating_sub(200).max(1);
        let texts = self.disk.texts(stream, from..=head).map_err(failed)?;
        let Some(digest) = texts.iter().find(|text| text.text.is_some()).map(|text| text.digest)
        else {
            return Ok(());
        };
        self.disk.erase(stream, &digest).map_err(failed)?;
        let texts = self.disk.texts(stream, from..=head).map_err(failed)?;
        if texts.iter().any(|text| text.digest == digest && text.text.is_some()) {
            let what = format!("{stream}: {digest} was erased and can still be read");
            return Err(Broken::new("erased", what));
        }
        Ok(())
    }

    /// A store that kept a batch only in part, or bent a line, must be found out.
    fn tear(&self, stream: &str) -> Result<(), Broken> {
        let failed = |error: qnt9_store::StoreError| Broken::new("store", error.to_string());
        let Some(head) = self.disk.sealed_head(stream).map_err(failed)? else { return Ok(()) };
        let length = head.head.sequence;
        let mut random = Random::new(length);
        let from = length.saturating_sub(40).max(1);
        let tail = self.disk.read(stream, from, 64).map_err(failed)?;
        if tail.len() < 3 {
            return Ok(());
        }
        let at = 1 + random.below(tail.len() as u64 - 2) as usize;
        let mut torn = tail;
        let how = match random.below(3) {
            0 => {
                torn.remove(at);
                "dropped"
            }
            1 => {
                let byte = torn[at].line.len() / 2;
                torn[at].line[byte] ^= 1;
                "bent"
            }
            _ => {
                torn.swap(at, at - 1);
                "swapped"
            }
        };
        if self.passes(stream, from, &torn, &head) {
            let place = from + at as u64;
            let what = format!("{stream}: entry {place} was {how}, and nobody noticed");
            return Err(Broken::new("chain", what));
        }
        Ok(())
    }

    /// Whether a tail verifies behind the untouched entries before it.
    fn passes(&self, stream: &str, from: u64, torn: &[StoredEntry], head: &SealedHead) -> bool {
        let Ok(before) = self.disk.read(stream, 1, (from - 1) as usize) else { return false };
        let entries = before.iter().chain(torn);
        verify(stream, entries, Some(head), Some(&self.key)).is_ok()
    }

    /// The digests of the heads of all streams: the same seed gives the same.
    pub(crate) fn heads(&self) -> Vec<(String, Head)> {
        let streams = self.disk.streams().unwrap_or_default();
        let head = |stream: String| {
            let head =
                self.disk.head(&stream).unwrap_or(Head { sequence: 0, digest: Digest::ZERO });
            (stream, head)
        };
        streams.into_iter().map(head).collect()
    }

    /// The log as `qnt9 audit export` writes it.
    #[cfg(test)]
    pub(crate) fn export(&self) -> String {
        let mut bytes = Vec::new();
        for stream in self.disk.streams().expect("memory is read") {
            qnt9_store::export(&self.disk, &stream, &mut bytes).expect("memory is written");
        }
        String::from_utf8(bytes).expect("JSON is text")
    }

    /// The facts in the order in which they became durable.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> Vec<qnt9_model::Entry> {
        self.seen.clone()
    }
}
