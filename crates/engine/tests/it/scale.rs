//! Many jobs, many live runs, long histories: what is done must not grow with what is over. The
//! figures are printed: `cargo test -p qnt9-engine --release --test it scale -- --nocapture`, and
//! with `--ignored` those of a million facts.

#![expect(clippy::print_stdout, reason = "figures are for whoever runs these by hand")]

use std::time::{Duration, Instant};

use qnt9_engine::apply::apply;
use qnt9_engine::snapshot::{read, write};
use qnt9_engine::{State, deadline, orders, step};
use qnt9_model::fact::Outcome::{Failure, Success};
use qnt9_model::{AttemptId, Command, RunId};

use crate::world::{HOUR, MINUTE, PRODUCTION, RULES, STAGING, World, span};

fn wide(jobs: usize) -> String {
    let job = |n| format!("  j{n}: {{ runs-on: x, steps: [{{ run: x }}] }}\n");
    let jobs: String = (0..jobs).map(job).collect();
    format!("# wide.yml\non: push\njobs:\n{jobs}")
}

fn rate(what: &str, count: usize, time: Duration) {
    println!("{what}: {count} in {time:?}, {:.0} a second", count as f64 / time.as_secs_f64());
}

/// The time this thread has had a processor, so that a busy machine does not spoil the figures.
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// Asks everything once more from the `from`th question on: how long the machine alone takes.
fn ask_again(what: &str, world: &World, from: usize) {
    let mut state = State::default();
    for (ask, now) in &world.asked[..from] {
        drop(step(&mut state, ask, *now));
    }
    let (begun, mut facts) = (worked(), 0);
    for (ask, now) in &world.asked[from..] {
        facts += step(&mut state, ask, *now).map_or(0, |entries| entries.len());
    }
    rate(what, facts, worked() - begun);
    assert!(state == world.state, "the same questions lead to the same state");
}

/// A job from its start to its end, as runners tell it.
fn work(world: &mut World, attempt: &AttemptId, steps: u32) {
    world.tell(Command::StartJob { attempt: attempt.clone(), runner: "local".to_owned() });
    work_on(world, attempt, steps);
}

fn work_on(world: &mut World, attempt: &AttemptId, steps: u32) {
    for step in 0..steps {
        world.now = world.now.plus(800);
        world.tell(Command::FinishStep {
            attempt: attempt.clone(),
            step,
            name: format!("Run step {step}"),
            outcome: Success,
            conclusion: Success,
            span: span(world.now.plus(-800), 790),
            user: true,
            own: Vec::new(),
        });
    }
    world.tell(Command::SealLog {
        attempt: attempt.clone(),
        first_line: 1,
        lines: 120,
        blob: format!("sha256:{:064x}", world.log.len()),
    });
    world.end(attempt, Success);
}

fn work_all(world: &mut World, run: RunId, steps: u32) {
    loop {
        let jobs = world.to_start(run);
        if jobs.is_empty() {
            return;
        }
        for job in jobs {
            let attempt = AttemptId { run, job: job.as_str().into(), attempt: 1 };
            work(world, &attempt, steps);
        }
    }
}

/// Folds the log and a snapshot; both must give the same state.
fn fold_again(world: &World) {
    let begun = worked();
    let mut state = State::default();
    world.log.iter().for_each(|entry| apply(&mut state, entry));
    rate("  folded again", world.log.len(), worked() - begun);
    assert!(state == world.state);
    let streams = [qnt9_model::StreamId::platform(), world.stream.clone()];
    let begun = Instant::now();
    let bytes = streams.each_ref().map(|stream| write(&state, stream));
    println!("  snapshot: {} bytes written in {:?}", bytes[1].len(), begun.elapsed());
    let begun = Instant::now();
    let mut again = State::default();
    for (stream, bytes) in streams.iter().zip(&bytes) {
        read(&mut again, stream, bytes).expect("it was just written");
    }
    println!("  snapshot: read in {:?}", begun.elapsed());
    assert!(again == state);
}

#[test]
fn a_run_of_a_hundred_jobs() {
    let mut world = World::new(RULES);
    let text = wide(100);
    let from = world.asked.len();
    for n in 0..10 {
        let run = world.push("dev", "main", &format!("c{n}"), "dev", &[&text])[0];
        assert_eq!(world.to_start(run).len(), 100);
        work_all(&mut world, run, 5);
        assert!(world.project().live.is_empty());
    }
    ask_again("runs of 100 jobs", &world, from);
    fold_again(&world);
}

#[test]
fn a_matrix_of_256_legs_that_fails_at_once() {
    let numbers: Vec<String> = (0..256).map(|n| n.to_string()).collect();
    let text = format!(
        "# m.yml\non: push\njobs:\n  a:\n    runs-on: x\n    strategy: {{ matrix: {{ n: [{}] }} }}\n    steps: [{{ run: x }}]\n",
        numbers.join(", ")
    );
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[&text])[0];
    let attempt = world.start(run, "a.1");
    let begun = Instant::now();
    let entries = world.end(&attempt, Failure);
    rate("a matrix that fails at once", entries.len(), begun.elapsed());
    assert_eq!(entries.len(), 1 + 255 + 1);
}

/// Many runs at once, half of them waiting for approvals: what one of them says must cost
/// nothing of the others.
#[test]
fn many_live_runs() {
    let count = if cfg!(debug_assertions) { 20 } else { 300 };
    let mut world = World::new(&RULES.replace("branches  = [\"main\"]\n", ""));
    let text = wide(5).replace("wide.yml", "some.yml");
    let mut attempts = Vec::new();
    for n in 0..count {
        let branch = format!("b{n}");
        let run = world.push("dev", &branch, &format!("s{n}"), "dev", &[&text])[0];
        for job in 0..5 {
            let attempt = AttemptId { run, job: format!("j{job}").as_str().into(), attempt: 1 };
            world.tell(Command::StartJob { attempt: attempt.clone(), runner: "local".to_owned() });
            attempts.push(attempt);
        }
        let run = world.dispatch("dev", &branch, PRODUCTION, &[]).expect("may dispatch");
        let attempt = AttemptId { run, job: "plan".into(), attempt: 1 };
        world.tell(Command::StartJob { attempt: attempt.clone(), runner: "local".to_owned() });
        world.plan(&attempt, "production", "plan-1");
        world.end(&attempt, Success);
    }
    assert_eq!(world.project().live.len(), 2 * count);
    let from = world.asked.len();
    attempts.iter().for_each(|attempt| work_on(&mut world, attempt, 10));
    assert_eq!(world.project().live.len(), count);
    ask_again("among many live runs", &world, from);
    let begun = Instant::now();
    let orders = orders(world.project()).len();
    println!("  {orders} orders in {:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(deadline(&world.state, world.now).is_some());
    println!("  deadline in {:?}", begun.elapsed());
    fold_again(&world);
}

#[test]
fn a_gate_above_a_long_history() {
    let mut world = World::new(RULES);
    world.grow("old", 20_000);
    world.staged("c1", "r1");
    let attempt = world.released();
    world.deploy(&attempt, "production", "r1").unwrap();
    world.carry();
    world.end(&attempt, Success);
    world.grow("new", 1_000);
    world.staged("c2", "r2");
    let begun = Instant::now();
    let run = world.dispatched("plan-1");
    println!("a gate above 1000 commits comes to wait: {:?}", begun.elapsed());
    let begun = Instant::now();
    world.approve("alice", run).expect("may approve");
    println!("an approval above 1000 commits: {:?}", begun.elapsed());
    let run = world.push("dev", "side", "s1", "dev", &[&wide(1)])[0];
    let attempt = world.start(run, "j0");
    let begun = Instant::now();
    for n in 0..20 {
        world.tell(Command::SealLog {
            attempt: attempt.clone(),
            first_line: n + 1,
            lines: 1,
            blob: "b".to_owned(),
        });
    }
    println!("a command beside a waiting approval: {:?}", begun.elapsed() / 20);
}

/// What a team does: pushes to branches and to `main`, each proved in staging, some delivered.
fn deliveries(count: usize, steps: u32) -> World {
    let mut world = World::in_production("r1");
    let text = wide(8);
    for n in 0..count {
        for branch in 0..3 {
            let name = format!("b{branch}x{n}");
            let run = world.push("dev", &name, &name, "dev", &[&text])[0];
            work_all(&mut world, run, steps);
        }
        let (sha, release) = (format!("c{n}y"), format!("e{n}y"));
        let run = world.push("dev", "main", &sha, "dev", &[STAGING, &text]);
        work_all(&mut world, run[1], steps);
        for job in ["test.1", "test.2"] {
            let attempt = AttemptId { run: run[0], job: job.into(), attempt: 1 };
            work(&mut world, &attempt, steps);
        }
        let attempt = world.start(run[0], "release");
        world.build(&attempt, &release);
        world.evidence(&attempt, "tests", None, true);
        work_on(&mut world, &attempt, steps);
        let attempt = world.start(run[0], "deploy");
        world.deploy(&attempt, "staging", &release).expect("staging is open");
        world.carry();
        work_on(&mut world, &attempt, steps);
        let attempt = world.start(run[0], "load-test");
        world.evidence(&attempt, "load-test", Some("staging"), true);
        work_on(&mut world, &attempt, steps);
        if n % 4 == 0 {
            deliver(&mut world, &release);
        }
        world.pass(HOUR);
    }
    world
}

fn deliver(world: &mut World, release: &str) {
    let attempt = world.released();
    let deployment = world.deploy(&attempt, "production", release).expect("its gates are open");
    world.carry();
    while world.deployment(deployment).outcome.is_none() {
        for _ in 0..30 {
            world.now = world.now.plus(1000);
            world.count(deployment, (60, 0), (900, 1));
        }
        world.pass(MINUTE);
        world.carry();
    }
    work_on(world, &attempt, 5);
    world.work_through(attempt.run);
}

fn report(world: &World) {
    ask_again("a team's deliveries", world, 0);
    let runs = world.project().runs.values();
    let packed: usize = runs.filter_map(qnt9_engine::state::Run::packed_bytes).sum();
    let runs = world.project().runs.len();
    println!("  {runs} runs, {} bytes packed for each", packed / runs);
    fold_again(world);
}

#[test]
fn a_teams_deliveries() {
    report(&deliveries(if cfg!(debug_assertions) { 4 } else { 40 }, 8));
}

#[test]
#[ignore = "takes half a minute in release and minutes in debug; prints the figures of a year"]
fn a_million_facts() {
    let world = deliveries(2200, 10);
    assert!(world.log.len() >= 1_000_000);
    report(&world);
}
