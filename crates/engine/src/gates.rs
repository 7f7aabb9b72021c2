//! The gates of an environment: one proof tree per waiting job, from which both the decision and
//! what people read about it are made.

use std::collections::BTreeMap;

use qnt9_model::fact::{Cause, Subjects};
use qnt9_model::policy::{ApprovalRule, EnvironmentPolicy, EvidenceRule, Exclude, Trigger};
use qnt9_model::why::{Holds, Why};
use qnt9_model::{EnvironmentName, Millis, Role};

use crate::state::{Approval, Evidence, LegState, Platform, Project, Run};

/// Everything a gate is judged by.
#[derive(Clone, Copy)]
pub struct Gate<'a> {
    /// People.
    pub platform: &'a Platform,
    /// The project.
    pub project: &'a Project,
    /// The run.
    pub run: &'a Run,
    /// The waiting leg.
    pub leg: &'a LegState,
    /// The leg's environment.
    pub environment: &'a EnvironmentName,
}

impl<'a> Gate<'a> {
    /// The gate of a leg, if it has an environment.
    #[must_use]
    pub fn of(
        platform: &'a Platform,
        project: &'a Project,
        run: &'a Run,
        leg: &'a LegState,
    ) -> Option<Self> {
        let environment = leg.leg.environment.as_ref()?;
        Some(Self { platform, project, run, leg, environment })
    }

    fn rules(&self) -> Option<&'a EnvironmentPolicy> {
        self.project.policy.as_ref()?.1.environment(self.environment)
    }

    /// What would be deployed now.
    #[must_use]
    pub fn subjects(&self) -> Subjects {
        self.project.subjects(self.run, self.environment)
    }

    /// The proof tree at this moment. An environment without rules has nothing but "its turn".
    #[must_use]
    pub fn why(&self, now: Millis) -> Why {
        let mut parts = Vec::new();
        if let Some(rules) = self.rules() {
            parts.extend(self.branch(rules));
            parts.extend(self.trigger(rules));
            parts.extend(rules.evidence.iter().map(|rule| self.evidence(rule)));
            parts.extend(rules.approvals.as_ref().map(|rule| self.approvals(rule, now)));
            parts.extend(self.wait(rules, now));
        }
        parts.push(self.turn());
        Why::all(format!("{} to {}", self.run.commit.short(), self.environment), parts)
    }

    fn branch(&self, rules: &EnvironmentPolicy) -> Option<Why> {
        if rules.branches.is_empty() {
            return None;
        }
        let name = self.run.reference_name();
        let kind = if self.run.reference.starts_with("refs/tags/") { "tag" } else { "branch" };
        Some(if takes(rules, self.run) {
            Why::leaf(format!("branch {name} may deploy here"), Holds::Yes)
        } else {
            let allowed = rules.branches.join(", ");
            Why::leaf(format!("{kind} {name} may not deploy here"), Holds::No)
                .because(format!("{} takes {allowed}", self.environment))
        })
    }

    fn trigger(&self, rules: &EnvironmentPolicy) -> Option<Why> {
        if rules.trigger == Trigger::Any {
            return None;
        }
        let rule = "a person dispatched it";
        // To run a push again is no dispatch: what counts is how it began.
        Some(match causes(self.project, self.run).last() {
            Some(Cause::Dispatch { by }) => Why::leaf(rule, Holds::Yes).because(by.clone()),
            _ => Why::leaf("a person must dispatch it", Holds::No)
                .because("it was started by a push"),
        })
    }

    fn evidence(&self, rule: &EvidenceRule) -> Why {
        let release = self.subjects().release;
        let is_about_this = |evidence: &&Evidence| {
            evidence.kind == rule.kind
                && match &rule.environment {
                    None => evidence.commit == self.run.commit,
                    Some(environment) => {
                        evidence.environment.as_ref() == Some(environment)
                            && release.is_some()
                            && evidence.release == release
                    }
                }
        };
        let subject = |verb: &str| match (&rule.environment, &release) {
            (Some(environment), Some(release)) => {
                format!("{} {verb} in {environment} for {}", rule.kind, release.short())
            }
            (Some(environment), None) => {
                format!("{} {verb} in {environment} for this release", rule.kind)
            }
            (None, _) => format!("{} {verb} for {}", rule.kind, self.run.commit.short()),
        };
        match self.project.evidence.iter().rfind(is_about_this) {
            Some(evidence) if evidence.passed => {
                let scale = match evidence.time_scale {
                    0 | 1 => String::new(),
                    scale => format!(" (made at time scale {scale})"),
                };
                Why::leaf(subject("passed"), Holds::Yes)
                    .because(format!("{}{scale}", evidence.summary))
            }
            Some(evidence) => {
                Why::leaf(subject("failed"), Holds::No).because(evidence.summary.clone())
            }
            None => Why::leaf(subject("passed"), Holds::NotYet).because("none recorded yet"),
        }
    }

    fn wait(&self, rules: &EnvironmentPolicy, now: Millis) -> Option<Why> {
        let wait = self.project.scaled(rules.wait_ms);
        if wait == 0 {
            return None;
        }
        let opens = self.leg.queued.plus(wait);
        let rule = format!("{} since it was asked for", duration(wait));
        Some(if now >= opens {
            Why::leaf(rule, Holds::Yes)
        } else {
            let passed = duration(now.since(self.leg.queued).max(0));
            Why::leaf(rule, Holds::NotYet).because(format!("{passed} passed")).at(opens)
        })
    }

    fn turn(&self) -> Why {
        let rule = format!("no other job holds {}", self.environment);
        let mine = (self.run.id, self.leg.leg.job.clone());
        match self.project.holders.get(self.environment) {
            Some(holder) if *holder != mine => Why::leaf(rule, Holds::NotYet)
                .because(format!("{} of run {} does", holder.1, holder.0)),
            _ => match self.rolling_out() {
                Some(id) => Why::leaf(rule, Holds::NotYet)
                    .because(format!("deployment {id} is rolling out")),
                None => Why::leaf(rule, Holds::Yes),
            },
        }
    }

    fn rolling_out(&self) -> Option<qnt9_model::DeploymentId> {
        let places = self.project.places.iter();
        places
            .filter(|(place, _)| &place.environment == self.environment)
            .find_map(|(_, s)| s.active)
    }

    /// What the approvals alone say.
    pub(crate) fn approvals(&self, rule: &ApprovalRule, now: Millis) -> Why {
        let standings = self.standings(rule);
        let count = |is: fn(&Standing<'_>) -> bool| standings.iter().filter(|(_, s)| is(s)).count();
        let (needed, counted) =
            (rule.needed as usize, count(|s| matches!(s, Standing::Approved(_))));
        let free: Vec<String> = standings
            .iter()
            .filter(|(_, standing)| matches!(standing, Standing::Free | Standing::Lapsed))
            .map(|(person, _)| (*person).to_owned())
            .collect();
        let (holds, evidence) = if self.leg.approvals.iter().any(|decision| !decision.approved) {
            (Holds::No, "it was rejected".to_owned())
        } else if counted >= needed {
            (Holds::Yes, format!("{counted} of {needed}"))
        } else if counted + free.len() < needed {
            let free = names(&free);
            (Holds::No, format!("nobody can satisfy this: only {free} could still approve"))
        } else if now >= self.leg.queued.plus(rule.expire_after_ms) {
            let after = duration(rule.expire_after_ms);
            (Holds::No, format!("the approvals expired after {after}"))
        } else {
            (Holds::NotYet, format!("{counted} of {needed}"))
        };
        let mut why = Why::leaf(format!("{needed} of {} approve", rule.from.join(", ")), holds);
        why.evidence = Some(evidence);
        why.who = if holds == Holds::NotYet { free } else { Vec::new() };
        why.of = standings.iter().map(|(person, standing)| standing.why(person, now)).collect();
        why
    }

    /// Where each of the listed people stands.
    fn standings<'r>(&self, rule: &'r ApprovalRule) -> Vec<(&'r str, Standing<'a>)> {
        let subjects = self.subjects();
        let excluded = excluded(self.platform, self.project, self.run, self.environment, rule);
        let stand = |person: &str| {
            let mut own = self.leg.approvals.iter().filter(|decision| decision.person == person);
            if own.clone().any(|decision| !decision.approved) {
                return Standing::Rejected;
            }
            if let Some(because) = excluded.get(person) {
                return Standing::Barred(because.clone());
            }
            match self.platform.people.get(person).map(|known| known.role) {
                None => return Standing::Barred("nobody of that name is known here".to_owned()),
                Some(role) if role < Role::Approver => {
                    return Standing::Barred(format!(
                        "has the role {role}, not {}",
                        Role::Approver
                    ));
                }
                Some(_) => {}
            }
            match own.clone().find(|decision| decision.subjects == subjects) {
                Some(approval) => Standing::Approved(approval),
                None if own.next().is_some() => Standing::Lapsed,
                None => Standing::Free,
            }
        };
        rule.from.iter().map(|person| (person.as_str(), stand(person))).collect()
    }

    /// When time alone changes this gate: the wait is over, or the approvals expire.
    #[must_use]
    pub fn deadline(&self, now: Millis) -> Option<Millis> {
        let rules = self.rules()?;
        let opens = self.leg.queued.plus(self.project.scaled(rules.wait_ms));
        let expires =
            rules.approvals.as_ref().map(|rule| self.leg.queued.plus(rule.expire_after_ms));
        [Some(opens), expires].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// The approval rule of the leg's environment.
    #[must_use]
    pub fn approval_rule(&self) -> Option<&'a ApprovalRule> {
        self.rules()?.approvals.as_ref()
    }
}

/// Whether an environment with these rules takes runs of the run's branch. A tag that is named like
/// a branch is none.
pub(crate) fn takes(rules: &EnvironmentPolicy, run: &Run) -> bool {
    let branch = run.reference.strip_prefix("refs/heads/");
    rules.branches.is_empty()
        || branch.is_some_and(|branch| rules.branches.iter().any(|allowed| allowed == branch))
}

/// Where one of the listed people stands towards a waiting job.
enum Standing<'a> {
    /// They said no.
    Rejected,
    /// They approved exactly what would be deployed now.
    Approved(&'a Approval),
    /// They approved something else, and can look again.
    Lapsed,
    /// They cannot approve, although listed.
    Barred(String),
    /// They can approve.
    Free,
}

impl Standing<'_> {
    fn why(&self, person: &str, now: Millis) -> Why {
        match self {
            Self::Rejected => Why::leaf(format!("{person} rejected it"), Holds::No),
            Self::Approved(approval) => {
                let demo = if approval.demo { " (demo)" } else { "" };
                let ago = duration(now.since(approval.at).max(0));
                Why::leaf(person, Holds::Yes).because(format!("{ago} ago{demo}"))
            }
            Self::Lapsed => Why::leaf(person, Holds::NotYet)
                .because("approved something else: release or plan changed since"),
            Self::Barred(because) => {
                Why::leaf(format!("{person} cannot"), Holds::NotYet).because(because.clone())
            }
            Self::Free => Why::leaf(person, Holds::NotYet).because("can approve"),
        }
    }
}

/// Who of the approvers cannot approve this run for this environment, and what they did.
#[must_use]
pub fn excluded(
    platform: &Platform,
    project: &Project,
    run: &Run,
    environment: &EnvironmentName,
    rule: &ApprovalRule,
) -> BTreeMap<String, String> {
    let mut excluded: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut note = |person: &str, act: String| {
        let acts = excluded.entry(person.to_owned()).or_default();
        if !acts.contains(&act) {
            acts.push(act);
        }
    };
    if rule.exclude != Exclude::Nobody {
        for cause in causes(project, run) {
            let act = match cause {
                Cause::Schedule { .. } => "pushed what its schedule runs on",
                Cause::Push { .. } => "pushed it",
                Cause::Dispatch { .. } => "dispatched it",
                Cause::Rerun { .. } => "ran it again",
            };
            note(cause.by(), act.to_owned());
        }
    }
    if rule.exclude == Exclude::Authors {
        let base = project
            .serving_environment(environment)
            .and_then(|deployment| project.releases.get(&deployment.release))
            .map(|release| &release.commit);
        let mut written: BTreeMap<&str, usize> = BTreeMap::new();
        for commit in project.commits_between(base, &run.commit) {
            for pusher in project.pushers.get(&commit.sha).into_iter().flatten() {
                note(pusher, "pushed it".to_owned());
            }
            if let Some(person) = platform.person_by_email(&commit.email) {
                *written.entry(&person.name).or_default() += 1;
            }
        }
        for (person, count) in written {
            note(person, format!("wrote {count} of its commits"));
        }
    }
    excluded.into_iter().map(|(person, acts)| (person, acts.join(" and "))).collect()
}

/// What started the run, and, when it is an earlier run once more, what started that one.
fn causes<'a>(project: &'a Project, run: &'a Run) -> impl Iterator<Item = &'a Cause> {
    let earlier = |cause: &&'a Cause| match cause {
        Cause::Rerun { of, .. } => project.runs.get(of).map(|run| &run.cause),
        _ => None,
    };
    std::iter::successors(Some(&run.cause), earlier)
}

fn names(people: &[String]) -> String {
    if people.is_empty() { "nobody".to_owned() } else { people.join(", ") }
}

/// `10 min`, `4 min 2 s`, `7 d`: for people.
#[must_use]
pub fn duration(ms: i64) -> String {
    let seconds = ms / 1000;
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .take(2)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if shown.is_empty() { format!("{}.{} s", ms / 1000, ms % 1000 / 100) } else { shown.join(" ") }
}
