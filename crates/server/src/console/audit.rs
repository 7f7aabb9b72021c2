//! Entries of the log of facts, newest first.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use qnt9_console::describe;
use qnt9_console::pages::{self, AuditEntry, AuditFilter, AuditPage};
use qnt9_model::Entry;
use qnt9_store::{LogHandle, LogRead as _, StoreError};
use serde::Deserialize;

use super::guard::Caller;
use super::{Console, look};

/// Entries on one page.
const ENTRIES_PER_PAGE: usize = 50;
/// Entries read at once.
const READ_ENTRIES: u64 = 500;
/// Entries that one request looks at before it lets the visitor go on by themselves.
const LOOKED_AT_MAX: u64 = 20_000;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    kind: String,
    actor: String,
    before: Option<u64>,
}

pub(super) async fn page(
    State(console): State<Console>,
    caller: Caller,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let Asked { kind, actor, before } = asked;
    let filter =
        AuditFilter { kind: kind.trim().to_owned(), actor: actor.trim().to_owned(), before };
    let (log, stream, wanted) = (console.core.log().clone(), project.clone(), filter.clone());
    let known = console.core.read(|state| state.projects.contains_key(&project.as_str().into()));
    let read = tokio::task::spawn_blocking(move || match known {
        true => read(&log, &stream, &wanted),
        false => Ok(AuditPage::default()),
    });
    let shown = match read.await {
        Ok(Ok(shown)) => shown,
        Ok(Err(error)) => AuditPage { trouble: Some(error.to_string()), ..AuditPage::default() },
        Err(error) => AuditPage { trouble: Some(error.to_string()), ..AuditPage::default() },
    };
    look::render(&console.core, &caller, &project, "project of that name", |view| {
        Some(pages::audit(view, &filter, &shown))
    })
}

fn read(log: &LogHandle, stream: &str, filter: &AuditFilter) -> Result<AuditPage, StoreError> {
    let head = log.head(stream)?;
    let mut end = filter.before.unwrap_or(head.sequence + 1).min(head.sequence + 1);
    let mut shown = AuditPage::default();
    if head.sequence > 0 {
        shown.head = Some((head.sequence, head.digest.to_string()));
    }
    let mut looked_at = 0;
    while end > 1 {
        if shown.entries.len() >= ENTRIES_PER_PAGE || looked_at >= LOOKED_AT_MAX {
            shown.older = Some(end);
            break;
        }
        let from = end.saturating_sub(READ_ENTRIES).max(1);
        looked_at += end - from;
        for entry in page_of(log, stream, from, end)? {
            if shown.entries.len() >= ENTRIES_PER_PAGE {
                break;
            }
            end = entry.sequence;
            if filter.wants(&entry.kind, &entry.actor) {
                shown.entries.push(entry);
            }
        }
        if shown.entries.len() < ENTRIES_PER_PAGE {
            end = from;
        }
    }
    Ok(shown)
}

/// The entries from `from` up to but not including `end`, newest first.
fn page_of(
    log: &LogHandle,
    stream: &str,
    from: u64,
    end: u64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let limit = usize::try_from(end - from).unwrap_or(usize::MAX);
    let stored = log.read(stream, from, limit)?;
    let texts: BTreeMap<String, String> = log
        .texts(stream, from..=end - 1)?
        .into_iter()
        .filter_map(|text| {
            let plain = String::from_utf8(text.text?.plaintext).ok()?;
            Some((text.digest.to_string(), plain))
        })
        .collect();
    let shown = stored.iter().rev().map(|stored| {
        let line = String::from_utf8_lossy(&stored.line);
        let digest = stored.digest().to_string();
        match Entry::open(&line, &|digest| texts.get(digest).cloned()) {
            Ok(entry) => AuditEntry {
                sequence: entry.sequence,
                time: entry.time,
                actor: entry.actor.to_string(),
                kind: kind(&line),
                sentence: describe(&entry.fact),
                digest,
            },
            // One unreadable entry must not hide the others.
            Err(error) => AuditEntry {
                sequence: stored.sequence,
                time: qnt9_model::Millis(0),
                actor: "unknown".to_owned(),
                kind: kind(&line),
                sentence: error.to_string(),
                digest,
            },
        }
    });
    Ok(shown.collect())
}

/// The kind that a line says.
fn kind(line: &str) -> String {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }
    serde_json::from_str::<Kind>(line).map_or_else(|_| "unreadable".to_owned(), |line| line.kind)
}
