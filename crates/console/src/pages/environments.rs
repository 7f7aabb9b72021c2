//! Environments: what is where, since when, by whom, how it got there, and the way back.

use maud::{Markup, html};
use qnt9_engine::state::{Deployment, PlaceState};
use qnt9_model::fact::{DeploymentOutcome, Direction};
use qnt9_model::policy::{EnvironmentPolicy, Exclude, Trigger};
use qnt9_model::{EnvironmentName, Place, ReleaseDigest, Role};

use super::deployment::standing;
use crate::frame::{Section, page};
use crate::status::Shape;
use crate::view::View;
use crate::{board, form, paths, text, time};

/// Deployments of a place that are listed.
const HISTORY_MAX: usize = 15;

/// The page of environments.
#[must_use]
pub fn environments(view: &View<'_>) -> Markup {
    let names = board::environments(view);
    let rolling = view.project.places.values().filter(|state| state.active.is_some()).count();
    let title = match (names.len(), rolling) {
        (0, _) => "No environment is known yet".to_owned(),
        (_, 0) => "Nothing is moving".to_owned(),
        (_, 1) => "One rollout is under way".to_owned(),
        (_, many) => format!("{} rollouts are under way", text::head_number(many)),
    };
    let body = html! {
        div.head #head data-live { h1 { (title) } }
        p.meta { span { "What is where, since when, by whom" } }
        section.panel #board data-live aria-labelledby="board-title" {
            h2 #board-title { "Board" }
            (board::table(view))
        }
        @for name in &names { (environment(view, name)) }
        (workspaces(view))
    };
    page(view, Section::Environments, &format!("Environments · {}", view.stream), &body)
}

fn environment(view: &View<'_>, name: &EnvironmentName) -> Markup {
    let rules = view.project.policy.as_ref().and_then(|(_, policy)| policy.environment(name));
    let places: Vec<(&Place, &PlaceState)> =
        view.project.places.iter().filter(|(place, _)| place.environment == *name).collect();
    html! {
        section.panel id={ "env-" (name) } data-live aria-labelledby={ "env-" (name) "-title" } {
            h2 id={ "env-" (name) "-title" } { (text::capital(name.as_str())) }
            @if let Some(rules) = rules { p.soft { (in_words(rules)) } }
            @if places.is_empty() { p.empty { "Nothing was deployed here yet. A job with " code { "environment: " (name) } " deploys with " code { "qnt9 deploy" } "." } }
            @for (place, state) in places { (service(view, place, state)) }
            (rollback(view, name))
        }
    }
}

/// The rules of an environment as one sentence each.
fn in_words(rules: &EnvironmentPolicy) -> String {
    let mut words = Vec::new();
    if !rules.branches.is_empty() {
        words.push(format!("takes {}", text::list(&rules.branches, "or")));
    }
    if rules.trigger == Trigger::Manual {
        words.push("only by hand".to_owned());
    }
    if let Some(rule) = &rules.approvals {
        let excluded = match rule.exclude {
            Exclude::Dispatcher => ", never whoever started it",
            Exclude::Authors => ", never an author",
            Exclude::Nobody => "",
        };
        words.push(format!(
            "{} of {} approve{excluded}",
            rule.needed,
            text::list(&rule.from, "and")
        ));
    }
    if rules.wait_ms > 0 {
        words.push(format!("waits {}", time::duration(rules.wait_ms)));
    }
    let evidence: Vec<String> = rules
        .evidence
        .iter()
        .map(|rule| match &rule.environment {
            Some(place) => format!("{} in {place}", rule.kind),
            None => rule.kind.clone(),
        })
        .collect();
    if !evidence.is_empty() {
        words.push(format!("wants {}", text::list(&evidence, "and")));
    }
    let steps: Vec<String> = rules.rollout.steps.iter().map(u32::to_string).collect();
    if steps.len() > 1 {
        words.push(format!("traffic moves in steps of {} %", steps.join(", ")));
    }
    let sentence = words.join("; ");
    if sentence.is_empty() {
        "No gates.".to_owned()
    } else {
        format!("{}.", text::capital(&sentence))
    }
}

fn service(view: &View<'_>, place: &Place, state: &PlaceState) -> Markup {
    let serving = view.project.serving(place);
    let history: Vec<&Deployment> =
        view.project.deployments.values().rev().filter(|d| d.place == *place).collect();
    html! {
        h3 { (place.service) }
        dl.facts {
            dt { "Serves" } dd { (board::cell(view, place)) }
            dt { "Address" }
            dd.mono { @match &state.address { Some(address) => a href={ "http://" (address) "/" } rel="noreferrer" { "http://" (address) "/" }, None => "not chosen yet" } }
            @if let Some(serving) = serving {
                dt { "Release" } dd { span.chip { (serving.release) }
                    @for other in others(view, place) {
                        small { a href=(paths::difference(view.stream, place.environment.as_str(), other.as_str())) { "what differs in " (other) } }
                    }
                }
                dt { "Replicas" } dd.num {
                    (serving.ready.len()) " of " (serving.replicas) " healthy"
                    @if (serving.ready.len() as u32) < serving.replicas { " " (Shape::Wait.loud("one is being replaced")) }
                }
            }
        }
        details.more id={ "history-" (place.environment) "-" (place.service) } {
            summary { "History, " (text::count(history.len(), "deployment", "deployments")) }
            div.scroll { table {
                thead { tr { th scope="col" { "Deployment" } th scope="col" { "Release" } th scope="col" { "Result" } th scope="col" { "By" } th.num scope="col" { "When" } } }
                tbody {
                    @for deployment in history.iter().take(HISTORY_MAX) {
                        @let (shape, words) = standing(deployment);
                        tr {
                            td { a href=(paths::deployment(view.stream, deployment.id)) { strong { (board::name(view.project, deployment)) } } @if deployment.direction == Direction::Rollback { " " span.env { "rollback" } } }
                            td { span.chip { (deployment.release.short()) } }
                            td { (shape.fitting(words)) }
                            td { (board::people(view.project, deployment)) }
                            td.num { (view.clock.relative(deployment.requested)) }
                        }
                    }
                }
            } }
        }
    }
}

/// Environments that serve another release of the same service.
fn others<'a>(view: &View<'a>, place: &Place) -> Vec<&'a EnvironmentName> {
    let mine = view.project.serving(place).map(|serving| &serving.release);
    let places = view.project.places.keys().filter(|other| other.service == place.service);
    let differs = places.filter(|other| {
        let theirs = view.project.serving(other).map(|serving| &serving.release);
        theirs.is_some() && theirs != mine
    });
    differs.map(|other| &other.environment).collect()
}

/// Releases that served an environment before, newest first, with when they last did.
fn earlier<'a>(
    view: &View<'a>,
    name: &EnvironmentName,
) -> Vec<(&'a ReleaseDigest, &'a Deployment)> {
    let now = view.project.serving_environment(name).map(|serving| &serving.release);
    let mut found: Vec<(&ReleaseDigest, &Deployment)> = Vec::new();
    for deployment in view.project.deployments.values().rev() {
        let served = matches!(deployment.outcome, Some((DeploymentOutcome::Succeeded, _)));
        let is_new = !found.iter().any(|(release, _)| **release == deployment.release);
        if deployment.place.environment == *name
            && served
            && is_new
            && Some(&deployment.release) != now
        {
            found.push((&deployment.release, deployment));
        }
    }
    found
}

fn rollback(view: &View<'_>, name: &EnvironmentName) -> Markup {
    let earlier = earlier(view, name);
    let Some((_, newest)) = earlier.first() else {
        return match view.project.serving_environment(name) {
            Some(_) => {
                html! { p.soft { "No earlier release served here, so there is nothing to roll back to." } }
            }
            None => Markup::default(),
        };
    };
    let fields = html! {
        label for={ "to-" (name) } { "Back to" }
        select id={ "to-" (name) } name="to" {
            @for (release, deployment) in &earlier {
                option value=(release) { (board::name(view.project, deployment)) ", release " (release.short()) ", served " (view.clock.exact(deployment.requested)) }
            }
        }
        label for={ "reason-" (name) } { "Why (goes into a notification)" }
        input id={ "reason-" (name) } type="text" name="reason" maxlength="2000" autocomplete="off";
        div.row { button.btn.no { "Roll " (name) " back" } }
    };
    html! {
        details.more id={ "rollback-" (name) } {
            summary { "Roll back" }
            p.soft {
                "All traffic goes to the earlier release as soon as its replicas are healthy, with the settings it had then. "
                "One authorised person suffices, gates or not, and it is audited."
            }
            @match form::barrier(view, "roll back", Role::Approver) {
                Some(barrier) => p { (barrier) },
                None => (form::post(view.visitor, &paths::environment_act(view.stream, name, "rollback"), &fields)),
            }
        }
        (form::command(&format!("qnt9 rollback {name} --to {}", board::name(view.project, newest))))
    }
}

fn workspaces(view: &View<'_>) -> Markup {
    let known = &view.project.workspaces;
    html! {
        section.panel #workspaces data-live aria-labelledby="workspaces-title" {
            h2 #workspaces-title { "Terraform states" }
            @if known.is_empty() { p.empty { "No state was written yet. " code { "qnt9 state env NAME" } " in a step connects terraform to one." } }
            @else {
                div.scroll { table {
                    thead { tr { th scope="col" { "Workspace" } th scope="col" { "Lock" } th.num scope="col" { "Serial" } th.num scope="col" { "Size" } th scope="col" { "Written" } } }
                    tbody {
                        @for (name, workspace) in known {
                            tr {
                                th scope="row" { (name) }
                                td {
                                    @match &workspace.lock {
                                        Some(lock) => { (Shape::Wait.loud("locked")) small { "by " (lock.by) ", " (view.clock.relative(lock.since)) ", id " (lock.id) } }
                                        None => (Shape::Ok.quiet("free")),
                                    }
                                }
                                @match &workspace.current {
                                    Some(current) => {
                                        td.num { (current.serial) } td.num { (text::bytes(current.bytes)) }
                                        td { (view.clock.relative(current.written)) small { (current.by) } }
                                    }
                                    None => { td.num { "–" } td.num { "–" } td.soft { "no version" } }
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}
