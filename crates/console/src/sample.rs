//! A made-up project for tests and for looking at the pages: entries written by hand, applied one
//! after the other.

use qnt9_engine::State;
use qnt9_engine::apply::apply;
use qnt9_model::fact::{
    Cause, Commit, Counts, DeploymentOutcome, Direction, Leg, Outcome, RefUpdate, Subjects, Verdict,
};
use qnt9_model::plan::{PlanAction, PlanLine, PlanSummary};
use qnt9_model::policy::{
    ApprovalRule, EnvironmentPolicy, EvidenceRule, Exclude, RolloutRule, Service, Trigger,
};
use qnt9_model::{
    Actor, AttemptId, CallKey, DeploymentId, Entry, EnvironmentName, Fact, JobKey, Millis, Person,
    Place, Policy, PushId, ReleaseDigest, Role, RunId, Sha, StreamId, UserText,
};
use serde_json::{Value, json};

/// Tue 24 Nov 2026 05:00 UTC.
pub(crate) const START: i64 = 1_795_496_400_000;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// Commits of the made-up history, oldest first: sha, author, message.
const COMMITS: [(&str, &str, &str); 5] = [
    ("2c41f9e0000000000000000000000000000000a1", "dana", "Search by symbol"),
    ("7d10aa20000000000000000000000000000000a2", "carol", "Index names for search"),
    ("9f03c1a0000000000000000000000000000000a3", "dana", "Merge develop: search by WKN"),
    (
        "a41d77e0000000000000000000000000000000a4",
        "dana",
        "rank by recency <script>alert(1)</script>",
    ),
    ("b7e20d40000000000000000000000000000000a5", "carol", "Fill names in tests & fixtures"),
];

/// A state under construction.
pub(crate) struct Sample {
    /// The state so far.
    pub(crate) state: State,
    /// The moment of the next entry.
    pub(crate) now: Millis,
    /// The project.
    pub(crate) stream: StreamId,
    platform: u64,
    project: u64,
}

/// A commit by its first digits.
pub(crate) fn sha(short: &str) -> Sha {
    let found = COMMITS.iter().find(|(sha, _, _)| sha.starts_with(short));
    Sha::from(found.map_or(short, |(sha, _, _)| *sha))
}

/// The release built from a commit.
pub(crate) fn release(short: &str) -> ReleaseDigest {
    let digits: String = sha(short).0.chars().rev().chain(short.chars()).cycle().take(64).collect();
    ReleaseDigest(format!("sha256:{digits}"))
}

fn person(name: &str) -> Actor {
    Actor::Person { name: name.to_owned(), demo: true }
}

fn job(key: &str, needs: &[&str], steps: &[&str]) -> Value {
    let position = json!({ "line": 1, "column": 1 });
    let template = |text: &str| json!({ "source": text, "position": position });
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| {
            json!({
                "id": null, "position": position, "name": template(step), "condition": null,
                "action": { "Run": { "script": template(step), "shell": null, "working_directory": null } },
                "env": [], "continue_on_error": null, "timeout_minutes": null,
            })
        })
        .collect();
    json!({
        "key": key, "position": position, "name": null, "needs": needs, "condition": null,
        "strategy": null, "environment": null, "concurrency": null, "env": [],
        "defaults": { "shell": null, "working_directory": null }, "outputs": [],
        "timeout_minutes": null, "continue_on_error": null,
        "runs_on": { "group": null, "labels": [] }, "permissions": null, "steps": steps,
    })
}

/// A workflow as the log keeps it.
pub(crate) fn workflow(path: &str, jobs: &[(&str, &[&str], &[&str])]) -> Value {
    let jobs: Vec<Value> = jobs.iter().map(|(key, needs, steps)| job(key, needs, steps)).collect();
    json!({
        "path": path, "name": null, "run_name": null, "on": [], "env": [],
        "defaults": { "shell": null, "working_directory": null }, "concurrency": null,
        "permissions": null, "jobs": jobs,
    })
}

const CHECKS: [&str; 4] = ["format", "lint", "test", "terraform"];

fn staging_jobs() -> Vec<(&'static str, &'static [&'static str], &'static [&'static str])> {
    vec![
        ("format", &[], &["Check out", "cargo fmt --check"]),
        ("lint", &[], &["Check out", "cargo clippy"]),
        ("test", &[], &["Check out", "cargo test"]),
        ("terraform", &[], &["Check out", "terraform fmt -check", "terraform validate"]),
        ("infrastructure", &["format", "lint", "test", "terraform"], &["Plan", "Apply"]),
        ("release", &["format", "lint", "test", "terraform"], &["Build", "Release"]),
        ("deploy", &["infrastructure", "release"], &["Deploy"]),
        (
            "load-test",
            &["deploy"],
            &["Health before", "qnt9 load run --environment staging", "Cool down", "Health after"],
        ),
        (
            "summary",
            &[
                "format",
                "lint",
                "test",
                "terraform",
                "infrastructure",
                "release",
                "deploy",
                "load-test",
            ],
            &["Write the summary"],
        ),
    ]
}

fn production_jobs() -> Vec<(&'static str, &'static [&'static str], &'static [&'static str])> {
    vec![
        ("plan", &[], &["Find the release built from this commit", "Plan", "Record the plan"]),
        (
            "deploy",
            &["plan"],
            &["Verify that this is the approved plan", "Apply", "Deploy step by step"],
        ),
        ("verify", &["deploy"], &["Health", "Smoke tests"]),
        ("notify", &["plan", "deploy", "verify"], &["Notify"]),
        ("summary", &["plan", "deploy", "verify", "notify"], &["Write the summary"]),
    ]
}

impl Sample {
    /// A project with people, rules and a history, and nothing run yet.
    pub(crate) fn new() -> Self {
        let stream = StreamId::from("qnt9-srs");
        let mut sample =
            Self { state: State::default(), now: Millis(START), stream, platform: 0, project: 0 };
        sample.people();
        sample.rules();
        sample
    }

    fn people(&mut self) {
        let people = [
            ("alice", Role::Admin),
            ("bob", Role::Approver),
            ("carol", Role::Approver),
            ("dana", Role::Developer),
        ];
        for (name, role) in people {
            let email = format!("{name}@example.org");
            let person = Person { name: name.to_owned(), email, role, demo: true };
            self.platform_fact(Fact::PersonAdded { person });
        }
        self.platform_fact(Fact::ProjectCreated {
            project: self.stream.clone(),
            embedded: true,
            time_scale: 20,
            default_branch: "main".to_owned(),
        });
    }

    fn rules(&mut self) {
        let commits = COMMITS.iter().enumerate().map(|(at, (sha, author, title))| Commit {
            sha: Sha::from(*sha),
            parents: at
                .checked_sub(1)
                .map(|before| Sha::from(COMMITS[before].0))
                .into_iter()
                .collect(),
            author: (*author).to_owned(),
            email: format!("{author}@example.org"),
            title: UserText::from(*title),
        });
        let commits = commits.collect();
        self.fact(&person("carol"), Fact::CommitsSeen { commits });
        self.push("main", None, "2c41f9e");
        let policy = policy();
        self.fact(&Actor::Platform, Fact::PolicyAdopted { commit: sha("2c41f9e"), policy });
    }

    /// Appends a fact of the platform.
    pub(crate) fn platform_fact(&mut self, fact: Fact) {
        self.platform += 1;
        let entry = Entry {
            stream: StreamId::platform(),
            sequence: self.platform,
            time: self.now,
            actor: Actor::Platform,
            fact,
        };
        apply(&mut self.state, &entry);
    }

    /// Appends a fact of the project; answers its sequence number.
    pub(crate) fn fact(&mut self, actor: &Actor, fact: Fact) -> u64 {
        self.project += 1;
        let entry = Entry {
            stream: self.stream.clone(),
            sequence: self.project,
            time: self.now,
            actor: actor.clone(),
            fact,
        };
        apply(&mut self.state, &entry);
        self.project
    }

    fn by_machine(&mut self, fact: Fact) -> u64 {
        self.fact(&Actor::Platform, fact)
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
    }

    /// Moves a branch.
    pub(crate) fn push(&mut self, branch: &str, old: Option<&str>, new: &str) {
        let reference = format!("refs/heads/{branch}");
        let update = RefUpdate { reference, old: old.map(sha), new: Some(sha(new)) };
        let by = "dana".to_owned();
        let updates = vec![update.clone()];
        let push = self.fact(&person("dana"), Fact::PushOffered { by, updates });
        self.by_machine(Fact::PushSettled { push: PushId(push), moved: vec![update] });
    }

    /// Creates and starts a run.
    pub(crate) fn run(
        &mut self,
        name: &str,
        number: u64,
        cause: Cause,
        branch: &str,
        commit: &str,
        workflow: Value,
    ) -> RunId {
        let title = COMMITS.iter().find(|(sha, _, _)| sha.starts_with(commit));
        let by = person(cause.by());
        let fact = Fact::RunCreated {
            path: format!(".github/workflows/{}.yml", name.to_lowercase()),
            name: name.to_owned(),
            title: UserText::from(title.map_or("a run", |(_, _, title)| *title)),
            number,
            cause,
            reference: format!("refs/heads/{branch}"),
            commit: sha(commit),
            event: UserText::from("{}"),
            inputs: Vec::new(),
            workflow,
            concurrency: None,
        };
        let run = RunId(self.fact(&by, fact));
        self.by_machine(Fact::RunStarted { run });
        run
    }

    /// Plans a job with so many legs.
    pub(crate) fn plan_job(
        &mut self,
        run: RunId,
        key: &str,
        legs: &[&str],
        environment: Option<&str>,
    ) {
        let leg = |(index, name): (usize, &&str)| Leg {
            job: if legs.len() == 1 { key.into() } else { format!("{key}.{index}").into() },
            name: (*name).to_owned(),
            index: index as u32,
            matrix: UserText::from("{}"),
            environment: environment.map(EnvironmentName::from),
            continue_on_error: false,
            timeout_ms: 60 * MINUTE,
        };
        let legs = legs.iter().enumerate().map(leg).collect();
        self.by_machine(Fact::JobPlanned {
            run,
            key: key.to_owned(),
            legs,
            fail_fast: true,
            max_parallel: None,
            condition: UserText::from("success()"),
        });
    }

    /// Starts the first attempt of a leg.
    pub(crate) fn start(&mut self, run: RunId, job: &str) -> AttemptId {
        let attempt = AttemptId { run, job: JobKey::from(job), attempt: 1 };
        self.by_machine(Fact::JobStarted {
            attempt: attempt.clone(),
            runner: "local-1".to_owned(),
        });
        attempt
    }

    /// Ends a step that took so long.
    pub(crate) fn step(
        &mut self,
        attempt: &AttemptId,
        number: u32,
        name: &str,
        took: i64,
        outcome: Outcome,
    ) {
        let started = self.now;
        self.pass(took);
        self.by_machine(Fact::StepFinished {
            attempt: attempt.clone(),
            step: number,
            name: name.to_owned(),
            outcome,
            conclusion: outcome,
            started,
            finished: self.now,
            user: number > 0,
            own: Vec::new(),
        });
    }

    /// Ends an attempt.
    pub(crate) fn end(&mut self, attempt: &AttemptId, result: Outcome) {
        let lines = 215;
        let blob = "0".repeat(64);
        self.by_machine(Fact::LogSealed { attempt: attempt.clone(), first_line: 1, lines, blob });
        let markdown = "## Staging\n\n| Stage | Result |\n| --- | --- |\n| Checks | success |\n| Load test | **as the run says**, see `load-test` |\n";
        let summary = (attempt.job.as_str() == "summary").then(|| UserText::from(markdown));
        let attempt = attempt.clone();
        let (outputs, reason) = (Vec::new(), None);
        self.by_machine(Fact::JobFinished { attempt, result, outputs, reason, summary });
    }

    /// A job with one leg that runs through.
    fn job(&mut self, run: RunId, key: &str, took: i64) -> AttemptId {
        self.plan_job(run, key, &[key], None);
        let attempt = self.start(run, key);
        self.step(&attempt, 0, "Check out", 300, Outcome::Success);
        self.step(&attempt, 1, &format!("Run {key}"), took, Outcome::Success);
        self.end(&attempt, Outcome::Success);
        attempt
    }

    fn checks(&mut self, run: RunId) {
        let start = self.now;
        for key in CHECKS {
            self.now = start;
            if key == "test" {
                self.plan_job(run, key, &["test (--lib)", "test (--test http)"], None);
                for leg in ["test.0", "test.1"] {
                    let attempt = self.start(run, leg);
                    self.step(&attempt, 0, "Check out", 400, Outcome::Success);
                    self.step(&attempt, 1, "cargo test", 20 * SECOND, Outcome::Success);
                    self.end(&attempt, Outcome::Success);
                }
            } else {
                self.job(run, key, 6 * SECOND);
            }
        }
    }

    fn gated(&mut self, run: RunId, key: &str, environment: &str) -> AttemptId {
        self.plan_job(run, key, &[key], Some(environment));
        self.open(run, key, environment);
        self.start(run, key)
    }

    /// Opens the gates of a leg.
    pub(crate) fn open(&mut self, run: RunId, key: &str, environment: &str) {
        let environment = EnvironmentName::from(environment);
        let subjects = {
            let project = &self.state.projects[&self.stream];
            project.subjects(&project.runs[&run], &environment)
        };
        let proof =
            vec![format!("✓ all gates of {environment}"), "  ✓ no other job holds it".to_owned()];
        let job = JobKey::from(key);
        self.by_machine(Fact::GatesOpened { run, job, environment, subjects, proof });
    }

    /// A push run up to a working deployment.
    pub(crate) fn staging(&mut self, number: u64, commit: &str) -> RunId {
        let cause = Cause::Push { by: "dana".to_owned() };
        let workflow = workflow(".github/workflows/staging.yml", &staging_jobs());
        let run = self.run("Staging", number, cause, "main", commit, workflow);
        self.checks(run);
        let infrastructure = self.gated(run, "infrastructure", "staging");
        self.plan(&infrastructure, "staging", 3);
        self.step(&infrastructure, 0, "Plan", 3 * SECOND, Outcome::Success);
        self.step(&infrastructure, 1, "Apply", 2 * SECOND, Outcome::Success);
        self.end(&infrastructure, Outcome::Success);
        let building = self.job(run, "release", 12 * SECOND);
        self.release(&building, commit);
        let deploy = self.gated(run, "deploy", "staging");
        self.deploy(&deploy, "staging", commit, &[100], None);
        self.step(&deploy, 0, "Deploy", 2 * SECOND, Outcome::Success);
        self.end(&deploy, Outcome::Success);
        run
    }

    /// The load test of a staging run, and the run's end.
    pub(crate) fn load_test(&mut self, run: RunId, commit: &str, passed: bool) {
        self.plan_job(run, "load-test", &["load-test"], None);
        let attempt = self.start(run, "load-test");
        let result = if passed { Outcome::Success } else { Outcome::Failure };
        self.step(&attempt, 0, "Health before", 300, Outcome::Success);
        let call = CallKey { attempt: attempt.clone(), step: 1, call: 1 };
        let (started, finished) = (self.now, self.now.plus(21 * SECOND));
        self.by_machine(Fact::LoadDriven { call: call.clone(), started, finished });
        self.step(&attempt, 1, "qnt9 load run --environment staging", 22 * SECOND, result);
        let summary = if passed {
            "P95 212 ms, P99 402 ms, failed 0.02 %, availability 99.98 %"
        } else {
            "P99 1,340 ms over 1,000 ms; P95 231 ms, failed 0.02 %"
        };
        self.by_machine(Fact::EvidenceRecorded {
            call: Some(call),
            kind: "load-test".to_owned(),
            environment: Some("staging".into()),
            commit: sha(commit),
            release: Some(release(commit)),
            passed,
            summary: summary.to_owned(),
            time_scale: 20,
        });
        if passed {
            self.step(&attempt, 2, "Cool down", 900, Outcome::Success);
        } else {
            self.step(&attempt, 2, "Cool down", 0, Outcome::Skipped);
        }
        self.step(&attempt, 3, "Health after", 300, result.min(Outcome::Success));
        self.end(&attempt, result);
        self.job(run, "summary", 200);
        self.by_machine(Fact::RunFinished { run, result });
    }

    fn plan(&mut self, attempt: &AttemptId, environment: &str, add: u32) {
        let line = |address: &str, action, attributes: &[&str]| PlanLine {
            address: address.to_owned(),
            action,
            attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
        };
        let lines = vec![
            line("terraform_data.index", PlanAction::Create, &[]),
            line("terraform_data.settings", PlanAction::Update, &["input"]),
        ];
        let call = CallKey { attempt: attempt.clone(), step: 0, call: 1 };
        self.fact(
            &Actor::Job(attempt.clone()),
            Fact::PlanRecorded {
                call,
                environment: environment.into(),
                hash: "39f1c07be2aa4410".to_owned(),
                summary: PlanSummary { add, change: 1, destroy: 0, lines },
            },
        );
    }

    fn release(&mut self, attempt: &AttemptId, commit: &str) {
        let by = Actor::Job(attempt.clone());
        let call = Some(CallKey { attempt: attempt.clone(), step: 1, call: 1 });
        let built = Fact::ReleaseBuilt {
            call: call.clone(),
            release: release(commit),
            service: "stock".to_owned(),
            commit: sha(commit),
            configuration: Vec::new(),
            bytes: 6_812_345,
        };
        self.fact(&by, built);
        let tests = Fact::EvidenceRecorded {
            call,
            kind: "tests".to_owned(),
            environment: None,
            commit: sha(commit),
            release: None,
            passed: true,
            summary: "format, lint, unit and http tests, terraform".to_owned(),
            time_scale: 20,
        };
        self.fact(&by, tests);
        self.by_machine(Fact::ArtifactKept {
            attempt: attempt.clone(),
            name: "stock".to_owned(),
            blob: "0".repeat(64),
            bytes: 6_812_345,
            expires: self.now.plus(30 * DAY),
        });
    }

    /// Deploys a release; `bad_at` is the percent at which it turns out to be bad.
    pub(crate) fn deploy(
        &mut self,
        attempt: &AttemptId,
        environment: &str,
        commit: &str,
        steps: &[u32],
        bad_at: Option<u32>,
    ) -> DeploymentId {
        let place = Place { environment: environment.into(), service: "stock".to_owned() };
        let id = self.begin_rollout(attempt, &place, commit);
        for percent in steps {
            self.step_of_rollout(id, &place, *percent, bad_at == Some(*percent));
            if bad_at == Some(*percent) {
                let reason = "61 of 304 failed (20.0 %) against 0 of 5776 of the old release (0.0 %): worse than tolerated";
                let outcome = DeploymentOutcome::RolledBack {
                    reason: reason.to_owned(),
                    at_percent: *percent,
                };
                self.by_machine(Fact::DeploymentFinished { deployment: id, outcome });
                return id;
            }
        }
        let outcome = DeploymentOutcome::Succeeded;
        self.by_machine(Fact::DeploymentFinished { deployment: id, outcome });
        id
    }

    /// Requests a deployment and lets its replicas become healthy.
    pub(crate) fn begin_rollout(
        &mut self,
        attempt: &AttemptId,
        place: &Place,
        commit: &str,
    ) -> DeploymentId {
        let steps = if place.environment.as_str() == "production" {
            vec![5, 25, 50, 100]
        } else {
            vec![100]
        };
        let by = Actor::Job(attempt.clone());
        let id = self.fact(
            &by,
            Fact::DeploymentRequested {
                call: Some(CallKey { attempt: attempt.clone(), step: 2, call: 1 }),
                place: place.clone(),
                release: release(commit),
                direction: Direction::Forward,
                replicas: 2,
                steps,
                step_for_ms: 3 * SECOND,
                min_requests: 50,
                health_timeout_ms: 30 * SECOND,
                settings: vec![("DATABASE_URL".to_owned(), UserText::from("postgres://secret"))],
            },
        );
        let id = DeploymentId(id);
        if self.state.projects[&self.stream].places[place].address.is_none() {
            let address = "127.0.0.1:9012".to_owned();
            self.by_machine(Fact::AddressAssigned { place: place.clone(), address });
        }
        for replica in 0..2 {
            self.pass(400);
            let address = format!("127.0.0.1:4{id}{replica}");
            self.by_machine(Fact::ReplicaReady { deployment: id, replica, address });
        }
        id
    }

    /// One step of a rollout with its windows.
    pub(crate) fn step_of_rollout(
        &mut self,
        id: DeploymentId,
        place: &Place,
        percent: u32,
        bad: bool,
    ) {
        self.by_machine(Fact::WeightChanged { deployment: id, percent });
        let generation = self.state.projects[&self.stream].places[place].generation;
        self.by_machine(Fact::TrafficApplied { place: place.clone(), generation });
        if percent == 100 {
            self.pass(3 * SECOND);
            return;
        }
        for second in 0..4_u64 {
            self.pass(SECOND);
            let requests = 2000 * u64::from(percent) / 100;
            let bad_requests = if bad { requests / 5 } else { second % 2 };
            let new = Counts { requests, bad: bad_requests };
            let old = Counts { requests: 2000 - requests, bad: u64::from(second == 2) };
            let window = self.project;
            let verdict = if bad { Verdict::Bad } else { Verdict::Good };
            let how = if bad { "worse than tolerated" } else { "not worse" };
            self.by_machine(Fact::WindowJudged {
                deployment: id,
                window,
                percent,
                new,
                old,
                verdict,
                reason: format!("{bad_requests} of {requests} failed against {} of {} of the old release: {how}", old.bad, old.requests),
            });
        }
    }

    /// A production run up to its gates.
    pub(crate) fn production(&mut self, number: u64, commit: &str, by: &str) -> RunId {
        let cause = Cause::Dispatch { by: by.to_owned() };
        let workflow = workflow(".github/workflows/terraform.yml", &production_jobs());
        let name = "Terraform Apply - Multi-Environment";
        let run = self.run(name, number, cause, "main", commit, workflow);
        let plan = {
            self.plan_job(run, "plan", &["plan"], None);
            let attempt = self.start(run, "plan");
            self.plan(&attempt, "production", 1);
            self.step(
                &attempt,
                0,
                "Find the release built from this commit",
                200,
                Outcome::Success,
            );
            self.step(&attempt, 1, "Plan", 3 * SECOND, Outcome::Success);
            self.step(&attempt, 2, "Record the plan", 300, Outcome::Success);
            attempt
        };
        self.end(&plan, Outcome::Success);
        self.plan_job(run, "deploy", &["deploy"], Some("production"));
        run
    }

    /// Approves a run for production.
    pub(crate) fn approve(&mut self, run: RunId, name: &str, comment: Option<&str>) {
        let environment = EnvironmentName::from("production");
        let subjects: Subjects = {
            let project = &self.state.projects[&self.stream];
            project.subjects(&project.runs[&run], &environment)
        };
        let (by, comment) = (person(name), comment.map(UserText::from));
        let approver = name.to_owned();
        self.fact(
            &by,
            Fact::ApprovalGiven { run, environment, person: approver, subjects, comment },
        );
    }

    /// Takes an approved production run to its end.
    pub(crate) fn finish_production(&mut self, run: RunId, commit: &str, bad_at: Option<u32>) {
        self.open(run, "deploy", "production");
        let attempt = self.start(run, "deploy");
        self.step(&attempt, 0, "Verify that this is the approved plan", 300, Outcome::Success);
        self.step(&attempt, 1, "Apply", 2 * SECOND, Outcome::Success);
        self.deploy(&attempt, "production", commit, &[5, 25, 50, 100], bad_at);
        let result = if bad_at.is_some() { Outcome::Failure } else { Outcome::Success };
        self.step(&attempt, 2, "Deploy step by step", 0, result);
        self.end(&attempt, result);
        if bad_at.is_none() {
            self.job(run, "verify", SECOND);
        } else {
            let reason = UserText::from("its need deploy ended with failure");
            self.by_machine(Fact::JobSkipped { run, key: "verify".to_owned(), reason });
        }
        let notify = self.job(run, "notify", 200);
        self.fact(
            &Actor::Job(notify.clone()),
            Fact::NotificationPosted {
                call: Some(CallKey { attempt: notify, step: 0, call: 1 }),
                title: UserText::from(format!("Production, apply: {}", result.word())),
                text: UserText::from(format!("Release of {commit}; started by carol")),
                webhook: Some(UserText::from("http://127.0.0.1:9009/standin/webhook")),
            },
        );
        self.job(run, "summary", 200);
        self.by_machine(Fact::RunFinished { run, result });
    }

    /// The whole story: a release in production, a good one before its gates, a bad one in staging.
    pub(crate) fn story() -> Self {
        let mut sample = Self::new();
        let first = sample.staging(126, "2c41f9e");
        sample.load_test(first, "2c41f9e", true);
        let production = sample.production(6, "2c41f9e", "carol");
        sample.approve(production, "alice", None);
        sample.approve(production, "bob", Some("looks good"));
        sample.pass(30 * SECOND);
        sample.finish_production(production, "2c41f9e", None);
        sample.pass(9 * DAY);
        sample.push("main", Some("2c41f9e"), "a41d77e");
        let bad = sample.staging(128, "a41d77e");
        sample.load_test(bad, "a41d77e", false);
        sample.pass(40 * MINUTE);
        let good = sample.staging(129, "9f03c1a");
        sample.load_test(good, "9f03c1a", true);
        sample.pass(5 * MINUTE);
        let waiting = sample.production(7, "9f03c1a", "carol");
        sample.pass(2 * SECOND);
        sample.approve(waiting, "bob", Some("the index first, then traffic <b>slowly</b>"));
        sample.pass(14 * SECOND);
        sample
    }
}

fn policy() -> Policy {
    let environment = |name: &str, branch: &str| EnvironmentPolicy {
        name: name.into(),
        branches: vec![branch.to_owned()],
        trigger: Trigger::Any,
        approvals: None,
        wait_ms: 0,
        evidence: Vec::new(),
        rollout: RolloutRule::at_once(),
        replicas: None,
    };
    let mut production = environment("production", "main");
    production.trigger = Trigger::Manual;
    production.approvals = Some(ApprovalRule {
        needed: 2,
        from: ["alice", "bob", "carol"].map(str::to_owned).to_vec(),
        exclude: Exclude::Authors,
        expire_after_ms: 7 * DAY,
    });
    production.wait_ms = 10 * MINUTE;
    production.evidence = vec![
        EvidenceRule { kind: "tests".to_owned(), environment: None },
        EvidenceRule { kind: "load-test".to_owned(), environment: Some("staging".into()) },
    ];
    production.rollout =
        RolloutRule { steps: vec![5, 25, 50, 100], step_for_ms: MINUTE, min_requests: 50 };
    Policy {
        project: "qnt9-srs".to_owned(),
        services: vec![Service {
            name: "stock".to_owned(),
            command: vec!["bin/stock".to_owned(), "serve".to_owned()],
            health: "/health".to_owned(),
            health_timeout_ms: 30 * SECOND,
            replicas: 2,
            health_line: 9,
        }],
        environments: vec![
            environment("development", "develop"),
            environment("staging", "main"),
            production,
        ],
    }
}
