//! The board: what is where, since when, by whom.

use maud::{Markup, html};
use qnt9_engine::rollout;
use qnt9_engine::state::{Deployment, Plan, Project};
use qnt9_model::fact::{DeploymentOutcome, Direction};
use qnt9_model::{EnvironmentName, Place, RunId, Sha};

use crate::status::Shape;
use crate::view::View;
use crate::waiting::waiting;
use crate::{paths, text};

/// The environments in the order of `qnt9.toml`, and any other that something runs in.
pub(crate) fn environments(view: &View<'_>) -> Vec<EnvironmentName> {
    let policy = view.project.policy.as_ref();
    let mut names: Vec<EnvironmentName> = policy
        .map(|(_, policy)| policy.environments.iter().map(|rules| rules.name.clone()).collect())
        .unwrap_or_default();
    for place in view.project.places.keys() {
        if !names.contains(&place.environment) {
            names.push(place.environment.clone());
        }
    }
    names
}

/// The services in the order of `qnt9.toml`, and any other that runs.
pub(crate) fn services(view: &View<'_>) -> Vec<String> {
    let policy = view.project.policy.as_ref();
    let mut names: Vec<String> = policy
        .map(|(_, policy)| policy.services.iter().map(|service| service.name.clone()).collect())
        .unwrap_or_default();
    for place in view.project.places.keys() {
        if !names.contains(&place.service) {
            names.push(place.service.clone());
        }
    }
    names
}

/// The commit a deployment's release was built from.
pub(crate) fn commit<'a>(project: &'a Project, deployment: &Deployment) -> Option<&'a Sha> {
    project.releases.get(&deployment.release).map(|release| &release.commit)
}

/// How people name what a deployment brings: its commit, or its digest when that is unknown.
pub(crate) fn name(project: &Project, deployment: &Deployment) -> String {
    match commit(project, deployment) {
        Some(commit) => commit.short().to_owned(),
        None => deployment.release.short(),
    }
}

/// How far the commit lies behind the default branch.
pub(crate) fn behind(project: &Project, commit: &Sha) -> Option<usize> {
    let head = project.refs.get(&format!("refs/heads/{}", project.default_branch))?;
    // A commit of another branch is not behind, it is elsewhere.
    let is_before = project.commits_between(None, head).iter().any(|known| &known.sha == commit);
    is_before.then(|| project.commits_between(Some(commit), head).len())
}

/// Who is behind a deployment: the person, or for a job the person who started its run and those
/// who approved it.
pub(crate) fn people(project: &Project, deployment: &Deployment) -> String {
    let Some(call) = &deployment.call else { return deployment.by.to_string() };
    let Some(run) = project.runs.get(&call.attempt.run) else { return deployment.by.to_string() };
    let leg = run.legs.get(&call.attempt.job);
    let mut approvers: Vec<String> = leg
        .iter()
        .flat_map(|leg| &leg.approvals)
        .filter(|approval| approval.approved)
        .map(|approval| approval.person.clone())
        .collect();
    approvers.dedup();
    match approvers.as_slice() {
        [] => run.cause.by().to_owned(),
        _ => format!("{}, approved by {}", run.cause.by(), text::list(&approvers, "and")),
    }
}

/// The run a deployment belongs to.
pub(crate) fn run_of(deployment: &Deployment) -> Option<RunId> {
    deployment.call.as_ref().map(|call| call.attempt.run)
}

/// The table of services by environments, with the last plan of each environment's infrastructure.
pub(crate) fn table(view: &View<'_>) -> Markup {
    let environments = environments(view);
    let services = services(view);
    html! {
        @if environments.is_empty() {
            p.empty {
                "No environment is known yet. Describe them in " code { "qnt9.toml" } " on the branch "
                code { (view.project.default_branch) } ", push it, and they appear here."
            }
        } @else {
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" { "Service" }
                        @for name in &environments { th scope="col" { a href=(paths::environment(view.stream, name)) { (name) } } }
                    } }
                    tbody {
                        @for service in &services {
                            tr {
                                th scope="row" { (service) }
                                @for environment in &environments {
                                    td { (cell(view, &Place { environment: environment.clone(), service: service.clone() })) }
                                }
                            }
                        }
                        tr {
                            th scope="row" { "infrastructure" }
                            @for environment in &environments { td { (infrastructure(view, environment)) } }
                        }
                    }
                }
            }
        }
    }
}

/// What serves a place and what is on its way there.
pub(crate) fn cell(view: &View<'_>, place: &Place) -> Markup {
    let project = view.project;
    let state = project.places.get(place);
    let serving = project.serving(place);
    let active = state.and_then(|state| state.active).and_then(|id| project.deployments.get(&id));
    let waiting =
        waiting(view).into_iter().find(|waiting| *waiting.environment == place.environment);
    let from = serving.map_or_else(|| "nothing".to_owned(), |serving| name(project, serving));
    html! {
        @if let Some(active) = active {
            a href=(paths::deployment(view.stream, active.id)) {
                (Shape::Run.loud(format!("{from} → {} at {} %", name(project, active), active.percent)))
            }
            small { (rolling_words(active)) " · " (view.clock.relative(active.requested)) }
        } @else if let Some(waiting) = waiting {
            a href=(paths::run(view.stream, waiting.run.id)) {
                (Shape::Wait.loud(format!("{from} → {} waits", waiting.run.commit.short())))
            }
            small { (waiting.sentence()) " · " (view.clock.since(waiting.leg.queued)) }
        } @else if let Some(serving) = serving {
            a href=(paths::deployment(view.stream, serving.id)) { (Shape::Ok.quiet(&from)) }
            small {
                @let since = serving.outcome.as_ref().map_or(serving.requested, |(_, at)| *at);
                (view.clock.relative(since)) " · " (people(project, serving))
                @if let Some(behind) = commit(project, serving).and_then(|commit| behind(project, commit))
                    && behind > 0 { " · " (behind) " behind " (project.default_branch) }
            }
        } @else {
            (Shape::Idle.quiet("nothing yet"))
        }
        @if let Some(failed) = last_failed(project, place) {
            small {
                a href=(paths::deployment(view.stream, failed.id)) {
                    (name(project, failed)) @match failed.outcome {
                        Some((DeploymentOutcome::RolledBack { at_percent, .. }, _)) => { " was rolled back at " (at_percent) " %" }
                        _ => " did not start",
                    }
                }
            }
        }
    }
}

/// The newest deployment of a place, if it ended badly.
pub(crate) fn last_failed<'a>(project: &'a Project, place: &Place) -> Option<&'a Deployment> {
    let last = project.deployments.values().rev().find(|d| d.place == *place)?;
    match last.outcome {
        Some((DeploymentOutcome::RolledBack { .. } | DeploymentOutcome::Failed { .. }, _)) => {
            Some(last)
        }
        _ => None,
    }
}

/// What a rollout that is going on is doing.
pub(crate) fn rolling_words(deployment: &Deployment) -> String {
    if rollout::awaits_promotion(deployment) {
        return "waits at its preview to be promoted".to_owned();
    }
    if rollout::must_be_tried(deployment) {
        return "its smoke tests run".to_owned();
    }
    if deployment.percent == 0 {
        return format!(
            "{} of {} replicas are healthy",
            deployment.ready.len(),
            deployment.replicas
        );
    }
    match (&deployment.direction, deployment.verdict_reason.as_str()) {
        (Direction::Rollback, _) => "rolling back".to_owned(),
        (_, "") => "being counted".to_owned(),
        (_, reason) => reason.to_owned(),
    }
}

/// The last plan recorded for an environment.
fn infrastructure(view: &View<'_>, environment: &EnvironmentName) -> Markup {
    let plans = view.project.plans.iter().filter(|((_, name), _)| name == environment);
    let last: Option<(RunId, &Plan)> =
        plans.map(|((run, _), plan)| (*run, plan)).max_by_key(|(_, plan)| plan.at);
    html! {
        @match last {
            Some((run, plan)) => {
                @let summary = &plan.summary;
                @let ended = view.project.runs.get(&run).and_then(|run| run.finished);
                @let shape = ended.map_or(Shape::Wait, |(outcome, _)| Shape::of(outcome));
                a href=(paths::run(view.stream, run)) {
                    (shape.quiet(format!("+{} ~{} -{}", summary.add, summary.change, summary.destroy)))
                }
                small { "planned " (view.clock.relative(plan.at)) " by run " (run) @if ended.is_none() { ", which goes on" } }
            }
            None => (Shape::Idle.quiet("no plan yet")),
        }
    }
}
