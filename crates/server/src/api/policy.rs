//! Rules before they bite: what somebody could do, and what other rules would have blocked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use qnt9_engine::State as EngineState;
use qnt9_engine::state::{Deployment, Project};
use qnt9_engine::trial::{self, Wish};
use qnt9_model::why::Holds;
use qnt9_model::{
    AttemptId, DeploymentId, EnvironmentName, Millis, Policy, Refusal, Sha, StreamId, Why,
};

use super::error::ApiError;
use super::request::{Body, Caller};
use super::rollback::find_release;
use super::shapes::{
    BlockedShape, CouldShape, PolicyBlocked, PolicyCould, PolicyTest, PolicyTrial,
};
use super::show;
use crate::Core;
use crate::machine::now;
use crate::past::{Moment, When};

/// Deployments that are looked at, at most.
const DEPLOYMENTS_MAX: usize = 100;
/// Digits of a commit that are enough to mean it.
const PREFIX_DIGITS_MIN: usize = 4;

/// Tests the rules in force against a wish, or other rules against what was deployed.
pub(super) async fn test(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
    Body(test): Body<PolicyTest>,
) -> Result<Json<PolicyTrial>, ApiError> {
    let stream = caller.look(&core, &project, |_, stream, _| Ok(stream.clone()))?;
    let trial = match test {
        PolicyTest::Could(asked) => {
            PolicyTrial::Could(Box::new(could(&core, &stream, &asked).await?))
        }
        PolicyTest::Blocked(asked) => PolicyTrial::Blocked(blocked(&core, &stream, &asked).await?),
    };
    Ok(Json(trial))
}

async fn could(
    core: &Core,
    stream: &StreamId,
    asked: &PolicyCould,
) -> Result<CouldShape, ApiError> {
    let at = asked.at.unwrap_or_else(now);
    // What was is asked of the state that was; what will be, of today's.
    let past = if at < now() { Some(past(core, stream, When::At(at)).await?) } else { None };
    let judge = |state: &EngineState| -> Result<(Wish, Why), ApiError> {
        let project = state.projects.get(stream);
        let project = project.ok_or_else(|| ApiError::unknown("project", stream, None))?;
        let wish = wish(project, asked, at)?;
        let why = trial::could(state, stream, &wish);
        Ok((wish, why.ok_or_else(|| ApiError::unknown("project", stream, None))?))
    };
    let (wish, why) = match &past {
        Some(moment) => judge(&moment.state),
        // A copy, so that nobody waits while gates are tried.
        None => judge(&core.read(|state| of_project(state, stream))),
    }?;
    Ok(CouldShape {
        person: wish.person,
        commit: wish.commit,
        environment: wish.environment,
        at,
        could: trial::is_possible(&why),
        earliest: why.earliest.or(why.at).filter(|earliest| *earliest > at),
        why,
    })
}

fn of_project(state: &EngineState, stream: &StreamId) -> EngineState {
    let mut copy = EngineState { platform: state.platform.clone(), ..EngineState::default() };
    let found = state.projects.get(stream).cloned();
    copy.projects.extend(found.map(|project| (stream.clone(), project)));
    copy
}

fn wish(project: &Project, asked: &PolicyCould, at: Millis) -> Result<Wish, ApiError> {
    let rules = project.policy.as_ref().map(|(_, policy)| policy);
    if rules.is_none_or(|rules| rules.environment(&asked.environment).is_none()) {
        let known = rules.into_iter().flat_map(|rules| &rules.environments);
        let known: Vec<&str> = known.map(|rules| rules.name.as_str()).collect();
        let known = super::request::list(&known);
        return Err(ApiError::unknown("environment in qnt9.toml", &asked.environment, Some(known)));
    }
    let commit = match (&asked.commit, &asked.release) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("policy test", "give `commit` or `release`, not both"));
        }
        (Some(commit), None) => find_commit(project, commit)?,
        (None, Some(release)) => find_release(project, release)?.commit.clone(),
        (None, None) => {
            let head = project.refs.get(&format!("refs/heads/{}", project.default_branch));
            let nothing = || ApiError::invalid("policy test", "the default branch has no commit");
            head.cloned().ok_or_else(nothing)?
        }
    };
    Ok(Wish { person: asked.person.clone(), commit, environment: asked.environment.clone(), at })
}

/// The commit that begins with these digits.
fn find_commit(project: &Project, wanted: &str) -> Result<Sha, ApiError> {
    let mut found = project.commits.keys().filter(|sha| sha.as_str().starts_with(wanted));
    match (found.next(), found.next()) {
        _ if wanted.len() < PREFIX_DIGITS_MIN => {
            let reason = format!("give at least {PREFIX_DIGITS_MIN} digits");
            Err(ApiError::invalid(format!("commit `{wanted}`"), reason))
        }
        (Some(only), None) => Ok(only.clone()),
        (Some(_), Some(_)) => Err(ApiError::invalid(
            format!("commit `{wanted}`"),
            "several begin so; give more digits",
        )),
        (None, _) => Err(ApiError::unknown("commit", wanted, None)),
    }
}

/// The last deployments that jobs asked for, oldest first, each judged at the moment at which its
/// gates opened, by the rules of the file.
async fn blocked(
    core: &Core,
    stream: &StreamId,
    asked: &PolicyBlocked,
) -> Result<Vec<BlockedShape>, ApiError> {
    let rules = qnt9_engine::policy::read(&asked.name, &asked.file).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        ApiError::invalid(asked.name.clone(), lines.join("\n"))
    })?;
    let last = asked.last.unwrap_or(10).min(DEPLOYMENTS_MAX);
    let mut deployments = core.read(|state| {
        let Some(project) = state.projects.get(stream) else { return Vec::new() };
        let newest = project.deployments.values().rev();
        newest.filter_map(of_job).take(last).collect::<Vec<_>>()
    });
    // Each moment is then later than the one before, and folding goes on from there.
    deployments.reverse();
    let mut shapes = Vec::with_capacity(deployments.len());
    for (id, environment, attempt) in deployments {
        shapes.push(judged(core, stream, &rules, (id, environment, attempt)).await?);
    }
    Ok(shapes)
}

type Asked = (DeploymentId, EnvironmentName, AttemptId);

fn of_job(deployment: &Deployment) -> Option<Asked> {
    let call = deployment.call.as_ref()?;
    Some((deployment.id, deployment.place.environment.clone(), call.attempt.clone()))
}

async fn judged(
    core: &Core,
    stream: &StreamId,
    rules: &Policy,
    (id, environment, attempt): Asked,
) -> Result<BlockedShape, ApiError> {
    let moment = past(core, stream, When::Entry(id.0 - 1)).await?;
    let why = moment.state.projects.get(stream).and_then(|project| {
        let leg = project.runs.get(&attempt.run)?.legs.get(&attempt.job)?;
        let (opened, ..) = leg.opened.as_ref()?;
        trial::under(&moment.state, stream, (attempt.run, &attempt.job), rules, *opened)
    });
    let shape = core.read(|state| {
        let project = state.projects.get(stream)?;
        Some(show::deployment(project, project.deployments.get(&id)?))
    });
    let deployment = shape.ok_or_else(|| ApiError::unknown("deployment", id, None))?;
    let why = why.unwrap_or_else(|| {
        let rule = format!("job {} of run {} had no gates", attempt.job, attempt.run);
        Why::leaf(rule, Holds::Yes)
    });
    let blocked = why.holds != Holds::Yes;
    Ok(BlockedShape { deployment, environment, blocked, why })
}

async fn past(core: &Core, stream: &StreamId, when: When) -> Result<Arc<Moment>, ApiError> {
    core.past(stream, when).await.map_err(|error| ApiError::from(Refusal::from(error)))
}
