//! What people do, at right moments and at wrong ones.

use std::ops::Range;

use qnt9_engine::state::{LegPhase, Project, Run};
use qnt9_model::command::{Again, Decision};
use qnt9_model::fact::Subjects;
use qnt9_model::{
    Actor, Ask, Command, EnvironmentName, JobKey, Millis, Person, ReleaseDigest, Role, RunId, Sha,
    StreamId,
};

use crate::Rhythm;
use crate::audit::Broken;
use crate::company::{Deed, Strictness, Workflows, rules};
use crate::random::{Random, mix};
use crate::server::Server;

use super::{DAY, Event, HOUR, Letter, MINUTE, Origin, World};

/// Which of the people the rules name as approvers.
const APPROVERS: Range<usize> = 1..6;
const ENVIRONMENTS: [&str; 4] = ["production", "production", "staging", "development"];
const PROJECTS: [(&str, bool, u32); 3] = [("shop", false, 1), ("srs", true, 20), ("lab", false, 1)];

impl World<'_> {
    /// The company is founded: people, projects, first commits. Nothing goes wrong yet.
    pub(super) fn found(&mut self) -> Result<(), Broken> {
        let swarm = self.swarm.clone();
        self.swarm.calm();
        self.restart()?;
        let mut random = Random::new(self.current);
        let platform = StreamId::platform();
        for person in self.people.clone() {
            self.hand_in(&platform, Command::AddPerson { person }, Origin::Nobody);
        }
        let mut projects = Vec::new();
        for (name, embedded, time_scale) in PROJECTS.into_iter().take(swarm.projects) {
            let project = StreamId::from(name);
            projects.push(project.clone());
            let default_branch = "main".to_owned();
            let command = Command::CreateProject { project, embedded, time_scale, default_branch };
            self.hand_in(&platform, command, Origin::Nobody);
        }
        self.commit(&mut random)?;
        for project in &projects {
            self.first_commits(project, &mut random);
        }
        self.commit(&mut random)?;
        self.swarm = swarm;
        for person in 0..self.people.len() {
            let id = mix(mix(self.current, 1000), person as u64);
            let at = self.next_routine(self.clock, id);
            self.agree(at, id, Event::Routine { person, nth: 1 });
        }
        Ok(())
    }

    fn first_commits(&mut self, project: &StreamId, random: &mut Random) {
        let strict = match self.options.rhythm {
            Rhythm::Dense => Strictness::draw(random),
            Rhythm::Office { .. } => Strictness::ordinary(),
        };
        let policy = self.policy(project, &strict);
        let repository = self.repositories.entry(project.clone()).or_default();
        let author = &self.people[1];
        let workflows = Workflows::ORDINARY;
        let written = repository.write("main", &[author], workflows, Some(policy), random);
        let push = qnt9_model::PushId(0);
        repository.offer(push, written);
        let (moved, commits) = repository.settle(push, &self.workflows);
        self.hand_in(project, Command::ImportCommits { moved, commits }, Origin::Nobody);
    }

    fn policy(
        &self,
        project: &StreamId,
        strict: &Strictness,
    ) -> Result<qnt9_model::Policy, String> {
        let text = rules(project.as_str(), strict, self.clock);
        qnt9_engine::policy::read("qnt9.toml", &text).map_err(|problems| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })
    }

    /// A person's next moment: some time later, in an office only while it is open.
    fn next_routine(&self, after: Millis, id: u64) -> Millis {
        let mut random = Random::new(mix(id, 7));
        let mean = self.swarm.pause_ms;
        let at = after.plus(random.between(mean / 4..=mean * 7 / 4));
        match self.options.rhythm {
            Rhythm::Dense => at,
            Rhythm::Office { .. } => in_office_hours(at, &mut random),
        }
    }

    /// A person does something, and has time again later.
    pub(super) fn routine(
        &mut self,
        person: usize,
        nth: u64,
        random: &mut Random,
    ) -> Result<(), Broken> {
        // Whether a deed is left out must not change when the next one comes.
        let id = mix(self.current, 0);
        let at = self.next_routine(self.clock, id);
        self.agree(at, id, Event::Routine { person, nth: nth + 1 });
        let mut deed = Deed::ALL[random.weighted(&self.swarm.deeds)];
        if deed == Deed::Push && self.reviews_instead(person, random) {
            deed = Deed::Approve;
        }
        let name = self.people[person].name.clone();
        let is_echo = random.chance(self.swarm.messages.echoed);
        let Some(server) = self.server.take() else { return Ok(()) };
        let letter = self.letter(person, deed, &server, random);
        self.server = Some(server);
        if let Some(letter) = letter
            && self.happens(|| format!("{name}: {deed:?}"))
        {
            self.send(letter, random);
        }
        self.replica_accident(random);
        let old = random.below(self.old_letters.len().max(1) as u64) as usize;
        if is_echo
            && let Some(letter) = self.old_letters.get(old).cloned()
            && self.happens(|| format!("an old message once more: {}", super::told(&letter)))
        {
            self.later(1, Event::Arrives(Box::new(letter)));
        }
        Ok(())
    }

    /// In an office those who approve seldom push: otherwise all of them would soon be authors of
    /// what they are to approve.
    fn reviews_instead(&self, person: usize, random: &mut Random) -> bool {
        let is_office = self.options.rhythm != Rhythm::Dense;
        is_office && APPROVERS.contains(&person) && !random.chance(50)
    }

    /// What a person writes, if they find something to do.
    fn letter(
        &mut self,
        person: usize,
        deed: Deed,
        server: &Server,
        random: &mut Random,
    ) -> Option<Letter> {
        let who = self.people[person].clone();
        let names: Vec<&StreamId> = server.state.projects.keys().collect();
        let stream = (*random.one_of(&names)?).clone();
        let project = server.state.projects.get(&stream)?;
        let by = Actor::Person { name: who.name.clone(), demo: who.demo };
        let ask = |command: Command| {
            Letter::new(Ask { stream: stream.clone(), by: by.clone(), command }, Origin::Nobody)
        };
        Some(match deed {
            Deed::Push => return self.push(&who, &stream, random),
            Deed::Dispatch => ask(self.dispatch(project, &stream, random)?),
            Deed::Approve => {
                let (run, environment) = waiting(project, random)?;
                let by = self.approver(project, run, random).unwrap_or(by);
                let seen = seen(project, run, &environment, random);
                let command = Command::Approve { run, environment, seen, comment: None };
                Letter::new(Ask { stream, by, command }, Origin::Nobody)
            }
            Deed::Reject => {
                let (run, environment) = waiting(project, random)?;
                if !random.chance(300) {
                    return None;
                }
                ask(Command::Reject { run, environment, comment: Some("not today".to_owned()) })
            }
            Deed::Cancel => ask(cancel(project, random)?),
            Deed::Rerun => ask(rerun(project, random)?),
            Deed::Resolve => ask(resolve(project, random)?),
            Deed::Rollback => ask(rollback(project, random)?),
            Deed::Abort => {
                ask(Command::AbortRollout { environment: random.pick(ENVIRONMENTS).into() })
            }
            Deed::Promote => {
                ask(Command::Promote { environment: random.pick(ENVIRONMENTS).into() })
            }
            Deed::Note => ask(note(project, random)),
            Deed::Secret => ask(secret(random)),
            Deed::Terraform => ask(self.terraform(&who, &stream, random)),
            Deed::Platform => {
                let stream = StreamId::platform();
                let by = if random.chance(700) { self.admin() } else { by };
                let command = self.platform(project, random)?;
                Letter::new(Ask { stream, by, command }, Origin::Nobody)
            }
            Deed::Nonsense => nonsense(&stream, project, by, random),
        })
    }

    fn push(&mut self, who: &Person, stream: &StreamId, random: &mut Random) -> Option<Letter> {
        let is_office = self.options.rhythm != Rhythm::Dense;
        if !is_office && random.chance(60) {
            return self.tag(who, stream);
        }
        let branch = random.pick(["main", "main", "develop", "develop", "feature"]);
        let bits = if is_office {
            Workflows::OFFICE
        } else {
            random.next() & random.next() & ((1 << Workflows::DENSE) - 1)
        };
        let changes_rules = branch == "main" && random.chance(if is_office { 5 } else { 200 });
        let policy = changes_rules.then(|| {
            if random.chance(100) {
                Err("qnt9.toml:3:1: this is not TOML".to_owned())
            } else if is_office {
                self.policy(stream, &Strictness::ordinary())
            } else {
                self.policy(stream, &Strictness::draw(random))
            }
        });
        let other = random.below(self.people.len() as u64) as usize;
        let other = self.people[other].clone();
        let authors = if random.chance(300) { vec![&other, who] } else { vec![who] };
        let repository = self.repositories.entry(stream.clone()).or_default();
        let written = repository.write(branch, &authors, bits, policy, random);
        let updates = vec![written.update.clone()];
        let by = Actor::Person { name: who.name.clone(), demo: who.demo };
        let command = Command::OfferPush { updates };
        let ask = Ask { stream: stream.clone(), by, command };
        Some(Letter::new(ask, Origin::Pusher(Box::new(written))))
    }

    /// A tag that is named like the branch it stands on.
    fn tag(&mut self, who: &Person, stream: &StreamId) -> Option<Letter> {
        let written = self.repositories.get(stream)?.tag("main", Workflows::TAGGED)?;
        let updates = vec![written.update.clone()];
        let by = Actor::Person { name: who.name.clone(), demo: who.demo };
        let command = Command::OfferPush { updates };
        let ask = Ask { stream: stream.clone(), by, command };
        Some(Letter::new(ask, Origin::Pusher(Box::new(written))))
    }

    fn dispatch(
        &self,
        project: &Project,
        stream: &StreamId,
        random: &mut Random,
    ) -> Option<Command> {
        let is_office = self.options.rhythm != Rhythm::Dense;
        let branch = if is_office || random.chance(850) { "main" } else { "develop" };
        let repository = self.repositories.get(stream)?;
        let tag = Some("refs/tags/main")
            .filter(|tag| repository.head(tag).is_some() && random.chance(200));
        let reference = tag.map_or_else(|| format!("refs/heads/{branch}"), str::to_owned);
        let head = repository.head(&reference).cloned()?;
        let stale = random.chance(20);
        let commit = if stale { project.commits.keys().next().cloned()? } else { head };
        let index = if is_office || random.chance(600) {
            Workflows::PRODUCTION
        } else {
            random.below(Workflows::DENSE as u64) as usize
        };
        let mut inputs = Vec::new();
        if random.chance(60) {
            inputs.push(("environment".to_owned(), "staging".to_owned()));
        }
        if index == Workflows::PRODUCTION && random.chance(if is_office { 50 } else { 400 }) {
            inputs.push(("replan".to_owned(), "yes".to_owned()));
        }
        if random.chance(20) {
            inputs.push(("enviroment".to_owned(), "production".to_owned()));
        }
        let workflow = self.workflows.get(index).clone();
        Some(Command::Dispatch { reference, commit, workflow, inputs })
    }

    fn terraform(&self, who: &Person, stream: &StreamId, random: &mut Random) -> Command {
        let workspace = "network".to_owned();
        let lock = format!("hand-{}", who.name);
        let serial = self.auditor.serial(stream, &workspace);
        match random.below(8) {
            0 | 1 => Command::LockState { workspace, lock, info: "{}".to_owned() },
            2 | 3 => Command::WriteState {
                workspace,
                lock: random.chance(500).then_some(lock),
                serial: serial.saturating_sub(1) + random.below(3),
                lineage: random.pick(["a", "a", "a", "b"]).to_owned(),
                md5: format!("{:032x}", random.next()),
                blob: "sealed".to_owned(),
                bytes: 100,
            },
            4 | 5 => Command::UnlockState { workspace, lock: Some(lock) },
            6 => Command::UnlockState { workspace, lock: None },
            _ => Command::DeleteState { workspace, lock: random.chance(500).then_some(lock) },
        }
    }

    /// Who approves: often somebody who may, now and then whoever caused the run.
    fn approver(&self, project: &Project, run: RunId, random: &mut Random) -> Option<Actor> {
        let by = match random.below(10) {
            0..=2 => project.runs.get(&run)?.cause.by().to_owned(),
            3..=7 => random.one_of(&self.people[APPROVERS])?.name.clone(),
            _ => return None,
        };
        let person = self.people.iter().find(|person| person.name == by)?;
        Some(Actor::Person { name: by, demo: person.demo })
    }

    fn admin(&self) -> Actor {
        let Person { name, demo, .. } = &self.people[0];
        Actor::Person { name: name.clone(), demo: *demo }
    }

    fn platform(&self, project: &Project, random: &mut Random) -> Option<Command> {
        let person = random.one_of(&self.people)?.clone();
        let digest = format!("{:064x}", random.below(8));
        let is_office = self.options.rhythm != Rhythm::Dense;
        Some(match random.below(if is_office { 3 } else { 14 }) {
            0 | 1 => {
                Command::IssueToken { person: person.name, digest, label: "laptop".to_owned() }
            }
            2 => Command::RevokeToken { digest },
            3 => Command::AddPerson { person: Person { role: Role::Viewer, ..person } },
            4 => Command::AddPerson { person },
            5 => Command::CreateProject {
                project: random.pick(["shop", "lab", "no good"]).into(),
                embedded: random.chance(500),
                time_scale: random.pick([0, 1, 2]),
                default_branch: "main".to_owned(),
            },
            6 => Command::ChangeRole { person: "nobody".to_owned(), role: Role::Viewer },
            7..=9 => Command::ChangeRole {
                person: has_approved(project, random)?,
                role: random.pick([Role::Developer, Role::Viewer]),
            },
            _ => {
                let person = random.one_of(&self.people[APPROVERS])?.clone();
                Command::ChangeRole { role: person.role, person: person.name }
            }
        })
    }
}

/// Monday to Friday, 08:00 to 17:00 UTC: a moment outside is moved into the next open day.
fn in_office_hours(at: Millis, random: &mut Random) -> Millis {
    let day = at.0.div_euclid(DAY);
    let hour = at.0.rem_euclid(DAY) / HOUR;
    // 1970-01-01 was a Thursday.
    let weekday = (day + 3).rem_euclid(7);
    let open = |day: i64, random: &mut Random| {
        Millis(day * DAY + 8 * HOUR + random.between(0..=90 * MINUTE))
    };
    match (weekday, hour) {
        (0..=4, 8..17) => at,
        (0..=4, 0..8) => open(day, random),
        (0..=3, _) => open(day + 1, random),
        (weekday, _) => open(day + 7 - weekday, random),
    }
}

/// One of the things that wait for people; now and then something that does not.
fn waiting(project: &Project, random: &mut Random) -> Option<(RunId, EnvironmentName)> {
    let mut found = Vec::new();
    for id in &project.live {
        let Some(run) = project.runs.get(id) else { continue };
        for leg in run.legs.values().filter(|leg| leg.phase == LegPhase::Gated) {
            found.extend(leg.leg.environment.clone().map(|environment| (run.id, environment)));
        }
    }
    if found.is_empty() || random.chance(30) {
        let run = any_run(project, random)?;
        return Some((run, random.pick(ENVIRONMENTS).into()));
    }
    random.one_of(&found).cloned()
}

/// Somebody whose approval a job still waits with.
fn has_approved(project: &Project, random: &mut Random) -> Option<String> {
    let live = project.live.iter().filter_map(|id| project.runs.get(id));
    let gated = live.flat_map(|run| run.legs.values().filter(|leg| leg.phase == LegPhase::Gated));
    let names: Vec<&String> =
        gated.flat_map(|leg| leg.approvals.iter().map(|given| &given.person)).collect();
    random.one_of(&names).map(|name| (*name).clone())
}

fn any_run(project: &Project, random: &mut Random) -> Option<RunId> {
    let back = random.below(40) as usize;
    let runs = || project.runs.keys().rev();
    runs().nth(back).or_else(|| runs().next()).copied()
}

/// What a person was shown: mostly what there is.
fn seen(
    project: &Project,
    run: RunId,
    environment: &EnvironmentName,
    random: &mut Random,
) -> Option<Subjects> {
    if random.chance(500) {
        return None;
    }
    let run = project.runs.get(&run)?;
    let mut seen = project.subjects(run, environment);
    if random.chance(60) {
        seen.plan = Some("an earlier plan".to_owned());
    }
    Some(seen)
}

fn cancel(project: &Project, random: &mut Random) -> Option<Command> {
    let live: Vec<RunId> = project.live.iter().copied().collect();
    let run = match random.below(10) {
        0..=3 => *random.one_of(&live)?,
        4 => any_run(project, random)?,
        _ => return None,
    };
    Some(if random.chance(300) {
        Command::ForceCancelRun { run }
    } else {
        Command::CancelRun { run }
    })
}

fn failed_job(run: &Run) -> Option<JobKey> {
    let failed = run.legs.values().find(|leg| {
        matches!(leg.phase, LegPhase::Done(outcome, _) if outcome != qnt9_model::fact::Outcome::Success)
    });
    Some(failed?.leg.job.clone())
}

fn rerun(project: &Project, random: &mut Random) -> Option<Command> {
    let id = match ended_delivery(project).filter(|_| random.chance(400)) {
        Some(run) => return Some(Command::Rerun { run, what: Again::All }),
        None => any_run(project, random)?,
    };
    let job = project.runs.get(&id).and_then(failed_job);
    Some(match (random.below(5), job) {
        (0, _) => Command::Rerun { run: id, what: Again::All },
        (1, _) => Command::Rerun { run: id, what: Again::Failed },
        (2, Some(job)) => Command::Rerun { run: id, what: Again::Job(job) },
        (3, Some(job)) => Command::RetryFrom { run: id, job, step: random.below(3) as u32 },
        _ => return None,
    })
}

/// The last run that is over and went to production.
fn ended_delivery(project: &Project) -> Option<RunId> {
    let ended = project.runs.iter().rev().take(60).filter(|(id, _)| !project.live.contains(id));
    let mut deliveries = ended.filter(|(_, run)| run.path.ends_with("production.yml"));
    deliveries.next().map(|(id, _)| *id)
}

fn resolve(project: &Project, random: &mut Random) -> Option<Command> {
    let mut lost = Vec::new();
    for id in &project.live {
        let Some(run) = project.runs.get(id) else { continue };
        let legs = run.legs.values().filter(|leg| leg.phase == LegPhase::Lost);
        lost.extend(legs.map(|leg| (run.id, leg.leg.job.clone())));
    }
    let (run, job) = match random.one_of(&lost).cloned() {
        Some(found) => found,
        None if random.chance(50) => (any_run(project, random)?, "deploy".into()),
        None => return None,
    };
    let decision =
        random.pick([Decision::Rerun, Decision::Resume, Decision::Resume, Decision::Abandon]);
    Some(Command::ResolveLost { run, job, decision })
}

/// Somebody writes down why the last load test failed, and sometimes of one that did not.
fn note(project: &Project, random: &mut Random) -> Command {
    let kind = "load-test".to_owned();
    let unexplained = |name: &&str| {
        let newest = project.newest_evidence(&(**name).into(), "load-test");
        newest.is_some_and(qnt9_engine::state::Evidence::is_unexplained)
    };
    let needed = ENVIRONMENTS.into_iter().find(unexplained);
    let environment = needed.unwrap_or_else(|| random.pick(ENVIRONMENTS)).into();
    Command::NoteCause { environment, kind, cause: "the cache was cold".to_owned() }
}

fn rollback(project: &Project, random: &mut Random) -> Option<Command> {
    let environment: EnvironmentName = random.pick(ENVIRONMENTS).into();
    let served: Vec<ReleaseDigest> = project
        .deployments
        .values()
        .filter(|deployment| deployment.place.environment == environment)
        .map(|deployment| deployment.release.clone())
        .collect();
    let unknown = ReleaseDigest(format!("sha256:{:064x}", 1));
    let to = if random.chance(50) { unknown } else { random.one_of(&served)?.clone() };
    Some(Command::Rollback { environment, to })
}

fn secret(random: &mut Random) -> Command {
    let name = random.pick(["TOKEN", "token", "1BAD", "GITHUB_X"]).to_owned();
    let environment = random.chance(300).then(|| "production".into());
    match random.below(3) {
        0 => Command::RemoveSecret { name, environment },
        _ => Command::SetSecret { name, environment, value: "hunter2".to_owned() },
    }
}

/// An attempt that does not count any more.
fn earlier_attempt(project: &Project, random: &mut Random) -> Option<qnt9_model::AttemptId> {
    let run = project.runs.get(&any_run(project, random)?)?;
    let mut legs = run.legs.values().filter(|leg| {
        leg.phase != LegPhase::Lost
            && leg.attempts.len() > usize::from(leg.phase == LegPhase::Running)
    });
    let leg = legs.next_back()?;
    let newest = leg.attempt_id(run.id);
    let attempt = if newest.attempt > 1 { newest.attempt - 1 } else { newest.attempt };
    Some(qnt9_model::AttemptId { attempt, ..newest })
}

/// What nobody may ask, or not like this.
fn nonsense(stream: &StreamId, project: &Project, by: Actor, random: &mut Random) -> Letter {
    let run = any_run(project, random).unwrap_or(RunId(1));
    let attempt = qnt9_model::AttemptId { run, job: "test.1".into(), attempt: 1 };
    let (stream, by, command) = match random.below(9) {
        0 => (stream.clone(), by, Command::StartJob { attempt, runner: "mine".to_owned() }),
        1 => (StreamId::platform(), by, Command::CancelRun { run }),
        2 => (StreamId::from("nowhere"), by, Command::CancelRun { run }),
        3 => {
            let outcome = qnt9_model::fact::Outcome::Success;
            let (outputs, reason, summary) = (Vec::new(), None, None);
            let command = Command::FinishJob { attempt, result: outcome, outputs, reason, summary };
            (stream.clone(), Actor::Platform, command)
        }
        4 => {
            let live = project.live.iter().filter_map(|id| project.runs.get(id));
            let running = live.flat_map(|run| run.legs.values().map(move |leg| (run.id, leg)));
            let mut running = running.filter(|(_, leg)| leg.phase == LegPhase::Running);
            let attempt = running.next().map_or(attempt, |(run, leg)| leg.attempt_id(run));
            let command =
                Command::SealLog { attempt, first_line: 9_999, lines: 1, blob: "b".to_owned() };
            (stream.clone(), Actor::Platform, command)
        }
        5 => {
            let command = Command::IssueToken {
                person: "ada".to_owned(),
                digest: "0".to_owned(),
                label: String::new(),
            };
            (stream.clone(), by, command)
        }
        6 => {
            let attempt = earlier_attempt(project, random).unwrap_or(attempt);
            let command = Command::ResumeJob { attempt, proof: "I was here".to_owned() };
            (stream.clone(), Actor::Platform, command)
        }
        7 => {
            let check = qnt9_model::CheckId(run.0);
            let command =
                Command::AnswerCheck { check, passed: true, reason: "says who?".to_owned() };
            (stream.clone(), Actor::Platform, command)
        }
        _ => {
            let commit = Sha("0".repeat(40));
            let workflow = qnt9_model::command::WorkflowFile {
                path: "none.yml".to_owned(),
                workflow: Err("there is no such file".to_owned()),
            };
            let reference = "refs/heads/none".to_owned();
            let command = Command::Dispatch { reference, commit, workflow, inputs: Vec::new() };
            (stream.clone(), by, command)
        }
    };
    Letter::new(Ask { stream, by, command }, Origin::Nobody)
}
