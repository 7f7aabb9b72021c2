//! One run: what became of it, its jobs as a picture, the log of the one that matters, and what can
//! be done now.

use maud::{Markup, html};
use qnt9_engine::explain::Explanation;
use qnt9_engine::state::{JobPlan, LegPhase, LegState, Plan, Run};
use qnt9_model::fact::Outcome;
use qnt9_model::plan::PlanAction;
use qnt9_model::{AttemptId, EnvironmentName, Role};

use super::again;
use super::steps::{self, Chosen, Summary};
use crate::frame::{Section, page};
use crate::status::Shape;
use crate::view::View;
use crate::waiting::{self, Waiting};
use crate::{form, graph, lost, markdown, paths, standing, text, timing, why};

/// What of a run's page is not in the state.
#[derive(Default)]
pub struct RunExtras {
    /// The job in view with its lines.
    pub chosen: Option<Chosen>,
    /// What steps of jobs that still run wrote to their summaries.
    pub summaries: Vec<Summary>,
}

/// The job whose log is in view: the wanted one, or the one that failed, runs or waits. With it the
/// step to open, where one failed.
#[must_use]
pub fn chosen(run: &Run, job: &str, attempt: Option<u32>) -> Option<(AttemptId, Option<u32>)> {
    let legs = || run.legs.values();
    let with_phase = |wanted: fn(&LegState) -> bool| legs().find(|leg| wanted(leg));
    let leg = legs().find(|leg| leg.leg.job.as_str() == job).or_else(|| {
        with_phase(standing::failed)
            .or_else(|| with_phase(|leg| leg.phase == LegPhase::Lost))
            .or_else(|| with_phase(|leg| leg.phase == LegPhase::Running))
            .or_else(|| legs().max_by_key(|leg| leg.attempts.last().map(|attempt| attempt.started)))
    })?;
    let last = leg.attempts.last().map_or(1, |attempt| attempt.number);
    let number = attempt.filter(|number| (1..=last).contains(number)).unwrap_or(last);
    let state = leg.attempts.iter().find(|attempt| attempt.number == number);
    let failed = state.and_then(|attempt| {
        let mut failed =
            attempt.steps.iter().filter(|(_, step)| step.conclusion == Outcome::Failure);
        failed.next().map(|(index, _)| *index)
    });
    Some((AttemptId { run: run.id, job: leg.leg.job.clone(), attempt: number }, failed))
}

/// The page of a run.
#[must_use]
pub fn run(view: &View<'_>, run: &Run, extras: &RunExtras) -> Markup {
    let standing = standing::of_run(view, run);
    let waiting: Vec<Waiting<'_>> =
        waiting::waiting(view).into_iter().filter(|waiting| waiting.run.id == run.id).collect();
    let chosen = extras.chosen.as_ref().map(|chosen| &chosen.attempt.job);
    let body = html! {
        div #head data-live {
            div.crumbs { a href=(paths::section(view.stream, "runs")) { "Runs" } " / " (run.name) }
            div.head {
                h1 { (run.title.show().lines().next().unwrap_or("(no title)")) }
                (standing.shape.loud(standing.word))
                @for environment in standing::environments(run) { span.env { (environment) } }
            }
            p { (sentence(view, run, &waiting)) }
            p.meta {
                span { "#" (run.number) " of " (run.name) " on " span.chip { (run.reference_name()) " " (run.commit.short()) } }
                span { (super::runs::cause(&run.cause)) @if run.demo { " (demo)" } ", " (view.clock.relative(run.created)) }
                span.num { (crate::time::lasting(timing::wall_ms(view, run))) " in all" }
            }
        }
        section.panel #graph data-live aria-labelledby="graph-title" {
            h2 #graph-title { "Jobs" }
            @if run.jobs.is_empty() {
                p.empty { "The stored workflow cannot be read by this version of qnt9, so its jobs cannot be drawn." }
            } @else { (graph::picture(view, run, chosen)) }
        }
        div.cols {
            div {
                @for leg in run.legs.values().filter(|leg| leg.phase == LegPhase::Lost) { (lost::panel(view, run, leg)) }
                @for waiting in &waiting { (waiting.panel(view)) }
                @if let Some(chosen) = &extras.chosen { (steps::panel(view, run, chosen)) }
                (summaries(run, &extras.summaries))
                (why::panel(view, "why", &explanation(view, run, extras)))
            }
            aside #aside data-live aria-label="About this run" { (aside(view, run)) }
        }
        section.panel #timing data-live aria-labelledby="timing-title" {
            h2 #timing-title { "Where the time went" }
            p.num { (timing::sentence(view, run)) }
            (timing::table(view, run))
        }
    };
    let title = format!("{} #{}: {}", run.name, run.number, standing.word);
    page(view, Section::Runs, &title, &body)
}

/// Why the job in view stands where it stands when it was asked for, else why the run does.
fn explanation(view: &View<'_>, run: &Run, extras: &RunExtras) -> Explanation {
    let explain = why::explain(view);
    let chosen = extras.chosen.as_ref().filter(|chosen| chosen.asked);
    match chosen.and_then(|chosen| run.legs.get(&chosen.attempt.job)) {
        Some(leg) => explain.job(run, leg),
        None => explain.run(run),
    }
}

/// What matters about the run, in words.
fn sentence(view: &View<'_>, run: &Run, waiting: &[Waiting<'_>]) -> String {
    let standing = standing::of_run(view, run);
    let jobs = run.jobs.len();
    let done = run.jobs.iter().filter(|job| run.job_result(&job.key).is_some()).count();
    let skipped = run.jobs.iter().filter(|job| matches!(job.plan, JobPlan::Skipped { .. })).count();
    let skipped_words = match skipped {
        0 => String::new(),
        count => format!(" {} skipped.", text::count(count, "job was", "jobs were")),
    };
    match run.finished {
        Some((Outcome::Success, _)) if skipped == 0 => {
            format!("All {} did what they should.", text::count(jobs, "job", "jobs"))
                .replace("All 1 job did what they should", "Its one job did what it should")
        }
        Some((Outcome::Success, _)) => format!("It did what it should.{skipped_words}"),
        Some((Outcome::Failure, _)) => format!("{}{skipped_words}", failure(run)),
        Some(_) => match standing.reason {
            Some(reason) => format!("{}.{skipped_words}", text::capital(&reason)),
            None => format!("It ended without a result.{skipped_words}"),
        },
        None => match (waiting.first(), standing.reason) {
            (Some(waiting), _) => {
                format!("{} {}.", text::capital(waiting.environment.as_str()), waiting.sentence())
            }
            (None, Some(reason)) => format!("{}: {reason}.", text::capital(standing.word)),
            (None, None) => format!("{}{done} of {jobs} jobs done.{skipped_words}", running(run)),
        },
    }
}

/// What runs now.
fn running(run: &Run) -> String {
    let legs = run.legs.values().filter(|leg| leg.phase == LegPhase::Running);
    let names: Vec<String> = legs.map(|leg| leg.leg.name.clone()).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("The job {one} is running. "),
        many => format!("The jobs {} are running. ", text::list(many, "and")),
    }
}

/// What failed first, and where.
fn failure(run: &Run) -> String {
    let ended = |leg: &&LegState| match leg.phase {
        LegPhase::Done(Outcome::Failure, at) => Some(at),
        _ => None,
    };
    let first = run.legs.values().filter(|leg| ended(leg).is_some()).min_by_key(ended);
    let Some(leg) = first else {
        let impossible = run.jobs.iter().find(|job| matches!(job.plan, JobPlan::Impossible { .. }));
        return impossible.map_or_else(
            || "It failed.".to_owned(),
            |job| format!("The job {} could not be planned.", job.key),
        );
    };
    let steps = leg.attempts.last().map(|attempt| &attempt.steps);
    let step =
        steps.and_then(|steps| steps.values().find(|step| step.conclusion == Outcome::Failure));
    match (step, &leg.reason) {
        (Some(step), _) => {
            format!("The job {} failed in its step “{}”.", leg.leg.name, text::cut(&step.name, 90))
        }
        (None, Some(reason)) => format!("The job {} failed: {reason}.", leg.leg.name),
        (None, None) => format!("The job {} failed.", leg.leg.name),
    }
}

fn aside(view: &View<'_>, run: &Run) -> Markup {
    let plans = view.project.plans.iter().filter(|((id, _), _)| *id == run.id);
    html! {
        (what_now(view, run))
        @for ((_, environment), recorded) in plans { (plan(environment, recorded)) }
        (gates(view, run))
        (evidence(view, run))
        (artifacts(view, run))
    }
}

/// How the gates of its environments opened, and who approved.
fn gates(view: &View<'_>, run: &Run) -> Markup {
    let has_news = |leg: &&LegState| leg.opened.is_some() || !leg.approvals.is_empty();
    let legs: Vec<&LegState> = run.legs.values().filter(has_news).collect();
    html! {
        @if !legs.is_empty() {
            section.panel {
                h2 { "Gates" }
                @for leg in legs {
                    @let environment = leg.leg.environment.as_ref().map_or("", |name| name.as_str());
                    p { strong { (environment) } " for " (leg.leg.name) }
                    (waiting::decisions(view, leg))
                    @if let Some((_, _, proof)) = &leg.opened {
                        details.more id={ "proof-" (leg.leg.job) } {
                            summary { "The proof on which they opened" }
                            pre.scroll { @for line in proof { (line) "\n" } }
                        }
                    }
                }
            }
        }
    }
}

fn what_now(view: &View<'_>, run: &Run) -> Markup {
    let act = |name: &str| paths::run_act(view.stream, run.id, name);
    html! {
        section.panel {
            h2 { "What now" }
            @if run.finished.is_some() { (again::panel(view, run)) }
            @else if let Some(reason) = &run.cancel {
                p.soft { "It is being cancelled: " (reason) "." @if !run.killed { " Its jobs get time to clean up." } }
                @if !run.killed {
                    @match form::barrier(view, "end it at once", Role::Developer) {
                        Some(barrier) => p.soft { (barrier) },
                        None => (form::post(view.visitor, &act("force-cancel"), &html! { button.btn.no { "End it at once" } })),
                    }
                    (form::command(&format!("qnt9 cancel {} --force", run.id)))
                }
            } @else {
                p.soft { "Cancelling stops its jobs; what they have changed stays." }
                @match form::barrier(view, "cancel it", Role::Developer) {
                    Some(barrier) => p.soft { (barrier) },
                    None => (form::post(view.visitor, &act("cancel"), &html! { button.btn.no { "Cancel run" } })),
                }
                (form::command(&format!("qnt9 cancel {}", run.id)))
            }
        }
    }
}

fn plan(environment: &EnvironmentName, plan: &Plan) -> Markup {
    let summary = &plan.summary;
    html! {
        section.panel {
            h2 { "Plan for " (environment) }
            p {
                span.num { "+" (summary.add) " ~" (summary.change) " -" (summary.destroy) }
                " " span.soft {
                    @if summary.destroy > 0 { "destroys " (text::count(summary.destroy as usize, "resource", "resources")) }
                    @else if summary.add + summary.change > 0 { "nothing is destroyed" }
                    @else { "no changes" }
                }
            }
            @if !summary.lines.is_empty() {
                ul.plan {
                    @for line in &summary.lines {
                        @let (sign, word, shape) = action(line.action);
                        li class=(shape.class()) {
                            b title=(word) { (sign) span.hidden { " " (word) " " } } (line.address)
                            @if !line.attributes.is_empty() { span.soft { " " (line.attributes.join(", ")) } }
                        }
                    }
                }
            }
            p.faint.mono { "plan " (text::cut(&plan.hash, 17)) }
        }
    }
}

pub(crate) const fn action(action: PlanAction) -> (&'static str, &'static str, Shape) {
    match action {
        PlanAction::Create => ("+", "create", Shape::Ok),
        PlanAction::Update => ("~", "change", Shape::Wait),
        PlanAction::Delete => ("-", "destroy", Shape::Bad),
        PlanAction::Replace => ("-/+", "replace", Shape::Bad),
        PlanAction::Read => ("<=", "read", Shape::Idle),
    }
}

fn evidence(view: &View<'_>, run: &Run) -> Markup {
    let of_run = |call: &Option<qnt9_model::CallKey>| {
        call.as_ref().is_some_and(|call| call.attempt.run == run.id)
    };
    let proved: Vec<_> = view.project.evidence.iter().filter(|e| of_run(&e.call)).collect();
    let deployed: Vec<_> = view.project.deployments.values().filter(|d| of_run(&d.call)).collect();
    html! {
        @if !proved.is_empty() {
            section.panel {
                h2 { "What it proved" }
                ul.plain {
                    @for evidence in proved {
                        li {
                            @let shape = if evidence.passed { Shape::Ok } else { Shape::Bad };
                            (shape.fitting(&evidence.kind)) " "
                            span.soft {
                                (evidence.summary)
                                @if evidence.time_scale > 1 { " (at time scale " (evidence.time_scale) ")" }
                            }
                        }
                    }
                }
            }
        }
        @if !deployed.is_empty() {
            section.panel {
                h2 { "What it deployed" }
                ul.plain {
                    @for deployment in deployed {
                        @let (shape, words) = super::deployment::standing(deployment);
                        li {
                            a href=(paths::deployment(view.stream, deployment.id)) { (deployment.release.short()) " to " (deployment.place) }
                            " " (shape.fitting(words))
                        }
                    }
                }
            }
        }
    }
}

fn artifacts(view: &View<'_>, run: &Run) -> Markup {
    let kept: Vec<_> = view.project.artifacts.iter().filter(|((id, _), _)| *id == run.id).collect();
    html! {
        @if !kept.is_empty() {
            section.panel {
                h2 { "Artifacts" }
                ul.plain {
                    @for ((_, name), artifact) in kept {
                        li {
                            a href=(paths::artifact(view.stream, run.id, name)) { (name) }
                            " " span.soft { (text::bytes(artifact.bytes)) " · from " (artifact.attempt.job) " · kept until " (view.clock.moment(artifact.expires)) }
                        }
                    }
                }
            }
        }
    }
}

fn summaries(run: &Run, live: &[Summary]) -> Markup {
    let kept = run.legs.values().filter_map(|leg| {
        let summary = leg.attempts.last()?.summary.as_ref()?;
        Some((leg.leg.name.as_str(), summary.show()))
    });
    let live = live.iter().map(|summary| (summary.job.as_str(), summary.markdown.as_str()));
    let all: Vec<(&str, &str)> = kept.chain(live).collect();
    html! {
        @if !all.is_empty() {
            section.panel #summaries data-live aria-labelledby="summaries-title" {
                h2 #summaries-title { "Summaries" }
                @for (job, markdown) in all {
                    p.faint { "by " (job) }
                    (markdown::render(markdown))
                }
            }
        }
    }
}
