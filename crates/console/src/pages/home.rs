//! Home: what needs you, what is where, what ran last.

use std::collections::BTreeMap;

use maud::{Markup, html};
use qnt9_engine::explain::Known;
use qnt9_engine::state::{LegPhase, Run};
use qnt9_model::fact::Outcome;

use super::runs::table as runs_table;
use crate::frame::{Section, page};
use crate::status::Shape;
use crate::view::View;
use crate::waiting::waiting;
use crate::{board, past, paths, standing, text};

/// Runs shown at the foot of the page.
const LATEST_RUNS: usize = 8;

struct Need {
    /// Whether this visitor can do it; otherwise it waits for others.
    mine: bool,
    href: String,
    title: String,
    side: Markup,
    text: Markup,
}

/// The home page.
#[must_use]
pub fn home(view: &View<'_>) -> Markup {
    let needs = needs(view);
    let title = title(&needs);
    let body = html! {
        div #needs data-live {
            div.head { h1 { (title) } }
            p.meta { span { (sentence(view)) } }
            @if !needs.is_empty() {
                section.panel aria-label="What needs you" {
                    ul.inbox {
                        @for need in &needs {
                            li {
                                a href=(need.href) { strong { (need.title) } }
                                (need.side)
                                p { (need.text) }
                            }
                        }
                    }
                }
            }
        }
        section.panel #board data-live aria-labelledby="board-title" {
            h2 #board-title { "Environments" }
            (board::table(view))
        }
        (past::form(view))
        section.panel #latest data-live aria-labelledby="latest-title" {
            h2 #latest-title { "Latest runs" }
            @let latest: Vec<&Run> = view.project.runs.values().rev().take(LATEST_RUNS).collect();
            (runs_table(view, &latest))
        }
    };
    page(view, Section::Home, &format!("{title} · {}", view.stream), &body)
}

fn title(needs: &[Need]) -> String {
    let mine = needs.iter().filter(|need| need.mine).count();
    let others = match needs.len() - mine {
        0 => String::new(),
        1 => "; one thing waits for others".to_owned(),
        many => format!("; {} things wait for others", text::head_number(many).to_lowercase()),
    };
    match mine {
        0 => format!("Nothing needs you{others}"),
        1 => format!("One thing needs you{others}"),
        many => format!("{} things need you{others}", text::head_number(many)),
    }
}

/// How the last environment stands: that is where it matters most.
pub(crate) fn sentence(view: &View<'_>) -> String {
    let Some(environment) = board::environments(view).pop() else {
        return "No environment is known yet.".to_owned();
    };
    let project = view.project;
    let mut places = project.places.iter().filter(|(place, _)| place.environment == environment);
    if let Some((_, active)) =
        places.clone().find_map(|(place, state)| Some((place, state.active?)))
    {
        let active = &project.deployments[&active];
        let name = board::name(project, active);
        return format!(
            "{} is moving to {name}: {} % of the traffic.",
            text::capital(environment.as_str()),
            active.percent
        );
    }
    let serving = places.find_map(|(place, _)| project.serving(place));
    let Some(serving) = serving else {
        return format!("{} serves nothing yet.", text::capital(environment.as_str()));
    };
    let behind = board::commit(project, serving).and_then(|commit| board::behind(project, commit));
    let behind = match behind {
        Some(0) => format!(", the newest of {}", project.default_branch),
        Some(count) => {
            format!(
                ", {} behind {}",
                text::count(count, "commit", "commits"),
                project.default_branch
            )
        }
        None => String::new(),
    };
    format!(
        "{} serves {}{behind}.",
        text::capital(environment.as_str()),
        board::name(project, serving)
    )
}

fn needs(view: &View<'_>) -> Vec<Need> {
    let mut needs = approvals(view);
    needs.extend(lost(view));
    needs.extend(failed_runs(view));
    needs.extend(problems(view));
    needs.extend(rollouts(view));
    needs.extend(notifications(view));
    needs
}

fn approvals(view: &View<'_>) -> Vec<Need> {
    let waiting = waiting(view).into_iter().filter(|waiting| waiting.wants_people());
    let need = |waiting: crate::waiting::Waiting<'_>| {
        let is_approver = |name| waiting.who().iter().any(|who| who == name);
        // Whoever has not said who they are may be one of them.
        let can = view.visitor.name().is_none_or(is_approver);
        let href = paths::run(view.stream, waiting.run.id);
        Need {
            mine: can,
            title: format!("Approve {} for {}", waiting.run.commit.short(), waiting.environment),
            side: html! {
                a href=(href) class={ "btn" @if can { " go" } } {
                    "Review" span.hidden { " " (waiting.run.commit.short()) " for " (waiting.environment) }
                }
            },
            text: waiting.facts(view),
            href,
        }
    };
    waiting.map(need).collect()
}

fn lost(view: &View<'_>) -> Vec<Need> {
    let live = view.project.live.iter().filter_map(|id| view.project.runs.get(id));
    let legs = live.flat_map(|run| run.legs.values().map(move |leg| (run, leg)));
    let lost = legs.filter(|(_, leg)| leg.phase == LegPhase::Lost);
    let need = |(run, leg): (&Run, &qnt9_engine::state::LegState)| Need {
        mine: true,
        href: paths::run_job(view.stream, run.id, &leg.leg.job),
        title: format!("Decide what becomes of {} in run {}", leg.leg.name, run.id),
        side: Shape::Wait.loud("runner lost"),
        text: html! {
            @let known = Known::of(run, leg);
            (view.sentence(&known.reason)) ". "
            @if let Some((_, step)) = &known.in_flight { "The step “" (text::cut(step, 80)) "” was under way. " }
            "It may have changed " (leg.leg.environment.as_ref().map_or("something", |name| name.as_str()))
            " already, so it is not run again by itself."
        },
    };
    lost.map(need).collect()
}

/// Workflows whose newest finished run on a branch failed.
fn failed_runs(view: &View<'_>) -> Vec<Need> {
    let mut newest: BTreeMap<(&str, &str), &Run> = BTreeMap::new();
    for run in view.project.runs.values() {
        if matches!(run.finished, Some((Outcome::Success | Outcome::Failure, _))) {
            newest.insert((&run.path, &run.reference), run);
        }
    }
    let mut failed: Vec<&Run> = newest.into_values().collect();
    failed.retain(|run| matches!(run.finished, Some((Outcome::Failure, _))));
    // A run that failed because its deployment did is told of once, with the deployment.
    let places = view.project.places.keys();
    let told = places.filter_map(|place| board::run_of(board::last_failed(view.project, place)?));
    let told: Vec<_> = told.collect();
    failed.retain(|run| !told.contains(&run.id));
    failed.sort_by_key(|run| std::cmp::Reverse(run.id));
    let need = |run: &Run| {
        let leg = run.legs.values().find(|leg| standing::failed(leg));
        let what = leg.map_or_else(|| run.name.clone(), |leg| leg.leg.name.clone());
        let step = leg.and_then(|leg| leg.attempts.last()).and_then(|attempt| {
            attempt.steps.values().find(|step| step.conclusion == Outcome::Failure)
        });
        Need {
            mine: true,
            href: paths::run(view.stream, run.id),
            title: format!(
                "{} failed on {} {}",
                run.name,
                run.reference_name(),
                run.commit.short()
            ),
            side: Shape::Bad.loud(text::cut(&what, 40)),
            text: html! {
                "“" (text::cut(run.title.show(), 100)) "”, started by " (run.cause.by())
                @match (step, leg.and_then(|leg| leg.reason.as_ref())) {
                    (Some(step), _) => { ". The step “" (text::cut(&step.name, 80)) "” failed" }
                    (None, Some(reason)) => { ". " (text::capital(&text::cut(reason, 200))) }
                    (None, None) => {}
                }
                @if let Some((_, at)) = run.finished { " " (view.clock.relative(at)) "." }
            },
        }
    };
    failed.into_iter().map(need).collect()
}

/// Files that cannot be read.
fn problems(view: &View<'_>) -> Vec<Need> {
    let mut needs = Vec::new();
    let heads: Vec<_> = view.project.refs.values().collect();
    if let Some((commit, message)) = &view.project.policy_problem {
        needs.push(Need {
            mine: true,
            href: paths::section(view.stream, "audit?kind=policy-refused"),
            title: "qnt9.toml cannot be read; the rules before it stay in force".to_owned(),
            side: html! { span.chip { (commit.short()) } },
            text: html! { (message.show()) },
        });
    }
    // Only what the head of a branch still says is worth anybody's time.
    let current =
        view.project.workflow_problems.iter().filter(|(commit, _, _)| heads.contains(&commit));
    for (commit, path, message) in current {
        needs.push(Need {
            mine: true,
            href: paths::section(view.stream, "audit?kind=workflow-refused"),
            title: format!("{path} cannot be read, so it did not run"),
            side: html! { span.chip { (commit.short()) } },
            text: html! { (message.show()) },
        });
    }
    needs
}

/// Places whose newest deployment was rolled back or failed.
fn rollouts(view: &View<'_>) -> Vec<Need> {
    let failed =
        view.project.places.keys().filter_map(|place| board::last_failed(view.project, place));
    let need = |deployment: &qnt9_engine::state::Deployment| {
        let (words, reason) = super::deployment::ending(deployment);
        Need {
            mine: true,
            href: paths::deployment(view.stream, deployment.id),
            title: format!(
                "{} did not reach {}",
                board::name(view.project, deployment),
                deployment.place
            ),
            side: Shape::Bad.loud(words),
            text: html! { (text::capital(&text::cut(&reason, 300))) },
        }
    };
    failed.map(need).collect()
}

fn notifications(view: &View<'_>) -> Vec<Need> {
    let given_up = view.project.notifications.values().filter(|notification| {
        notification.delivered.is_none()
            && notification.delivery.failures >= qnt9_model::limits::NOTIFICATION_TRIES_MAX
    });
    let need = |notification: &qnt9_engine::state::Notification| Need {
        mine: true,
        href: paths::section(view.stream, "notifications"),
        title: format!(
            "A notification was not delivered: {}",
            text::cut(notification.title.show(), 80)
        ),
        side: Shape::Bad.loud(text::count(notification.delivery.failures as usize, "try", "tries")),
        text: html! { (notification.delivery.failure.as_deref().unwrap_or("no reason is known")) },
    };
    given_up.map(need).collect()
}
