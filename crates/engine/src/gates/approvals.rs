//! Approvals: who may, who cannot and why, and what they have said.

use std::collections::BTreeMap;

use qnt9_model::fact::Cause;
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::{ApprovalRule, Exclude};
use qnt9_model::why::{Holds, Why};
use qnt9_model::{EnvironmentName, Millis, Role};

use super::{Gate, duration};
use crate::state::{Approval, Platform, Project, Run};

impl<'a> Gate<'a> {
    /// What the approvals alone say.
    pub(crate) fn approvals(&self, rule: &ApprovalRule, now: Millis) -> Why {
        let standings = self.standings(rule);
        let count = |is: fn(&Standing<'_>) -> bool| standings.iter().filter(|(_, s)| is(s)).count();
        let (needed, counted) =
            (rule.needed as usize, count(|s| matches!(s, Standing::Approved(_))));
        let needed = if planted::is(Fault::OneApprovalIsEnough) { 1 } else { needed };
        let free: Vec<String> = standings
            .iter()
            .filter(|(_, standing)| matches!(standing, Standing::Free | Standing::Lapsed))
            .map(|(person, _)| (*person).to_owned())
            .collect();
        let rejected = self.leg.approvals.iter().any(|decision| !decision.approved);
        let expires = self.leg.queued.plus(rule.expire_after_ms);
        let (holds, evidence) = if rejected && !planted::is(Fault::RejectionIgnored) {
            (Holds::No, "it was rejected".to_owned())
        } else if counted >= needed {
            (Holds::Yes, format!("{counted} of {needed}"))
        } else if counted + free.len() < needed {
            let free = names(&free);
            (Holds::No, format!("nobody can satisfy this: only {free} could still approve"))
        } else if now >= expires && !planted::is(Fault::ExpiryIgnored) {
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
                Some(role) if role < Role::Approver && !planted::is(Fault::RoleNotChecked) => {
                    return Standing::Barred(format!(
                        "has the role {role}, not {}",
                        Role::Approver
                    ));
                }
                Some(_) => {}
            }
            let counts = |decision: &&Approval| {
                decision.subjects == subjects || planted::is(Fault::ApprovalOfOtherSubjects)
            };
            match own.clone().find(counts) {
                Some(approval) => Standing::Approved(approval),
                None if own.next().is_some() => Standing::Lapsed,
                None => Standing::Free,
            }
        };
        rule.from.iter().map(|person| (person.as_str(), stand(person))).collect()
    }
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
                Why::leaf(format!("{person} cannot"), Holds::Barred).because(because.clone())
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
    if rule.exclude != Exclude::Nobody && !planted::is(Fault::DispatcherMayApprove) {
        let forgotten = usize::from(planted::is(Fault::RerunnerMayApprove) && is_rerun(run));
        for cause in causes(project, run).skip(forgotten) {
            let act = match cause {
                Cause::Schedule { .. } => "pushed what its schedule runs on",
                Cause::Push { .. } => "pushed it",
                Cause::Dispatch { .. } => "dispatched it",
                Cause::Rerun { .. } => "ran it again",
            };
            note(cause.by(), act.to_owned());
        }
    }
    if rule.exclude == Exclude::Authors && !planted::is(Fault::AuthorMayApprove) {
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
pub(super) fn causes<'a>(project: &'a Project, run: &'a Run) -> impl Iterator<Item = &'a Cause> {
    let earlier = |cause: &&'a Cause| match cause {
        Cause::Rerun { of, .. } => project.runs.get(of).map(|run| &run.cause),
        _ => None,
    };
    std::iter::successors(Some(&run.cause), earlier)
}

const fn is_rerun(run: &Run) -> bool {
    matches!(run.cause, Cause::Rerun { .. })
}

fn names(people: &[String]) -> String {
    if people.is_empty() { "nobody".to_owned() } else { people.join(", ") }
}
