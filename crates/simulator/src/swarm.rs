//! Swarm testing: each seed draws the probabilities themselves, so that some worlds have no crash at
//! all and others have hardly anything else.

use crate::company::DEED_KINDS;
use crate::random::Random;
use crate::world::SECOND;

/// How likely what is in one world. Probabilities are per mille.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    /// Projects that exist from the beginning.
    pub(crate) projects: usize,
    /// How often people do what, in proportion; indexed by [`crate::company::Deed`].
    pub(crate) deeds: [u32; DEED_KINDS],
    /// The mean time between two deeds of one person.
    pub(crate) pause_ms: i64,
    /// How many runners there are.
    pub(crate) runners: usize,
    pub(crate) messages: Messages,
    pub(crate) accidents: Accidents,
    pub(crate) work: Work,
}

/// What becomes of messages between the world and the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Messages {
    pub(crate) lost: u32,
    pub(crate) doubled: u32,
    /// Delivered after up to an hour instead of at once.
    pub(crate) late: u32,
    /// An old message is sent once more, per deed.
    pub(crate) echoed: u32,
}

/// What goes wrong in server, store, runners and clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accidents {
    /// The server dies after it decided and before it appended, per commit.
    pub(crate) crash_before: u32,
    /// The server dies after it appended and before it answered, per commit.
    pub(crate) crash_after: u32,
    /// The append fails and stored nothing.
    pub(crate) append_fails: u32,
    /// The append says it failed and stored everything.
    pub(crate) append_lies: u32,
    /// The server is paused, another one takes over, and then it wakes up.
    pub(crate) paused: u32,
    /// The clock jumps, per commit.
    pub(crate) clock: u32,
    /// A runner's process dies, per step.
    pub(crate) runner_dies: u32,
    /// A runner cannot be reached and is declared lost while it goes on, per step.
    pub(crate) runner_parted: u32,
    /// A replica dies, per deed.
    pub(crate) replica_dies: u32,
    /// How long what the gateway is to carry may take to reach it.
    pub(crate) gateway_slow_ms: i64,
}

/// How the company's own work turns out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// A step fails.
    pub(crate) step_fails: u32,
    /// A release never becomes healthy.
    pub(crate) release_dead: u32,
    /// A release answers with errors.
    pub(crate) release_bad: u32,
    /// A webhook's receiver does not answer.
    pub(crate) receiver_down: u32,
    /// Evidence does not pass.
    pub(crate) evidence_fails: u32,
}

impl Swarm {
    /// The world of a seed.
    pub(crate) fn draw(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let mut deeds = [0; DEED_KINDS];
        for weight in &mut deeds {
            *weight = random.pick([0, 1, 1, 2, 4]);
        }
        let mut swarm = Self {
            projects: random.pick([1, 1, 2, 3]),
            deeds,
            pause_ms: random.pick([20_000, 60_000, 240_000, 600_000]),
            runners: random.pick([2, 6, 20]),
            messages: Messages {
                lost: random.pick([0, 0, 10, 60]),
                doubled: random.pick([0, 10, 60]),
                late: random.pick([0, 10, 60]),
                echoed: random.pick([0, 20, 200]),
            },
            accidents: Accidents::draw(random),
            work: Work {
                step_fails: random.pick([0, 10, 40, 120]),
                release_dead: random.pick([0, 0, 60, 200]),
                release_bad: random.pick([0, 200, 500]),
                receiver_down: random.pick([0, 100, 600]),
                evidence_fails: random.pick([0, 60, 200, 350]),
            },
        };
        swarm.keep_alive();
        swarm
    }

    /// An ordinary year: few things go wrong. A person has time for something fifteen times a day,
    /// and a third of that is a push; production is delivered to a few times a day.
    pub(crate) fn office() -> Self {
        use crate::company::Deed;
        let mut swarm = Self {
            projects: 1,
            deeds: [3; DEED_KINDS],
            pause_ms: 36 * 60 * 1000,
            runners: 12,
            messages: Messages { lost: 1, doubled: 1, late: 1, echoed: 1 },
            accidents: Accidents {
                crash_after: 0,
                runner_dies: 1,
                replica_dies: 1,
                ..Accidents::default()
            },
            work: Work {
                step_fails: 6,
                release_dead: 5,
                release_bad: 10,
                receiver_down: 5,
                evidence_fails: 10,
            },
        };
        swarm.keep_alive();
        for (deed, weight) in
            [(Deed::Push, 36), (Deed::Approve, 24), (Deed::Dispatch, 1), (Deed::Terraform, 0)]
        {
            // Nobody takes Terraform's lock by hand and forgets it.
            swarm.deeds[deed as usize] = weight;
        }
        swarm
    }

    /// Faults have stopped.
    pub(crate) fn calm(&mut self) {
        self.messages = Messages::default();
        self.accidents = Accidents::default();
        self.work = Work::default();
    }

    /// Whatever else is drawn, people push, dispatch and approve, or nothing would happen at all.
    fn keep_alive(&mut self) {
        use crate::company::Deed;
        for (deed, least) in
            [(Deed::Push, 4), (Deed::Dispatch, 3), (Deed::Approve, 8), (Deed::Resolve, 1)]
        {
            let weight = &mut self.deeds[deed as usize];
            *weight = (*weight).max(least);
        }
    }
}

impl Accidents {
    fn draw(random: &mut Random) -> Self {
        Self {
            crash_before: random.pick([0, 2, 10]),
            crash_after: random.pick([0, 2, 10]),
            append_fails: random.pick([0, 0, 5]),
            append_lies: random.pick([0, 0, 5]),
            paused: random.pick([0, 2, 8]),
            clock: random.pick([0, 0, 3, 20]),
            runner_dies: random.pick([0, 5, 40, 120]),
            runner_parted: random.pick([0, 5, 40]),
            replica_dies: random.pick([0, 20, 100]),
            gateway_slow_ms: random.pick([0, 5, 60]) * SECOND,
        }
    }
}
