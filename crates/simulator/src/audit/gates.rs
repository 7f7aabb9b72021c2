//! What protects an environment, worked out from the facts and the rules of `qnt9.toml` alone.

use std::collections::{BTreeMap, BTreeSet};

use qnt9_model::fact::{Cause, Subjects};
use qnt9_model::policy::{ApprovalRule, EnvironmentPolicy, EvidenceRule, Exclude, Trigger, Window};
use qnt9_model::{
    AttemptId, CheckId, Entry, EnvironmentName, Fact, JobKey, Millis, Person, ReleaseDigest, Role,
    RunId, Sha,
};

use super::Broken;
use super::book::{CheckBook, CommitBook, DeploymentBook, LegBook, Project, RunBook};

type People = BTreeMap<String, Person>;

impl Project {
    pub(super) fn gates(&mut self, entry: &Entry, people: &People) -> Result<(), Broken> {
        match &entry.fact {
            Fact::ApprovalGiven { run, environment, person, subjects, .. } => {
                self.approval_counts(entry, people, *run, environment, person, subjects)?;
                let given = (person.clone(), subjects.clone());
                self.waiting(*run, environment, |leg| leg.approvals.push(given.clone()));
            }
            Fact::ApprovalRejected { run, environment, person, .. } => {
                if people.get(person).is_none_or(|person| person.role < Role::Approver) {
                    return Err(Broken::of("approvals", entry, "they may not reject"));
                }
                self.waiting(*run, environment, |leg| leg.is_rejected = true);
            }
            Fact::CheckRequested { run, job, name, subjects, .. } => {
                let (id, name, subjects) =
                    (CheckId(entry.sequence), name.clone(), subjects.clone());
                self.checks.insert(id, CheckBook { name, subjects, answer: None });
                let leg = self.runs.get_mut(run).and_then(|run| run.legs.get_mut(job));
                leg.into_iter().for_each(|leg| leg.checks.push(id));
            }
            Fact::CheckAnswered { check, passed, .. } => match self.checks.get_mut(check) {
                Some(check) if check.answer.is_none() => check.answer = Some(*passed),
                _ => return Err(Broken::of("check-answers-once", entry, "nobody asked")),
            },
            Fact::GatesOpened { run, job, environment, subjects, .. } => {
                self.open(entry, people, *run, job, environment, subjects)?;
            }
            Fact::GatesClosed { run, job, .. }
                if self.may_close(entry.time, people, *run, job) == Some(false) =>
            {
                return Err(Broken::of("gates", entry, "it closed, and nothing forbids it"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The legs of a run that wait for an environment.
    fn waiting(
        &mut self,
        run: RunId,
        environment: &EnvironmentName,
        change: impl FnMut(&mut LegBook),
    ) {
        let Some(run) = self.runs.get_mut(&run) else { return };
        let waits = |leg: &&mut LegBook| {
            leg.environment.as_ref() == Some(environment)
                && leg.opened.is_none()
                && leg.ended.is_none()
                && (leg.group.is_none() || leg.admitted)
        };
        run.legs.values_mut().filter(waits).for_each(change);
    }

    /// An approval is by somebody who may give it, and for what would be deployed now.
    fn approval_counts(
        &self,
        entry: &Entry,
        people: &People,
        run: RunId,
        environment: &EnvironmentName,
        person: &str,
        subjects: &Subjects,
    ) -> Result<(), Broken> {
        let broken = |what: &str| Err(Broken::of("approvals", entry, what));
        if entry.actor.person() != Some(person) {
            return broken("somebody else gave it for them");
        }
        if people.get(person).is_none_or(|person| person.role < Role::Approver) {
            return broken("their role does not allow it");
        }
        if self.runs.get(&run).is_none_or(|run| run.finished.is_some() || run.superseded) {
            return broken("the run is over");
        }
        if self.subjects(run, environment) != *subjects {
            return broken("it is for something else than what would be deployed");
        }
        let rules = self.rules_in_force(environment);
        let rules: Vec<&ApprovalRule> =
            rules.iter().filter_map(|rules| rules.approvals.as_ref()).collect();
        if !rules.iter().any(|rule| rule.from.iter().any(|name| name == person)) {
            return broken("they are not among the approvers");
        }
        if rules.iter().all(|rule| self.excluded(people, run, environment, rule).contains(person)) {
            return broken("they are excluded");
        }
        Ok(())
    }

    /// The rules of the file, and those that the serving deployment was made under.
    pub(super) fn rules_in_force(&self, environment: &EnvironmentName) -> Vec<&EnvironmentPolicy> {
        let file = self.policy.as_ref().and_then(|policy| policy.environment(environment));
        let serving = self.serves(environment).and_then(|serving| serving.rules.as_ref());
        file.into_iter().chain(serving).collect()
    }

    /// The newest deployment that serves one of an environment's services.
    fn serves(&self, environment: &EnvironmentName) -> Option<&DeploymentBook> {
        let serving = self.serving.iter().filter(|(place, _)| place.environment == *environment);
        self.deployments.get(serving.map(|(_, id)| id).max()?)
    }

    fn open(
        &mut self,
        entry: &Entry,
        people: &People,
        run: RunId,
        job: &JobKey,
        environment: &EnvironmentName,
        subjects: &Subjects,
    ) -> Result<(), Broken> {
        let broken = |what: String| Err(Broken::of("gates", entry, what));
        let attempt = AttemptId { run, job: job.clone(), attempt: 0 };
        let waits = |leg: &&LegBook| {
            leg.environment.as_ref() == Some(environment)
                && leg.opened.is_none()
                && leg.ended.is_none()
        };
        let Some(leg) = self.leg(&attempt).filter(waits) else {
            return broken("no such job waits for it".to_owned());
        };
        if let Some(holder) = self.holders.get(environment) {
            return Err(Broken::of("one-holder", entry, format!("{holder:?} holds it")));
        }
        if let Some(active) = self.active.get(environment) {
            let what = format!("deployment {active} is rolling out there");
            return Err(Broken::of("one-deployment", entry, what));
        }
        if self.subjects(run, environment) != *subjects {
            return broken("it opened for something else than what would be deployed".to_owned());
        }
        let leg = leg.clone();
        for rules in self.rules_in_force(environment) {
            let unmet = self.unmet(entry.time, people, &attempt, &leg, rules, subjects);
            if let Some(unmet) = unmet {
                return broken(unmet);
            }
        }
        self.holders.insert(environment.clone(), (run, job.clone()));
        if let Some(leg) = self.leg_mut(&attempt) {
            leg.opened = Some(subjects.clone());
        }
        Ok(())
    }

    /// The first rule that does not hold.
    pub(super) fn unmet(
        &self,
        now: Millis,
        people: &People,
        attempt: &AttemptId,
        leg: &LegBook,
        rules: &EnvironmentPolicy,
        subjects: &Subjects,
    ) -> Option<String> {
        let run = self.runs.get(&attempt.run)?;
        if !takes(rules, run) {
            return Some(format!("it takes no runs of {}", run.reference));
        }
        if !self.is_triggered(rules, attempt.run) {
            return Some("nobody dispatched it".to_owned());
        }
        if self.unexplained.contains(&rules.name) {
            return Some("nobody noted why the load test failed".to_owned());
        }
        if let Some(missing) =
            rules.evidence.iter().find(|rule| !self.is_proved(rule, &run.commit, subjects))
        {
            return Some(format!("{missing:?} was not proved"));
        }
        // Without a wait nothing is to be compared with the clock, which may have been set back.
        if rules.wait_ms > 0 && now < leg.queued.plus(rules.wait_ms / self.time_scale) {
            return Some("its wait is not over".to_owned());
        }
        if let Some(rule) = &rules.approvals {
            if leg.is_rejected {
                return Some("it was rejected".to_owned());
            }
            let counted = self.counted(people, attempt, leg, rules, rule, subjects);
            if counted.len() < rule.needed as usize {
                return Some(format!("{} of {} approved", counted.len(), rule.needed));
            }
        }
        if !rules.windows.is_empty() && !rules.windows.iter().any(|window| is_open(window, now)) {
            return Some("no window is open".to_owned());
        }
        let freezes = self.policy.iter().flat_map(|policy| &policy.freezes);
        let mut freezes = freezes.filter(|freeze| {
            (freeze.environments.is_empty() || freeze.environments.contains(&rules.name))
                && freeze.from <= now
                && now < freeze.until
        });
        if let Some(freeze) = freezes.next() {
            return Some(format!("it is frozen: {}", freeze.reason));
        }
        let unchecked = rules.checks.iter().find(|rule| {
            let mut asked = self.asked(leg, &rule.name);
            !asked.any(|check| check.subjects == *subjects && check.answer == Some(true))
        });
        unchecked.map(|rule| format!("the check {} did not pass", rule.name))
    }

    /// Who has approved, as far as it counts at this moment.
    pub(super) fn counted<'a>(
        &self,
        people: &People,
        attempt: &AttemptId,
        leg: &'a LegBook,
        rules: &EnvironmentPolicy,
        rule: &ApprovalRule,
        subjects: &Subjects,
    ) -> BTreeSet<&'a String> {
        let given = leg.approvals.iter().filter(|(_, of)| of == subjects).map(|(name, _)| name);
        if leg.approvals.is_empty() {
            return BTreeSet::new();
        }
        let excluded = self.excluded(people, attempt.run, &rules.name, rule);
        let is_approver = |name: &&String| {
            rule.from.contains(name)
                && !excluded.contains(*name)
                && people.get(*name).is_some_and(|person| person.role >= Role::Approver)
        };
        given.filter(is_approver).collect()
    }

    pub(super) fn is_asked(&self, leg: &LegBook, name: &str, subjects: &Subjects) -> bool {
        self.asked(leg, name).any(|check| check.subjects == *subjects)
    }

    /// What a check was asked for a job.
    fn asked<'a>(&'a self, leg: &'a LegBook, name: &'a str) -> impl Iterator<Item = &'a CheckBook> {
        let checks = leg.checks.iter().filter_map(|id| self.checks.get(id));
        checks.filter(move |check| check.name == name)
    }

    fn is_proved(&self, rule: &EvidenceRule, commit: &Sha, subjects: &Subjects) -> bool {
        self.newest(rule, commit, subjects) == Some(true)
    }

    /// Whether the newest evidence of a kind passed, if there is any.
    fn newest(&self, rule: &EvidenceRule, commit: &Sha, subjects: &Subjects) -> Option<bool> {
        let about = match &rule.environment {
            None => self.of_commit.get(commit)?,
            Some(_) => self.of_release.get(subjects.release.as_ref()?)?,
        };
        let last = about.iter().rfind(|evidence| {
            let is_there = rule.environment.is_none() || evidence.environment == rule.environment;
            evidence.kind == rule.kind && is_there
        });
        last.map(|evidence| evidence.passed)
    }

    /// Whether a gate may close for good: something is so that can not change any more.
    fn may_close(&self, now: Millis, people: &People, id: RunId, job: &JobKey) -> Option<bool> {
        let run = self.runs.get(&id)?;
        let leg = run.legs.get(job)?;
        let environment = leg.environment.as_ref()?;
        let subjects = self.subjects(id, environment);
        let freezes = self.policy.iter().any(|policy| !policy.freezes.is_empty());
        let is_late = |after: i64| now >= leg.queued.plus(after);
        let forbids = |rules: &&EnvironmentPolicy| {
            let cannot_be_had = |rule: &ApprovalRule| {
                let excluded = self.excluded(people, id, environment, rule);
                let may = |name: &&String| {
                    !excluded.contains(*name)
                        && people.get(*name).is_some_and(|person| person.role >= Role::Approver)
                };
                (rule.from.iter().filter(may).count() as u32) < rule.needed
            };
            let has_failed =
                |name: &str| self.asked(leg, name).any(|check| check.answer != Some(true));
            !takes(rules, run)
                || !self.is_triggered(rules, id)
                || is_late(rules.expire_ms())
                || (freezes && !rules.windows.is_empty())
                || rules
                    .evidence
                    .iter()
                    .any(|rule| self.newest(rule, &run.commit, &subjects) == Some(false))
                || rules.approvals.as_ref().is_some_and(|rule| {
                    leg.is_rejected || is_late(rule.expire_after_ms) || cannot_be_had(rule)
                })
                || rules.checks.iter().any(|rule| has_failed(&rule.name))
        };
        Some(self.rules_in_force(environment).iter().any(forbids))
    }

    fn is_triggered(&self, rules: &EnvironmentPolicy, run: RunId) -> bool {
        let first = self.causes(run).pop();
        rules.trigger != Trigger::Manual || matches!(first, Some(Cause::Dispatch { .. }))
    }

    /// What a job of this run would deploy: the newest release of its commit, and its last plan.
    pub(super) fn subjects(&self, run: RunId, environment: &EnvironmentName) -> Subjects {
        let newest = self.runs.get(&run).and_then(|run| self.newest.get(&run.commit));
        Subjects {
            release: newest.map(|(_, digest)| digest.clone()),
            plan: self.plans.get(&(run, environment.clone())).map(|(hash, _)| hash.clone()),
        }
    }

    /// What a protected job deploys is what its gates opened for.
    pub(super) fn is_what_was_approved(
        &self,
        entry: &Entry,
        leg: &LegBook,
        environment: &EnvironmentName,
        release: &ReleaseDigest,
    ) -> Result<(), Broken> {
        let rules = self.policy.as_ref().and_then(|policy| policy.environment(environment));
        let is_protected = rules.is_some_and(|rules| {
            rules.approvals.is_some() || rules.evidence.iter().any(|r| r.environment.is_some())
        });
        let opened = leg.opened.as_ref().and_then(|subjects| subjects.release.as_ref());
        if is_protected && opened != Some(release) {
            return Err(Broken::of("gates", entry, format!("its gates opened for {opened:?}")));
        }
        Ok(())
    }

    /// What started a run and, when it repeats another one, what started that one.
    fn causes(&self, run: RunId) -> Vec<Cause> {
        let mut causes = Vec::new();
        let mut next = self.runs.get(&run);
        while let Some(run) = next {
            causes.push(run.cause.clone());
            next = match &run.cause {
                Cause::Rerun { of, .. } => self.runs.get(of),
                _ => None,
            };
        }
        causes
    }

    /// Who of all people may not approve this run.
    fn excluded(
        &self,
        people: &People,
        run: RunId,
        environment: &EnvironmentName,
        rule: &ApprovalRule,
    ) -> BTreeSet<String> {
        let mut excluded = BTreeSet::new();
        if rule.exclude == Exclude::Nobody {
            return excluded;
        }
        excluded.extend(self.causes(run).iter().map(|cause| cause.by().to_owned()));
        let Some(run) = self.runs.get(&run).filter(|_| rule.exclude == Exclude::Authors) else {
            return excluded;
        };
        let serving = self.serves(environment);
        let base = serving.and_then(|deployment| self.releases.get(&deployment.release));
        for commit in self.since(base, &run.commit) {
            excluded.extend(commit.pushers.iter().cloned());
            let author = people.values().find(|p| p.email.eq_ignore_ascii_case(&commit.email));
            excluded.extend(author.map(|person| person.name.clone()));
        }
        excluded
    }

    /// The commits that `head` has and `base` has not.
    fn since<'a>(&'a self, base: Option<&'a Sha>, head: &'a Sha) -> Vec<&'a CommitBook> {
        // The newest first: when a commit's turn comes, whatever follows it has had its own, so it is
        // known whether `base` has it. Where parents came after their children only the end tells.
        let mut next: BTreeMap<usize, (&CommitBook, bool)> = BTreeMap::new();
        let mut found: BTreeMap<usize, (&CommitBook, bool)> = BTreeMap::new();
        let known = |sha: &Sha| self.commits.get(sha);
        next.extend(known(head).map(|commit| (commit.nth, (commit, false))));
        next.extend(base.and_then(known).map(|commit| (commit.nth, (commit, true))));
        while let Some((nth, (commit, of_base))) = next.pop_last() {
            if found.get(&nth).is_some_and(|(_, known)| *known || !of_base) {
                continue;
            }
            found.insert(nth, (commit, of_base));
            for parent in commit.parents.iter().filter_map(known) {
                let of_base = of_base || next.get(&parent.nth).is_some_and(|(_, known)| *known);
                next.insert(parent.nth, (parent, of_base));
            }
            if !self.disordered && next.values().all(|(_, of_base)| *of_base) {
                break;
            }
        }
        found.into_values().filter(|(_, of_base)| !of_base).map(|(commit, _)| commit).collect()
    }
}

/// Whether an environment takes runs of the run's branch; a tag is no branch.
fn takes(rules: &EnvironmentPolicy, run: &RunBook) -> bool {
    let branch = run.reference.strip_prefix("refs/heads/");
    let takes = |branch: &str| rules.branches.iter().any(|allowed| allowed == branch);
    rules.branches.is_empty() || branch.is_some_and(takes)
}

const DAY_MINUTES: i32 = 24 * 60;

/// Whether a window is open, by the clocks of its zone: it may have opened the day before.
fn is_open(window: &Window, now: Millis) -> bool {
    let zoned = jiff::Timestamp::from_millisecond(now.0)
        .ok()
        .and_then(|at| Some(at.to_zoned(jiff::tz::TimeZone::get(&window.timezone).ok()?)));
    let Some(zoned) = zoned else { return false };
    let minute = i32::from(zoned.hour()) * 60 + i32::from(zoned.minute());
    let (opens, mut closes) = (i32::from(window.opens), i32::from(window.closes));
    if closes <= opens {
        closes += DAY_MINUTES;
    }
    let today = zoned.weekday().to_monday_zero_offset() as usize;
    let opens_on = |day: usize| window.days.iter().any(|known| *known as usize == day);
    (opens_on(today) && (opens..closes).contains(&minute))
        || (opens_on((today + 6) % 7) && (opens..closes).contains(&(minute + DAY_MINUTES)))
}
