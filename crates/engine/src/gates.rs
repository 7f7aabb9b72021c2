//! The gates of an environment: one proof tree per waiting job, from which both the decision and
//! what people read about it are made.

use std::collections::BTreeMap;

use qnt9_model::fact::{Cause, Subjects};
use qnt9_model::policy::{ApprovalRule, EnvironmentPolicy, EvidenceRule, Exclude, Trigger};
use qnt9_model::why::{Holds, Why};
use qnt9_model::{EnvironmentName, Millis};

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
        Some(if rules.branches.iter().any(|branch| branch == name) {
            Why::leaf(format!("branch {name} may deploy here"), Holds::Yes)
        } else {
            let allowed = rules.branches.join(", ");
            Why::leaf(format!("branch {name} may not deploy here"), Holds::No)
                .because(format!("{} takes {allowed}", self.environment))
        })
    }

    fn trigger(&self, rules: &EnvironmentPolicy) -> Option<Why> {
        if rules.trigger == Trigger::Any {
            return None;
        }
        let by_hand = self.started_by_hand();
        let rule = "a person dispatched it";
        Some(if by_hand {
            Why::leaf(rule, Holds::Yes).because(self.run.cause.by().to_owned())
        } else {
            Why::leaf(rule, Holds::No).because("it was started by a push")
        })
    }

    fn started_by_hand(&self) -> bool {
        match &self.run.cause {
            Cause::Dispatch { .. } => true,
            Cause::Push { .. } => false,
            Cause::Rerun { .. } => !self.run.inputs.is_empty(),
        }
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
        let subject = match (&rule.environment, &release) {
            (Some(environment), Some(release)) => {
                format!("{environment} proved {} for {}", rule.kind, release.short())
            }
            (Some(environment), None) => {
                format!("{environment} proved {} for this release", rule.kind)
            }
            (None, _) => format!("{} passed for {}", rule.kind, self.run.commit.short()),
        };
        match self.project.evidence.iter().filter(is_about_this).next_back() {
            Some(evidence) if evidence.passed => {
                let scale = match evidence.time_scale {
                    0 | 1 => String::new(),
                    scale => format!(" (made at time scale {scale})"),
                };
                Why::leaf(subject, Holds::Yes).because(format!("{}{scale}", evidence.summary))
            }
            Some(evidence) => Why::leaf(subject, Holds::No)
                .because(format!("the last one failed: {}", evidence.summary)),
            None => Why::leaf(subject, Holds::NotYet).because("none recorded yet"),
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

    fn approvals(&self, rule: &ApprovalRule, now: Millis) -> Why {
        let subjects = self.subjects();
        let excluded = excluded(self.platform, self.project, self.run, self.environment, rule);
        let decisions = &self.leg.approvals;
        let counted: Vec<&Approval> =
            decisions.iter().filter(|a| a.approved && a.subjects == subjects).collect();
        let has_counted = |person: &str| counted.iter().any(|a| a.person == person);
        let mut parts: Vec<Why> = Vec::new();
        for person in &rule.from {
            parts.push(match decisions.iter().rev().find(|a| &a.person == person) {
                Some(a) if !a.approved => Why::leaf(format!("{person} rejected it"), Holds::No),
                Some(a) if a.subjects == subjects => {
                    let demo = if a.demo { " (demo)" } else { "" };
                    let ago = duration(now.since(a.at).max(0));
                    Why::leaf(person.clone(), Holds::Yes).because(format!("{ago} ago{demo}"))
                }
                Some(_) => Why::leaf(person.clone(), Holds::NotYet)
                    .because("approved something else: release or plan changed since"),
                None => match excluded.get(person) {
                    Some(because) => Why::leaf(format!("{person} cannot"), Holds::NotYet)
                        .because(because.clone()),
                    None => Why::leaf(person.clone(), Holds::NotYet).because("can approve"),
                },
            });
        }
        let free: Vec<String> = rule
            .from
            .iter()
            .filter(|person| !excluded.contains_key(*person) && !has_counted(person))
            .cloned()
            .collect();
        let needed = rule.needed as usize;
        let rejected = decisions.iter().any(|a| !a.approved);
        let expires = self.leg.queued.plus(rule.expire_after_ms);
        let of = rule.from.join(", ");
        let mut why = Why::leaf(format!("{needed} of {of} approve"), Holds::NotYet);
        why.holds = if rejected {
            Holds::No
        } else if counted.len() >= needed {
            Holds::Yes
        } else if counted.len() + free.len() < needed || now >= expires {
            Holds::No
        } else {
            Holds::NotYet
        };
        why.evidence = Some(if rejected {
            "it was rejected".to_owned()
        } else if counted.len() < needed && counted.len() + free.len() < needed {
            format!("nobody can satisfy this: only {} could still approve", names(&free))
        } else if counted.len() < needed && now >= expires {
            format!("the approvals expired after {}", duration(rule.expire_after_ms))
        } else {
            format!("{} of {needed}", counted.len())
        });
        why.who = if why.holds == Holds::NotYet { free } else { Vec::new() };
        why.of = parts;
        why
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
    let mut note = |person: &str, what: String| {
        excluded.entry(person.to_owned()).or_default().push(what);
    };
    let act = match run.cause {
        Cause::Push { .. } => "pushed it",
        Cause::Dispatch { .. } => "dispatched it",
        Cause::Rerun { .. } => "ran it again",
    };
    if rule.exclude != Exclude::Nobody {
        note(run.cause.by(), act.to_owned());
    }
    if rule.exclude == Exclude::Authors {
        let base = project
            .serving_environment(environment)
            .and_then(|deployment| project.releases.get(&deployment.release))
            .map(|release| &release.commit);
        let mut written: BTreeMap<&str, usize> = BTreeMap::new();
        for commit in project.commits_between(base, &run.commit) {
            if let Some(person) = platform.person_by_email(&commit.email) {
                *written.entry(&person.name).or_default() += 1;
            }
        }
        for (person, count) in written {
            let commits = if count == 1 { "commit" } else { "commits" };
            note(person, format!("wrote {count} of its {commits}"));
        }
        for other in project.runs.values() {
            if other.commit == run.commit
                && let Cause::Push { by } = &other.cause
                && other.id != run.id
            {
                note(by, "pushed it".to_owned());
            }
        }
    }
    excluded
        .into_iter()
        .map(|(person, mut acts)| {
            acts.dedup();
            (person, acts.join(" and "))
        })
        .collect()
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
