//! A clock that is set back: what has passed comes again, and nothing is slept through.

use qnt9_engine::deadline;
use qnt9_model::{Command, Millis, RunId};

use crate::world::{HOUR, START, World};

const RULES: &str = "[project]
name = \"shop\"
[environment.staging]
windows = [\"Mon-Sun 09:00-16:00 UTC\"]
";

const CI: &str = "# ci.yml
on: push
jobs:
  deploy: { runs-on: x, environment: staging, steps: [{ run: x }] }
";

/// 00:00 UTC of the day on which the world begins.
const MIDNIGHT: Millis = Millis(START.0 - START.0 % (24 * HOUR));

/// At 17:00, when the window has closed, a job waits for the next day's.
fn waiting() -> (World, RunId) {
    let mut world = World::new(RULES);
    world.doubted = true;
    world.now = MIDNIGHT.plus(17 * HOUR);
    let run = world.push("dev", "main", "c1", "dev", &[CI])[0];
    assert_eq!(world.to_start(run), [""; 0]);
    assert_eq!(deadline(&world.state, world.now), Some(MIDNIGHT.plus(33 * HOUR)));
    (world, run)
}

#[test]
fn a_window_that_is_open_again_lets_the_job_start() {
    let (mut world, run) = waiting();
    world.now = MIDNIGHT.plus(12 * HOUR);
    world.tell(Command::Tick);
    assert_eq!(world.to_start(run), ["deploy"]);
}

#[test]
fn the_next_moment_is_the_one_of_the_clock_as_it_stands() {
    let (mut world, run) = waiting();
    let early = MIDNIGHT.plus(8 * HOUR);
    let opens = MIDNIGHT.plus(9 * HOUR);
    assert_eq!(deadline(&world.state, early), Some(opens), "before anybody has looked again");
    world.now = early;
    world.tell(Command::Tick);
    assert_eq!(deadline(&world.state, early), Some(opens));
    world.pass(HOUR);
    assert_eq!(world.to_start(run), ["deploy"]);
}
