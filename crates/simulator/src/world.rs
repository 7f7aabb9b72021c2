//! The world around the machine: its clock, its agenda, and all that happens in it, one event after
//! the other.
//!
//! Every event has an identity that depends on its cause alone. So a deed or an accident can be left
//! out, and everything that does not follow from it happens as before: that is how a failure is made
//! small.

mod carry;
mod commit;
mod deeds;
mod gateway;
mod outside;
mod process;
mod rest;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use qnt9_model::{
    Actor, Ask, AttemptId, CallKey, Command, DeploymentId, Millis, Order, Person, StreamId,
};
use qnt9_store::{MasterKey, Memory};

use crate::audit::{Auditor, Broken};
use crate::company::{Repository, Workflows, staff};
use crate::coverage::Coverage;
use crate::random::{Random, mix};
use crate::server::Server;
use crate::swarm::Swarm;
use crate::{Options, Rhythm};

use gateway::{Gateway, Share};
use process::Process;

pub(crate) const SECOND: i64 = 1000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Monday, 2 November 2026, 07:00 UTC.
const BEGINNING: Millis = Millis(1_793_602_800_000);
/// Every stream there may ever be.
const STREAMS: [&str; 4] = [StreamId::PLATFORM, "shop", "srs", "lab"];
/// One seed in so many closes with all that can be checked of a log as a whole.
const THOROUGH_SEEDS: u64 = 4;
/// Letters that may be sent once more.
const OLD_LETTERS: usize = 64;

/// What happens at a moment.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A person has time to do something.
    Routine { person: usize, nth: u64 },
    /// A letter reaches the server.
    Arrives(Box<Letter>),
    /// The server takes what lies there.
    Commit,
    /// The moment the server named has come.
    Wake,
    /// A dead server is started again.
    Restart,
    /// A paused server goes on where it was.
    Awake,
    /// An order is begun.
    Carry(Box<(StreamId, Order)>),
    /// The server looks at its orders again.
    Look,
    /// A job's process goes on.
    Work(Box<(StreamId, AttemptId)>),
    /// A step has waited long enough for the answer to this call and asks again.
    Impatient(Box<(StreamId, CallKey)>),
    /// The gateway hears what it is to carry.
    Share(Box<Share>),
    /// The gateway closes a window.
    Window,
    /// A replica's process has come up, or not.
    Replica(Box<(StreamId, DeploymentId, u32)>),
}

/// A command on its way.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// A push with its files is large, and letters are kept to be sent again.
    pub(crate) ask: Arc<Ask>,
    pub(crate) from: Origin,
}

impl Letter {
    pub(crate) fn new(ask: Ask, from: Origin) -> Self {
        Self { ask: Arc::new(ask), from }
    }
}

/// Who waits for the answer.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// Nobody.
    Nobody,
    /// A person's push is written once it was taken in.
    Pusher(Box<crate::company::Written>),
    /// The server's own arm that carries out this order.
    Arm(Box<Order>),
    /// The server's follower of this attempt.
    Follower(AttemptId),
    /// A step of this attempt.
    Step(CallKey),
}

/// The whole world of one seed.
pub(crate) struct World<'a> {
    options: &'a Options,
    pub(crate) swarm: Swarm,
    pub(crate) clock: Millis,
    /// How far the server's clock is ahead of the world's.
    skew_ms: i64,
    agenda: BTreeMap<(Millis, u64), (u64, Event)>,
    /// Counts what was ever put on the agenda, so that what is due at one moment has an order.
    agreed: u64,
    /// The identity of what happens now, and how many followed from it.
    current: u64,
    children: u64,
    /// The identities of all deeds and accidents, which could be left out.
    pub(crate) happened: Vec<u64>,
    key: MasterKey,
    disk: Memory,
    server: Option<Server>,
    /// Servers that were ever started.
    servers: u64,
    /// A server that was paused and does not know that another one took over.
    paused: Option<Server>,
    looks: commit::Looks,
    /// What the log folded to some time ago.
    snapshot: Option<Server>,
    inbox: Vec<Letter>,
    is_committing: bool,
    wake: Option<Millis>,
    pub(crate) auditor: Auditor,
    pub(crate) coverage: Coverage,
    people: Vec<Person>,
    workflows: Arc<Workflows>,
    repositories: BTreeMap<StreamId, Repository>,
    processes: BTreeMap<(StreamId, AttemptId), Process>,
    gateway: Gateway,
    qualities: BTreeMap<String, process::Quality>,
    /// Calls of steps that wait for their answer.
    unanswered: BTreeMap<(StreamId, CallKey), Arc<Ask>>,
    old_letters: VecDeque<Letter>,
    /// Lines kept when somebody wants to read them.
    pub(crate) trace: Vec<String>,
    pub(crate) is_over: bool,
    /// Closes with what takes longest: its log folded from the first fact on, and torn.
    is_thorough: bool,
    /// Every fact in the order in which it became durable.
    #[cfg(test)]
    seen: Vec<qnt9_model::Entry>,
}

impl<'a> World<'a> {
    /// An empty company before its first day.
    pub(crate) fn new(seed: u64, options: &'a Options, workflows: Arc<Workflows>) -> Self {
        let key = MasterKey::from_bytes([7; 32]);
        let swarm = match options.rhythm {
            Rhythm::Dense => Swarm::draw(mix(seed, 1)),
            Rhythm::Office { .. } => Swarm::office(),
        };
        let team = match options.rhythm {
            Rhythm::Dense => 12,
            Rhythm::Office { team, .. } => team,
        };
        Self {
            options,
            swarm,
            clock: BEGINNING,
            skew_ms: 0,
            agenda: BTreeMap::new(),
            agreed: 0,
            current: mix(seed, 2),
            children: 0,
            happened: Vec::new(),
            disk: Memory::new(&key),
            key,
            server: None,
            servers: 0,
            paused: None,
            looks: commit::Looks::default(),
            snapshot: None,
            inbox: Vec::new(),
            is_committing: false,
            wake: None,
            auditor: Auditor::default(),
            coverage: Coverage::default(),
            people: staff(team),
            workflows,
            repositories: BTreeMap::new(),
            processes: BTreeMap::new(),
            gateway: Gateway::default(),
            qualities: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            old_letters: VecDeque::new(),
            trace: Vec::new(),
            is_over: false,
            is_thorough: seed.is_multiple_of(THOROUGH_SEEDS),
            #[cfg(test)]
            seen: Vec::new(),
        }
    }

    /// Lives until enough has happened, then until everything has come to rest.
    pub(crate) fn live(&mut self) -> Result<(), Broken> {
        self.found()?;
        let end = match self.options.rhythm {
            Rhythm::Dense => None,
            Rhythm::Office { days, .. } => Some(BEGINNING.plus(i64::from(days) * DAY)),
        };
        while !self.is_over {
            let enough = match end {
                Some(end) => self.clock >= end,
                None => self.auditor.facts >= self.options.facts,
            };
            if enough {
                return self.come_to_rest();
            }
            self.next_event()?;
        }
        Ok(())
    }

    /// Lets the next thing on the agenda happen.
    fn next_event(&mut self) -> Result<(), Broken> {
        let Some(((at, _), (id, event))) = self.agenda.pop_first() else {
            return Err(Broken::new("agenda", "nothing will ever happen again"));
        };
        self.clock = self.clock.max(at);
        (self.current, self.children) = (id, 0);
        let mut random = Random::new(id);
        self.happen(event, &mut random)
    }

    fn happen(&mut self, event: Event, random: &mut Random) -> Result<(), Broken> {
        match event {
            Event::Routine { person, nth } => self.routine(person, nth, random),
            Event::Arrives(letter) => {
                self.arrive(*letter);
                Ok(())
            }
            Event::Commit => self.commit(random),
            Event::Wake => {
                self.wake = None;
                self.commit(random)
            }
            Event::Restart => self.restart(),
            Event::Awake => self.awake(random),
            Event::Carry(order) => self.carry(&order.0, &order.1, random),
            Event::Look => self.look(),
            Event::Work(attempt) => self.work(&attempt.0, &attempt.1, random),
            Event::Impatient(call) => {
                self.impatient(&call.0, &call.1);
                Ok(())
            }
            Event::Share(share) => {
                self.share(*share, random);
                Ok(())
            }
            Event::Window => self.window(random),
            Event::Replica(replica) => {
                self.replica_settles(&replica.0, replica.1, replica.2, random);
                Ok(())
            }
        }
    }

    /// The identity of the next thing that follows from what happens now.
    fn child(&mut self) -> u64 {
        self.children += 1;
        mix(self.current, self.children)
    }

    /// Puts something that follows on the agenda.
    fn later(&mut self, after_ms: i64, event: Event) {
        let id = self.child();
        self.agree(self.clock.plus(after_ms), id, event);
    }

    fn agree(&mut self, at: Millis, id: u64, event: Event) {
        self.agreed += 1;
        self.agenda.insert((at, self.agreed), (id, event));
    }

    /// Whether a deed or an accident is to happen; it is noted, so that it can be left out.
    fn happens(&mut self, what: impl FnOnce() -> String) -> bool {
        let id = self.child();
        if self.options.skip.contains(&id) {
            return false;
        }
        self.happened.push(id);
        self.note(what);
        true
    }

    /// Keeps a line for the reader of a failure.
    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.options.trace {
            let at = jiff::Timestamp::from_millisecond(self.clock.0).unwrap_or_default();
            self.trace.push(format!("{at}  {}", what()));
        }
    }

    fn server_time(&self) -> Millis {
        self.clock.plus(self.skew_ms)
    }

    /// Sends a letter over the network, where it may be lost, doubled or late.
    fn send(&mut self, letter: Letter, random: &mut Random) {
        let messages = self.swarm.messages.clone();
        self.remember(&letter);
        if random.chance(messages.lost) && self.happens(|| lost(&letter)) {
            return;
        }
        if random.chance(messages.doubled) && self.happens(|| format!("doubled: {}", told(&letter)))
        {
            let again = random.between(0..=MINUTE);
            self.later(again, Event::Arrives(Box::new(letter.clone())));
        }
        let mut delay = random.between(1..=40);
        if random.chance(messages.late) && self.happens(|| format!("late: {}", told(&letter))) {
            delay = random.between(SECOND..=HOUR);
        }
        self.later(delay, Event::Arrives(Box::new(letter)));
    }

    /// Puts a letter on the server's own desk: within one process nothing is lost.
    fn hand_in(&mut self, stream: &StreamId, command: Command, from: Origin) {
        let ask = Ask { stream: stream.clone(), by: Actor::Platform, command };
        let letter = Letter::new(ask, from);
        self.remember(&letter);
        self.arrive(letter);
    }

    fn arrive(&mut self, letter: Letter) {
        if self.server.is_none() {
            return;
        }
        self.inbox.push(letter);
        if !self.is_committing {
            self.is_committing = true;
            self.later(2, Event::Commit);
        }
    }

    fn remember(&mut self, letter: &Letter) {
        // Only what machines say: a person who asks twice does want it twice.
        if self.swarm.messages.echoed == 0
            || matches!(letter.ask.by, Actor::Person { .. })
            || matches!(letter.ask.command, Command::ImportCommits { .. })
        {
            return;
        }
        if self.old_letters.len() == OLD_LETTERS {
            self.old_letters.pop_front();
        }
        self.old_letters.push_back(Letter { ask: letter.ask.clone(), from: Origin::Nobody });
    }
}

fn lost(letter: &Letter) -> String {
    format!("lost: {}", told(letter))
}

/// A letter in one line.
pub(crate) fn told(letter: &Letter) -> String {
    let Ask { stream, by, command } = &*letter.ask;
    let mut text = format!("{stream}: {by} asks {command:?}");
    if let Some((end, _)) = text.char_indices().nth(200) {
        text.truncate(end);
        text.push('…');
    }
    text
}
