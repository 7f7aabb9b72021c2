//! Going back to a release that served before: what it takes, and what it would and would not undo.

use qnt9_model::fact::{DeploymentOutcome, Direction, Fact, RolloutTerms};
use qnt9_model::plan::PlanAction;
use qnt9_model::policy::{RolloutRule, Strategy};
use qnt9_model::{DeploymentId, EnvironmentName, ReleaseDigest, UserText};
use sha2::{Digest as _, Sha256};

use crate::gates::duration;
use crate::state::{Deployment, Plan, Project, Release, Run};

/// The part of a release's configuration that says which database migrations it brings ends so.
const MIGRATIONS: &str = "migrations";

/// The requests that bring an environment back to a release that served there, with the settings it had
/// then; where its replicas were kept, they are taken over, and the switch is one of an instant.
///
/// # Errors
/// Why that cannot be.
pub(crate) fn facts(
    project: &Project,
    environment: &EnvironmentName,
    to: &ReleaseDigest,
) -> Result<Vec<Fact>, String> {
    let earlier = earlier(project, environment, to);
    if earlier.is_empty() {
        return Err("it never served there".to_owned());
    }
    earlier.into_iter().map(|earlier| request(project, earlier)).collect()
}

/// The last deployments of a release that succeeded in an environment, one for each of its services.
fn earlier<'a>(
    project: &'a Project,
    environment: &EnvironmentName,
    to: &ReleaseDigest,
) -> Vec<&'a Deployment> {
    let served = |d: &&Deployment| {
        d.place.environment == *environment
            && d.release == *to
            && matches!(d.outcome, Some((DeploymentOutcome::Succeeded, _)))
    };
    let mut last: Vec<&Deployment> = Vec::new();
    for deployment in project.deployments.values().rev().filter(served) {
        if !last.iter().any(|known| known.place == deployment.place) {
            last.push(deployment);
        }
    }
    last.reverse();
    last
}

fn request(project: &Project, earlier: &Deployment) -> Result<Fact, String> {
    if earlier.settings.iter().any(|(_, value)| matches!(value, UserText::Sealed(_))) {
        return Err("the settings it ran with were erased; deploy it by a workflow".to_owned());
    }
    let policy = project.policy.as_ref().map(|(_, policy)| policy);
    let service = earlier.service.clone();
    let service =
        service.or_else(|| policy.and_then(|p| p.service(&earlier.place.service)).cloned());
    let service = service.ok_or_else(|| {
        format!("qnt9.toml has no [service.{}] that says how to run it", earlier.place.service)
    })?;
    let rules = policy.and_then(|policy| policy.environment(&earlier.place.environment));
    let kept = kept(project, earlier);
    let replicas = match kept.and_then(|id| project.deployments.get(&id)) {
        Some(kept) => kept.replicas,
        None => rules.and_then(|rules| rules.replicas).unwrap_or(service.replicas),
    };
    let at_once = RolloutRule::at_once();
    Ok(Fact::DeploymentRequested {
        call: None,
        place: earlier.place.clone(),
        release: earlier.release.clone(),
        direction: Direction::Rollback,
        replicas,
        steps: at_once.steps,
        step_for_ms: at_once.step_for_ms,
        min_requests: at_once.min_requests,
        health_timeout_ms: service.health_timeout_ms,
        service: Some(service),
        settings: earlier.settings.clone(),
        terms: RolloutTerms { takes_over: kept, ..RolloutTerms::default() },
    })
}

/// Whose replicas are kept for going back to this deployment's release.
fn kept(project: &Project, earlier: &Deployment) -> Option<DeploymentId> {
    let (warm, _) = project.places.get(&earlier.place)?.warm?;
    let warm = project.deployments.get(&warm)?;
    let same = warm.release == earlier.release && warm.settings == earlier.settings;
    same.then_some(warm.terms.takes_over.unwrap_or(warm.id))
}

/// What going back would be, and what it would not undo: stated to people before they approve what makes
/// it needful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackPlan {
    /// To which release; `None` when nothing serves there yet.
    pub to: Option<ReleaseDigest>,
    /// How it would go.
    pub how: Vec<String>,
    /// What would stay as the new release made it.
    pub not_undone: Vec<String>,
}

impl RollbackPlan {
    /// The plan for what a job of `run` would bring into an environment.
    #[must_use]
    pub fn of_run(project: &Project, run: &Run, environment: &EnvironmentName) -> Self {
        let new = project.release_of(&run.commit);
        let plan = project.plans.get(&(run.id, environment.clone()));
        let serving = project.serving_environment(environment);
        Self::from(project, environment, serving, new, plan)
    }

    /// The plan for what a deployment brought.
    #[must_use]
    pub fn of_deployment(project: &Project, of: &Deployment) -> Self {
        let run = of.call.as_ref().map(|call| call.attempt.run);
        let environment = &of.place.environment;
        let plan = run.and_then(|run| project.plans.get(&(run, environment.clone())));
        let serving = of.previous.and_then(|id| project.deployments.get(&id));
        Self::from(project, environment, serving, project.releases.get(&of.release), plan)
    }

    fn from(
        project: &Project,
        environment: &EnvironmentName,
        serving: Option<&Deployment>,
        new: Option<&Release>,
        plan: Option<&Plan>,
    ) -> Self {
        let old = serving.and_then(|serving| project.releases.get(&serving.release));
        let mut how = Vec::new();
        match (serving, old) {
            (Some(serving), Some(old)) => {
                let (release, commit) = (serving.release.short(), old.commit.short());
                how.push(format!("back to {release} of {commit}: qnt9 rollback {environment}"));
                how.extend(Self::replicas(project, environment, serving));
            }
            _ => how.push("nothing serves there yet: there is nothing to go back to".to_owned()),
        }
        let not_undone = plan.map(destroyed).into_iter().flatten();
        let not_undone = not_undone.chain(migrations(old, new)).collect();
        Self { to: serving.map(|serving| serving.release.clone()), how, not_undone }
    }

    fn replicas(
        project: &Project,
        environment: &EnvironmentName,
        serving: &Deployment,
    ) -> Vec<String> {
        let rules = project.policy.as_ref().and_then(|(_, policy)| policy.environment(environment));
        let keep = rules.and_then(|rules| match rules.rollout.strategy {
            Strategy::BlueGreen { keep_ms, .. } if keep_ms > 0 => Some(keep_ms),
            _ => None,
        });
        let count = match serving.replicas {
            1 => "1 replica starts".to_owned(),
            many => format!("{many} replicas start"),
        };
        let start = format!("{count}, and all traffic moves at once when they are healthy");
        let within = keep.map(|keep| {
            let keep = duration(project.scaled(keep));
            format!("within {keep} of the promotion at once: its replicas are kept")
        });
        within.into_iter().chain([start]).collect()
    }

    /// All of it as lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let not_undone = self.not_undone.iter().map(|what| format!("not undone: {what}"));
        self.how.iter().cloned().chain(not_undone).collect()
    }

    /// sha256 of its lines, in hexadecimal: what an approval names.
    #[must_use]
    pub fn digest(&self) -> String {
        let digest = Sha256::digest(self.lines().join("\n").as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What the plan would destroy: terraform makes it anew at best, without what was in it.
fn destroyed(plan: &Plan) -> Vec<String> {
    let gone = |action| matches!(action, PlanAction::Delete | PlanAction::Replace);
    let lines = plan.summary.lines.iter().filter(|line| gone(line.action));
    lines.map(|line| format!("terraform destroys {}", line.address)).collect()
}

/// The folders of migrations in which the two releases differ.
fn migrations(old: Option<&Release>, new: Option<&Release>) -> Vec<String> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    let differs = |(name, digest): &&(String, String)| {
        name.trim_end_matches('/').ends_with(MIGRATIONS)
            && !old.configuration.iter().any(|known| known.0 == *name && known.1 == *digest)
    };
    let changed = new.configuration.iter().filter(differs);
    changed.map(|(name, _)| format!("the database migrations in {name}, which differ")).collect()
}
