//! The server's turn: it takes what lies on its desk, decides, appends, and only then answers. And
//! all that can go wrong between these.

use qnt9_engine::{deadline, orders};
use qnt9_model::{Actor, Ask, Command, Entry, PushId, Refusal, StreamId};

use crate::Rhythm;
use crate::audit::Broken;
use crate::random::Random;
use crate::server::{Decided, Draft, Server};

use super::{Event, HOUR, Letter, MINUTE, Origin, SECOND, World};

/// A snapshot is taken when so many facts came since the last one.
const SNAPSHOT_FACTS: u64 = 300;
/// The log is given a snapshot when so many facts came since the last one.
const KEPT_SNAPSHOT_FACTS: u64 = 1_800;
/// The whole state is looked at when so many facts came since the last time.
const REST_FACTS: u64 = 400;

/// A year's state is large: what looks at all of it comes so many times more seldom there, and ever
/// more so as it grows.
const OFFICE_SELDOM: u64 = 50;
const OFFICE_GROWTH: u64 = 8;

/// When the whole state is looked at next.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    rest: Look,
    snapshot: Look,
    kept_snapshot: Look,
}

/// The number of facts at which it is time for something.
#[derive(Clone, Debug, Default)]
struct Look(u64);

impl Look {
    /// Whether it is time for what is to be done after `every` so many facts.
    fn is_due(&mut self, facts: u64, every: u64, rhythm: Rhythm) -> bool {
        let pause = match rhythm {
            Rhythm::Dense => every,
            Rhythm::Office { .. } => every * OFFICE_SELDOM + facts / OFFICE_GROWTH,
        };
        let is_due = self.0 > 0 && facts >= self.0;
        if is_due || self.0 == 0 {
            self.0 = facts + pause;
        }
        is_due
    }
}

/// What becomes of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stored,
    /// The server dies before.
    DiesBefore,
    /// The server dies behind.
    DiesBehind,
    /// Nothing was stored, and the store says so.
    Fails,
    /// All was stored, and the store says it was not.
    Lies,
}

impl World<'_> {
    pub(super) fn commit(&mut self, random: &mut Random) -> Result<(), Broken> {
        self.is_committing = false;
        self.clock_accident(random);
        if self.server.is_some() && random.chance(self.swarm.accidents.paused) {
            self.pause(random)?;
        }
        let letters = std::mem::take(&mut self.inbox);
        let now = self.server_time();
        let Some(mut server) = self.server.take() else { return Ok(()) };
        let due = deadline(&server.state, now).filter(|due| *due <= now);
        let mut draft = Draft::default();
        let mut answers = Vec::with_capacity(letters.len());
        for letter in letters {
            self.note(|| super::told(&letter));
            self.coverage.command(&letter.ask.command);
            let decided = server.decide(&letter.ask, now, &mut draft);
            if let Err(refusal) = &decided {
                self.note(|| format!("  refused: {refusal}"));
                self.coverage.refusal(refusal);
            }
            answers.push((letter, decided));
        }
        self.coverage.command(&Command::Tick);
        server
            .tick(now, &mut draft)
            .map_err(|refusal| Broken::new("tick", format!("a tick was refused: {refusal}")))?;
        if draft.entries.is_empty()
            && due.is_some_and(|due| deadline(&server.state, now) == Some(due))
        {
            let late = now.since(due.unwrap_or_default());
            return Err(Broken::new("deadline", format!("a moment {late} ms ago is due for ever")));
        }
        server.seal(&mut draft, random).map_err(|reason| Broken::new("seal", reason))?;
        let fate = self.fate(&draft, random);
        self.append(server, &draft, answers, fate, random)
    }

    fn fate(&mut self, draft: &Draft, random: &mut Random) -> Fate {
        if draft.entries.is_empty() {
            return Fate::Stored;
        }
        let accidents = &self.swarm.accidents;
        let fates = [
            (Fate::DiesBefore, accidents.crash_before),
            (Fate::DiesBehind, accidents.crash_after),
            (Fate::Fails, accidents.append_fails),
            (Fate::Lies, accidents.append_lies),
        ];
        for (fate, per_mille) in fates {
            if random.chance(per_mille) && self.happens(|| format!("the append: {fate:?}")) {
                return fate;
            }
        }
        Fate::Stored
    }

    fn append(
        &mut self,
        mut server: Server,
        draft: &Draft,
        answers: Vec<(Letter, Decided)>,
        fate: Fate,
        random: &mut Random,
    ) -> Result<(), Broken> {
        if !matches!(fate, Fate::DiesBefore | Fate::Fails) && !draft.entries.is_empty() {
            draft
                .append(&server, &mut self.disk)
                .map_err(|error| Broken::new("append", format!("the log refused: {error}")))?;
            self.see(&draft.entries)?;
        }
        match fate {
            Fate::Stored => {
                self.server = Some(server);
                self.settled(&draft.entries)?;
                for (letter, decided) in answers {
                    self.answer(letter, decided, random);
                }
                self.look()?;
            }
            Fate::DiesBefore | Fate::DiesBehind => {
                self.crash(&server, fate == Fate::DiesBehind, random)?;
            }
            Fate::Fails | Fate::Lies => {
                // Its own state is thrown away and taken from the log again, as the orders it was
                // carrying out are its own business and go on.
                let folded = self.fold()?;
                server.take_state_of(folded);
                self.server = Some(server);
                for (letter, _) in answers {
                    let reason = "the disk is full".to_owned();
                    let refusal = Refusal::Unavailable { reason };
                    self.coverage.refusal(&refusal);
                    self.answer(letter, Err(refusal), random);
                }
                self.look()?;
                self.later(SECOND, Event::Look);
            }
        }
        Ok(())
    }

    /// Every fact is looked at once it is durable, before anything follows from it.
    fn see(&mut self, entries: &[Entry]) -> Result<(), Broken> {
        for entry in entries {
            self.coverage.fact(&entry.fact);
            #[cfg(test)]
            self.seen.push(entry.clone());
            self.note(|| format!("  fact {}", crate::told::entry(entry)));
            self.auditor.see(entry)?;
            self.compare(entry)?;
            #[cfg(test)]
            if self.options.forbids.is_some_and(|forbids| forbids(&entry.fact)) {
                return Err(Broken::of("forbidden", entry, "a test says so"));
            }
            if self.options.until == Some(self.auditor.facts) {
                self.is_over = true;
            }
        }
        Ok(())
    }

    /// What must be true once the facts are durable and applied.
    fn settled(&mut self, entries: &[Entry]) -> Result<(), Broken> {
        let now = self.server_time();
        let Some(server) = &self.server else { return Ok(()) };
        if entries.is_empty() {
            return Ok(());
        }
        self.auditor.agrees_with(&server.state, entries, now)?;
        let (facts, rhythm) = (self.auditor.facts, self.options.rhythm);
        if self.looks.rest.is_due(facts, REST_FACTS, rhythm) {
            super::rest::check(&server.state, &self.auditor, self.server_time())?;
        }
        if self.looks.snapshot.is_due(facts, SNAPSHOT_FACTS, rhythm) {
            self.snapshot = Some(server.bare());
        }
        if self.looks.kept_snapshot.is_due(facts, KEPT_SNAPSHOT_FACTS, rhythm) {
            server.keep_snapshots(&mut self.disk).map_err(|e| Broken::new("snapshot", e))?;
            let resumed =
                Server::from_snapshots(&self.disk).map_err(|e| Broken::new("snapshot", e))?;
            same("snapshot", &resumed, server)?;
        }
        Ok(())
    }

    /// The server's own state after a fold of the log.
    pub(super) fn fold(&self) -> Result<Server, Broken> {
        Server::fold(&self.disk, self.snapshot.as_ref())
            .map_err(|error| Broken::new("fold", error.to_string()))
    }

    /// The server dies. What it had decided and not appended is gone; what it had appended is not.
    fn crash(&mut self, dead: &Server, appended: bool, random: &mut Random) -> Result<(), Broken> {
        self.inbox.clear();
        self.wake = None;
        self.coverage.crashes += 1;
        if appended {
            let again = self.fold()?;
            same("replay", &again, dead)?;
            self.snapshot = Some(again);
        }
        let down = random.between(200..=20 * SECOND);
        self.later(down, Event::Restart);
        Ok(())
    }

    pub(super) fn restart(&mut self) -> Result<(), Broken> {
        if self.server.is_some() {
            return Ok(());
        }
        self.note(|| "the server starts".to_owned());
        let mut server = self.fold()?;
        self.snapshot = Some(server.bare());
        self.servers += 1;
        server
            .take_over(&mut self.disk, &super::STREAMS, self.servers)
            .map_err(|reason| Broken::new("lease", reason))?;
        let streams: Vec<StreamId> = server.state.projects.keys().cloned().collect();
        self.server = Some(server);
        for stream in streams {
            self.hand_in(&stream, Command::Wake, Origin::Nobody);
        }
        self.look()
    }

    /// The server is stopped in the middle of something and another one takes over.
    fn pause(&mut self, random: &mut Random) -> Result<(), Broken> {
        if self.paused.is_some() || !self.happens(|| "the server is paused".to_owned()) {
            return Ok(());
        }
        self.paused = self.server.take();
        self.inbox.clear();
        self.server = None;
        self.wake = None;
        self.later(random.between(SECOND..=10 * MINUTE), Event::Awake);
        self.restart()
    }

    /// The paused server goes on as if nothing had been: what it writes must be refused, even if
    /// nobody has written since.
    pub(super) fn awake(&mut self, random: &mut Random) -> Result<(), Broken> {
        let Some(mut stale) = self.paused.take() else { return Ok(()) };
        let Some(stream) = stale.state.projects.keys().next().cloned() else { return Ok(()) };
        self.note(|| "the paused server wakes up".to_owned());
        let command = Command::Notify {
            call: None,
            title: "still here".to_owned(),
            text: "nobody told me otherwise".to_owned(),
            webhook: None,
        };
        let ask = Ask { stream, by: Actor::Platform, command };
        let mut draft = Draft::default();
        let decided = stale.decide(&ask, self.server_time(), &mut draft);
        stale.seal(&mut draft, random).map_err(|reason| Broken::new("seal", reason))?;
        if decided.is_ok() && draft.append(&stale, &mut self.disk).is_ok() {
            return Err(Broken::new("fencing", "a server that was replaced appended to the log"));
        }
        Ok(())
    }

    fn clock_accident(&mut self, random: &mut Random) {
        if !random.chance(self.swarm.accidents.clock) {
            return;
        }
        let jump =
            random.pick([-10 * MINUTE, -SECOND, SECOND, MINUTE, HOUR, 30 * HOUR, -30 * HOUR]);
        if self.happens(|| format!("the server's clock jumps by {jump} ms")) {
            self.skew_ms += jump;
        }
    }

    fn answer(&mut self, letter: Letter, decided: Decided, random: &mut Random) {
        let Letter { ask, from } = letter;
        match from {
            Origin::Nobody => {}
            Origin::Pusher(written) => {
                if let (Ok(Some(sequence)), Some(repository)) =
                    (decided, self.repositories.get_mut(&ask.stream))
                {
                    repository.offer(PushId(sequence), *written);
                }
            }
            Origin::Arm(order) => self.carried(&ask.stream, &order, &decided),
            Origin::Follower(attempt) => self.followed(&ask.stream, &attempt, &decided),
            Origin::Step(call) => self.step_answered(&ask.stream, &call, &decided, random),
        }
    }

    /// Compares outstanding orders with those that are being carried out, and says when it wants to be
    /// woken.
    pub(super) fn look(&mut self) -> Result<(), Broken> {
        let now = self.server_time();
        let Some(mut server) = self.server.take() else { return Ok(()) };
        for (stream, project) in &server.state.projects {
            let carrying = server.carrying.entry(stream.clone()).or_default();
            for order in carrying.renew(project) {
                self.coverage.order(&order);
                self.later(3, Event::Carry(Box::new((stream.clone(), order))));
            }
        }
        if let Some(due) = deadline(&server.state, now) {
            let at = due.plus(-self.skew_ms).max(self.clock.plus(1));
            if self.wake.is_none_or(|wake| at < wake || wake <= self.clock) {
                self.wake = Some(at);
                self.later(at.since(self.clock), Event::Wake);
            }
        }
        self.server = Some(server);
        Ok(())
    }
}

/// Two servers know the same and want the same.
pub(super) fn same(invariant: &'static str, one: &Server, other: &Server) -> Result<(), Broken> {
    if one.state != other.state {
        let at = difference(&format!("{:#?}", one.state), &format!("{:#?}", other.state));
        return Err(Broken::new(invariant, format!("the log folds to another state: {at}")));
    }
    for (stream, project) in &one.state.projects {
        let known = other.state.projects.get(stream).map(orders);
        if known.as_ref() != Some(&orders(project)) {
            return Err(Broken::new(invariant, format!("{stream}: other orders after a replay")));
        }
    }
    Ok(())
}

/// The first line in which two texts differ.
fn difference(one: &str, other: &str) -> String {
    let mut pairs = one.lines().zip(other.lines());
    match pairs.find(|(one, other)| one != other) {
        Some((one, other)) => format!("`{}` and `{}`", one.trim(), other.trim()),
        None => "one is longer".to_owned(),
    }
}
