//! Folds the log into the state, from the newest snapshot of each stream on.
//!
//! One thread reads pages, a few parse them, and the caller applies them in order: parsing is most
//! of the work. Every entry must link to the one before it, the first one behind a snapshot to the
//! entry that the snapshot was made after.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use qnt9_engine::State;
use qnt9_engine::apply::apply;
use qnt9_model::{Entry, StreamId};
use qnt9_store::{Digest, Head, LogHandle, LogRead, StoreError, StoredEntry, StoredText};
use serde::Deserialize;

use super::snapshots;

/// Entries read at once.
const PAGE_ENTRIES: usize = 1_000;
/// Pages that may be read ahead of those that are parsed.
const PAGES_AHEAD: usize = 4;

/// The last entry of each stream.
pub(super) type Heads = BTreeMap<StreamId, Head>;

/// The log cannot be folded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
    /// A line is not an entry.
    #[error("entry {sequence} of stream {stream} cannot be read; `qnt9 audit verify` says more")]
    Entry {
        /// The stream.
        stream: StreamId,
        /// The entry.
        sequence: u64,
        /// Why.
        #[source]
        source: qnt9_model::entry::EntryError,
    },
    /// An entry does not follow the one before it.
    #[error(
        "entry {sequence} of stream {stream} does not follow the entry before it: the log was \
         changed from outside; `qnt9 audit verify` names what was changed, a backup brings it back"
    )]
    Chain {
        /// The stream.
        stream: StreamId,
        /// The entry.
        sequence: u64,
    },
}

/// Entries of one stream in order, and the stream's head behind them.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) entries: Vec<Entry>,
    pub(crate) head: Head,
}

/// The log, folded.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) heads: Heads,
    /// After which entries the snapshots were made that it began with.
    pub(super) restored: BTreeMap<StreamId, u64>,
}

/// Folds the whole log.
pub(super) fn load(log: &LogHandle) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    let Loaded { state, heads, restored } = &mut loaded;
    let mut streams: Vec<StreamId> = log.streams()?.into_iter().map(StreamId::from).collect();
    // People first: projects are decided on with them.
    streams.sort_by_key(|stream| stream.as_str() != StreamId::PLATFORM);
    for stream in streams {
        let from = snapshots::restore(log, &stream, state)?;
        let head = fold(log, &stream, from, |entry| apply(state, entry))?;
        restored.insert(stream.clone(), from.sequence);
        heads.insert(stream, head);
    }
    Ok(loaded)
}

/// What the log has of a stream beyond `head`, in order. For a few entries; [`fold`] reads many.
pub(crate) fn tail(log: &dyn LogRead, stream: &StreamId, head: Head) -> Result<Stretch, LoadError> {
    let mut stretch = Stretch { entries: Vec::new(), head };
    loop {
        let Some(page) = Page::read(log, stream, stretch.head.sequence + 1)? else {
            return Ok(stretch);
        };
        let parsed = page.parse(stream)?;
        stretch.entries.extend(parsed.continue_from(stream, &mut stretch.head)?);
    }
}

/// Gives every entry behind `head` to `take`, in order; the stream's head at last.
fn fold(
    log: &LogHandle,
    stream: &StreamId,
    mut head: Head,
    mut take: impl FnMut(&Entry),
) -> Result<Head, LoadError> {
    let from = head.sequence + 1;
    let parsers = std::thread::available_parallelism().map_or(2, usize::from);
    let (to_parsers, pages) = sync_channel(PAGES_AHEAD);
    let pages = Arc::new(Mutex::new(pages));
    let (to_caller, parsed) = sync_channel(PAGES_AHEAD + parsers);
    std::thread::scope(|scope| {
        scope.spawn(move || read_pages(log, stream, from, &to_parsers));
        for _ in 0..parsers {
            let (pages, to_caller) = (pages.clone(), to_caller.clone());
            scope.spawn(move || parse_pages(stream, &pages, &to_caller));
        }
        // Whoever sends is to see when nobody receives any more.
        drop((pages, to_caller));
        // Pages come back in any order.
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for (index, page) in parsed {
            waiting.insert(index, page);
            while let Some(page) = waiting.remove(&next) {
                next += 1;
                let page: Parsed = page?;
                page.continue_from(stream, &mut head)?.iter().for_each(&mut take);
            }
        }
        Ok(head)
    })
}

type Numbered<T> = (usize, Result<T, LoadError>);

/// Reads until the end, an error, or nobody takes pages any more.
fn read_pages(
    log: &LogHandle,
    stream: &StreamId,
    mut from: u64,
    pages: &SyncSender<Numbered<Page>>,
) {
    let reader = match log.reader().wait() {
        Ok(reader) => reader,
        Err(error) => {
            let _ = pages.send((0, Err(error.into())));
            return;
        }
    };
    for index in 0.. {
        let page = Page::read(reader.as_ref(), stream, from).transpose();
        let Some(page) = page else { return };
        if let Ok(page) = &page {
            from = page.last + 1;
        }
        let is_error = page.is_err();
        if pages.send((index, page)).is_err() || is_error {
            return;
        }
    }
}

fn parse_pages(
    stream: &StreamId,
    pages: &Mutex<Receiver<Numbered<Page>>>,
    parsed: &SyncSender<Numbered<Parsed>>,
) {
    loop {
        // The guard ends with the statement: only one parser waits for a page, the others parse.
        let next = pages.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((index, page)) = next else { return };
        let page = page.and_then(|page| page.parse(stream));
        if parsed.send((index, page)).is_err() {
            return;
        }
    }
}

/// Entries as they are stored.
struct Page {
    entries: Vec<StoredEntry>,
    texts: Vec<StoredText>,
    last: u64,
}

impl Page {
    /// The next page, or `None` at the end of the stream.
    fn read(log: &dyn LogRead, stream: &StreamId, from: u64) -> Result<Option<Self>, LoadError> {
        let entries = log.read(stream.as_str(), from, PAGE_ENTRIES)?;
        let Some(last) = entries.last().map(|entry| entry.sequence) else { return Ok(None) };
        let texts = log.texts(stream.as_str(), from..=last)?;
        Ok(Some(Self { entries, texts, last }))
    }

    fn parse(self, stream: &StreamId) -> Result<Parsed, LoadError> {
        let texts: BTreeMap<String, String> = self
            .texts
            .into_iter()
            .filter_map(|text| {
                let plain = String::from_utf8(text.text?.plaintext).ok()?;
                Some((text.digest.to_string(), plain))
            })
            .collect();
        let mut parsed = Parsed { first: Digest::ZERO, entries: Vec::new(), last: Digest::ZERO };
        for stored in &self.entries {
            let line = String::from_utf8_lossy(&stored.line);
            let sequence = stored.sequence;
            let broken = || LoadError::Chain { stream: stream.clone(), sequence };
            let link: Link = serde_json::from_str(&line).map_err(|_| broken())?;
            if parsed.entries.is_empty() {
                parsed.first = link.previous;
            } else if link.previous != parsed.last {
                return Err(broken());
            }
            let entry = Entry::open(&line, &|digest| texts.get(digest).cloned());
            let entry = entry.map_err(|source| LoadError::Entry {
                stream: stream.clone(),
                sequence,
                source,
            })?;
            parsed.entries.push(entry);
            parsed.last = stored.digest();
        }
        Ok(parsed)
    }
}

/// What of a line makes the chain.
#[derive(Deserialize)]
struct Link {
    previous: Digest,
}

/// Entries that follow each other.
struct Parsed {
    /// What the first one names as the digest before it.
    first: Digest,
    entries: Vec<Entry>,
    last: Digest,
}

impl Parsed {
    /// The entries, if they follow `head`, which then is the last of them.
    fn continue_from(self, stream: &StreamId, head: &mut Head) -> Result<Vec<Entry>, LoadError> {
        let (Some(first), Some(last)) = (self.entries.first(), self.entries.last()) else {
            return Ok(self.entries);
        };
        let steps = self.entries.iter().zip(head.sequence + 1..);
        let gap = steps
            .clone()
            .find(|(entry, expected)| entry.sequence != *expected || entry.stream != *stream);
        if let Some((_, sequence)) = gap {
            return Err(LoadError::Chain { stream: stream.clone(), sequence });
        }
        if self.first != head.digest {
            return Err(LoadError::Chain { stream: stream.clone(), sequence: first.sequence });
        }
        *head = Head { sequence: last.sequence, digest: self.last };
        Ok(self.entries)
    }
}
