//! Approvals: what waits for people now, and what they decided.

use maud::{Markup, html};
use qnt9_engine::state::{Approval, LegState, Run};

use crate::frame::{Section, page};
use crate::status::Shape;
use crate::view::View;
use crate::waiting::waiting;
use crate::{paths, text};

/// Decisions that are listed.
const DECISIONS_MAX: usize = 40;

/// The page of approvals.
#[must_use]
pub fn approvals(view: &View<'_>) -> Markup {
    let waiting = waiting(view);
    let wanting = waiting.iter().filter(|waiting| waiting.wants_people()).count();
    let title = match wanting {
        0 => "Nothing waits for an approval".to_owned(),
        1 => "One approval is wanted".to_owned(),
        many => format!("{} approvals are wanted", text::head_number(many)),
    };
    let body = html! {
        div.head #head data-live { h1 { (title) } }
        p.meta { span { "Each is bound to a release and a plan, and lapses when one of them changes" } }
        @if waiting.is_empty() {
            section.panel { p.empty {
                "When a job with a protected environment is ready, it waits here with its evidence. Who must approve is said in "
                code { "qnt9.toml" } ", " code { "approvals" } "."
            } }
        }
        @for waiting in &waiting {
            div.head {
                h2 { a href=(paths::run(view.stream, waiting.run.id)) { (waiting.run.commit.short()) " to " (waiting.environment) } }
                (Shape::Wait.loud(waiting.sentence()))
            }
            p { (waiting.facts(view)) }
            (waiting.panel(view))
        }
        (decided(view))
    };
    page(view, Section::Approvals, &format!("{title} · {}", view.stream), &body)
}

fn decided(view: &View<'_>) -> Markup {
    let mut rows: Vec<(&Run, &LegState, &Approval)> = Vec::new();
    for run in view.project.runs.values() {
        let legs = run.legs.values().flat_map(|leg| leg.approvals.iter().map(move |a| (leg, a)));
        rows.extend(legs.map(|(leg, approval)| (run, leg, approval)));
    }
    rows.sort_by_key(|(_, _, approval)| std::cmp::Reverse(approval.at));
    rows.truncate(DECISIONS_MAX);
    html! {
        section.panel #decided data-live aria-labelledby="decided-title" {
            h2 #decided-title { "Decided" }
            @if rows.is_empty() { p.empty { "Nobody has approved or rejected anything yet." } }
            @else {
                div.scroll { table {
                    thead { tr { th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "For" } th scope="col" { "Release and plan" } th.num scope="col" { "When" } } }
                    tbody {
                        @for (run, leg, approval) in &rows {
                            tr {
                                td {
                                    @let shape = if approval.approved { Shape::Ok } else { Shape::Bad };
                                    (shape.quiet(format!("{} {}", approval.person, if approval.approved { "approved" } else { "rejected" })))
                                    @if approval.demo { small { "one of the demo's people" } }
                                    @if let Some(comment) = &approval.comment { small { "“" (comment.show()) "”" } }
                                }
                                td { a href=(paths::run(view.stream, run.id)) { (run.commit.short()) } small { "run " (run.id) } }
                                td { @if let Some(environment) = &leg.leg.environment { span.env { (environment) } } }
                                td {
                                    @match &approval.subjects.release { Some(release) => span.chip { (release.short()) }, None => span.faint { "no release yet" } }
                                    " "
                                    @if let Some(plan) = &approval.subjects.plan { span.chip { (text::cut(plan, 9)) } }
                                }
                                td.num { (view.clock.relative(approval.at)) }
                            }
                        }
                    }
                } }
            }
        }
    }
}
