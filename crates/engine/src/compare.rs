//! What differs between two releases: commits, configuration, infrastructure plans, and by whose
//! word each of them went where. It decides nothing.

use std::collections::BTreeSet;

use qnt9_model::EnvironmentName;
use qnt9_model::fact::Commit;
use qnt9_model::plan::PlanLine;

use crate::state::{Approval, Deployment, Evidence, Plan, Project, Release};

/// What differs between two releases.
pub struct Difference<'a> {
    /// The one.
    pub from: Side<'a>,
    /// The other.
    pub to: Side<'a>,
    /// Commits that only the other has, newest first as far as known.
    pub added: Vec<&'a Commit>,
    /// Commits that only the one has.
    pub missing: Vec<&'a Commit>,
    /// Digests of configuration that differ.
    pub configuration: Vec<ChangedDigest>,
    /// The plans with which they went to an environment, where both or one of them did.
    pub plans: Vec<ChangedPlan<'a>>,
}

/// One of the two releases, and what is known of it.
pub struct Side<'a> {
    /// The release.
    pub release: &'a Release,
    /// Evidence about it or its commit, oldest first.
    pub evidence: Vec<&'a Evidence>,
    /// Its newest deployment to each environment.
    pub deployments: Vec<Deployed<'a>>,
}

/// A deployment, and on what it went.
pub struct Deployed<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// Approvals of its job.
    pub approvals: Vec<&'a Approval>,
    /// The plan that its run recorded for the environment.
    pub plan: Option<&'a Plan>,
}

/// A part of the configuration whose digest differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedDigest {
    /// Its name.
    pub name: String,
    /// In the one; `None` where it has no such part.
    pub from: Option<String>,
    /// In the other.
    pub to: Option<String>,
}

/// The plans of both releases for an environment.
pub struct ChangedPlan<'a> {
    /// Where.
    pub environment: EnvironmentName,
    /// The plan with which the one went there.
    pub from: Option<&'a Plan>,
    /// The plan with which the other did.
    pub to: Option<&'a Plan>,
    /// What only the one's plan says.
    pub only_from: Vec<&'a PlanLine>,
    /// What only the other's plan says.
    pub only_to: Vec<&'a PlanLine>,
}

/// Compares two releases.
#[must_use]
pub fn compare<'a>(project: &'a Project, from: &'a Release, to: &'a Release) -> Difference<'a> {
    let (from, to) = (side(project, from), side(project, to));
    let base = (&from.release.commit, &to.release.commit);
    Difference {
        added: project.commits_between(Some(base.0), base.1),
        missing: project.commits_between(Some(base.1), base.0),
        configuration: configuration(from.release, to.release),
        plans: plans(&from, &to),
        from,
        to,
    }
}

fn side<'a>(project: &'a Project, release: &'a Release) -> Side<'a> {
    let about = |evidence: &&Evidence| match &evidence.release {
        Some(digest) => *digest == release.digest,
        None => evidence.commit == release.commit,
    };
    let mut seen = BTreeSet::new();
    let newest = project.deployments.values().rev().filter(|deployment| {
        deployment.release == release.digest && seen.insert(&deployment.place.environment)
    });
    let deployments = newest.map(|deployment| deployed(project, deployment)).collect();
    Side { release, evidence: project.evidence.iter().filter(about).collect(), deployments }
}

/// A deployment with the approvals and the plan of the job that asked for it.
#[must_use]
pub fn deployed<'a>(project: &'a Project, deployment: &'a Deployment) -> Deployed<'a> {
    let attempt = deployment.call.as_ref().map(|call| &call.attempt);
    let run = attempt.and_then(|attempt| project.runs.get(&attempt.run));
    let leg = run.zip(attempt).and_then(|(run, attempt)| run.legs.get(&attempt.job));
    let approvals = leg.into_iter().flat_map(|leg| &leg.approvals);
    let environment = &deployment.place.environment;
    Deployed {
        deployment,
        approvals: approvals.filter(|approval| approval.approved).collect(),
        plan: run.and_then(|run| project.plans.get(&(run.id, environment.clone()))),
    }
}

fn configuration(from: &Release, to: &Release) -> Vec<ChangedDigest> {
    let find = |release: &Release, name: &str| {
        let found = release.configuration.iter().find(|(known, _)| known == name);
        found.map(|(_, digest)| digest.clone())
    };
    let names: BTreeSet<&String> =
        from.configuration.iter().chain(&to.configuration).map(|(name, _)| name).collect();
    let changes = names.into_iter().map(|name| ChangedDigest {
        name: name.clone(),
        from: find(from, name),
        to: find(to, name),
    });
    changes.filter(|change| change.from != change.to).collect()
}

fn plans<'a>(from: &Side<'a>, to: &Side<'a>) -> Vec<ChangedPlan<'a>> {
    let of = |side: &Side<'a>, environment: &EnvironmentName| {
        let mut there = side.deployments.iter();
        there.find(|one| one.deployment.place.environment == *environment).and_then(|one| one.plan)
    };
    let both = from.deployments.iter().chain(&to.deployments);
    let environments: BTreeSet<&EnvironmentName> =
        both.map(|one| &one.deployment.place.environment).collect();
    let changes = environments.into_iter().filter_map(|environment| {
        let (from, to) = (of(from, environment), of(to, environment));
        from.or(to)?;
        let lines = |plan: Option<&'a Plan>| plan.map_or(&[][..], |plan| &plan.summary.lines);
        let (one, other) = (lines(from), lines(to));
        Some(ChangedPlan {
            environment: environment.clone(),
            from,
            to,
            only_from: one.iter().filter(|line| !other.contains(line)).collect(),
            only_to: other.iter().filter(|line| !one.contains(line)).collect(),
        })
    });
    changes.collect()
}
