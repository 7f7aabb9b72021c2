//! The picture of a rollout: the new release's share of the traffic over time, and below it the
//! share of failed requests of both releases. The table says the same in words.

use maud::{Markup, html};
use qnt9_engine::state::Deployment;
use qnt9_model::Millis;
use qnt9_model::fact::{Counts, DeploymentOutcome};

use crate::text;
use crate::time::{self, Clock};

const LEFT: i64 = 52;
const RIGHT: i64 = 742;
const SHARE_TOP: i64 = 20;
const SHARE_FOOT: i64 = 110;
const ERROR_TOP: i64 = 150;
const ERROR_FOOT: i64 = 205;
/// Points of a curve; more windows are summed up.
const POINTS_MAX: usize = 120;

/// The windows of one step added up.
pub(crate) struct Step {
    pub(crate) percent: u32,
    pub(crate) from: Millis,
    pub(crate) until: Millis,
    pub(crate) new: Counts,
    pub(crate) old: Counts,
}

/// The steps a deployment went through, with what was counted at each.
pub(crate) fn steps(deployment: &Deployment, now: Millis) -> Vec<Step> {
    let end = deployment.outcome.as_ref().map_or(now, |(_, at)| *at);
    let taken = deployment.history.iter().filter(|(_, percent)| *percent > 0);
    let taken: Vec<(Millis, u32)> = taken.copied().collect();
    let until = |at: usize| taken.get(at + 1).map_or(end, |(next, _)| *next);
    let mut steps = Vec::new();
    for (at, &(from, percent)) in taken.iter().enumerate() {
        let (mut new, mut old) = (Counts::default(), Counts::default());
        let windows = deployment
            .windows
            .iter()
            .filter(|(when, share, _, _)| *share == percent && *when >= from && *when <= until(at));
        for (_, _, window_new, window_old) in windows {
            new = new.plus(*window_new);
            old = old.plus(*window_old);
        }
        steps.push(Step { percent, from, until: until(at), new, old });
    }
    steps
}

/// The picture and, for readers who do not see it, its table.
pub(crate) fn picture(deployment: &Deployment, clock: &Clock) -> Markup {
    let steps = steps(deployment, clock.now);
    let Some(first) = steps.first() else {
        return html! { p.empty { "No traffic has moved yet: its replicas must be healthy first." } };
    };
    let start = first.from;
    let end = steps.last().map_or(start, |last| last.until).max(start.plus(1));
    let scale = Scale { start, end };
    let top = error_top(deployment);
    html! {
        div.wide {
            svg viewBox="0 0 760 236" width="760" height="236" role="img" aria-label=(in_words(deployment, &steps)) {
                g.grid {
                    path d={ "M" (LEFT) " 20H" (RIGHT) "M" (LEFT) " 65H" (RIGHT) "M" (LEFT) " 110H" (RIGHT) } {}
                    path d={ "M" (LEFT) " " (ERROR_TOP) "H" (RIGHT) "M" (LEFT) " " (ERROR_FOOT) "H" (RIGHT) } {}
                }
                text.t2.e x=(LEFT - 6) y="24" { "100 %" } text.t2.e x=(LEFT - 6) y="69" { "50 %" } text.t2.e x=(LEFT - 6) y="114" { "0 %" }
                path.share d=(share_path(&steps, scale)) {}
                @for (x, y, words) in labels(&steps, scale, deployment) { text.t2 x=(x) y=(y) { (words) } }
                text.t2 x=(LEFT) y="142" { "failed requests" }
                text.t2.e x=(LEFT - 6) y=(ERROR_TOP + 4) { (tenths(top)) } text.t2.e x=(LEFT - 6) y=(ERROR_FOOT + 4) { "0 %" }
                polyline.ln.old points=(curve(deployment, scale, top, |(_, _, _, old)| *old)) {}
                polyline.ln.new points=(curve(deployment, scale, top, |(_, _, new, _)| *new)) {}
                text.t2 x=(LEFT) y="226" { (clock.wall(start)) }
                text.t2.e x=(RIGHT) y="226" { (clock.wall(end)) }
            }
        }
        div.legend {
            span.new { i {} "failed, new release" }
            span.old { i {} "failed, old release" }
            span.run.block { i {} "share of the new release" }
        }
        (table(&steps, clock))
    }
}

#[derive(Clone, Copy)]
struct Scale {
    start: Millis,
    end: Millis,
}

impl Scale {
    fn x(self, at: Millis) -> i64 {
        let whole = self.end.since(self.start).max(1);
        let passed = at.since(self.start).clamp(0, whole);
        LEFT + (i128::from(passed) * i128::from(RIGHT - LEFT) / i128::from(whole)) as i64
    }
}

fn share_y(percent: u32) -> i64 {
    SHARE_FOOT - i64::from(percent.min(100)) * (SHARE_FOOT - SHARE_TOP) / 100
}

fn share_path(steps: &[Step], scale: Scale) -> String {
    let mut path = format!("M{} {SHARE_FOOT}", scale.x(scale.start));
    for step in steps {
        path.push_str(&format!("V{}H{}", share_y(step.percent), scale.x(step.until)));
    }
    path.push_str(&format!("V{SHARE_FOOT}Z"));
    path
}

/// The percent of each step where there is room for it, and what happened at the end.
fn labels(steps: &[Step], scale: Scale, deployment: &Deployment) -> Vec<(i64, i64, String)> {
    let mut labels = Vec::new();
    let mut free_from = LEFT;
    for (at, step) in steps.iter().enumerate() {
        let x = scale.x(step.from) + 6;
        let is_last = at + 1 == steps.len();
        let words = match &deployment.outcome {
            Some((DeploymentOutcome::RolledBack { .. }, _)) if is_last => {
                format!("back at {} %", step.percent)
            }
            _ => format!("{} %", step.percent),
        };
        let x = x.min(RIGHT - 7 * words.len() as i64);
        let y =
            if step.percent > 85 { share_y(step.percent) + 14 } else { share_y(step.percent) - 5 };
        if x >= free_from {
            free_from = x + 7 * words.len() as i64;
            labels.push((x, y, words));
        }
    }
    labels
}

/// The top of the lower axis, in tenths of a percent: at least 1 %.
fn error_top(deployment: &Deployment) -> u64 {
    let shares = points(deployment).into_iter().flat_map(|(_, _, new, old)| [new, old]);
    let highest = shares.map(per_mille).max().unwrap_or(0);
    [10, 20, 50, 100, 200, 500].into_iter().find(|top| *top >= highest).unwrap_or(1000)
}

fn tenths(per_mille: u64) -> String {
    format!("{} %", per_mille / 10)
}

fn per_mille(counts: Counts) -> u64 {
    (counts.bad * 1000).checked_div(counts.requests).unwrap_or(0)
}

type Window = (Millis, u32, Counts, Counts);

/// The windows, added up in groups when there are too many for a curve.
fn points(deployment: &Deployment) -> Vec<Window> {
    let group = deployment.windows.len().div_ceil(POINTS_MAX).max(1);
    let add = |windows: &[Window]| {
        let sum = |pick: fn(&Window) -> Counts| {
            windows.iter().map(pick).fold(Counts::default(), Counts::plus)
        };
        let last = windows[windows.len() - 1];
        (last.0, last.1, sum(|window| window.2), sum(|window| window.3))
    };
    deployment.windows.chunks(group).map(add).collect()
}

fn curve(
    deployment: &Deployment,
    scale: Scale,
    top: u64,
    pick: impl Fn(&Window) -> Counts,
) -> String {
    let height = (ERROR_FOOT - ERROR_TOP) as u64;
    let points = points(deployment);
    let seen = points.iter().filter(|window| pick(window).requests > 0);
    let points = seen.map(|window| {
        let rise = (per_mille(pick(window)) * height / top).min(height) as i64;
        format!("{},{}", scale.x(window.0), ERROR_FOOT - rise)
    });
    points.collect::<Vec<_>>().join(" ")
}

fn in_words(deployment: &Deployment, steps: &[Step]) -> String {
    let shares: Vec<String> = steps.iter().map(|step| format!("{} %", step.percent)).collect();
    let end = match &deployment.outcome {
        Some((DeploymentOutcome::Succeeded, _)) => "and stayed".to_owned(),
        Some((DeploymentOutcome::RolledBack { reason, .. }, _)) => {
            format!("and went back because {reason}")
        }
        Some((DeploymentOutcome::Failed { .. }, _)) => "and failed".to_owned(),
        None => "so far".to_owned(),
    };
    format!(
        "The new release's share of the traffic went to {} {end}. The table has the counts.",
        shares.join(", ")
    )
}

fn table(steps: &[Step], clock: &Clock) -> Markup {
    let failed = |counts: Counts| {
        html! {
            @if counts.requests == 0 { span.faint { "none counted" } }
            @else { (text::number(counts.bad)) " of " (text::number(counts.requests)) ", " (text::percent(counts.bad, counts.requests)) }
        }
    };
    html! {
        div.scroll {
            table {
                thead { tr {
                    th.num scope="col" { "Share" } th.num scope="col" { "From" } th.num scope="col" { "Lasted" }
                    th.num scope="col" { "Failed, new release" } th.num scope="col" { "Failed, old release" }
                } }
                tbody {
                    @for step in steps {
                        tr {
                            th.num scope="row" { (step.percent) " %" }
                            td.num { (clock.wall(step.from)) }
                            td.num { (time::lasting(step.until.since(step.from))) }
                            td.num { (failed(step.new)) }
                            td.num { (failed(step.old)) }
                        }
                    }
                }
            }
        }
    }
}
