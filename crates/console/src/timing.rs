//! Where the time of a run went: a bar for each job, and the sum in words.

use maud::{Markup, html};
use qnt9_engine::accounting::{self, Ledger};
use qnt9_engine::state::{JobPlan, LegState, Run};
use qnt9_model::Millis;

use crate::standing;
use crate::view::View;
use crate::{paths, text, time};

/// `7 min 31 s: 18 s qnt9's own, 33 s your steps and load, 6 min 40 s waiting`.
pub(crate) fn sentence(view: &View<'_>, run: &Run) -> String {
    let wall = accounting::wall_of_run(run, view.now());
    let shares = Ledger::of(view.project, [run], view.now()).share(wall);
    let parts = [
        (shares.own_ms, "qnt9's own"),
        (shares.user_ms, "your steps and load"),
        (shares.waiting_ms, "waiting"),
    ];
    let parts = parts.iter().filter(|(ms, _)| *ms >= 50);
    let parts: Vec<String> =
        parts.map(|(ms, what)| format!("{} {what}", time::duration(*ms))).collect();
    let wall = time::duration(wall_ms(view, run));
    if parts.is_empty() { wall } else { format!("{wall}: {}", parts.join(", ")) }
}

/// From the run's creation to its end, or to now.
pub(crate) fn wall_ms(view: &View<'_>, run: &Run) -> i64 {
    let wall = accounting::wall_of_run(run, view.now());
    wall.finished.since(wall.started).max(0)
}

/// Width of a bar's picture.
const BAR_WIDTH: i64 = 400;

/// A row for each leg: what it needs, how it came out, when it waited and ran.
pub(crate) fn table(view: &View<'_>, run: &Run) -> Markup {
    let end = run.finished.map_or(view.now(), |(_, at)| at);
    let whole = end.since(run.created).max(1);
    let bar = |leg: &LegState| {
        let at = |moment: Millis| moment.since(run.created).clamp(0, whole) * BAR_WIDTH / whole;
        let queued = at(leg.queued);
        let (from, until) = match standing::ran(leg) {
            Some((from, until)) => (at(from), at(until.unwrap_or(end))),
            None => (at(end), at(end)),
        };
        (queued, from, until)
    };
    html! {
        div.scroll {
            table {
                thead { tr {
                    th scope="col" { "Job" } th scope="col" { "Needs" } th scope="col" { "Result" }
                    th.num scope="col" { "Waited" } th.num scope="col" { "Ran" }
                    th scope="col" { "From start to " @if run.finished.is_some() { "end" } @else { "now" } }
                } }
                tbody {
                    @for job in &run.jobs {
                        @let needs = standing::needs(run, &job.key);
                        @let needs = if needs.is_empty() { "–".to_owned() } else { needs.join(", ") };
                        @match &job.plan {
                            JobPlan::Planned { legs, .. } => {
                                @for leg in legs.iter().filter_map(|key| run.legs.get(key)) {
                                    (row(view, run, leg, &needs, bar(leg)))
                                }
                            }
                            _ => {
                                @let standing = standing::of_job(view, run, job);
                                tr {
                                    th scope="row" { (standing::job_name(run, &job.key)) }
                                    td.soft { (needs) }
                                    td {
                                        (standing.shape.fitting(standing.word))
                                        @if let Some(reason) = &standing.reason { small { (text::cut(reason, 400)) } }
                                    }
                                    td.num.soft { "–" } td.num.soft { "–" } td {}
                                }
                            }
                        }
                    }
                }
            }
        }
        div.legend { span.idle.block { i {} "waited" } span.ok.block { i {} "ran" } }
    }
}

fn row(
    view: &View<'_>,
    run: &Run,
    leg: &LegState,
    needs: &str,
    (queued, from, until): (i64, i64, i64),
) -> Markup {
    let standing = standing::of_leg(view, run, leg);
    let ran = standing::ran(leg);
    let waited = ran.map_or(view.now(), |(from, _)| from).since(leg.queued);
    html! {
        tr {
            th scope="row" {
                a href=(paths::run_job(view.stream, run.id, &leg.leg.job)) { (leg.leg.name) }
                @if let Some(environment) = &leg.leg.environment { " " span.env { (environment) } }
            }
            td.soft { (needs) }
            td {
                (standing.shape.fitting(standing.word))
                @if let Some(reason) = &standing.reason { small { (text::cut(reason, 400)) } }
                @if leg.attempts.len() > 1 { small { "attempt " (leg.attempts.len()) } }
            }
            td.num.soft { (time::lasting(waited)) }
            td.num {
                @match ran {
                    Some((from, until)) => (time::lasting(until.unwrap_or(view.now()).since(from))),
                    None => "–",
                }
            }
            td {
                svg viewBox={ "0 0 " (BAR_WIDTH) " 14" } width="100%" height="14" preserveAspectRatio="none" aria-hidden="true" {
                    rect.queued x=(queued) y="5" width=((from - queued).max(0)) height="4" {}
                    @if ran.is_some() {
                        g class=(standing.shape.class()) {
                            rect.took x=(from) y="2" width=((until - from).max(2)) height="10" {}
                        }
                    }
                }
            }
        }
    }
}
