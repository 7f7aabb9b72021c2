//! Many jobs, long histories, many ended runs: what is done must not grow with what is over. The
//! figures are printed (`cargo test -p qnt9-engine --release --test it scale -- --nocapture`).

use std::time::Instant;

use qnt9_model::Command;
use qnt9_model::fact::Outcome::Success;

use crate::world::{RULES, World};

fn wide(jobs: usize) -> String {
    let job = |n| format!("  j{n}: {{ runs-on: x, steps: [{{ run: x }}] }}\n");
    let jobs: String = (0..jobs).map(job).collect();
    format!("# wide.yml\non: push\njobs:\n{jobs}")
}

#[test]
fn a_run_of_a_hundred_jobs() {
    let mut world = World::new(RULES);
    let text = wide(100);
    let begun = Instant::now();
    let from = world.log.len();
    for n in 0..10 {
        let run = world.push("dev", "main", &format!("c{n}"), "dev", &[&text])[0];
        let jobs = world.to_start(run);
        assert_eq!(jobs.len(), 100);
        for job in jobs {
            let attempt = qnt9_model::AttemptId { run, job: job.as_str().into(), attempt: 1 };
            let runner = "local".to_owned();
            world.tell(Command::StartJob { attempt: attempt.clone(), runner });
            for step in 0..5 {
                world.tell(Command::FinishStep {
                    attempt: attempt.clone(),
                    step,
                    name: "x".to_owned(),
                    outcome: Success,
                    conclusion: Success,
                    span: crate::world::span(world.now, 1),
                    user: true,
                    own: Vec::new(),
                });
            }
            world.end(&attempt, Success);
        }
        assert!(world.project().live.is_empty());
    }
    let (facts, time) = (world.log.len() - from, begun.elapsed());
    println!("{facts} facts in {time:?}: {:.0} a second", facts as f64 / time.as_secs_f64());
    let begun = Instant::now();
    let mut state = qnt9_engine::State::default();
    world.log.iter().for_each(|entry| qnt9_engine::apply::apply(&mut state, entry));
    let time = begun.elapsed();
    println!("folded again at {:.0} facts a second", world.log.len() as f64 / time.as_secs_f64());
    assert!(state == world.state);
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
    let entries = world.end(&attempt, qnt9_model::fact::Outcome::Failure);
    println!("{} facts in {:?}", entries.len(), begun.elapsed());
    assert_eq!(entries.len(), 1 + 255 + 1);
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
    world.dispatched("plan-1");
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
