//! One deployment: how traffic moved, what was counted, what the judge said.

use maud::{Markup, html};
use qnt9_engine::rollout;
use qnt9_engine::state::Deployment;
use qnt9_model::Role;
use qnt9_model::fact::{DeploymentOutcome, Direction, Verdict};

use crate::frame::{Section, page};
use crate::status::Shape;
use crate::view::View;
use crate::{board, form, paths, text, time, traffic, why};

/// Where a deployment stands: a shape and a few words.
pub(crate) fn standing(deployment: &Deployment) -> (Shape, String) {
    match &deployment.outcome {
        Some((DeploymentOutcome::Succeeded, _)) => (Shape::Ok, "served all traffic".to_owned()),
        Some(_) => (Shape::Bad, ending(deployment).0),
        None if rollout::awaits_promotion(deployment) => {
            (Shape::Wait, "waits to be promoted".to_owned())
        }
        None if deployment.percent == 0 => (Shape::Run, "starting replicas".to_owned()),
        None => (Shape::Run, format!("at {} %", deployment.percent)),
    }
}

/// How a deployment that did not succeed ended: a few words and the reason.
pub(crate) fn ending(deployment: &Deployment) -> (String, String) {
    match &deployment.outcome {
        Some((DeploymentOutcome::RolledBack { reason, at_percent }, _)) => {
            (format!("rolled back at {at_percent} %"), reason.clone())
        }
        Some((DeploymentOutcome::Failed { reason }, _)) => {
            ("never got traffic".to_owned(), reason.show().to_owned())
        }
        _ => (String::new(), String::new()),
    }
}

/// The page of a deployment.
#[must_use]
pub fn deployment(view: &View<'_>, deployment: &Deployment) -> Markup {
    let name = board::name(view.project, deployment);
    let place = &deployment.place;
    let (shape, words) = standing(deployment);
    let body = html! {
        div #head data-live {
            div.crumbs { a href=(paths::environment(view.stream, &place.environment)) { "Environments / " (place.environment) } }
            div.head {
                h1 { (name) " to " (place.environment) }
                (shape.loud(words))
                @if deployment.direction == Direction::Rollback { span.env { "rollback" } }
            }
            p { (sentence(view, deployment)) }
            p.meta {
                span { (place.service) ", asked for by " (board::people(view.project, deployment)) ", " (view.clock.relative(deployment.requested)) }
                @if let Some((_, at)) = &deployment.outcome { span { "took " (time::lasting(at.since(deployment.requested))) } }
            }
        }
        div.cols {
            div {
                section.panel #traffic data-live aria-labelledby="traffic-title" {
                    h2 #traffic-title { "Traffic" }
                    (traffic::picture(deployment, view.clock))
                }
                @if let Some(report) = &deployment.replica_failure {
                    section.panel.alert aria-labelledby="replica-title" {
                        h2 #replica-title { "A replica did not become healthy" }
                        pre.scroll { (report.show()) }
                    }
                }
                (comparison(view, deployment))
                (why::panel(view, "why", &why::explain(view).deployment(deployment)))
            }
            aside #aside data-live aria-label="About this deployment" {
                (promotion(view, deployment))
                (judge(deployment))
                (facts(view, deployment))
                (way_back(view, deployment))
            }
        }
    };
    page(view, Section::Environments, &format!("{name} to {}", place.environment), &body)
}

/// What matters about the deployment, in words.
fn sentence(view: &View<'_>, deployment: &Deployment) -> String {
    let old = deployment.previous.and_then(|id| view.project.deployments.get(&id));
    let old = old.map_or_else(|| "nothing".to_owned(), |old| board::name(view.project, old));
    match &deployment.outcome {
        Some((DeploymentOutcome::Succeeded, at)) => {
            let failed: u64 = deployment.windows.iter().map(|(_, _, new, _)| new.bad).sum();
            let asked: u64 = deployment.windows.iter().map(|(_, _, new, _)| new.requests).sum();
            let counted = match asked {
                0 => String::new(),
                _ => format!(
                    "; {} of {} requests failed on the way",
                    text::number(failed),
                    text::number(asked)
                ),
            };
            format!(
                "It took over from {old} in {}{counted}.",
                time::duration(at.since(deployment.requested))
            )
        }
        Some((DeploymentOutcome::RolledBack { reason, .. }, _)) => {
            format!("{}. All traffic is back with {old}.", text::capital(reason))
        }
        Some((DeploymentOutcome::Failed { .. }, _))
            if matches!(deployment.smoke, Some((false, _))) =>
        {
            format!("Its smoke tests failed, so it got no traffic; {old} serves on.")
        }
        Some((DeploymentOutcome::Failed { reason }, _)) if deployment.all_ready.is_some() => {
            format!("It got no traffic: {}; {old} serves on.", reason.show())
        }
        Some((DeploymentOutcome::Failed { .. }, _)) => {
            format!("Its replicas did not become healthy, so it got no traffic; {old} serves on.")
        }
        None => format!("{}.", text::capital(&board::rolling_words(deployment))),
    }
}

fn judge(deployment: &Deployment) -> Markup {
    let (shape, word) = match deployment.verdict {
        Verdict::Good => (Shape::Ok, "not worse"),
        Verdict::Bad => (Shape::Bad, "worse"),
        Verdict::Undecided => (Shape::Wait, "not decided"),
    };
    html! {
        section.panel {
            h2 { "What the judge says" }
            @match (deployment.verdict_reason.is_empty(), deployment.outcome.is_some(), deployment.windows.is_empty()) {
                (false, _, _) => {
                    p { (shape.fitting(word)) }
                    p.soft { (text::capital(&deployment.verdict_reason)) "." }
                }
                (true, true, true) => p.empty { "Nothing: there was no old release beside it to compare with." },
                (true, true, false) => p.soft { "It was not worse than the old release at any step; the table has the counts." },
                (true, false, _) => p.empty { "Nothing yet: it compares the new release with the old one while both carry traffic, and never promotes without data." },
            }
            @if deployment.steps.len() > 1 {
                p.soft { "Each step lasts at least " (time::duration(deployment.step_for_ms)) " and needs " (text::count(usize::try_from(deployment.min_requests).unwrap_or(usize::MAX), "request", "requests")) "." }
            }
        }
    }
}

fn facts(view: &View<'_>, deployment: &Deployment) -> Markup {
    let release = view.project.releases.get(&deployment.release);
    html! {
        section.panel {
            h2 { "Release" }
            dl.facts {
                dt { "Digest" } dd { span.chip { (deployment.release) } }
                @if let Some(release) = release {
                    dt { "Commit" } dd { span.chip { (release.commit.short()) }
                        @if let Some(commit) = view.project.commits.get(&release.commit) { " " (text::cut(commit.title.show(), 80)) ", by " (commit.author) }
                    }
                    dt { "Built" } dd { (view.clock.relative(release.built)) " by " (release.by) }
                    dt { "Size" } dd { (text::bytes(release.bytes)) }
                }
                @if let Some(old) = deployment.previous.and_then(|id| view.project.deployments.get(&id)) {
                    dt { "Changes" } dd { a href=(paths::difference(view.stream, old.release.as_str(), deployment.release.as_str())) { "what differs from " (board::name(view.project, old)) } }
                }
                dt { "Replicas" } dd.num {
                    (deployment.ready.len()) " of " (deployment.replicas) " healthy"
                    @for address in deployment.ready.values() { small.mono { (address) } }
                }
                dt { "Settings" } dd { @if deployment.settings.is_empty() { "none" } @else { (deployment.settings.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")) } }
                @if let Some(run) = board::run_of(deployment) { dt { "Run" } dd { a href=(paths::run(view.stream, run)) { "run " (run) } } }
            }
        }
    }
}

fn way_back(view: &View<'_>, deployment: &Deployment) -> Markup {
    let environment = &deployment.place.environment;
    let old = deployment.previous.and_then(|id| view.project.deployments.get(&id));
    let serves =
        view.project.serving(&deployment.place).is_some_and(|serving| serving.id == deployment.id);
    html! {
        @if deployment.outcome.is_none() {
            section.panel {
                h2 { "If it goes wrong" }
                p.soft { "It goes back by itself when the judge finds it worse. To stop it now:" }
                @match form::barrier(view, "stop the rollout", Role::Approver) {
                    Some(barrier) => p.soft { (barrier) },
                    None => (form::post(view.visitor, &paths::environment_act(view.stream, environment, "abort"), &html! { button.btn.no { "Stop and go back" } })),
                }
                (form::command(&format!("qnt9 rollback {environment} --abort")))
            }
        } @else if let Some(old) = old && serves {
            section.panel {
                h2 { "If it goes wrong" }
                p.soft { "Back to " (board::name(view.project, old)) " by hand, on the page of " a href=(paths::environment(view.stream, environment)) { (environment) } " or with" }
                (form::command(&format!("qnt9 rollback {environment} --to {}", board::name(view.project, old))))
            }
        }
    }
}

/// Where a release that waits to be promoted is reached, and the button.
fn promotion(view: &View<'_>, deployment: &Deployment) -> Markup {
    let environment = &deployment.place.environment;
    let place = view.project.places.get(&deployment.place);
    let preview = place.and_then(|place| place.preview.as_ref());
    html! {
        @if rollout::awaits_promotion(deployment) {
            section.panel {
                h2 { "It waits to be promoted" }
                @if let Some(address) = preview {
                    p { "Preview: " a href={ "http://" (address) } { "http://" (address) } }
                }
                p.soft { "One switch moves all traffic to it." }
                @match form::barrier(view, "promote it", Role::Approver) {
                    Some(barrier) => p.soft { (barrier) },
                    None => (form::post(view.visitor, &paths::environment_act(view.stream, environment, "promote"), &html! { button.btn { "Promote" } })),
                }
                (form::command(&format!("qnt9 promote {environment}")))
            }
        }
    }
}

/// The last rollout of the same place, to compare with.
fn comparison(view: &View<'_>, deployment: &Deployment) -> Markup {
    let mut earlier = view.project.deployments.values().rev().filter(|other| {
        other.id < deployment.id
            && other.place == deployment.place
            && !other.windows.is_empty()
            && matches!(other.outcome, Some((DeploymentOutcome::Succeeded, _)))
    });
    html! {
        @if let Some(other) = earlier.next() {
            section.panel aria-labelledby="before-title" {
                h2 #before-title {
                    "Last good rollout here, for comparison: "
                    a href=(paths::deployment(view.stream, other.id)) { (board::name(view.project, other)) } ", " (view.clock.relative(other.requested))
                }
                (traffic::picture(other, view.clock))
            }
        }
    }
}
