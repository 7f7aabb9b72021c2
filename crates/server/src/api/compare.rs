//! What differs between two releases, or between what two environments serve.

use axum::Json;
use axum::extract::{Path, State};
use qnt9_engine::compare::{self, ChangedPlan, Deployed, Side};
use qnt9_engine::state::{Plan, Project, Release};
use qnt9_model::EnvironmentName;
use qnt9_model::fact::Commit;
use serde::Deserialize;

use super::error::ApiError;
use super::request::{Asked, Caller};
use super::rollback::find_release;
use super::shapes::{
    ApprovalShape, ChangedDigestShape, ChangedPlanShape, CommitShape, DeployedShape,
    DifferenceShape, PlanOfShape, SideShape,
};
use super::show;
use crate::Core;

#[derive(Deserialize)]
pub(super) struct Between {
    from: String,
    to: String,
}

/// Compares two releases; each goes by an environment that serves it, a digest, or a commit.
pub(super) async fn compare(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
    Asked(between): Asked<Between>,
) -> Result<Json<DifferenceShape>, ApiError> {
    caller.look(&core, &project, |_, _, project| {
        let from = meant(project, &between.from)?;
        let to = meant(project, &between.to)?;
        let difference = compare::compare(project, from.0, to.0);
        Ok(Json(DifferenceShape {
            from: side(project, &difference.from, from.1),
            to: side(project, &difference.to, to.1),
            added: difference.added.into_iter().map(commit).collect(),
            missing: difference.missing.into_iter().map(commit).collect(),
            configuration: difference
                .configuration
                .into_iter()
                .map(|change| ChangedDigestShape {
                    name: change.name,
                    from: change.from,
                    to: change.to,
                })
                .collect(),
            plans: difference.plans.iter().map(plan).collect(),
        }))
    })
}

/// The release that is meant: what an environment serves, or one by digest or commit.
pub(crate) fn meant<'a>(
    project: &'a Project,
    wanted: &str,
) -> Result<(&'a Release, Option<EnvironmentName>), ApiError> {
    let environment = EnvironmentName::from(wanted);
    let is_environment = project.places.keys().any(|place| place.environment == environment)
        || project
            .policy
            .as_ref()
            .is_some_and(|(_, rules)| rules.environment(&environment).is_some());
    if !is_environment {
        return find_release(project, wanted).map(|release| (release, None));
    }
    let serving = project.serving_environment(&environment);
    let release = serving.and_then(|serving| project.releases.get(&serving.release));
    let nothing = || ApiError::invalid(format!("environment {wanted}"), "it serves nothing yet");
    release.map(|release| (release, Some(environment))).ok_or_else(nothing)
}

fn side(project: &Project, side: &Side<'_>, environment: Option<EnvironmentName>) -> SideShape {
    SideShape {
        environment,
        release: show::release(project, side.release),
        evidence: side.evidence.iter().map(|evidence| show::evidence(evidence)).collect(),
        deployments: side.deployments.iter().map(|one| deployed(project, one)).collect(),
    }
}

fn deployed(project: &Project, of: &Deployed<'_>) -> DeployedShape {
    let approvals = of.approvals.iter().map(|approval| ApprovalShape {
        person: approval.person.clone(),
        demo: approval.demo,
        at: approval.at,
        approved: approval.approved,
        comment: approval.comment.as_ref().map(|text| text.show().to_owned()),
    });
    DeployedShape {
        deployment: show::deployment(project, of.deployment),
        approvals: approvals.collect(),
        plan: of.plan.map(plan_of),
    }
}

fn plan_of(plan: &Plan) -> PlanOfShape {
    PlanOfShape { hash: plan.hash.clone(), at: plan.at, summary: plan.summary.clone() }
}

fn plan(change: &ChangedPlan<'_>) -> ChangedPlanShape {
    ChangedPlanShape {
        environment: change.environment.clone(),
        from: change.from.map(plan_of),
        to: change.to.map(plan_of),
        only_from: change.only_from.iter().map(|line| (*line).clone()).collect(),
        only_to: change.only_to.iter().map(|line| (*line).clone()).collect(),
    }
}

fn commit(commit: &Commit) -> CommitShape {
    CommitShape {
        sha: commit.sha.clone(),
        author: commit.author.clone(),
        title: commit.title.show().to_owned(),
    }
}
