//! Invariants under random people, runners, gateways and clocks, with a crash between any two appends.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::Config;
use qnt9_engine::apply::apply;
use qnt9_engine::gates::{Gate, excluded};
use qnt9_engine::state::{LegPhase, Project, Run};
use qnt9_engine::{State, deadline, orders, step, step_looking_at_everything};
use qnt9_model::command::{Again, Decision};
use qnt9_model::entry::NO_PREVIOUS;
use qnt9_model::fact::{Outcome, Verdict};
use qnt9_model::why::Holds;
use qnt9_model::{
    Actor, Ask, AttemptId, Command, DeploymentId, Entry, Fact, Millis, Order, Role, RunId, StreamId,
};

use crate::world::{
    HOUR, MINUTE, PRODUCTION, RULES, SECOND, STAGING, World, digest, name_of, span, stock_in,
};

const PEOPLE: [&str; 7] = ["ada", "alice", "bob", "carol", "dev", "vera", "nobody"];
const BRANCHES: [&str; 3] = ["main", "develop", "side"];
const ENVIRONMENTS: [&str; 4] = ["production", "staging", "development", "nowhere"];
const OUTCOMES: [Outcome; 4] =
    [Outcome::Success, Outcome::Success, Outcome::Failure, Outcome::Cancelled];
const STEPS_OF_TIME: [i64; 8] =
    [-10 * MINUTE, 0, 1, SECOND, MINUTE, 10 * MINUTE, HOUR, 8 * 24 * HOUR];

/// A workflow with everything that makes planning interesting.
const TANGLE: &str = "# tangle.yml
on: [push, workflow_dispatch]
concurrency: { group: 'tangle-${{ github.ref_name }}', cancel-in-progress: \"${{ github.ref_name == 'main' }}\" }
jobs:
  list: { runs-on: x, outputs: { n: x }, steps: [{ run: x }] }
  many:
    needs: list
    runs-on: x
    strategy: { max-parallel: 2, matrix: { n: \"${{ fromJSON(needs.list.outputs.n) }}\" } }
    continue-on-error: ${{ matrix.n == 2 }}
    steps: [{ run: x }]
  all: { runs-on: x, strategy: { fail-fast: false, matrix: { n: [1, 2] } }, steps: [{ run: x }] }
  there: { runs-on: x, strategy: { fail-fast: false, matrix: { to: [development, staging] } }, environment: '${{ matrix.to }}', steps: [{ run: x }] }
  direct: { needs: all, runs-on: x, environment: production, steps: [{ run: x }] }
  undo: { needs: [many, direct], if: failure() || cancelled(), runs-on: x, steps: [{ run: x }] }
  sum: { needs: [many, all, there, undo], if: always(), runs-on: x, steps: [{ run: x }] }
";
const WORKFLOWS: [&str; 3] = [STAGING, PRODUCTION, TANGLE];

/// One thing that somebody does; the numbers choose among what there is.
#[derive(Clone, Debug)]
enum Act {
    Push {
        by: usize,
        branch: usize,
        files: u8,
    },
    Dispatch {
        by: usize,
        branch: usize,
        file: usize,
    },
    Run {
        by: usize,
        run: usize,
        what: u8,
    },
    Approval {
        by: usize,
        run: usize,
        environment: usize,
        yes: bool,
    },
    Job {
        order: usize,
        what: u8,
    },
    /// The runner does what the job is for, and the job succeeds.
    Nurse {
        order: usize,
    },
    Late {
        run: usize,
        job: usize,
        attempt: u32,
    },
    Step {
        job: usize,
        what: u8,
        name: u8,
        environment: usize,
        good: bool,
    },
    Gateway {
        order: usize,
    },
    Settled,
    Window {
        new: u64,
        bad: u64,
        old: u64,
    },
    Replica {
        deployment: usize,
        replica: u32,
        lost: bool,
    },
    Rollout {
        by: usize,
        environment: usize,
        release: u8,
        abort: bool,
    },
    Rules {
        which: u8,
    },
    Role {
        person: usize,
        role: u8,
    },
    Pass {
        step: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let at = 0..64usize;
    prop_oneof![
        4 => (0..7usize, 0..3usize, 0..8u8).prop_map(|(by, branch, files)| Act::Push { by, branch, files }),
        4 => (0..7usize, 0..3usize, 0..3usize).prop_map(|(by, branch, file)| Act::Dispatch { by, branch, file }),
        1 => (0..7usize, at.clone(), 0..4u8).prop_map(|(by, run, what)| Act::Run { by, run, what }),
        6 => (1..6usize, at.clone(), 0..2usize, prop::bool::weighted(0.95)).prop_map(|(by, run, environment, yes)| Act::Approval { by, run, environment, yes }),
        16 => at.clone().prop_map(|order| Act::Nurse { order }),
        6 => (at.clone(), 0..16u8).prop_map(|(order, what)| Act::Job { order, what }),
        1 => (at.clone(), at.clone(), 0..3u32).prop_map(|(run, job, attempt)| Act::Late { run, job, attempt }),
        4 => (at.clone(), 0..8u8, 0..4u8, 0..4usize, prop::bool::weighted(0.8)).prop_map(|(job, what, name, environment, good)| Act::Step { job, what, name, environment, good }),
        3 => at.clone().prop_map(|order| Act::Gateway { order }),
        4 => Just(Act::Settled),
        6 => (0..200u64, prop_oneof![3 => Just(0u64), 1 => 0..10u64], 0..200u64).prop_map(|(new, bad, old)| Act::Window { new, bad: bad.min(new), old }),
        1 => (at, 0..2u32, any::<bool>()).prop_map(|(deployment, replica, lost)| Act::Replica { deployment, replica, lost }),
        1 => (0..7usize, 0..4usize, 0..4u8, any::<bool>()).prop_map(|(by, environment, release, abort)| Act::Rollout { by, environment, release, abort }),
        1 => (0..4u8).prop_map(|which| Act::Rules { which }),
        1 => (0..6usize, 0..4u8).prop_map(|(person, role)| Act::Role { person, role }),
        4 => (0..8usize).prop_map(|step| Act::Pass { step }),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 40, ..Config::default() })]

    #[test]
    fn the_machine_keeps_its_promises(
        start in 0..5u8,
        acts in prop::collection::vec(act(), 1..160),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        let mut world = begun(start);
        world.doubted = true;
        let mut witness = Witness::default();
        witness.see(&world);
        for act in &acts {
            perform(&mut world, act);
            witness.see(&world);
        }
        for cut in cuts {
            witness.crash_at(cut.index(world.log.len()), world.now);
        }
    }
}

/// A world that has come some way, so that random acts reach what is far from the beginning.
fn begun(start: u8) -> World {
    let mut world = if start == 0 { World::new(RULES) } else { World::in_production("r1") };
    if start >= 2 {
        world.staged("cc", "rr");
    }
    if start == 2 {
        // Beside the waiting job another one runs, which may record another plan.
        let text = PRODUCTION
            .replace("  verify:", "  replan: { runs-on: x, steps: [{ run: x }] }\n  verify:");
        let run = world.dispatch("dev", "main", &text, &[]).expect("may dispatch");
        world.start(run, "replan");
        let attempt = world.start(run, "plan");
        world.plan(&attempt, "production", "plan-1");
        world.end(&attempt, Outcome::Success);
    }
    if start >= 3 {
        let attempt = world.released();
        world.deploy(&attempt, "production", "rr").expect("its gates are open");
        world.carry();
    }
    world
}

fn pick<T: Clone>(items: impl Iterator<Item = T>, index: usize) -> Option<T> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then(|| items[index % items.len()].clone())
}

/// Does it; refusals are part of life.
fn perform(world: &mut World, act: &Act) {
    let now = world.log.len();
    let run_at = |world: &World, index| pick(world.project().runs.keys().copied(), index);
    match act {
        Act::Push { by, branch, files } => {
            let files: Vec<&str> = WORKFLOWS
                .iter()
                .enumerate()
                .filter(|(bit, _)| files >> bit & 1 == 1)
                .map(|(_, file)| *file)
                .collect();
            if world.by(PEOPLE[*by], Command::OfferPush { updates: Vec::new() }).is_ok() {
                world.push(PEOPLE[*by], BRANCHES[*branch], &format!("c{now}"), PEOPLE[*by], &files);
            }
        }
        Act::Dispatch { by, branch, file } => {
            drop(world.dispatch(PEOPLE[*by], BRANCHES[*branch], WORKFLOWS[*file], &[]));
        }
        Act::Run { by, run, what } => {
            let Some(run) = run_at(world, *run) else { return };
            let lost = world.project().runs[&run].legs.iter();
            let lost = lost
                .filter(|(_, leg)| leg.phase == LegPhase::Lost)
                .map(|(job, _)| job.clone())
                .next();
            let command = match (what, lost) {
                (0, _) => Command::CancelRun { run },
                (1, _) => Command::Rerun { run, what: Again::All },
                (2, Some(job)) => Command::ResolveLost { run, job, decision: Decision::Rerun },
                (_, Some(job)) => Command::ResolveLost { run, job, decision: Decision::Abandon },
                _ => return,
            };
            drop(world.by(PEOPLE[*by], command));
        }
        Act::Approval { by, run, environment, yes } => {
            let waiting = world.project().live.iter().copied().filter(|id| {
                world.project().runs[id].legs.values().any(|leg| leg.phase == LegPhase::Gated)
            });
            let Some(run) = pick(waiting, *run) else { return };
            let environment = ENVIRONMENTS[*environment].into();
            let comment = None;
            let command = if *yes {
                Command::Approve { run, environment, seen: None, comment }
            } else {
                Command::Reject { run, environment, comment }
            };
            drop(world.by(PEOPLE[*by], command));
        }
        Act::Job { order, what } => {
            let order = pick(
                world.orders().into_iter().filter(|o| qnt9_engine::orders::attempt_of(o).is_some()),
                *order,
            );
            match order {
                Some(Order::StartJob(attempt)) => {
                    world.tell(Command::StartJob { attempt, runner: "local".to_owned() });
                }
                Some(Order::CancelJob(attempt)) => {
                    world.end(&attempt, Outcome::Cancelled);
                }
                Some(Order::FollowJob(attempt)) => follow(world, &attempt, *what),
                _ => {}
            }
        }
        Act::Nurse { order } => {
            let order = pick(
                world.orders().into_iter().filter(|o| qnt9_engine::orders::attempt_of(o).is_some()),
                *order,
            );
            match order {
                Some(Order::StartJob(attempt)) => {
                    world.tell(Command::StartJob { attempt, runner: "local".to_owned() });
                }
                Some(Order::FollowJob(attempt)) => nurse(world, &attempt),
                _ => {}
            }
        }
        Act::Late { run, job, attempt } => {
            let Some(run) = run_at(world, *run) else { return };
            let Some(job) = pick(world.project().runs[&run].legs.keys().cloned(), *job) else {
                return;
            };
            let attempt = AttemptId { run, job, attempt: *attempt };
            if world.project().running_leg(&attempt).is_none() {
                let before = world.log.len();
                let command = Command::FinishJob {
                    attempt,
                    result: Outcome::Success,
                    outputs: Vec::new(),
                    reason: None,
                    summary: None,
                };
                assert!(world.ask(Actor::Platform, command).is_err(), "a late answer is refused");
                assert_eq!(world.log.len(), before);
            }
        }
        Act::Step { job, what, name, environment, good } => {
            let running = world.project().live.iter().filter_map(|id| world.project().runs.get(id));
            let running = running.flat_map(|run| {
                let legs = run.legs.values().filter(|leg| leg.phase == LegPhase::Running);
                legs.map(|leg| leg.attempt_id(run.id))
            });
            let Some(attempt) = pick(running, *job) else { return };
            in_step(world, &attempt, *what, *name, ENVIRONMENTS[*environment], *good);
        }
        Act::Gateway { order } => {
            if let Some(order) = pick(world.orders().into_iter(), *order) {
                world.carry_out(&order);
            }
        }
        Act::Settled => world.carry(),
        Act::Window { new, bad, old } => {
            let active = world.project().places.values().find_map(|place| place.active);
            if let Some(id) = active {
                world.count(id, (*new, *bad), (*old, 0));
            }
        }
        Act::Replica { deployment, replica, lost } => {
            let Some(deployment) = pick(world.project().deployments.keys().copied(), *deployment)
            else {
                return;
            };
            let (replica, text) = (*replica, "it is gone".to_owned());
            world.tell(if *lost {
                Command::ReplicaLost { deployment, replica, reason: text }
            } else {
                Command::ReplicaFailed { deployment, replica, report: text }
            });
        }
        Act::Rollout { by, environment, release, abort } => {
            let environment = ENVIRONMENTS[*environment].into();
            let command = if *abort {
                Command::AbortRollout { environment }
            } else {
                Command::Rollback { environment, to: digest(&format!("r{release}")) }
            };
            drop(world.by(PEOPLE[*by], command));
        }
        Act::Rules { which } => world.adopt(&match which {
            0 => RULES.to_owned(),
            1 => RULES.replace("needed = 2", "needed = 1"),
            2 => RULES.replace("\"authors\"", "\"dispatcher\""),
            _ => RULES.replace("evidence ", "# evidence ").replace("wait ", "# wait "),
        }),
        Act::Role { person, role } => {
            let role =
                [Role::Approver, Role::Approver, Role::Developer, Role::Admin][usize::from(*role)];
            if PEOPLE[*person] != "ada" {
                world.change_role(PEOPLE[*person], role);
            }
        }
        Act::Pass { step } => world.pass(STEPS_OF_TIME[*step]),
    }
}

/// The runner says something of an attempt it has.
fn follow(world: &mut World, attempt: &AttemptId, what: u8) {
    match what {
        0 => drop(world.lose(attempt)),
        1..=4 => {
            let outcome = OUTCOMES[usize::from(what) - 1];
            drop(world.tell(Command::FinishStep {
                attempt: attempt.clone(),
                step: u32::from(what % 2),
                name: "x".to_owned(),
                outcome,
                conclusion: outcome,
                span: span(world.now, 1),
                user: true,
                own: Vec::new(),
            }));
        }
        _ => {
            let outcome = if what < 7 { OUTCOMES[usize::from(what) % 4] } else { Outcome::Success };
            world.end_with(attempt, outcome, &[("n", "[1, 2, 3]")]);
        }
    }
}

fn nurse(world: &mut World, attempt: &AttemptId) {
    let run = &world.project().runs[&attempt.run];
    let own = run.legs[&attempt.job].leg.environment.clone();
    let release = world.project().release_of(&run.commit).map(|release| name_of(&release.digest));
    let fresh = format!("r{}", run.commit.short());
    match (attempt.job.as_str(), own, release) {
        ("release", _, None) => world.build(attempt, &fresh),
        ("release", _, Some(_)) => world.evidence(attempt, "tests", None, true),
        ("load-test", _, Some(_))
            if world.project().serving_environment(&"staging".into()).is_some() =>
        {
            world.evidence(attempt, "load-test", Some("staging"), true);
        }
        ("plan", ..) => world.plan(attempt, "production", "plan-1"),
        (_, Some(environment), Some(release)) => {
            drop(world.deploy(attempt, environment.as_str(), &release));
        }
        _ => {}
    }
    if !attempt.job.as_str().starts_with("release") || world.log.len().is_multiple_of(2) {
        world.end_with(attempt, Outcome::Success, &[("n", "[1, 2, 3]")]);
    }
}

fn in_step(
    world: &mut World,
    attempt: &AttemptId,
    what: u8,
    name: u8,
    environment: &str,
    good: bool,
) {
    let call = world.call(attempt);
    // Releases are built from one commit each, as their digests are of the commit too.
    let commit = world.project().runs[&attempt.run].commit.clone();
    let release = match world.project().release_of(&commit) {
        Some(release) if good => name_of(&release.digest),
        _ => format!("r{name}"),
    };
    let command = match what {
        0 | 1 => Command::BuildRelease {
            call,
            release: digest(&release),
            service: "stock".to_owned(),
            configuration: Vec::new(),
            bytes: 1,
            further: Vec::new(),
        },
        2 => Command::RecordEvidence {
            call,
            kind: "tests".to_owned(),
            environment: None,
            passed: good,
            summary: "all".to_owned(),
        },
        3 => Command::RecordEvidence {
            call,
            kind: "load-test".to_owned(),
            environment: Some("staging".into()),
            passed: good,
            summary: "p95".to_owned(),
        },
        4 => Command::RecordPlan {
            call,
            environment: environment.into(),
            hash: format!("plan-{}", name % 2),
            summary: Default::default(),
        },
        5 => Command::LockState {
            workspace: "w".to_owned(),
            lock: attempt.to_string(),
            info: "{}".to_owned(),
        },
        _ => {
            let own = world.project().runs[&attempt.run].legs[&attempt.job].leg.environment.clone();
            Command::Deploy {
                call,
                environment: own.unwrap_or_else(|| environment.into()),
                release: digest(&release),
                settings: vec![("A".to_owned(), "b".to_owned())],
            }
        }
    };
    drop(world.in_step(attempt, command));
}

/// Sees every entry once, keeps its own books, and folds the sealed lines into a state of its own.
#[derive(Default)]
struct Witness {
    state: State,
    seen: usize,
    lines: Vec<String>,
    texts: BTreeMap<String, String>,
    heads: BTreeMap<StreamId, (u64, String)>,
    ended: BTreeSet<(RunId, String)>,
    finished: BTreeSet<RunId>,
    opened: BTreeSet<(RunId, String)>,
    steps: BTreeSet<(AttemptId, u32)>,
    attempts: BTreeSet<AttemptId>,
    verdicts: BTreeMap<DeploymentId, (u32, Verdict)>,
}

impl Witness {
    fn see(&mut self, world: &World) {
        for entry in &world.log[self.seen..] {
            self.entry(entry);
        }
        self.seen = world.log.len();
        assert!(self.state == world.state, "the sealed lines fold to the same state");
        for (stream, project) in &world.state.projects {
            assert_eq!(orders(&self.state.projects[stream]), orders(project));
        }
        check_state(&world.state, world.now);
    }

    fn entry(&mut self, entry: &Entry) {
        let none = (0, NO_PREVIOUS.to_owned());
        let (sequence, previous) = self.heads.get(&entry.stream).cloned().unwrap_or(none);
        assert_eq!(entry.sequence, sequence + 1, "sequence numbers, and so ids, are never reused");
        let mut salt = self.lines.len() as u128;
        let mut salts = || {
            salt += 1 << 64;
            salt.to_le_bytes()
        };
        let sealed = entry.seal(&previous, &mut salts);
        self.heads.insert(entry.stream.clone(), (entry.sequence, sealed.digest.clone()));
        self.texts.extend(sealed.texts.into_iter().map(|text| (text.digest, text.text)));
        let opened = Entry::open(&sealed.line, &|digest| self.texts.get(digest).cloned())
            .expect("a sealed line opens");
        assert_eq!(opened, *entry);
        if let Some(project) = self.state.projects.get(&entry.stream) {
            let project = project.clone();
            self.rules(&project, entry);
        }
        apply(&mut self.state, &opened);
        self.lines.push(sealed.line);
    }

    /// What must be true of a fact, given everything before it.
    fn rules(&mut self, project: &Project, entry: &Entry) {
        match &entry.fact {
            Fact::GatesOpened { run, job, environment, subjects, .. } => {
                assert!(!project.holders.contains_key(environment), "one job holds an environment");
                assert!(self.opened.insert((*run, job.0.clone())), "gates open once");
                self.gates(project, *run, environment, subjects);
            }
            Fact::JobStarted { attempt, .. } => {
                let leg = &project.runs[&attempt.run].legs[&attempt.job];
                assert!(self.attempts.insert(attempt.clone()), "{attempt} starts once");
                assert!(
                    leg.leg.environment.is_none()
                        || self.opened.contains(&(attempt.run, attempt.job.0.clone())),
                    "{attempt} of a protected environment starts after its gates opened"
                );
            }
            Fact::StepFinished { attempt, step, .. } => {
                assert!(self.steps.insert((attempt.clone(), *step)), "{attempt} {step} ends once");
            }
            Fact::JobFinished { attempt, .. } => self.end(attempt.run, &attempt.job.0),
            Fact::GatesClosed { run, job, .. } | Fact::JobSuperseded { run, job, .. } => {
                self.end(*run, &job.0);
            }
            Fact::RunFinished { run, .. } => {
                assert!(self.finished.insert(*run), "run {run} ends once");
            }
            Fact::WindowJudged { deployment, verdict, .. } => {
                self.verdicts.entry(*deployment).or_insert((0, Verdict::Undecided)).1 = *verdict;
            }
            Fact::WeightChanged { deployment, percent } => {
                let known = &project.deployments[deployment];
                assert!(known.outcome.is_none());
                let last = self.verdicts.insert(*deployment, (*percent, Verdict::Undecided));
                if let Some((before, verdict)) = last {
                    assert!(before < *percent, "shares rise");
                    assert_eq!(verdict, Verdict::Good, "only what was judged well is promoted");
                } else {
                    assert_eq!(known.ready.len() as u32, known.replicas);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, run: RunId, job: &str) {
        assert!(self.ended.insert((run, job.to_owned())), "{job} of {run} ends once");
        assert!(!self.finished.contains(&run));
    }

    /// Counts the approvals in the log rather than in the state.
    fn gates(
        &self,
        project: &Project,
        run: RunId,
        environment: &qnt9_model::EnvironmentName,
        subjects: &qnt9_model::fact::Subjects,
    ) {
        let policy =
            project.policy.as_ref().and_then(|(_, policy)| policy.environment(environment));
        let Some(rules) = policy else { return };
        let run = &project.runs[&run];
        assert_eq!(project.subjects(run, environment), *subjects);
        let branch = run.reference_name().to_owned();
        assert!(rules.branches.is_empty() || rules.branches.contains(&branch));
        let Some(rule) = &rules.approvals else { return };
        let excluded = excluded(&self.state.platform, project, run, environment, rule);
        let approved: BTreeSet<&str> = self
            .lines
            .iter()
            .filter(|line| line.contains("\"approval-given\""))
            .filter_map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
                let payload = &value["payload"];
                let is_for_it = payload["run"] == run.id.0
                    && payload["environment"] == environment.as_str()
                    && payload["subjects"] == serde_json::to_value(subjects).expect("plain data");
                let person = payload["person"].as_str()?;
                is_for_it.then(|| rule.from.iter().find(|name| *name == person)).flatten()
            })
            .map(String::as_str)
            .filter(|person| !excluded.contains_key(*person))
            .filter(|person| self.state.platform.people[*person].role >= Role::Approver)
            .collect();
        assert!(approved.len() >= rule.needed as usize, "{approved:?} of {}", rule.needed);
        assert!(!approved.contains(run.cause.by()));
    }

    /// A crash after the first `cut` appends: what is folded from them goes on to rest.
    fn crash_at(&self, cut: usize, now: Millis) {
        let mut state = State::default();
        for line in &self.lines[..cut] {
            let entry = Entry::open(line, &|digest| self.texts.get(digest).cloned())
                .expect("a sealed line opens");
            apply(&mut state, &entry);
        }
        let mut again = crate::snapshots::started_again(&state);
        assert!(again == state, "a snapshot brings the same state back");
        for line in &self.lines[cut..] {
            let entry = Entry::open(line, &|digest| self.texts.get(digest).cloned())
                .expect("a sealed line opens");
            apply(&mut again, &entry);
        }
        assert!(again == self.state, "a snapshot and the tail give the same state");
        let streams: Vec<StreamId> = state.projects.keys().cloned().collect();
        for stream in streams {
            let ask = Ask { stream, by: Actor::Platform, command: Command::Tick };
            step(&mut state, &ask, now).expect("time may always pass");
        }
        check_state(&state, now);
    }
}

/// What must be true whenever the machine is at rest.
fn check_state(state: &State, now: Millis) {
    for (stream, project) in &state.projects {
        holders(project);
        for environment in ENVIRONMENTS {
            let arms = qnt9_engine::rollout::arms(project, &stock_in(environment));
            let sum: u32 = arms.iter().map(|arm| arm.percent).sum();
            assert!(sum == 100 || arms.is_empty(), "the shares of {environment} are {sum} %");
        }
        for id in &project.live {
            let run = &project.runs[id];
            assert!(run.finished.is_none());
            assert!(waits_for(state, project, run, now), "run {id} neither ends nor waits");
        }
        let tick = Ask { stream: stream.clone(), by: Actor::Platform, command: Command::Tick };
        let quiet = |at: Millis| {
            let facts = step_looking_at_everything(&mut state.clone(), &tick, at);
            let facts = facts.expect("time may always pass");
            let kinds: Vec<&Fact> = facts.iter().map(|entry| &entry.fact).collect();
            assert!(facts.is_empty(), "at {} ms: {kinds:?}", at.since(now));
        };
        quiet(now);
        match deadline(state, now) {
            Some(due) => {
                assert!(due > now, "what is due now has happened");
                quiet(due.plus(-1));
            }
            None => quiet(now.plus(400 * 24 * HOUR)),
        }
    }
}

fn holders(project: &Project) {
    let mut holding = BTreeMap::new();
    for run in project.runs.values() {
        for (job, leg) in &run.legs {
            let holds = matches!(leg.phase, LegPhase::Open | LegPhase::Running | LegPhase::Lost);
            if let Some(environment) = leg.leg.environment.clone().filter(|_| holds) {
                let before = holding.insert(environment, (run.id, job.clone()));
                assert!(before.is_none(), "two jobs hold one environment");
            }
        }
    }
    assert_eq!(holding, project.holders);
}

/// Whether a live run names what it waits for: a runner, a person, a gate, or its turn.
fn waits_for(state: &State, project: &Project, run: &Run, now: Millis) -> bool {
    if run.started.is_none() {
        let group = |run: &Run| run.concurrency.as_ref().map(|c| c.group.clone());
        return project.live.iter().any(|other| {
            let other = &project.runs[other];
            other.started.is_some() && group(other) == group(run)
        });
    }
    let at_work = orders(project).iter().any(|order| {
        qnt9_engine::orders::attempt_of(order).is_some_and(|attempt| attempt.run == run.id)
    });
    at_work
        || run.legs.values().any(|leg| match leg.phase {
            LegPhase::Lost => true,
            LegPhase::Gated => {
                let gate = Gate::of(&state.platform, project, run, leg).expect("it is gated");
                let why = gate.why(now);
                why.holds == Holds::NotYet && !why.unmet().is_empty()
            }
            _ => false,
        })
}
