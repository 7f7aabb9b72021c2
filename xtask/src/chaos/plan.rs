//! What is killed when: drawn from a seed, the same for the same seed.

use std::fmt;
use std::time::Duration;

/// Changes that do not come are not waited for any longer.
const CHANGES_PATIENCE: Duration = Duration::from_secs(2);

/// What a kill hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// The server.
    Server,
    /// The server, and its successor within 100 ms of its start.
    ServerTwice,
    /// The server, and its successor while it starts.
    ServerStarting,
    /// The shim of one running job.
    Shim,
    /// The process that looks after one replica of a service.
    Replica,
    /// The gateway.
    Gateway,
    /// Server, gateway and every shim, at once.
    Everything,
}

impl Target {
    /// Each with how often of a hundred it is drawn.
    const ODDS: [(Self, u64); 7] = [
        (Self::Server, 28),
        (Self::ServerTwice, 10),
        (Self::ServerStarting, 10),
        (Self::Shim, 20),
        (Self::Replica, 8),
        (Self::Gateway, 12),
        (Self::Everything, 12),
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::ServerTwice => "server twice",
            Self::ServerStarting => "server starting",
            Self::Shim => "shim",
            Self::Replica => "replica",
            Self::Gateway => "gateway",
            Self::Everything => "everything",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

/// The instant of a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// So long after the kill before was over.
    After(Duration),
    /// As soon as so many further changes of the project have become visible, or none came for so
    /// long.
    Changes { count: u32, patience: Duration },
}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(pause) => write!(formatter, "after {} ms", pause.as_millis()),
            Self::Changes { count, .. } => write!(formatter, "at change {count}"),
        }
    }
}

/// One kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kill {
    pub(super) when: When,
    pub(super) target: Target,
    /// How long the server stays away, if it is hit.
    pub(super) away: Duration,
    /// How long the successor lives, if it is hit too.
    pub(super) successor: Duration,
    /// Chooses among running shims.
    pub(super) choice: u64,
}

/// The kills of one delivery; pauses between them are `pace` times those of the small project.
pub(super) fn draw(seed: u64, kills: usize, pace: u32) -> Vec<Kill> {
    let mut dice = Dice(seed);
    (0..kills).map(|_| kill(&mut dice, pace)).collect()
}

fn kill(dice: &mut Dice, pace: u32) -> Kill {
    let target = target(dice.below(100));
    let when = if dice.below(100) < 50 {
        When::After(dice.ms(20..1_200) * pace)
    } else {
        let count = u32::try_from(1 + dice.below(6)).unwrap_or(1);
        When::Changes { count, patience: CHANGES_PATIENCE * pace }
    };
    let away = if dice.below(100) < 50 { Duration::ZERO } else { dice.ms(0..2_500) };
    let successor = match target {
        Target::ServerTwice => dice.ms(0..100),
        _ => dice.ms(100..1_000),
    };
    Kill { when, target, away, successor, choice: dice.next() }
}

fn target(mut number: u64) -> Target {
    for (target, odds) in Target::ODDS {
        if number < odds {
            return target;
        }
        number -= odds;
    }
    Target::Server
}

/// SplitMix64, of Steele, Lea and Flood (2014): small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.below(range.end - range.start))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Target, When, draw};

    #[test]
    fn a_seed_says_all_and_another_seed_something_else() {
        assert_eq!(draw(7, 10, 1), draw(7, 10, 1));
        assert_ne!(draw(7, 10, 1), draw(8, 10, 1));
        assert_eq!(draw(7, 10, 1)[..4], draw(7, 4, 1), "fewer kills are the first ones");
    }

    #[test]
    fn every_target_and_both_kinds_of_instants_are_drawn() {
        let kills: Vec<_> = (0..20).flat_map(|seed| draw(seed, 10, 1)).collect();
        let targets: BTreeSet<Target> = kills.iter().map(|kill| kill.target).collect();
        assert_eq!(targets.len(), Target::ODDS.len());
        let at_changes =
            kills.iter().filter(|kill| matches!(kill.when, When::Changes { .. })).count();
        assert!((50..150).contains(&at_changes), "{at_changes} of {}", kills.len());
        assert_eq!(Target::ODDS.iter().map(|(_, odds)| odds).sum::<u64>(), 100);
    }
}
