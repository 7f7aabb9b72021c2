//! Where the time of a run went: a bar for each job, and the sum in words.

use maud::{Markup, html};
use qnt9_engine::state::{JobPlan, LegPhase, LegState, Run};
use qnt9_model::Millis;
use qnt9_model::fact::Span;

use crate::standing;
use crate::view::View;
use crate::{paths, text, time};

/// How the wall time of a run divides. `ours` is what is left when declared waits, the bodies of
/// `run:` steps and driven load are taken away; terraform and step commands count as ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) wall_ms: i64,
    pub(crate) ours_ms: i64,
    pub(crate) waits_ms: i64,
    pub(crate) load_ms: i64,
    pub(crate) user_ms: i64,
}

/// Divides the time of a run up to its end, or up to now.
pub(crate) fn split(view: &View<'_>, run: &Run) -> Split {
    let end = run.finished.map_or(view.now(), |(_, at)| at);
    let whole = Span { started: run.created, finished: end };
    let of_run = |key: &qnt9_model::CallKey| key.attempt.run == run.id;
    let declared = view.project.waits.iter().filter(|(key, _)| of_run(key));
    let declared =
        declared.map(|(_, wait)| Span { started: wait.from, finished: wait.until.min(end) });
    let waits = union(declared.chain(gate_waits(run, end)), whole);
    let loads = view.project.loads.iter().filter(|(key, _)| of_run(key)).map(|(_, span)| *span);
    let loads = without(union(loads, whole), &waits);
    let steps = || {
        let attempts = run.legs.values().flat_map(|leg| &leg.attempts);
        attempts.flat_map(|attempt| attempt.steps.values()).filter(|step| step.user)
    };
    let own = union(steps().flat_map(|step| step.own.iter().copied()), whole);
    let user = steps().flat_map(|step| without(vec![step.span], &own));
    let user = without(without(union(user, whole), &waits), &loads);
    let wall_ms = end.since(run.created).max(0);
    let (waits_ms, load_ms, user_ms) = (total(&waits), total(&loads), total(&user));
    let ours_ms = (wall_ms - waits_ms - load_ms - user_ms).max(0);
    Split { wall_ms, ours_ms, waits_ms, load_ms, user_ms }
}

/// The time legs stood before their gates.
fn gate_waits(run: &Run, end: Millis) -> impl Iterator<Item = Span> {
    run.legs.values().filter(|leg| leg.leg.environment.is_some()).map(move |leg| {
        let opened = leg.opened.as_ref().map(|(at, _, _)| *at);
        let closed = match leg.phase {
            LegPhase::Done(_, at) => Some(at),
            _ => None,
        };
        Span { started: leg.queued, finished: opened.or(closed).unwrap_or(end) }
    })
}

impl Split {
    /// `7 min 31 s: 18 s ours, 6 min 40 s load test, 33 s your steps`.
    pub(crate) fn sentence(self) -> String {
        let parts = [
            (self.ours_ms, "qnt9's own"),
            (self.load_ms, "load test"),
            (self.user_ms, "your steps"),
            (self.waits_ms, "waiting"),
        ];
        let parts = parts.iter().filter(|(ms, _)| *ms >= 50);
        let parts: Vec<String> =
            parts.map(|(ms, what)| format!("{} {what}", time::duration(*ms))).collect();
        match parts.as_slice() {
            [] => time::duration(self.wall_ms),
            parts => format!("{}: {}", time::duration(self.wall_ms), parts.join(", ")),
        }
    }
}

/// The spans within `whole`, sorted and joined where they touch.
fn union(spans: impl Iterator<Item = Span>, whole: Span) -> Vec<Span> {
    let inside = spans.map(|span| Span {
        started: span.started.max(whole.started),
        finished: span.finished.min(whole.finished),
    });
    let mut spans: Vec<Span> = inside.filter(|span| span.started < span.finished).collect();
    spans.sort_by_key(|span| span.started);
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.started <= last.finished => {
                last.finished = last.finished.max(span.finished);
            }
            _ => joined.push(span),
        }
    }
    joined
}

/// What is left of the spans beside the holes, which are sorted and joined.
fn without(spans: Vec<Span>, holes: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    for mut span in spans {
        for hole in holes {
            if hole.finished <= span.started || hole.started >= span.finished {
                continue;
            }
            if hole.started > span.started {
                left.push(Span { started: span.started, finished: hole.started });
            }
            span.started = hole.finished.min(span.finished);
        }
        if span.started < span.finished {
            left.push(span);
        }
    }
    left
}

fn total(spans: &[Span]) -> i64 {
    spans.iter().map(|span| span.finished.since(span.started)).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn span(started: i64, finished: i64) -> Span {
        Span { started: Millis(started), finished: Millis(finished) }
    }

    #[test]
    fn spans_are_joined_and_cut() {
        let joined =
            union([span(5, 9), span(0, 3), span(2, 4), span(8, 20)].into_iter(), span(1, 12));
        assert_eq!(joined, [span(1, 4), span(5, 12)]);
        assert_eq!(without(vec![span(0, 10)], &joined), [span(0, 1), span(4, 5)]);
        assert_eq!(without(vec![span(0, 20)], &[span(0, 20)]), []);
        assert_eq!(total(&joined), 10);
    }
}
