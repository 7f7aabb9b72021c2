//! The gates of an environment: one proof tree per waiting job, from which both the decision and
//! what people read about it are made.
//!
//! A job is judged by the rules in force and by those under which its environment's serving deployment
//! was made, so that nobody loosens the gates of the very deployment that they make.

mod approvals;
mod evidence;
mod time;

use qnt9_model::fact::{Cause, Subjects};
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::{ApprovalRule, EnvironmentPolicy, Trigger};
use qnt9_model::why::{Holds, Why};
use qnt9_model::{DeploymentId, EnvironmentName, Millis};

use crate::rollback::RollbackPlan;
use crate::state::{LegState, Platform, Project, Run};

use approvals::causes;
pub use approvals::excluded;

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

    /// The rules that this gate is judged by: those in force first.
    pub(crate) fn rule_sets(&self) -> Vec<RuleSet<'a>> {
        let policy = self.project.policy.as_ref();
        let in_force = policy.and_then(|(_, policy)| policy.environment(self.environment));
        let serving = self.project.serving_environment(self.environment);
        let former = serving.and_then(|deployment| {
            let rules = deployment.rules.as_ref().filter(|rules| Some(*rules) != in_force)?;
            if planted::is(Fault::EarlierRulesForgotten) {
                return None;
            }
            Some(RuleSet { rules, of: Some(deployment.id) })
        });
        in_force.map(|rules| RuleSet { rules, of: None }).into_iter().chain(former).collect()
    }

    /// What would be deployed now.
    #[must_use]
    pub fn subjects(&self) -> Subjects {
        self.project.subjects(self.run, self.environment)
    }

    /// The proof tree at this moment. An environment without rules has nothing but "its turn".
    #[must_use]
    pub fn why(&self, now: Millis) -> Why {
        let mut why = self.judged(now);
        if why.holds != Holds::No {
            why.earliest = self.earliest(now);
        }
        why
    }

    /// As [`Gate::why`], without working out when the job could start at the earliest.
    pub(crate) fn judged(&self, now: Millis) -> Why {
        let mut parts: Vec<Why> = Vec::new();
        for set in self.rule_sets() {
            for part in self.by(set.rules, now) {
                // A rule that stayed as it was is said once.
                if !parts.contains(&part) {
                    parts.push(set.sign(part));
                }
            }
        }
        parts.extend(self.cause());
        parts.extend(self.rollback_plan());
        parts.extend(self.freeze(now));
        parts.push(self.turn());
        let subject = format!("{} to {}", self.run.commit.short(), self.environment);
        let mut why = Why::all(subject, parts);
        if why.holds == Holds::NotYet
            && let Some(expired) = self.expired(now)
        {
            why.of.push(expired);
            why.holds = Holds::No;
        }
        why
    }

    /// What one set of rules says.
    fn by(&self, rules: &'a EnvironmentPolicy, now: Millis) -> impl Iterator<Item = Why> {
        let timed = [Self::wait, Self::windows];
        let timed = timed.into_iter().filter_map(move |part| part(self, rules, now));
        self.untimed(rules, now).chain(timed)
    }

    /// What one set of rules says of everything that does not open and close by time alone.
    fn untimed(&self, rules: &'a EnvironmentPolicy, now: Millis) -> impl Iterator<Item = Why> {
        let proved = rules.evidence.iter().map(move |rule| self.evidence(rule, now));
        let checked = rules.checks.iter().map(move |rule| self.check(rule, now));
        let approved = rules.approvals.iter().map(move |rule| self.approvals(rule, now));
        let origin = [Self::branch, Self::trigger];
        let origin = origin.into_iter().filter_map(move |part| part(self, rules));
        origin.chain(proved).chain(checked).chain(approved)
    }

    /// Whether time alone can open this gate now or later.
    fn waits_for_time_alone(&self, now: Millis) -> bool {
        let holds = |part: Why| part.holds == Holds::Yes;
        holds(self.turn())
            && self.cause().is_none_or(holds)
            && self.rule_sets().iter().all(|set| self.untimed(set.rules, now).all(holds))
    }

    /// What an approval must know: how what it lets in would be taken back.
    fn rollback_plan(&self) -> Option<Why> {
        self.approval_rule()?;
        let plan = RollbackPlan::of_run(self.project, self.run, self.environment);
        let lines = plan.lines().into_iter().map(|line| Why::leaf(line, Holds::Yes)).collect();
        let digest = plan.digest();
        let digest = digest.get(..12).unwrap_or(&digest);
        Some(Why::all("the rollback plan is stated", lines).because(format!("sha256 {digest}")))
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
        if rules.trigger == Trigger::Any || planted::is(Fault::TriggerIgnored) {
            return None;
        }
        let rule = "a person dispatched it";
        // To run a push again is no dispatch: what counts is how it began.
        Some(match causes(self.project, self.run).last() {
            Some(Cause::Dispatch { by }) => Why::leaf(rule, Holds::Yes).because(by.clone()),
            Some(Cause::Schedule { .. }) => Why::leaf("a person must dispatch it", Holds::No)
                .because("it was started by a schedule"),
            _ => Why::leaf("a person must dispatch it", Holds::No)
                .because("it was started by a push"),
        })
    }

    fn turn(&self) -> Why {
        let rule = format!("no other job holds {}", self.environment);
        let mine = (self.run.id, self.leg.leg.job.clone());
        match self.project.holders.get(self.environment) {
            Some(holder) if *holder != mine && !planted::is(Fault::TwoHolders) => {
                Why::leaf(rule, Holds::NotYet)
                    .because(format!("{} of run {} does", holder.1, holder.0))
            }
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

    /// The approval rules that this gate is judged by, those in force first.
    #[must_use]
    pub fn approval_rules(&self) -> Vec<&'a ApprovalRule> {
        self.rule_sets().into_iter().filter_map(|set| set.rules.approvals.as_ref()).collect()
    }

    /// The first approval rule of the leg's environment.
    #[must_use]
    pub fn approval_rule(&self) -> Option<&'a ApprovalRule> {
        self.approval_rules().into_iter().next()
    }
}

/// Rules that a gate is judged by.
#[derive(Clone, Copy)]
pub(crate) struct RuleSet<'a> {
    pub(crate) rules: &'a EnvironmentPolicy,
    /// The deployment that was made under them; `None` for those in force.
    pub(crate) of: Option<DeploymentId>,
}

impl RuleSet<'_> {
    /// Says of a rule that it is not one of those in force.
    fn sign(&self, mut part: Why) -> Why {
        if let Some(id) = self.of {
            part.rule = format!("{} (a rule under which deployment {id} was made)", part.rule);
        }
        part
    }
}

/// Whether an environment with these rules takes runs of the run's branch. A tag that is named like
/// a branch is none.
pub(crate) fn takes(rules: &EnvironmentPolicy, run: &Run) -> bool {
    let branch = run.reference.strip_prefix("refs/heads/");
    let branch =
        branch.or(Some(run.reference_name()).filter(|_| planted::is(Fault::TagTakenForBranch)));
    rules.branches.is_empty()
        || branch.is_some_and(|branch| rules.branches.iter().any(|allowed| allowed == branch))
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
