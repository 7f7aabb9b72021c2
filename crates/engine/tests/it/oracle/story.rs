//! Random rules and a random past, as facts. Nothing here asks the machine what it would allow: a
//! past may hold what no command would have recorded, such as the approval of somebody who has since
//! lost the role for it.

use qnt9_engine::State;
use qnt9_engine::apply::apply;
use qnt9_model::fact::{
    Cause, Commit, DeploymentOutcome, Direction, Entrance, Fact, Leg, RefUpdate, RolloutTerms,
    Subjects,
};
use qnt9_model::plan::PlanSummary;
use qnt9_model::{
    Actor, AttemptId, CallKey, CheckId, DeploymentId, Entry, EnvironmentName, JobKey, Millis,
    Person, Place, Policy, PushId, ReleaseDigest, Role, RunId, Sha, StreamId,
};

use crate::world::{digest, file, long};

/// Monday, 19 October 2026, midnight in UTC. The clocks of Berlin go back on the Sunday after it,
/// those of New York a week later.
pub(super) const MONDAY: Millis = Millis(1_792_368_000_000);
/// Everything in a story happens at a multiple of this since [`MONDAY`].
pub(super) const GRID_MS: i64 = 5 * 60 * 1000;
const MINUTES: i64 = 60 * 1000;

pub(super) const PRODUCTION: &str = "production";
const PEOPLE: [&str; 6] = ["ada", "alice", "bob", "carol", "dev", "vera"];
const ROLES: [Role; 4] = [Role::Viewer, Role::Developer, Role::Approver, Role::Admin];
const WINDOWS: [&str; 6] = [
    "Mon-Thu 09:00-16:00 Europe/Berlin",
    "Fri 08:30-12:00 America/New_York",
    "Sat,Sun 22:00-04:00 Europe/Berlin",
    "Mon-Sun 01:30-03:00 Europe/Berlin",
    "Sun 00:00-02:30 America/New_York",
    "Tue 00:00-24:00 UTC",
];

const WORKFLOW: &str = "# deploy.yml
on: [push, workflow_dispatch]
jobs:
  deploy: { runs-on: x, environment: production, steps: [{ run: x }] }
  other: { runs-on: x, environment: production, steps: [{ run: x }] }
";

/// A small generator of numbers, the same ones for the same seed (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// Some of them, in their order, at least one.
    fn some<'a>(&mut self, items: &[&'a str]) -> Vec<&'a str> {
        let chosen: Vec<&str> = items.iter().copied().filter(|_| !self.one_in(3)).collect();
        if chosen.is_empty() { vec![items[0]] } else { chosen }
    }
}

/// A past, and the job that waits at its end.
pub(super) struct Story {
    pub(super) log: Vec<Entry>,
    pub(super) state: State,
    pub(super) run: RunId,
    pub(super) job: JobKey,
    pub(super) now: Millis,
    dice: Dice,
    clock: Millis,
    /// The newest check that has not answered.
    asked: Option<CheckId>,
}

fn stream() -> StreamId {
    "shop".into()
}

pub(super) fn production() -> EnvironmentName {
    PRODUCTION.into()
}

impl Story {
    pub(super) fn new(seed: u64) -> Self {
        let mut story = Self {
            log: Vec::new(),
            state: State::default(),
            run: RunId(0),
            job: "deploy".into(),
            now: MONDAY,
            dice: Dice(seed),
            clock: MONDAY,
            asked: None,
        };
        story.people();
        story.before();
        story.asked_for();
        for _ in 0..story.dice.below(9) {
            story.pass(180);
            story.something();
        }
        story.pass(600);
        story.now = story.clock;
        story
    }

    /// Up to so many minutes go by, on the grid.
    fn pass(&mut self, minutes_max: u64) {
        let steps = self.dice.below(minutes_max / 5 + 1);
        self.clock = self.clock.plus(steps as i64 * GRID_MS);
    }

    fn add(&mut self, stream: StreamId, actor: Actor, fact: Fact) -> u64 {
        let sequence = self.state.sequence(&stream) + 1;
        let entry = Entry { stream, sequence, time: self.clock, actor, fact };
        apply(&mut self.state, &entry);
        self.log.push(entry);
        sequence
    }

    fn fact(&mut self, fact: Fact) -> u64 {
        self.add(stream(), Actor::Platform, fact)
    }

    fn people(&mut self) {
        for name in PEOPLE {
            let role = match name {
                "ada" => Role::Admin,
                "vera" => Role::Viewer,
                "dev" => Role::Developer,
                _ => Role::Approver,
            };
            let email = format!("{name}@example.com");
            let person = Person { name: name.to_owned(), email, role, demo: false };
            self.add(StreamId::platform(), Actor::Platform, Fact::PersonAdded { person });
        }
        let created = Fact::ProjectCreated {
            project: stream(),
            embedded: false,
            time_scale: 1,
            default_branch: "main".to_owned(),
        };
        self.add(StreamId::platform(), Actor::Platform, created);
    }

    /// What production served before, if anything, and the rules that were in force then and now.
    fn before(&mut self) {
        self.commits(&["base"], None);
        if !self.dice.one_in(3) {
            self.adopt();
            self.pass(600);
            self.release("r0", "base");
            self.serve("r0");
        }
        if self.dice.one_in(8) {
            return;
        }
        self.pass(600);
        self.adopt();
    }

    fn adopt(&mut self) {
        let text = self.rules();
        let policy: Policy = qnt9_engine::policy::read("qnt9.toml", &text)
            .unwrap_or_else(|error| panic!("the rules are right: {error:?}\n{text}"));
        self.fact(Fact::PolicyAdopted { commit: long("base"), policy });
    }

    fn serve(&mut self, release: &str) {
        let place = Place { environment: production(), service: "stock".into() };
        self.fact(Fact::AddressAssigned {
            place: place.clone(),
            entrance: Entrance::Main,
            address: "a:1".to_owned(),
        });
        let requested = Fact::DeploymentRequested {
            call: None,
            place,
            release: digest(release),
            direction: Direction::Forward,
            replicas: 1,
            steps: vec![100],
            step_for_ms: 0,
            min_requests: 0,
            health_timeout_ms: 1,
            service: None,
            settings: Vec::new(),
            terms: RolloutTerms::default(),
        };
        let deployment = DeploymentId(self.fact(requested));
        if self.dice.one_in(10) {
            return;
        }
        self.fact(Fact::WeightChanged { deployment, percent: 100 });
        let outcome = match self.dice.below(6) {
            0 => DeploymentOutcome::RolledBack { reason: "bad".to_owned(), at_percent: 5 },
            _ => DeploymentOutcome::Succeeded,
        };
        self.fact(Fact::DeploymentFinished { deployment, outcome });
    }

    /// `qnt9.toml` with whatever the dice say.
    fn rules(&mut self) -> String {
        let dice = &mut self.dice;
        let quoted = |items: &[&str]| {
            items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ")
        };
        let mut text = String::from("[project]\nname = \"shop\"\n");
        text += "[service.stock]\ncommand = [\"x\"]\n[environment.staging]\n";
        if dice.one_in(2) {
            let from = dice.below(30) * 12;
            let until = from + 1 + dice.below(40);
            let at = |steps: u64| instant(MONDAY.plus(steps as i64 * GRID_MS));
            let place =
                dice.of(&["", "environments = [\"production\"]", "environments = [\"staging\"]"]);
            let (from, until) = (at(from), at(until));
            text += &format!(
                "[[freeze]]\nfrom = {from}\nuntil = {until}\nreason = \"fair\"\n{place}\n"
            );
        }
        if dice.one_in(12) {
            return text;
        }
        text += "[environment.production]\n";
        text += dice.of(&["", "branches = [\"main\"]\n", "branches = [\"main\", \"hot\"]\n"]);
        text += dice.of(&["", "", "trigger = \"manual\"\n"]);
        text += dice.of(&["", "", "wait = \"10m\"\n", "wait = \"3h\"\n"]);
        text += dice.of(&[
            "",
            "",
            "evidence = [\"tests\"]\n",
            "evidence = [\"tests\", \"load-test@staging\"]\n",
        ]);
        text += dice.of(&["", "", "", "expire_after = \"4h\"\n", "expire_after = \"2d\"\n"]);
        if dice.one_in(3) {
            let windows: Vec<&str> = WINDOWS.into_iter().filter(|_| dice.one_in(4)).collect();
            if !windows.is_empty() {
                text += &format!("windows = [{}]\n", quoted(&windows));
            }
        }
        if dice.one_in(4) {
            let timeout = dice.of(&["10m", "2h"]);
            let second = dice.of(&["", ", { name = \"scan\", url = \"http://127.0.0.1:2/\" }"]);
            text += &format!(
                "checks = [{{ name = \"ticket\", url = \"http://127.0.0.1:1/\", timeout = \"{timeout}\" }}{second}]\n"
            );
        }
        if !dice.one_in(3) {
            let from = dice.some(&["ada", "alice", "bob", "carol", "dev", "mallory"]);
            let needed = 1 + dice.below(from.len().min(3) as u64);
            let exclude = dice.of(&["dispatcher", "authors", "nobody"]);
            let expire = dice.of(&["1h", "6h", "7d"]);
            text += &format!(
                "approvals = {{ needed = {needed}, from = [{}], exclude = \"{exclude}\", expire_after = \"{expire}\" }}\n",
                quoted(&from)
            );
        }
        text
    }

    /// Commits one above the other, each by some author, the last one pushed by somebody.
    fn commits(&mut self, names: &[&str], parent: Option<&str>) {
        let mut parent = parent.map(long);
        for name in names {
            let author = self.dice.of(&PEOPLE);
            let commit = Commit {
                sha: long(name),
                parents: parent.into_iter().collect(),
                author: author.to_owned(),
                email: if self.dice.one_in(9) {
                    "stranger@example.org".to_owned()
                } else {
                    format!("{author}@example.com")
                },
                title: "Change".into(),
            };
            parent = Some(long(name));
            self.fact(Fact::CommitsSeen { commits: vec![commit] });
        }
        let by = self.dice.of(&PEOPLE).to_owned();
        let update = RefUpdate { reference: "refs/heads/main".to_owned(), old: None, new: parent };
        let push = PushId(self.fact(Fact::PushOffered { by, updates: vec![update.clone()] }));
        self.fact(Fact::PushSettled { push, moved: vec![update] });
    }

    fn release(&mut self, name: &str, commit: &str) {
        self.fact(Fact::ReleaseBuilt {
            call: None,
            release: digest(name),
            service: "stock".to_owned(),
            commit: long(commit),
            configuration: Vec::new(),
            bytes: 1,
            further: Vec::new(),
        });
    }

    /// The run whose job waits.
    fn asked_for(&mut self) {
        self.pass(2000);
        let count = 1 + self.dice.below(3) as usize;
        self.commits(&["one", "two", "head"][3 - count..], Some("base"));
        self.release("r1", "head");
        let by = self.dice.of(&PEOPLE).to_owned();
        let cause = match self.dice.below(3) {
            0 => Cause::Push { by },
            _ => Cause::Dispatch { by },
        };
        let reference = self.dice.of(&[
            "refs/heads/main",
            "refs/heads/main",
            "refs/heads/main",
            "refs/heads/hot",
            "refs/tags/main",
        ]);
        self.run = self.start(cause, reference);
        if self.dice.one_in(5) {
            let by = self.dice.of(&PEOPLE).to_owned();
            let cause = Cause::Rerun { by, of: self.run };
            self.run = self.start(cause, reference);
        }
        self.plan_job(self.run, "deploy");
    }

    fn start(&mut self, cause: Cause, reference: &str) -> RunId {
        let parsed = file(WORKFLOW);
        let run = RunId(self.fact(Fact::RunCreated {
            path: parsed.path,
            name: "deploy".to_owned(),
            title: "Deploy".into(),
            number: 1,
            cause,
            reference: reference.to_owned(),
            commit: long("head"),
            event: "{}".into(),
            inputs: Vec::new(),
            workflow: parsed.workflow.expect("the workflow is right"),
            concurrency: None,
            repeat: None,
        }));
        self.fact(Fact::RunStarted { run });
        run
    }

    fn plan_job(&mut self, run: RunId, key: &str) {
        let leg = Leg {
            job: key.into(),
            name: key.to_owned(),
            index: 0,
            matrix: "{}".into(),
            environment: Some(production()),
            continue_on_error: false,
            timeout_ms: 60 * MINUTES,
            concurrency: None,
        };
        self.fact(Fact::JobPlanned {
            run,
            key: key.to_owned(),
            legs: vec![leg],
            fail_fast: false,
            max_parallel: None,
            condition: "success()".into(),
        });
    }

    /// One thing that happens while the job waits.
    fn something(&mut self) {
        match self.dice.below(12) {
            0..5 => self.decision(),
            5 | 6 => self.evidence(),
            7 => self.recorded_plan(),
            8 => {
                let (person, role) = (self.dice.of(&PEOPLE), self.dice.of(&ROLES));
                let changed = Fact::RoleChanged { person: person.to_owned(), role };
                self.add(StreamId::platform(), Actor::Platform, changed);
            }
            9 => {
                self.clock = self.clock.plus(GRID_MS);
                self.release("r2", "head");
            }
            10 => self.check(),
            _ => self.somebody_elses_turn(),
        }
    }

    fn decision(&mut self) {
        let person = self.dice.of(&["ada", "alice", "bob", "carol", "dev", "mallory"]).to_owned();
        let run = self.run;
        let environment = production();
        let fact = if self.dice.one_in(25) {
            Fact::ApprovalRejected { run, environment, person, comment: None }
        } else {
            let mut subjects = self.subjects();
            if self.dice.one_in(8) {
                subjects.plan = Some("another".to_owned());
            }
            Fact::ApprovalGiven {
                run,
                environment,
                person,
                subjects,
                comment: None,
                rollback_plan: None,
            }
        };
        self.fact(fact);
    }

    /// What the job would deploy now, told from the log.
    pub(super) fn subjects(&self) -> Subjects {
        let release = self.log.iter().rev().find_map(|entry| match &entry.fact {
            Fact::ReleaseBuilt { release, commit, .. } if *commit == long("head") => {
                Some(release.clone())
            }
            _ => None,
        });
        let plan = self.log.iter().rev().find_map(|entry| match &entry.fact {
            Fact::PlanRecorded { call, hash, .. } if call.attempt.run == self.run => {
                Some(hash.clone())
            }
            _ => None,
        });
        Subjects { release, plan }
    }

    fn evidence(&mut self) {
        let (kind, environment) = match self.dice.below(3) {
            0 => ("load-test", Some(EnvironmentName::from("staging"))),
            _ => ("tests", None),
        };
        let release: Option<ReleaseDigest> =
            environment.is_some().then(|| digest(self.dice.of(&["r0", "r1", "r1", "r1", "r2"])));
        let commit: Sha = long(self.dice.of(&["base", "head", "head", "head"]));
        let passed = !self.dice.one_in(12);
        self.fact(Fact::EvidenceRecorded {
            call: None,
            kind: kind.to_owned(),
            environment,
            commit,
            release,
            passed,
            summary: String::new(),
            time_scale: 1,
        });
    }

    fn recorded_plan(&mut self) {
        let attempt = AttemptId { run: self.run, job: "other".into(), attempt: 1 };
        let call = CallKey { attempt, step: 0, call: self.log.len() as u32 };
        let hash = self.dice.of(&["plan-1", "plan-2"]).to_owned();
        let summary = PlanSummary::default();
        self.fact(Fact::PlanRecorded { call, environment: production(), hash, summary });
    }

    /// A check is asked, or one that was asked answers.
    fn check(&mut self) {
        if let Some(check) = self.asked
            && !self.dice.one_in(3)
        {
            self.asked = None;
            let (passed, reason) = (!self.dice.one_in(4), "said so".into());
            self.fact(Fact::CheckAnswered { check, passed, reason });
            return;
        }
        let mut subjects = self.subjects();
        if self.dice.one_in(6) {
            subjects.plan = Some("another".to_owned());
        }
        let patience = self.dice.of(&[10, 120]) * MINUTES;
        let name = self.dice.of(&["ticket", "ticket", "scan"]).to_owned();
        self.asked = Some(CheckId(self.fact(Fact::CheckRequested {
            run: self.run,
            job: self.job.clone(),
            environment: production(),
            name,
            url: "http://127.0.0.1:1/".to_owned(),
            secret: None,
            subjects,
            until: self.clock.plus(patience),
        })));
    }

    /// Another job takes the environment, and gives it back or does not.
    fn somebody_elses_turn(&mut self) {
        if self.dice.one_in(2) {
            return;
        }
        let run = self.start(Cause::Dispatch { by: "ada".to_owned() }, "refs/heads/main");
        self.plan_job(run, "other");
        self.fact(Fact::GatesOpened {
            run,
            job: "other".into(),
            environment: production(),
            subjects: Subjects::default(),
            proof: Vec::new(),
        });
    }
}

/// A moment as TOML writes it.
fn instant(at: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).expect("a moment of this century");
    at.to_string()
}
