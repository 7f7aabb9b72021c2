//! Is a stream whole? If not: which entry is the first bad one, and what is wrong with it.
//!
//! The chain of digests alone finds every change that does not rewrite all that follows. The seals,
//! which need the master key, find a rewritten chain too, and the head finds a cut tail. What no log
//! can find by itself is that all of it was set back to an older copy: whoever must know that keeps
//! the head they saw last, and compares.

mod finding;

pub use self::finding::{Reason, Tampered, Verified, VerifyError};
use crate::digest::Digest;
use crate::entry::{LineHeader, StoredEntry};
use crate::error::StoreError;
use crate::key::MasterKey;
use crate::log::{FIRST_SEQUENCE, Head, LogRead, SealedHead};
use crate::sealing::Seals;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, Scope};

/// A stream is read in pages of this many entries.
const PAGE_ENTRIES: u64 = 1000;
/// Pages that wait for one thread while others are read.
const PAGES_AHEAD: usize = 4;
/// More threads than this would wait for the one that reads.
const THREADS_MAX: usize = 8;

/// Verifies a whole stream of a log, its texts included, also while it is being appended to.
/// Without the key the seals stay unchecked.
///
/// The calling thread reads and follows the chain; the digests, which are most of the work, are
/// computed by threads of their own, a page at a time.
pub fn verify_stream(
    log: &dyn LogRead,
    stream: &str,
    key: Option<&MasterKey>,
) -> Result<Verified, VerifyError> {
    let head = log.sealed_head(stream)?;
    let end = head.map_or(Head::EMPTY, |sealed| sealed.head).sequence;
    let mut verifier = Verifier::new(stream, key);
    let seals = key.map(Seals::new);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    thread::scope(|scope| {
        let mut pages = Pages::start(scope, threads, seals.as_ref());
        let mut from = FIRST_SEQUENCE;
        while from <= end {
            let limit = PAGE_ENTRIES.min(end - from + 1);
            let page = match read_page(log, stream, from, limit) {
                Ok(page) => page,
                Err(error) => {
                    // An entry before may be the first bad one.
                    pages.end(&mut verifier)?;
                    verifier.judge_last(None)?;
                    return Err(error);
                }
            };
            let Some(last) = page.last().map(|entry| entry.sequence) else { break };
            pages.push(page, &mut verifier)?;
            from = last.saturating_add(1);
        }
        Ok(pages.end(&mut verifier)?)
    })?;
    let verified = verifier.finish(head.as_ref())?;
    // An entry behind the head is new, and then the head has moved on too, or it is forged.
    let behind = log.read(stream, end + 1, 1)?;
    if !behind.is_empty() && log.sealed_head(stream)? == head {
        let stream = stream.to_owned();
        let reason = if head.is_some() { Reason::BehindHead } else { Reason::HeadMissing };
        return Err(Tampered { stream, sequence: end + 1, reason }.into());
    }
    Ok(verified)
}

/// Entries with their texts; a text is checked by being read, for its encryption is authenticated.
fn read_page(
    log: &dyn LogRead,
    stream: &str,
    from: u64,
    limit: u64,
) -> Result<Vec<StoredEntry>, VerifyError> {
    let read = log.read(stream, from, usize::try_from(limit).unwrap_or(usize::MAX));
    let read = read.and_then(|page| {
        if let Some(last) = page.last() {
            log.texts(stream, from..=last.sequence)?;
        }
        Ok(page)
    });
    read.map_err(|error| match error {
        StoreError::TextChanged { stream, sequence, digest } => {
            Tampered { stream, sequence, reason: Reason::TextChanged { digest } }.into()
        }
        StoreError::SegmentChanged { stream, sequence, first, last } => {
            Tampered { stream, sequence, reason: Reason::ArchiveChanged { first, last } }.into()
        }
        error => error.into(),
    })
}

/// Pages on their way through the threads. They go out and come back in turn, so in order.
struct Pages {
    threads: Vec<Lane>,
    sent: usize,
    received: usize,
}

/// The way to one thread, and back.
type Lane = (SyncSender<Vec<StoredEntry>>, Receiver<Vec<Looked>>);

impl Pages {
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        threads: usize,
        seals: Option<&'scope Seals>,
    ) -> Self {
        let start = || {
            let (send, pages) = mpsc::sync_channel::<Vec<StoredEntry>>(PAGES_AHEAD);
            let (answer, looked) = mpsc::channel();
            scope.spawn(move || {
                for page in pages {
                    let page = page.iter().map(|entry| Looked::at(entry, seals)).collect();
                    // Nobody listens any more once a bad entry was found.
                    if answer.send(page).is_err() {
                        return;
                    }
                }
            });
            (send, looked)
        };
        Self { threads: (0..threads).map(|_| start()).collect(), sent: 0, received: 0 }
    }

    fn push(&mut self, page: Vec<StoredEntry>, verifier: &mut Verifier) -> Result<(), Tampered> {
        let turn = self.sent % self.threads.len();
        self.threads[turn].0.send(page).expect("a thread ends when its pages do");
        self.sent += 1;
        while self.received < self.sent {
            let turn = self.received % self.threads.len();
            let Ok(page) = self.threads[turn].1.try_recv() else { break };
            self.received += 1;
            page.into_iter().try_for_each(|looked| verifier.follow(looked))?;
        }
        Ok(())
    }

    fn end(&mut self, verifier: &mut Verifier) -> Result<(), Tampered> {
        while self.received < self.sent {
            let turn = self.received % self.threads.len();
            let page = self.threads[turn].1.recv().expect("each page that was sent comes back");
            self.received += 1;
            page.into_iter().try_for_each(|looked| verifier.follow(looked))?;
        }
        Ok(())
    }
}

/// What one entry says by itself.
struct Looked {
    sequence: u64,
    digest: Digest,
    /// Nothing where the line cannot be read.
    header: Option<LineHeader>,
    /// Nothing where there is no seal or no key.
    seal_is_right: Option<bool>,
}

impl Looked {
    fn at(entry: &StoredEntry, seals: Option<&Seals>) -> Self {
        let digest = entry.digest();
        let seal_is_right = match (seals, &entry.seal) {
            (Some(seals), Some(seal)) => Some(seals.entry(&digest) == *seal),
            _ => None,
        };
        let header = LineHeader::of(&entry.line).ok();
        Self { sequence: entry.sequence, digest, header, seal_is_right }
    }
}

/// Verifies entries from anywhere against the head they should end with. Seals are checked where
/// an entry has one and the key is given.
pub fn verify<'a>(
    stream: &str,
    entries: impl IntoIterator<Item = &'a StoredEntry>,
    head: Option<&SealedHead>,
    key: Option<&MasterKey>,
) -> Result<Verified, Tampered> {
    let mut verifier = Verifier::new(stream, key);
    for entry in entries {
        verifier.push(entry)?;
    }
    verifier.finish(head)
}

/// Verifies entry by entry, for streams too long to hold.
///
/// Which of two neighbours was changed shows only in what follows, so the judgement on an entry is
/// made when the next one, or the end, is known.
#[derive(Debug)]
pub struct Verifier {
    stream: String,
    seals: Option<Seals>,
    last: Head,
    /// What is known of the entry `last`.
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It follows the entry before it, and its seal, where it can be checked, is right.
    Good,
    /// It follows the entry before it, but its seal is wrong.
    WrongSeal,
    /// It names another digest than the entry before it has, and no seal tells which is right.
    Unfitting,
}

impl Verifier {
    /// Starts before the first entry of the stream.
    pub fn new(stream: &str, key: Option<&MasterKey>) -> Self {
        Self::after(stream, key.map(Seals::new), Head::EMPTY)
    }

    /// Starts after an entry that is known to be good.
    pub(crate) fn after(stream: &str, seals: Option<Seals>, last: Head) -> Self {
        Self { stream: stream.to_owned(), seals, last, standing: Standing::Good }
    }

    /// Takes the next entry.
    pub fn push(&mut self, entry: &StoredEntry) -> Result<(), Tampered> {
        self.follow(Looked::at(entry, self.seals.as_ref()))
    }

    /// Takes the next entry, whose digest is known.
    fn follow(&mut self, entry: Looked) -> Result<(), Tampered> {
        let place = self.last.sequence + 1;
        if entry.sequence != place {
            self.judge_last(None)?;
            if entry.sequence == self.last.sequence {
                return Err(self.tampered(entry.sequence, Reason::Doubled));
            }
            return Err(self.tampered(place, Reason::Missing { found: Some(entry.sequence) }));
        }
        let Some(header) = entry.header else {
            self.judge_last(None)?;
            return Err(self.tampered(place, Reason::Changed));
        };
        if header.stream != self.stream || header.sequence != place {
            self.judge_last(None)?;
            let LineHeader { stream, sequence, .. } = header;
            return Err(self.tampered(place, Reason::Misplaced { stream, sequence }));
        }
        self.judge_last(Some(&header.previous))?;
        self.standing = match (header.previous == self.last.digest, entry.seal_is_right) {
            (true, None | Some(true)) => Standing::Good,
            (true, Some(false)) => Standing::WrongSeal,
            (false, Some(false)) => return Err(self.tampered(place, Reason::Changed)),
            // The entry before was sealed and so was this one, but not in one history.
            (false, Some(true)) => return Err(self.tampered(place, Reason::OtherHistory)),
            (false, None) if self.last.sequence < FIRST_SEQUENCE => {
                return Err(self.tampered(place, Reason::Changed));
            }
            (false, None) => Standing::Unfitting,
        };
        self.last = Head { sequence: place, digest: entry.digest };
        Ok(())
    }

    /// Ends the stream, which must be at `head`.
    pub fn finish(self, head: Option<&SealedHead>) -> Result<Verified, Tampered> {
        if let (Some(seals), Some(sealed)) = (&self.seals, head)
            && seals.head(&self.stream, &sealed.head) != *sealed
        {
            self.judge_last(Some(&sealed.head.digest))?;
            return Err(self.tampered(self.last.sequence, Reason::HeadChanged));
        }
        let Head { sequence, digest } = head.map_or(Head::EMPTY, |sealed| sealed.head);
        if sequence < self.last.sequence {
            self.judge_last(None)?;
            return Err(self.tampered(sequence + 1, Reason::BehindHead));
        }
        if sequence > self.last.sequence {
            self.judge_last(None)?;
            let place = self.last.sequence + 1;
            return Err(self.tampered(place, Reason::Missing { found: None }));
        }
        self.judge_last(Some(&digest))?;
        if digest != self.last.digest {
            return Err(self.tampered(sequence, Reason::Changed));
        }
        Ok(Verified { stream: self.stream, entries: self.last.sequence, head: self.last })
    }

    /// Judges the last entry by the digest that its successor recorded of it, where there is one.
    pub(crate) fn judge_last(&self, recorded: Option<&Digest>) -> Result<(), Tampered> {
        let last = self.last.sequence;
        let as_recorded = recorded == Some(&self.last.digest);
        let (sequence, reason) = match self.standing {
            Standing::Good => return Ok(()),
            Standing::WrongSeal if as_recorded => (last, Reason::Rewritten),
            Standing::WrongSeal => (last, Reason::Changed),
            // The successor vouches for this entry, so it is the one before it that was changed.
            Standing::Unfitting if as_recorded || recorded.is_none() => (last - 1, Reason::Changed),
            Standing::Unfitting => (last, Reason::Changed),
        };
        Err(self.tampered(sequence, reason))
    }

    fn tampered(&self, sequence: u64, reason: Reason) -> Tampered {
        Tampered { stream: self.stream.clone(), sequence, reason }
    }
}

#[cfg(test)]
mod tests;
