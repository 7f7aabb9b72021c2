//! Takes and renews leases, takes over what a dead server left, gives up what others are to have.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use qnt9_model::StreamId;
use qnt9_store::{Fence, LeaseHolder, Leases, LogHandle, Renewal, StoreError, TakenLease};
use tokio::sync::oneshot;

use super::share::{to_give_up, to_take};
use super::{LEASE, Owners};
use crate::machine::Machine;

/// How often it is looked at who holds what.
const PULSE: Duration = Duration::from_millis(250);
/// How often own leases are renewed.
const RENEW: Duration = Duration::from_secs(1);
/// How long a free stream is left to the server whose turn it is.
const LEFT_TO_OTHERS: Duration = Duration::from_millis(1500);
/// What the name of a server's own lease begins with: it says that the server lives. No stream has
/// such a name.
const PRESENCE: &str = "server:";

/// How long a stream is kept before it may be given up to a server with fewer.
const KEPT_MIN: Duration = Duration::from_secs(2);

/// What the thread is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// Take the lease of this stream, if it is free.
    Claim {
        stream: StreamId,
        reply: oneshot::Sender<()>,
    },
    Stop,
}

/// The thread, until it is stopped.
pub(super) struct Handle {
    requests: Sender<Request>,
    thread: JoinHandle<()>,
}

impl Handle {
    pub(super) fn requests(&self) -> Sender<Request> {
        self.requests.clone()
    }

    pub(super) fn stop(self) {
        // A thread that has ended hears nothing, which is what is wanted.
        let _ = self.requests.send(Request::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread that keeps the leases had panicked");
        }
    }
}

/// A lease of ours.
struct Held {
    fence: u64,
    /// Until when it counts, by this machine's own clock and so never later than the database says.
    until: Instant,
    /// Since when.
    since: Instant,
    /// Whether the machine decides for the stream.
    decides: bool,
}

pub(super) struct Keeper {
    machine: Machine,
    log: LogHandle,
    owners: Owners,
    me: LeaseHolder,
    /// The lease that says that this server lives.
    presence: Option<Fence>,
    held: BTreeMap<StreamId, Held>,
    free_since: BTreeMap<StreamId, Instant>,
    renewed: Option<Instant>,
    was_away: bool,
}

impl Keeper {
    pub(super) fn new(machine: Machine, log: LogHandle, owners: Owners, me: LeaseHolder) -> Self {
        Self {
            machine,
            log,
            owners,
            me,
            presence: None,
            held: BTreeMap::new(),
            free_since: BTreeMap::new(),
            renewed: None,
            was_away: false,
        }
    }

    pub(super) fn start(self) -> std::io::Result<Handle> {
        let (requests, asked) = channel();
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new()
            .name("leases".to_owned())
            .spawn(move || self.run(&asked, &runtime))?;
        Ok(Handle { requests, thread })
    }

    fn run(mut self, asked: &Receiver<Request>, runtime: &tokio::runtime::Handle) {
        let mut leases: Option<Box<dyn Leases + Send>> = None;
        loop {
            let kept = match &mut leases {
                Some(leases) => self.keep(leases.as_mut(), runtime),
                None => self.log.leases().wait().map(|fresh| leases = Some(fresh)),
            };
            match kept {
                Ok(()) => self.was_away = false,
                Err(error) => {
                    if !self.was_away {
                        tracing::warn!("leases cannot be kept: {error}");
                    }
                    self.was_away = true;
                    leases = None;
                }
            }
            self.drop_what_is_over(runtime);
            match asked.recv_timeout(PULSE) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Request::Claim { stream, reply }) => {
                    if let Some(leases) = &mut leases {
                        self.claim(leases.as_mut(), &stream, runtime);
                    }
                    // Whoever asked sees by what is own now whether it came out.
                    let _ = reply.send(());
                }
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Some(mut leases) = leases {
            self.release_all(leases.as_mut(), runtime);
        }
    }

    fn keep(
        &mut self,
        leases: &mut dyn Leases,
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), StoreError> {
        if self.renewed.is_none_or(|renewed| renewed.elapsed() >= RENEW) {
            self.renew(leases, runtime)?;
        }
        let holders = leases.holders()?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for lease in holders {
            match lease.stream.strip_prefix(PRESENCE) {
                Some(_) => *counts.entry(lease.holder.id).or_default() += 0,
                None => {
                    *counts.entry(lease.holder.id.clone()).or_default() += 1;
                    owners.insert(StreamId::from(lease.stream), lease.holder);
                }
            }
        }
        let free = self.free_streams(&owners)?;
        let waiting = |stream: &StreamId| {
            self.free_since.get(stream).is_some_and(|since| since.elapsed() >= LEFT_TO_OTHERS)
        };
        let take: Vec<StreamId> =
            to_take(&self.me.id, counts.clone(), &free, waiting).into_iter().cloned().collect();
        for stream in take {
            if self.take(leases, &stream)? {
                owners.insert(stream, self.me.clone());
            }
        }
        let settled = self.held.iter().filter(|(_, held)| held.since.elapsed() >= KEPT_MIN);
        let settled = settled.map(|(stream, _)| stream);
        if free.is_empty()
            && let Some(stream) = to_give_up(&self.me.id, &counts, settled).cloned()
        {
            self.give_up(leases, &stream, runtime)?;
            owners.remove(&stream);
        }
        self.decide(runtime);
        self.owners.set(owners);
        Ok(())
    }

    /// The streams that nobody holds: all projects that are known, and the platform's, which there is
    /// before its first entry.
    fn free_streams(
        &mut self,
        owners: &BTreeMap<StreamId, LeaseHolder>,
    ) -> Result<Vec<StreamId>, StoreError> {
        let mut streams = vec![StreamId::platform()];
        streams
            .extend(self.machine.read(|state| state.projects.keys().cloned().collect::<Vec<_>>()));
        let free: Vec<StreamId> =
            streams.into_iter().filter(|stream| !owners.contains_key(stream)).collect();
        self.free_since.retain(|stream, _| free.contains(stream));
        for stream in &free {
            self.free_since.entry(stream.clone()).or_insert_with(Instant::now);
        }
        Ok(free)
    }

    fn claim(
        &mut self,
        leases: &mut dyn Leases,
        stream: &StreamId,
        runtime: &tokio::runtime::Handle,
    ) {
        match self.take(leases, stream) {
            Ok(_) => self.decide(runtime),
            Err(error) => tracing::warn!(%stream, "the lease cannot be taken: {error}"),
        }
    }

    fn take(&mut self, leases: &mut dyn Leases, stream: &StreamId) -> Result<bool, StoreError> {
        let asked = Instant::now();
        let TakenLease::Taken { fence } = leases.take(stream.as_str(), &self.me, LEASE)? else {
            return Ok(false);
        };
        let held = Held { fence, until: asked + LEASE, since: asked, decides: false };
        self.held.insert(stream.clone(), held);
        Ok(true)
    }

    fn renew(
        &mut self,
        leases: &mut dyn Leases,
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), StoreError> {
        let presence = format!("{PRESENCE}{}", self.me.id);
        if let TakenLease::Taken { fence } = leases.take(&presence, &self.me, LEASE)? {
            self.presence = Some(Fence { stream: presence, number: fence });
        }
        let asked = Instant::now();
        let fences: Vec<Fence> =
            self.held.iter().map(|(stream, held)| fence(stream, held)).collect();
        let renewals = leases.renew(&fences, LEASE)?;
        for (Fence { stream, .. }, renewal) in fences.into_iter().zip(renewals) {
            let stream = StreamId::from(stream);
            match (renewal, self.held.get_mut(&stream)) {
                (Renewal::Renewed, Some(held)) => held.until = asked + LEASE,
                (Renewal::Renewed, None) => {}
                (Renewal::Lost, _) => {
                    tracing::warn!(%stream, "the lease was lost");
                    self.held.remove(&stream);
                    runtime.block_on(self.machine.disown(&stream));
                }
            }
        }
        self.renewed = Some(Instant::now());
        // Renewing a lease wrote to the log's database.
        self.machine.log_answers();
        Ok(())
    }

    /// Has the machine decide for what is held.
    fn decide(&mut self, runtime: &tokio::runtime::Handle) {
        for (stream, held) in &mut self.held {
            if held.decides {
                if !self.machine.owns(stream) {
                    // The machine itself gave up a stream whose fence was refused: ask about the lease.
                    held.decides = false;
                    self.renewed = None;
                }
                continue;
            }
            match runtime.block_on(self.machine.own(stream, held.fence)) {
                Ok(()) => held.decides = true,
                Err(refusal) => tracing::warn!(%stream, "not taken over yet: {refusal}"),
            }
        }
    }

    /// Stops deciding for streams whose lease may be somebody else's by now.
    fn drop_what_is_over(&mut self, runtime: &tokio::runtime::Handle) {
        let now = Instant::now();
        let over: Vec<StreamId> = self
            .held
            .iter()
            .filter(|(_, held)| held.until <= now)
            .map(|(stream, _)| stream.clone())
            .collect();
        for stream in over {
            tracing::warn!(%stream, "the lease ran out before it could be renewed");
            self.held.remove(&stream);
            runtime.block_on(self.machine.disown(&stream));
        }
    }

    fn give_up(
        &mut self,
        leases: &mut dyn Leases,
        stream: &StreamId,
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), StoreError> {
        runtime.block_on(self.machine.disown(stream));
        if let Some(held) = self.held.remove(stream) {
            leases.release(&[fence(stream, &held)])?;
        }
        Ok(())
    }

    fn release_all(&mut self, leases: &mut dyn Leases, runtime: &tokio::runtime::Handle) {
        let streams: Vec<StreamId> = self.held.keys().cloned().collect();
        for stream in streams {
            if let Err(error) = self.give_up(leases, &stream, runtime) {
                tracing::warn!(%stream, "the lease was not released and runs out: {error}");
            }
        }
        if let Some(presence) = self.presence.take()
            && let Err(error) = leases.release(&[presence])
        {
            tracing::warn!("that this server ended is known only when its lease runs out: {error}");
        }
    }
}

fn fence(stream: &StreamId, held: &Held) -> Fence {
    Fence { stream: stream.to_string(), number: held.fence }
}
