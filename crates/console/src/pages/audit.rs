//! Audit: every fact, newest first, and how to check that none was changed.

use maud::{Markup, html};
use qnt9_model::Millis;

use crate::frame::{Section, page};
use crate::view::View;
use crate::{form, paths, text};

/// One entry of the log.
pub struct AuditEntry {
    /// Its sequence number.
    pub sequence: u64,
    /// When.
    pub time: Millis,
    /// Who, as shown.
    pub actor: String,
    /// Its kind.
    pub kind: String,
    /// What happened, in words.
    pub sentence: String,
    /// The entry's digest, in hexadecimal.
    pub digest: String,
}

/// Which entries are wanted. An empty text wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// The kind begins with this.
    pub kind: String,
    /// The actor's name contains this.
    pub actor: String,
    /// Only entries before this one.
    pub before: Option<u64>,
}

impl AuditFilter {
    /// Whether an entry is wanted.
    #[must_use]
    pub fn wants(&self, kind: &str, actor: &str) -> bool {
        kind.starts_with(&self.kind) && actor.to_lowercase().contains(&self.actor.to_lowercase())
    }
}

/// What is shown.
#[derive(Default)]
pub struct AuditPage {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// Where to go on: entries before this one have not been looked at.
    pub older: Option<u64>,
    /// Sequence number and digest of the newest entry.
    pub head: Option<(u64, String)>,
    /// Why the log cannot be read.
    pub trouble: Option<String>,
}

/// The page.
#[must_use]
pub fn audit(view: &View<'_>, filter: &AuditFilter, shown: &AuditPage) -> Markup {
    let body = html! {
        div.head { h1 {
            @match &shown.head {
                Some((sequence, _)) => { (text::number(*sequence)) " facts, each chained to the one before" }
                None => "Nothing has been recorded yet",
            }
        } }
        p.meta {
            @if let Some((sequence, digest)) = &shown.head {
                span { "head " span.num { (sequence) } " " span.chip title=(digest) { (text::cut(digest, 17)) } }
            }
            span { "stream " (view.stream) }
        }
        div.cols {
            div {
                (filters(view, filter))
                @if let Some(trouble) = &shown.trouble {
                    div.panel.alert role="alert" { (crate::status::Shape::Bad.loud("The log cannot be read")) p { (trouble) } }
                }
                section.panel aria-label="Entries" { (table(view, filter, shown)) }
                @if let Some(older) = shown.older {
                    p { a.btn rel="next" href={ "?kind=" (paths::segment(&filter.kind)) "&actor=" (paths::segment(&filter.actor)) "&before=" (older) } { "Older entries" } }
                }
            }
            aside aria-label="How to verify" { (how_to_verify(shown)) }
        }
    };
    page(view, Section::Audit, &format!("Audit · {}", view.stream), &body)
}

fn filters(view: &View<'_>, filter: &AuditFilter) -> Markup {
    html! {
        form.filters method="get" action=(paths::section(view.stream, "audit")) role="search" aria-label="Filter entries" {
            div { label for="audit-kind" { "Kind begins with" } input #audit-kind type="text" name="kind" value=(filter.kind) autocomplete="off"; }
            div { label for="audit-actor" { "Actor contains" } input #audit-actor type="text" name="actor" value=(filter.actor) autocomplete="off"; }
            button.btn { "Filter" }
        }
    }
}

fn table(view: &View<'_>, filter: &AuditFilter, shown: &AuditPage) -> Markup {
    html! {
        @if shown.entries.is_empty() {
            p.empty {
                @if filter.kind.is_empty() && filter.actor.is_empty() { "The first fact will appear here." }
                @else { "No entry among those looked at is like this. " a href=(paths::section(view.stream, "audit")) { "Show all" } "." }
            }
        } @else {
            div.scroll { table {
                thead { tr { th.num scope="col" { "Entry" } th scope="col" { "What happened" } th scope="col" { "By" } th.num scope="col" { "When" } } }
                tbody {
                    @for entry in &shown.entries {
                        tr id={ "E" (entry.sequence) } {
                            td.num { a href={ "#E" (entry.sequence) } title=(entry.digest) { (entry.sequence) } }
                            td { (view.sentence(&entry.sentence)) small.mono { (entry.kind) } }
                            td { a href={ "?actor=" (paths::segment(&entry.actor)) } { (entry.actor) } }
                            td.num { (view.clock.relative(entry.time)) }
                        }
                    }
                }
            } }
        }
    }
}

fn how_to_verify(shown: &AuditPage) -> Markup {
    html! {
        section.panel {
            h2 { "How to verify" }
            p { "Each entry carries the sha256 of the one before it; the newest one is sealed with a key that is not in the data folder. Checking reads all of them and names the first that was changed." }
            (form::command("qnt9 audit verify"))
            p { "Or away from this machine, from an export:" }
            (form::command("qnt9 audit export > audit.jsonl"))
            @if let Some((sequence, digest)) = &shown.head {
                p.soft { "Note this somewhere else to prove later that nothing before it was changed:" }
                p.mono { (sequence) " " (digest) }
            }
        }
    }
}
