//! The picture of a run's jobs: what comes before what, and where each stands. The table beside it
//! says the same in words.

pub mod layout;

use maud::{Markup, html};
use qnt9_engine::state::{Job, JobPlan, LegPhase, LegState, Run};
use qnt9_model::JobKey;

use crate::graph::layout::{Graph, Layout, Route, Sizes, layout};
use crate::standing::{self, Standing};
use crate::view::View;
use crate::{paths, text, time};

/// Width of the picture in which the graph is fitted.
const PICTURE_WIDTH: i64 = 1176;
const NODE_WIDTH_MIN: i64 = 140;
const NODE_WIDTH_MAX: i64 = 210;
const NODE_HEIGHT: i64 = 46;
const GAP_X: i64 = 36;
const GAP_Y: i64 = 12;
/// Mean width of a letter of the picture's two sizes of text, in hundredths of a unit.
const LETTER: i64 = 690;
const SMALL_LETTER: i64 = 620;
/// Where a node's text begins.
const TEXT_X: i64 = 30;

/// The picture. `chosen` is the job whose log is in view.
pub(crate) fn picture(view: &View<'_>, run: &Run, chosen: Option<&JobKey>) -> Markup {
    let graph = graph_of(run);
    let columns = layout::depth(&graph).max(1) as i64;
    let fitting = (PICTURE_WIDTH - GAP_X * (columns - 1)) / columns;
    let width = fitting.clamp(NODE_WIDTH_MIN, NODE_WIDTH_MAX);
    let placed = layout(&graph, Sizes { width, height: NODE_HEIGHT, gap_x: GAP_X, gap_y: GAP_Y });
    let outer_width = placed.width.max(PICTURE_WIDTH) + 4;
    let standings: Vec<Standing> =
        run.jobs.iter().map(|job| standing::of_job(view, run, job)).collect();
    html! {
        div.wide {
            svg viewBox={ "-2 -2 " (outer_width) " " (placed.height + 4 + stack_room(run)) }
                width=(outer_width) height=(placed.height + 4 + stack_room(run))
                role="group" aria-label=(in_words(run, &standings)) {
                @for route in &placed.edges { (edge(route, &standings)) }
                @for (index, job) in run.jobs.iter().enumerate() {
                    (node(view, run, job, &standings[index], Spot { at: placed.nodes[index], width }, chosen))
                }
            }
        }
    }
}

fn graph_of(run: &Run) -> Graph {
    let index = |key: &str| run.jobs.iter().position(|job| job.key.eq_ignore_ascii_case(key));
    let edges = run.jobs.iter().enumerate().flat_map(|(to, job)| {
        let needs = standing::needs(run, &job.key).into_iter();
        needs.filter_map(|need| index(&need)).map(move |from| (from, to)).collect::<Vec<_>>()
    });
    Graph { nodes: run.jobs.len(), edges: edges.collect() }
}

/// Room below for the cards behind a matrix job in the lowest row.
fn stack_room(run: &Run) -> i64 {
    if run.jobs.iter().any(|job| legs(job).len() > 1) { 5 } else { 0 }
}

fn in_words(run: &Run, standings: &[Standing]) -> String {
    let jobs = run.jobs.iter().zip(standings);
    let words: Vec<String> =
        jobs.map(|(job, standing)| format!("{} {}", job.key, standing.word)).collect();
    format!("Job graph: {}. The table below has the same in words.", words.join(", "))
}

fn edge(route: &Route, standings: &[Standing]) -> Markup {
    let is_open = standings[route.to].shape == crate::status::Shape::Idle;
    html! { path class=(if is_open { "edge open" } else { "edge" }) d=(curve(route)) {} }
}

/// Straight through lanes, an S between columns.
fn curve(route: &Route) -> String {
    let mut path = String::new();
    for (at, pair) in route.points.windows(2).enumerate() {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if at == 0 {
            path = format!("M{x0} {y0}");
        }
        let middle = (x0 + x1) / 2;
        path.push_str(&if y0 == y1 {
            format!("H{x1}")
        } else {
            format!("C{middle} {y0} {middle} {y1} {x1} {y1}")
        });
    }
    path
}

#[derive(Clone, Copy)]
struct Spot {
    at: (i64, i64),
    width: i64,
}

fn node(
    view: &View<'_>,
    run: &Run,
    job: &Job,
    standing: &Standing,
    place: Spot,
    chosen: Option<&JobKey>,
) -> Markup {
    let (x, y) = place.at;
    let name = standing::job_name(run, &job.key);
    let below = below(view, run, job, standing);
    let room = (place.width - TEXT_X - 8) * 100;
    let shown = text::cut(&name, usize::try_from(room / LETTER).unwrap_or(0));
    let shown_below = text::cut(&below, usize::try_from(room / SMALL_LETTER).unwrap_or(0));
    let legs = legs(job);
    let target = legs
        .iter()
        .find(|key| run.legs.get(key).is_some_and(standing::failed))
        .or_else(|| legs.first());
    let is_chosen = chosen.is_some_and(|chosen| legs.contains(chosen));
    let class = format!("{}{}", standing.shape.class(), if is_chosen { " chosen" } else { "" });
    let card = html! {
        g class=(class) {
            title { (name) ": " (standing.word) ", " (below) }
            @if legs.len() > 1 {
                rect.stack x=(x + 5) y=(y + 5) width=(place.width) height=(NODE_HEIGHT) rx="7" {}
            }
            rect.node x=(x) y=(y) width=(place.width) height=(NODE_HEIGHT) rx="7" {}
            (standing.shape.drawn(x + 16, y + NODE_HEIGHT / 2))
            text x=(x + TEXT_X) y=(y + 20) { (shown) }
            text.t2 x=(x + TEXT_X) y=(y + 36) { (shown_below) }
        }
    };
    html! {
        @match target {
            Some(key) => a href=(paths::run_job(view.stream, run.id, key)) { (card) },
            None => (card),
        }
    }
}

fn legs(job: &Job) -> &[JobKey] {
    match &job.plan {
        JobPlan::Planned { legs, .. } => legs,
        _ => &[],
    }
}

/// The line below a job's name: what is most worth knowing about it.
fn below(view: &View<'_>, run: &Run, job: &Job, standing: &Standing) -> String {
    let keys = legs(job);
    let states: Vec<&LegState> = keys.iter().filter_map(|key| run.legs.get(key)).collect();
    if states.is_empty() {
        return match &standing.reason {
            Some(reason) => format!("{}: {reason}", standing.word),
            None => standing.word.to_owned(),
        };
    }
    let mut parts = Vec::new();
    if states.len() > 1 {
        let done = states.iter().filter(|leg| is_success(leg)).count();
        parts.push(format!("{done} of {}", states.len()));
    }
    match standing.shape {
        crate::status::Shape::Ok => {}
        crate::status::Shape::Wait => return wait_words(view, run, &states, standing),
        _ => parts.push(standing.word.to_owned()),
    }
    parts.extend(plan_of(view, run, &states));
    let spans = states.iter().filter_map(|leg| standing::ran(leg));
    let from = spans.clone().map(|(from, _)| from).min();
    let until = spans.map(|(_, end)| end.unwrap_or(view.now())).max();
    if let (Some(from), Some(until)) = (from, until) {
        parts.push(time::duration(until.since(from)));
    }
    parts.join(" · ")
}

/// What a waiting job wants, as short as it can be said.
fn wait_words(view: &View<'_>, run: &Run, legs: &[&LegState], standing: &Standing) -> String {
    let waiting = crate::waiting::waiting(view);
    let of_job = |waiting: &&crate::waiting::Waiting<'_>| {
        waiting.run.id == run.id && legs.iter().any(|leg| leg.leg.job == waiting.leg.leg.job)
    };
    match (waiting.iter().find(of_job), &standing.reason) {
        (Some(waiting), _) if waiting.wants_people() => waiting.sentence(),
        (_, Some(reason)) => format!("{}: {reason}", standing.word),
        (_, None) => standing.word.to_owned(),
    }
}

fn is_success(leg: &LegState) -> bool {
    matches!(leg.phase, LegPhase::Done(qnt9_model::fact::Outcome::Success, _))
}

/// `+3 ~0 -0` of the plan that one of these legs recorded.
fn plan_of(view: &View<'_>, run: &Run, legs: &[&LegState]) -> Option<String> {
    let plans = view.project.plans.iter().filter(|((id, _), _)| *id == run.id);
    let mut own =
        plans.filter(|(_, plan)| legs.iter().any(|leg| leg.leg.job == plan.call.attempt.job));
    let summary = &own.next()?.1.summary;
    Some(format!("+{} ~{} -{}", summary.add, summary.change, summary.destroy))
}

/// How many columns the run's graph has, for tests of the picture.
#[must_use]
pub fn placed(run: &Run, sizes: Sizes) -> Layout {
    layout(&graph_of(run), sizes)
}
