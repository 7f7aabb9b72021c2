//! A small world around the machine: people, a repository, runners, a gateway and a clock, all of
//! them moved by the test.

use std::collections::BTreeMap;

use qnt9_engine::gates::Gate;
use qnt9_engine::state::{Deployment, LegPhase, Project};
use qnt9_engine::{State, deadline, orders, step, step_looking_at_everything};
use qnt9_model::command::{RefMoved, WorkflowFile};
use qnt9_model::fact::{Commit, Counts, Outcome, RefUpdate, Span};
use qnt9_model::{
    Actor, Ask, AttemptId, CallKey, Command, DeploymentId, Entry, EnvironmentName, Fact, Millis,
    Order, Person, Place, PushId, Refusal, ReleaseDigest, Role, RunId, Sha, StreamId,
};

pub(crate) const START: Millis = Millis(1_000_000_000_000);
pub(crate) const SECOND: i64 = 1000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) now: Millis,
    /// Everything that ever happened, of both streams, in order.
    pub(crate) log: Vec<Entry>,
    pub(crate) stream: StreamId,
    /// Whether every step is compared with one that looks at everything.
    pub(crate) doubted: bool,
    /// Everything that was ever asked, and when.
    pub(crate) asked: Vec<(Ask, Millis)>,
    calls: u32,
    window: u64,
    /// The head of each branch.
    heads: BTreeMap<String, Sha>,
}

impl World {
    /// People, a project `shop`, and these rules on its branch `main`.
    pub(crate) fn new(rules: &str) -> Self {
        let mut world = Self {
            state: State::default(),
            now: START,
            log: Vec::new(),
            stream: "shop".into(),
            doubted: false,
            asked: Vec::new(),
            calls: 0,
            window: 0,
            heads: BTreeMap::new(),
        };
        for (name, role) in [
            ("ada", Role::Admin),
            ("alice", Role::Approver),
            ("bob", Role::Approver),
            ("carol", Role::Approver),
            ("dev", Role::Developer),
            ("vera", Role::Viewer),
        ] {
            let email = format!("{name}@example.com");
            let person = Person { name: name.to_owned(), email, role, demo: false };
            world.platform(Command::AddPerson { person });
        }
        world.platform(Command::CreateProject {
            project: world.stream.clone(),
            embedded: false,
            time_scale: 1,
            default_branch: "main".to_owned(),
        });
        world.adopt(rules);
        world
    }

    fn platform(&mut self, command: Command) {
        let stream = StreamId::platform();
        let ask = Ask { stream, by: Actor::Platform, command };
        let entries = step(&mut self.state, &ask, self.now).expect("the platform may");
        self.asked.push((ask, self.now));
        self.log.extend(entries);
        // As the door does after whatever it has appended: gates look at people, too.
        if self.state.projects.contains_key(&self.stream) {
            self.tell(Command::Tick);
        }
    }

    pub(crate) fn change_role(&mut self, person: &str, role: Role) {
        self.platform(Command::ChangeRole { person: person.to_owned(), role });
    }

    /// Puts rules in force, as an import of the default branch does.
    pub(crate) fn adopt(&mut self, rules: &str) {
        let policy = qnt9_engine::policy::read("qnt9.toml", rules).expect("the rules are right");
        let sha = Sha(format!("{:0>40}", self.log.len()));
        let old = self.heads.insert("main".to_owned(), sha.clone());
        let commit = commit(&sha, old.clone().into_iter().collect(), "dev", "Rules");
        let moved = RefMoved {
            update: RefUpdate { reference: "refs/heads/main".to_owned(), old, new: Some(sha) },
            changed_paths: None,
            workflows: Vec::new(),
            policy: Some(Ok(policy)),
        };
        self.tell(Command::ImportCommits { moved: vec![moved], commits: vec![commit] });
    }

    /// Lets `main` grow by that many commits at once, as an import does.
    pub(crate) fn grow(&mut self, name: &str, count: usize) {
        let old = self.heads.get("main").cloned();
        let mut parent = old.clone();
        let mut commits = Vec::new();
        for n in 0..count {
            let sha = long(&format!("{name}{n}x"));
            commits.push(commit(&sha, parent.into_iter().collect(), "dev", "Change"));
            parent = Some(sha);
        }
        let new = parent.clone();
        self.heads.extend(parent.map(|head| ("main".to_owned(), head)));
        let update = RefUpdate { reference: "refs/heads/main".to_owned(), old, new };
        let moved = RefMoved { update, changed_paths: None, workflows: Vec::new(), policy: None };
        self.tell(Command::ImportCommits { moved: vec![moved], commits });
    }

    pub(crate) fn project(&self) -> &Project {
        &self.state.projects[&self.stream]
    }

    /// Asks as anybody.
    pub(crate) fn ask(&mut self, by: Actor, command: Command) -> Result<Vec<Entry>, Refusal> {
        let ask = Ask { stream: self.stream.clone(), by, command };
        let doubt = self
            .doubted
            .then(|| step_looking_at_everything(&mut self.state.clone(), &ask, self.now));
        let answer = step(&mut self.state, &ask, self.now);
        self.asked.push((ask, self.now));
        assert!(doubt.is_none_or(|doubt| doubt == answer), "it looked at too little: {answer:?}");
        let entries = answer?;
        self.log.extend(entries.iter().cloned());
        Ok(entries)
    }

    /// Asks as a person.
    pub(crate) fn by(&mut self, person: &str, command: Command) -> Result<Vec<Entry>, Refusal> {
        let known = self.state.platform.people.get(person);
        let demo = known.is_some_and(|person| person.demo);
        self.ask(Actor::Person { name: person.to_owned(), demo }, command)
    }

    /// Asks as the machine's own arms, which must succeed.
    pub(crate) fn tell(&mut self, command: Command) -> Vec<Entry> {
        self.ask(Actor::Platform, command).expect("the platform may")
    }

    /// Lets time pass, waking the machine at each moment it named.
    pub(crate) fn pass(&mut self, ms: i64) {
        let until = self.now.plus(ms);
        while let Some(due) = deadline(&self.state, self.now).filter(|due| *due <= until) {
            self.now = due.max(self.now);
            let facts = self.tell(Command::Tick);
            let next = deadline(&self.state, self.now);
            assert!(!facts.is_empty() || next != Some(due), "{due:?} is due for ever");
        }
        self.now = until;
        self.tell(Command::Tick);
    }

    // Source.

    /// Pushes one commit by `author` to a branch; the ids of the runs it started.
    pub(crate) fn push(
        &mut self,
        by: &str,
        branch: &str,
        sha: &str,
        author: &str,
        files: &[&str],
    ) -> Vec<RunId> {
        let entries = self.push_entries(by, branch, sha, author, files);
        runs_of(&entries)
    }

    pub(crate) fn push_entries(
        &mut self,
        by: &str,
        branch: &str,
        sha: &str,
        author: &str,
        files: &[&str],
    ) -> Vec<Entry> {
        let moved = self.moved(branch, sha, files);
        let parents = moved.update.old.clone().into_iter().collect();
        let commits = vec![commit(&long(sha), parents, author, &format!("Change {sha}"))];
        let updates = vec![moved.update.clone()];
        let offered = self.by(by, Command::OfferPush { updates }).expect("may push");
        let push = PushId(offered[0].sequence);
        let mut entries = offered;
        entries.extend(self.tell(Command::SettlePush { push, moved: vec![moved], commits }));
        entries
    }

    /// The move of a branch from its present head.
    pub(crate) fn moved(&mut self, branch: &str, sha: &str, files: &[&str]) -> RefMoved {
        let sha = long(sha);
        let old = self.heads.insert(branch.to_owned(), sha.clone());
        let reference = format!("refs/heads/{branch}");
        RefMoved {
            update: RefUpdate { reference, old, new: Some(sha) },
            changed_paths: None,
            workflows: files.iter().map(|text| file(text)).collect(),
            policy: None,
        }
    }

    pub(crate) fn dispatch(
        &mut self,
        by: &str,
        branch: &str,
        text: &str,
        inputs: &[(&str, &str)],
    ) -> Result<RunId, Refusal> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let command = Command::Dispatch {
            reference: format!("refs/heads/{branch}"),
            commit: self.heads.get(branch).cloned().unwrap_or_else(|| long("none")),
            workflow: file(text),
            inputs: inputs.iter().map(owned).collect(),
        };
        Ok(runs_of(&self.by(by, command)?)[0])
    }

    // Runners.

    pub(crate) fn orders(&self) -> Vec<Order> {
        orders(self.project())
    }

    /// The job keys that are to be started now.
    pub(crate) fn to_start(&self, run: RunId) -> Vec<String> {
        let started = |order: Order| match order {
            Order::StartJob(attempt) if attempt.run == run => Some(attempt.job.0),
            _ => None,
        };
        self.orders().into_iter().filter_map(started).collect()
    }

    pub(crate) fn to_cancel(&self, run: RunId) -> Vec<String> {
        let cancelled = |order: Order| match order {
            Order::CancelJob(attempt) if attempt.run == run => Some(attempt.job.0),
            _ => None,
        };
        self.orders().into_iter().filter_map(cancelled).collect()
    }

    /// Starts a job whose order is outstanding.
    pub(crate) fn start(&mut self, run: RunId, job: &str) -> AttemptId {
        let order = self.orders().into_iter().find_map(|order| match order {
            Order::StartJob(attempt) if attempt.run == run && attempt.job.as_str() == job => {
                Some(attempt)
            }
            _ => None,
        });
        let Some(attempt) = order else {
            panic!("{job} of {run} is not to be started:\n{}", self.board(run))
        };
        self.tell(Command::StartJob { attempt: attempt.clone(), runner: "local".to_owned() });
        attempt
    }

    pub(crate) fn end(&mut self, attempt: &AttemptId, result: Outcome) -> Vec<Entry> {
        self.end_with(attempt, result, &[])
    }

    pub(crate) fn end_with(
        &mut self,
        attempt: &AttemptId,
        result: Outcome,
        outputs: &[(&str, &str)],
    ) -> Vec<Entry> {
        let outputs = outputs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let attempt = attempt.clone();
        self.tell(Command::FinishJob { attempt, result, outputs, reason: None, summary: None })
    }

    /// Starts and ends a job.
    pub(crate) fn work(&mut self, run: RunId, job: &str, result: Outcome) -> AttemptId {
        let attempt = self.start(run, job);
        self.end(&attempt, result);
        attempt
    }

    /// Works successfully through everything that may start now and what follows from it.
    pub(crate) fn work_through(&mut self, run: RunId) {
        while let Some(job) = self.to_start(run).first().cloned() {
            self.work(run, &job, Outcome::Success);
        }
    }

    pub(crate) fn lose(&mut self, attempt: &AttemptId) -> Vec<Entry> {
        let reason = "the runner's process is gone".to_owned();
        self.tell(Command::LoseJob { attempt: attempt.clone(), reason })
    }

    // Steps.

    pub(crate) fn call(&mut self, attempt: &AttemptId) -> CallKey {
        self.calls += 1;
        CallKey { attempt: attempt.clone(), step: 0, call: self.calls }
    }

    /// Asks as a step of the attempt.
    pub(crate) fn in_step(
        &mut self,
        attempt: &AttemptId,
        command: Command,
    ) -> Result<Vec<Entry>, Refusal> {
        self.ask(Actor::Job(attempt.clone()), command)
    }

    pub(crate) fn build(&mut self, attempt: &AttemptId, release: &str) {
        let command = Command::BuildRelease {
            call: self.call(attempt),
            release: digest(release),
            service: "stock".to_owned(),
            configuration: Vec::new(),
            bytes: 1,
            further: Vec::new(),
        };
        self.in_step(attempt, command).expect("a job may build");
    }

    pub(crate) fn deploy(
        &mut self,
        attempt: &AttemptId,
        environment: &str,
        release: &str,
    ) -> Result<DeploymentId, Refusal> {
        let command = Command::Deploy {
            call: self.call(attempt),
            environment: environment.into(),
            release: digest(release),
            settings: vec![("MODE".to_owned(), environment.to_owned())],
        };
        Ok(DeploymentId(self.in_step(attempt, command)?[0].sequence))
    }

    pub(crate) fn evidence(
        &mut self,
        attempt: &AttemptId,
        kind: &str,
        environment: Option<&str>,
        passed: bool,
    ) {
        let command = Command::RecordEvidence {
            call: self.call(attempt),
            kind: kind.to_owned(),
            environment: environment.map(Into::into),
            passed,
            summary: "p95 41 ms".to_owned(),
        };
        self.in_step(attempt, command).expect("a job may record evidence");
    }

    pub(crate) fn call_wait(&mut self, attempt: &AttemptId) -> Result<Vec<Entry>, Refusal> {
        let command = Command::Wait {
            call: self.call(attempt),
            for_ms: MINUTE,
            reason: "cool down".to_owned(),
        };
        self.in_step(attempt, command)
    }

    pub(crate) fn plan(&mut self, attempt: &AttemptId, environment: &str, hash: &str) {
        let command = Command::RecordPlan {
            call: self.call(attempt),
            environment: environment.into(),
            hash: hash.to_owned(),
            summary: Default::default(),
        };
        self.in_step(attempt, command).expect("a job may record a plan");
    }

    // Gateway and replicas.

    /// Carries out everything that replicas and gateway are asked for, until nothing is.
    pub(crate) fn carry(&mut self) {
        loop {
            let before = self.log.len();
            for order in self.orders() {
                self.carry_out(&order);
            }
            if self.log.len() == before {
                return;
            }
        }
    }

    pub(crate) fn carry_out(&mut self, order: &Order) {
        match order {
            Order::AssignAddress(place, entrance) => {
                let (place, entrance) = (place.clone(), *entrance);
                let address = format!("127.0.0.1:{}", 9000 + self.log.len());
                self.tell(Command::AssignAddress { place, entrance, address });
            }
            Order::KeepReplicas(wanted) => {
                for replica in wanted {
                    let (deployment, replica) = (replica.deployment, replica.replica);
                    let address =
                        format!("127.0.0.1:{}", 10_000 + deployment.0 * 10 + u64::from(replica));
                    self.tell(Command::ReplicaReady { deployment, replica, address });
                }
            }
            Order::CarryTraffic(generations) => {
                for (place, generation) in generations {
                    let (place, generation) = (place.clone(), *generation);
                    self.tell(Command::TrafficApplied { place, generation });
                }
            }
            Order::DrainArm(_, deployment) => {
                self.tell(Command::ArmDrained { deployment: *deployment });
            }
            Order::DrainReplica(_, deployment, replica) => {
                let (deployment, replica) = (*deployment, *replica);
                self.tell(Command::ReplicaDrained { deployment, replica });
            }
            _ => {}
        }
    }

    pub(crate) fn deployment(&self, id: DeploymentId) -> &Deployment {
        &self.project().deployments[&id]
    }

    /// One window of traffic of a rollout.
    pub(crate) fn count(
        &mut self,
        id: DeploymentId,
        new: (u64, u64),
        old: (u64, u64),
    ) -> Vec<Entry> {
        self.window += 1;
        let place = &self.deployment(id).place;
        let generation = self.project().places[place].generation;
        self.tell(Command::CountWindow {
            deployment: id,
            generation,
            window: self.window,
            new: Counts { requests: new.0, bad: new.1 },
            old: Counts { requests: old.0, bad: old.1 },
        })
    }

    /// What serves: release and share of each arm.
    pub(crate) fn serves(&self, environment: &str) -> Vec<(String, u32)> {
        let place = stock_in(environment);
        let arms = qnt9_engine::rollout::arms(self.project(), &place);
        let name = |arm: &qnt9_engine::rollout::Arm| {
            (name_of(&self.deployment(arm.deployment).release), arm.percent)
        };
        arms.iter().map(name).collect()
    }

    // What people read.

    /// The gate tree of a waiting job.
    pub(crate) fn why(&self, run: RunId, job: &str) -> String {
        let run = &self.project().runs[&run];
        let leg = &run.legs[&job.into()];
        let gate = Gate::of(&self.state.platform, self.project(), run, leg).expect("has a gate");
        let mut text = gate.why(self.now).lines().join("\n");
        text.push('\n');
        text
    }

    /// Every job of a run and where it stands.
    pub(crate) fn board(&self, run: RunId) -> String {
        use qnt9_engine::state::JobPlan;
        let run = &self.project().runs[&run];
        let mut lines = Vec::new();
        for job in &run.jobs {
            match &job.plan {
                JobPlan::Waiting => lines.push(format!("{}: waits for its needs", job.key)),
                JobPlan::Skipped { reason } => {
                    lines.push(format!(
                        "{}: skipped, {}",
                        job.key,
                        reason.show().replace('\n', " | ")
                    ));
                }
                JobPlan::Impossible { reason } => {
                    lines.push(format!("{}: impossible, {}", job.key, reason.show()));
                }
                JobPlan::Planned { legs, .. } => {
                    for key in legs {
                        let leg = &run.legs[key];
                        let phase = match leg.phase {
                            LegPhase::Done(outcome, _) => outcome.word().to_owned(),
                            phase => format!("{phase:?}").to_lowercase(),
                        };
                        let reason = leg.reason.as_ref().map(|text| format!(", {text}"));
                        let reason = reason.unwrap_or_default();
                        lines.push(format!("{key}: {} is {phase}{reason}", leg.leg.name));
                    }
                }
            }
        }
        let end = match (&run.finished, &run.started) {
            (Some((outcome, _)), _) => outcome.word(),
            (None, Some(_)) => "going on",
            (None, None) => "pending",
        };
        let cancel = run.cancel.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
        lines.push(format!("run: {end}{cancel}\n"));
        lines.join("\n")
    }

    /// What happened since an earlier length of the log, a line each.
    pub(crate) fn since(&self, from: usize) -> String {
        self.log[from..].iter().map(|entry| line(entry) + "\n").collect()
    }
}

pub(crate) fn runs_of(entries: &[Entry]) -> Vec<RunId> {
    let created = entries.iter().filter(|entry| matches!(entry.fact, Fact::RunCreated { .. }));
    created.map(|entry| RunId(entry.sequence)).collect()
}

/// A fact in one line, with what makes it different from others of its kind.
pub(crate) fn line(entry: &Entry) -> String {
    let value = serde_json::to_value(&entry.fact).expect("plain data");
    let kind = value["kind"].as_str().expect("tagged");
    let what = match &entry.fact {
        Fact::RunCreated { path, number, .. } => format!("{path} #{number}"),
        Fact::RunSuperseded { run, by, over } => format!("{run} by {by} in {over}"),
        Fact::RunCancelRequested { run, reason } => format!("{run}: {reason}"),
        Fact::RunFinished { run, result } => format!("{run}: {}", result.word()),
        Fact::JobPlanned { legs, .. } => {
            legs.iter().map(|leg| leg.name.clone()).collect::<Vec<_>>().join(", ")
        }
        Fact::JobSkipped { key, reason, .. } | Fact::JobImpossible { key, reason, .. } => {
            format!("{key}: {}", reason.show().replace('\n', " | "))
        }
        Fact::ApprovalGiven { person, subjects, .. } => {
            let release = subjects.release.as_ref().map(name_of);
            format!(
                "{person} for {} {}",
                release.as_deref().unwrap_or("-"),
                subjects.plan.as_deref().unwrap_or("-")
            )
        }
        Fact::ApprovalRejected { person, .. } => person.clone(),
        Fact::GatesOpened { job, environment, .. } => format!("{job} to {environment}"),
        Fact::GatesClosed { job, reason, .. } => format!("{job}: {reason}"),
        Fact::JobSuperseded { run, job, by, .. } => format!("{job} of {run} by {by}"),
        Fact::JobStarted { attempt, .. } | Fact::JobRerun { attempt } => attempt.to_string(),
        Fact::RunKillRequested { run, reason } => format!("{run}: {reason}"),
        Fact::JobCancelRequested { job, reason, .. } => format!("{job}: {reason}"),
        Fact::JobAdmitted { run, job } => format!("{job} of {run}"),
        Fact::JobKillRequested { attempt, reason } => format!("{attempt}: {reason}"),
        Fact::LeaseRenewed { attempt }
        | Fact::JobUnheard { attempt }
        | Fact::JobResumeRequested { attempt }
        | Fact::JobResumed { attempt, .. } => attempt.to_string(),
        Fact::CheckRequested { job, name, .. } => format!("{name} for {job}"),
        Fact::CheckUndelivered { reason, .. } => reason.clone(),
        Fact::CheckAnswered { passed, reason, .. } => {
            format!("passed {passed}: {}", reason.show())
        }
        Fact::SchedulesAdopted { workflows, .. } => {
            workflows.iter().map(|workflow| workflow.path.clone()).collect::<Vec<_>>().join(", ")
        }
        Fact::ScheduleSkipped { path, reason, .. } => format!("{path}: {}", reason.show()),
        Fact::JobLost { attempt, retry, .. } => format!("{attempt} retry {retry}"),
        Fact::JobFinished { attempt, result, reason, .. } => {
            let reason = reason.as_ref().map(|reason| format!(", {}", reason.show()));
            format!("{attempt} {}{}", result.word(), reason.unwrap_or_default())
        }
        Fact::EvidenceRecorded { kind, passed, release, .. } => {
            let release = release.as_ref().map(name_of);
            format!("{kind} of {} passed {passed}", release.as_deref().unwrap_or("the commit"))
        }
        Fact::PlanRecorded { environment, hash, .. } => format!("{environment} {hash}"),
        Fact::ReleaseBuilt { release, .. } => name_of(release),
        Fact::DeploymentRequested { place, release, direction, .. } => {
            format!("{} to {place} {direction:?}", name_of(release))
        }
        Fact::ReplicaReady { deployment, replica, .. }
        | Fact::ReplicaLost { deployment, replica, .. }
        | Fact::ReplicaFailed { deployment, replica, .. } => format!("{deployment}/{replica}"),
        Fact::WeightChanged { percent, .. } => format!("{percent} %"),
        Fact::TrafficApplied { place, generation } => format!("{place} generation {generation}"),
        Fact::WindowJudged { percent, verdict, reason, .. } => {
            format!("{verdict:?} at {percent} %: {reason}")
        }
        Fact::DeploymentFinished { outcome, .. } => format!("{outcome:?}"),
        Fact::SmokeTested { passed, report, .. } => format!("passed {passed}: {}", report.show()),
        Fact::ReplicasShifted { own, former, .. } => format!("{own} own, {former} former"),
        Fact::ReplicaDrained { deployment, replica } => format!("{deployment}/{replica}"),
        Fact::WarmEnded { deployment } => deployment.to_string(),
        Fact::WindowWatched { verdict, reason, .. } | Fact::WatchEnded { verdict, reason, .. } => {
            format!("{verdict:?}: {reason}")
        }
        Fact::NotificationPosted { title, .. } => title.show().to_owned(),
        Fact::AddressAssigned { entrance, .. } => format!("{entrance:?}"),
        Fact::StateLocked { workspace, lock, .. } => format!("{workspace} {lock}"),
        Fact::StateUnlocked { workspace, lock, forced } => {
            format!("{workspace} {lock} forced {forced}")
        }
        Fact::StateWritten { workspace, serial, .. } => format!("{workspace} serial {serial}"),
        _ => String::new(),
    };
    format!("{} {kind} {what}", entry.actor).trim_end().to_owned()
}

/// A workflow file; its first line is a comment with its path.
pub(crate) fn file(text: &str) -> WorkflowFile {
    let path = text.trim_start().lines().next().and_then(|line| line.strip_prefix("# "));
    let path = path.expect("the first line is a comment with the path").to_owned();
    let workflow = qnt9_workflow::parse(&path, text);
    let errors = |errors: Vec<qnt9_workflow::Diagnostic>| {
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let workflow = workflow.map_err(errors);
    let workflow = workflow.map(|workflow| serde_json::to_value(workflow).expect("plain data"));
    WorkflowFile { path, workflow }
}

/// A short name as a full object name.
pub(crate) fn long(short: &str) -> Sha {
    Sha(format!("{short:0<40}"))
}

/// A short name as a release digest.
pub(crate) fn digest(name: &str) -> ReleaseDigest {
    ReleaseDigest(format!("sha256:{name:0<64}"))
}

/// The short name of a release digest.
pub(crate) fn name_of(release: &ReleaseDigest) -> String {
    let name = release.0.trim_start_matches("sha256:").trim_end_matches('0');
    name.to_owned()
}

pub(crate) fn stock_in(environment: &str) -> Place {
    Place { environment: EnvironmentName::from(environment), service: "stock".to_owned() }
}

pub(crate) fn commit(sha: &Sha, parents: Vec<Sha>, author: &str, title: &str) -> Commit {
    let email = format!("{author}@example.com");
    Commit { sha: sha.clone(), parents, author: author.to_owned(), email, title: title.into() }
}

pub(crate) fn span(from: Millis, ms: i64) -> Span {
    Span { started: from, finished: from.plus(ms) }
}

/// The rules of the reference project.
pub(crate) const RULES: &str = r#"
[project]
name = "shop"

[service.stock]
command  = ["bin/stock", "serve"]
replicas = 2

[environment.development]
branches = ["develop"]
replicas = 1

[environment.staging]
branches = ["main"]

[environment.production]
branches  = ["main"]
trigger   = "manual"
approvals = { needed = 2, from = ["alice", "bob", "carol"], exclude = "authors", expire_after = "7d" }
wait      = "10m"
evidence  = ["tests", "load-test@staging"]
rollout   = { strategy = "canary", steps = [5, 25, 50, 100], step_for = "1m", min_requests = 50 }
"#;

/// Every push to `main` goes to staging.
pub(crate) const STAGING: &str = "# staging.yml
on: { push: { branches: [main] } }
concurrency: staging
jobs:
  test: { runs-on: x, strategy: { matrix: { suite: [lib, http] } }, steps: [{ run: x }] }
  release: { needs: test, runs-on: x, steps: [{ run: x }] }
  deploy: { needs: release, runs-on: x, environment: staging, steps: [{ run: x }] }
  load-test: { needs: deploy, runs-on: x, steps: [{ run: x }] }
";

/// Production, by hand.
pub(crate) const PRODUCTION: &str = "# production.yml
on: { workflow_dispatch: { inputs: { environment: { type: string, default: production } } } }
jobs:
  plan: { runs-on: x, steps: [{ run: x }] }
  deploy: { needs: plan, runs-on: x, environment: '${{ inputs.environment }}', steps: [{ run: x }] }
  verify: { needs: deploy, runs-on: x, steps: [{ run: x }] }
";

impl World {
    /// A push to `main` by `dev`, proved in staging as that release.
    pub(crate) fn staged(&mut self, sha: &str, release: &str) -> RunId {
        self.staged_by("dev", sha, release)
    }

    pub(crate) fn staged_by(&mut self, by: &str, sha: &str, release: &str) -> RunId {
        let run = self.push(by, "main", sha, by, &[STAGING])[0];
        self.work(run, "test.1", Outcome::Success);
        self.work(run, "test.2", Outcome::Success);
        let attempt = self.start(run, "release");
        self.build(&attempt, release);
        self.evidence(&attempt, "tests", None, true);
        self.end(&attempt, Outcome::Success);
        let attempt = self.start(run, "deploy");
        self.deploy(&attempt, "staging", release).expect("staging is open");
        self.carry();
        self.end(&attempt, Outcome::Success);
        let attempt = self.start(run, "load-test");
        self.evidence(&attempt, "load-test", Some("staging"), true);
        self.end(&attempt, Outcome::Success);
        run
    }

    /// A dispatch to production by `dev` whose plan is made: its job waits for its gates.
    pub(crate) fn dispatched(&mut self, plan: &str) -> RunId {
        let run = self.dispatch("dev", "main", PRODUCTION, &[]).expect("may dispatch");
        let attempt = self.start(run, "plan");
        self.plan(&attempt, "production", plan);
        self.end(&attempt, Outcome::Success);
        run
    }

    pub(crate) fn approve(&mut self, person: &str, run: RunId) -> Result<Vec<Entry>, Refusal> {
        let environment = "production".into();
        self.by(person, Command::Approve { run, environment, seen: None, comment: None })
    }

    /// A dispatch to production that two people approve, its job started.
    pub(crate) fn released(&mut self) -> AttemptId {
        let run = self.dispatched("plan-1");
        self.approve("alice", run).expect("may approve");
        self.approve("bob", run).expect("may approve");
        self.pass(10 * MINUTE);
        self.start(run, "deploy")
    }

    /// Production serves `release` as its first one.
    pub(crate) fn in_production(release: &str) -> Self {
        let mut world = Self::new(RULES);
        world.staged("c1", release);
        let attempt = world.released();
        world.deploy(&attempt, "production", release).expect("the gates are open");
        world.carry();
        world.end(&attempt, Outcome::Success);
        world.work_through(attempt.run);
        world
    }
}
