//! The log of one job, a window of a thousand lines at a time, however long it is.

use maud::{Markup, html};
use qnt9_engine::state::{LegPhase, Run};
use qnt9_model::AttemptId;

use crate::frame::{Section, page};
use crate::log::{Anchors, HITS_MAX, Lines, LogLine, WINDOW_LINES};
use crate::view::View;
use crate::{form, paths, standing, text};

/// A window of a log.
pub struct JobLog {
    /// Whose log.
    pub attempt: AttemptId,
    /// The lines of the window.
    pub lines: Vec<LogLine>,
    /// The first line of the window.
    pub from: u64,
    /// How many lines the log has by now.
    pub total: u64,
    /// What was searched for.
    pub search: Option<Search>,
    /// Why the lines cannot be shown.
    pub trouble: Option<String>,
}

/// What a search found.
pub struct Search {
    /// The text.
    pub text: String,
    /// The lines that have it, the first [`HITS_MAX`] of them.
    pub hits: Vec<LogLine>,
    /// Whether there are more.
    pub has_more: bool,
}

/// The page.
#[must_use]
pub fn job_log(view: &View<'_>, run: &Run, log: &JobLog) -> Markup {
    let Some(leg) = run.legs.get(&log.attempt.job) else { return Markup::default() };
    let standing = standing::of_leg(view, run, leg);
    let raw = paths::log(view.stream, &log.attempt, "log.txt");
    let is_running = leg.phase == LegPhase::Running
        && leg.attempts.last().is_some_and(|last| last.number == log.attempt.attempt);
    let body = html! {
        div.crumbs {
            a href=(paths::section(view.stream, "runs")) { "Runs" } " / "
            a href=(paths::run_job(view.stream, run.id, &log.attempt.job)) { (run.name) " #" (run.number) }
        }
        div.head #head data-live { h1 { "Log of " (leg.leg.name) } (standing.shape.loud(standing.word)) }
        p.meta {
            span.num { (text::count(usize::try_from(log.total).unwrap_or(usize::MAX), "line", "lines")) }
            @if log.attempt.attempt > 1 || leg.attempts.len() > 1 { span { "attempt " (log.attempt.attempt) } }
            span { a href=(raw) { "All of it as text" } }
        }
        (search_form(view, log))
        @if let Some(trouble) = &log.trouble {
            div.panel.alert role="alert" { (crate::status::Shape::Bad.loud("The log cannot be shown")) p { (trouble) } }
        }
        @if let Some(search) = &log.search { (hits(view, log, search)) }
        section.panel.flush aria-label="Lines" {
            (pager(view, log))
            @if log.total == 0 {
                div.bar { p.empty { "It has written nothing yet." } }
            }
            (window(view, log, is_running))
        }
        (form::command(&format!("qnt9 logs {}.{}", run.id, log.attempt.job)))
    };
    page(view, Section::Runs, &format!("Log of {} · run {}", leg.leg.name, run.id), &body)
}

/// The rows of a window and the way to the next, to follow the rows that are there.
#[must_use]
pub fn fragment(view: &View<'_>, log: &JobLog) -> Markup {
    window(view, log, false)
}

fn window(view: &View<'_>, log: &JobLog, is_running: bool) -> Markup {
    let href = paths::log(view.stream, &log.attempt, "log");
    let mark = log.search.as_ref().map(|search| search.text.as_str());
    let lines = Lines { clock: view.clock, href: &href, mark, anchors: Anchors::Here };
    let next = log.from + WINDOW_LINES;
    let at_end = next > log.total;
    let tail = (is_running && at_end)
        .then(|| format!("{}&after={}", paths::log(view.stream, &log.attempt, "live"), log.total));
    html! {
        div.log data-tail=[tail] data-follow { (lines.rows(&log.lines)) }
        @if !at_end {
            @let more = paths::log(view.stream, &log.attempt, "lines");
            div.bar data-more={ (more) "&from=" (next) } {
                a.btn href={ (href) "&from=" (next) } rel="next" { "Lines from " (text::number(next)) }
            }
        }
    }
}

fn search_form(view: &View<'_>, log: &JobLog) -> Markup {
    let action = paths::log(view.stream, &log.attempt, "log");
    let (action, _) = action.split_once('?').unwrap_or((&action, ""));
    let text = log.search.as_ref().map_or("", |search| search.text.as_str());
    html! {
        form.filters method="get" action=(action) role="search" {
            input type="hidden" name="attempt" value=(log.attempt.attempt);
            div {
                label for="log-search" { "Search this log " kbd { "f" } }
                input #log-search type="search" name="q" value=(text) maxlength="200";
            }
            button.btn { "Search" }
        }
    }
}

fn hits(view: &View<'_>, log: &JobLog, search: &Search) -> Markup {
    let href = paths::log(view.stream, &log.attempt, "log");
    let base = format!("{href}&q={}", paths::segment(&search.text));
    let mark = Some(search.text.as_str());
    let lines = Lines { clock: view.clock, href: &base, mark, anchors: Anchors::Elsewhere };
    html! {
        section.panel.flush aria-labelledby="hits-title" {
            div.bar {
                strong #hits-title {
                    @match search.hits.len() {
                        0 => { "No line has “" (search.text) "”" }
                        count => { (text::count(count, "line has", "lines have")) " “" (search.text) "”" }
                    }
                }
                @if search.has_more { span.soft { "the first " (HITS_MAX) " are shown; search for more letters to see fewer" } }
                a.end.soft href=(href) { "Clear" }
            }
            @if !search.hits.is_empty() { div.log { (lines.rows(&search.hits)) } }
        }
    }
}

fn pager(view: &View<'_>, log: &JobLog) -> Markup {
    let href = paths::log(view.stream, &log.attempt, "log");
    let last = crate::log::window_of(log.total);
    let until = (log.from + WINDOW_LINES - 1).min(log.total);
    html! {
        @if log.total > WINDOW_LINES {
            nav.bar aria-label="Parts of the log" {
                span.num { "Lines " (text::number(log.from)) " to " (text::number(until)) " of " (text::number(log.total)) }
                span.end {
                    @if log.from > 1 {
                        a href={ (href) "&from=1" } { "first" } " · "
                        a href={ (href) "&from=" (log.from.saturating_sub(WINDOW_LINES).max(1)) } rel="prev" { "previous" }
                    }
                    @if log.from > 1 && log.from < last { " · " }
                    @if log.from < last {
                        a href={ (href) "&from=" (log.from + WINDOW_LINES) } { "next" } " · "
                        a href={ (href) "&from=" (last) } { "last" }
                    }
                }
            }
        }
    }
}
