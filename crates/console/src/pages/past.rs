//! The home page of an earlier moment: what was where, what waited for people, what ran.

use maud::{Markup, html};
use qnt9_engine::state::Run;

use super::runs::table as runs_table;
use crate::frame::{Section, page};
use crate::view::View;
use crate::waiting::waiting;
use crate::{board, past, paths, text};

/// Ended runs shown beside those that went on.
const ENDED_RUNS: usize = 5;

/// The home page as it was at the moment that the view is about.
#[must_use]
pub fn past(view: &View<'_>) -> Markup {
    let waiting = waiting(view);
    let title = match waiting.len() {
        0 => "Nothing waited for people then".to_owned(),
        1 => "One thing waited for people then".to_owned(),
        many => format!("{} things waited for people then", text::head_number(many)),
    };
    let body = html! {
        div #needs data-live {
            div.head { h1 { (title) } }
            p.meta { span { (super::home::sentence(view)) } }
            @if !waiting.is_empty() {
                section.panel aria-label="What waited for people" {
                    ul.inbox {
                        @for waiting in &waiting {
                            li {
                                strong { a href=(paths::run(view.stream, waiting.run.id)) { (waiting.run.commit.short()) " for " (waiting.environment) } }
                                p { (waiting.facts(view)) }
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
            h2 #latest-title { "Runs" }
            @let runs = runs(view);
            @if runs.is_empty() { p.empty { "Nothing had run by then." } } @else { (runs_table(view, &runs)) }
        }
    };
    let title = format!("{} · {}", view.clock.exact(view.now()), view.stream);
    page(view, Section::Home, &title, &body)
}

/// What went on then, and what had ended last.
fn runs<'a>(view: &View<'a>) -> Vec<&'a Run> {
    let live = view.project.live.iter().filter_map(|id| view.project.runs.get(id));
    let ended = view.project.runs.values().rev().filter(|run| run.finished.is_some());
    let mut runs: Vec<&Run> = ended.take(ENDED_RUNS).chain(live).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    runs
}
