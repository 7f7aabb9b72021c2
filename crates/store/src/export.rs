//! The chain as JSON Lines, to be verified without this store, or by other people's tools.
//!
//! For each stream come its lines, byte for byte as they were hashed, and then one line
//! `{"head":{"stream":..,"sequence":..,"digest":..,"seal":..}}`. The digest of line `n` is what line
//! `n + 1` names as `previous`; that of the last one is in the head. The head's seal, which needs the
//! master key to check, covers the whole chain. Texts are not exported.

use crate::digest::Digest;
use crate::entry::{LineHeader, StoredEntry};
use crate::key::MasterKey;
use crate::log::{FIRST_SEQUENCE, Head, LogRead, SealedHead};
use crate::verify::{Verified, Verifier, VerifyError};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};

/// Entries are read in pages of this many.
const PAGE_ENTRIES: u64 = 1000;

/// Writes one stream, from its first entry to the head it has now. Nothing is verified here.
pub fn export(log: &dyn LogRead, stream: &str, out: &mut dyn Write) -> Result<(), VerifyError> {
    let Some(SealedHead { head, seal }) = log.sealed_head(stream)? else { return Ok(()) };
    let mut from = FIRST_SEQUENCE;
    while from <= head.sequence {
        let limit = PAGE_ENTRIES.min(head.sequence - from + 1);
        let page = log.read(stream, from, usize::try_from(limit).unwrap_or(usize::MAX))?;
        let Some(last) = page.last() else { break };
        from = last.sequence.saturating_add(1);
        for entry in &page {
            out.write_all(&entry.line)?;
            out.write_all(b"\n")?;
        }
    }
    let Head { sequence, digest } = head;
    let end = EndLine { head: ExportedHead { stream: stream.to_owned(), sequence, digest, seal } };
    serde_json::to_writer(&mut *out, &end).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Verifies every stream of an export. Without the key only the chain is checked, and a chain that
/// was rewritten to its end is then found only by comparing its head with one kept elsewhere.
pub fn verify_export(
    mut input: impl BufRead,
    key: Option<&MasterKey>,
) -> Result<Vec<Verified>, VerifyError> {
    let mut verified: Vec<Verified> = Vec::new();
    let mut current: Option<(Verifier, u64)> = None;
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        let refuse =
            |problem: &str| VerifyError::NoExport { line: number, problem: problem.into() };
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Err(refuse("it is cut: no newline ends it"));
        }
        if let Ok(EndLine { head }) = serde_json::from_slice::<EndLine>(&line) {
            let (verifier, _) =
                current.take().ok_or_else(|| refuse("a head without entries before it"))?;
            if verified.iter().any(|other| other.stream == head.stream) {
                return Err(refuse("the stream was there before"));
            }
            verified.push(verifier.finish(Some(&head.sealed()))?);
            continue;
        }
        let header = LineHeader::of(&line);
        let (verifier, place) = match &mut current {
            Some(current) => current,
            None => {
                let header = header.as_ref().map_err(|reason| refuse(reason))?;
                current.insert((Verifier::new(&header.stream, key), FIRST_SEQUENCE))
            }
        };
        // A line that cannot be read stands for the one expected there.
        let sequence = header.map_or(*place, |header| header.sequence);
        verifier.push(&StoredEntry { sequence, line: std::mem::take(&mut line), seal: None })?;
        *place += 1;
    }
    match current {
        None => Ok(verified),
        Some(_) => Err(VerifyError::NoExport {
            line: number,
            problem: "the export ends without the head of its last stream: it is cut".to_owned(),
        }),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    head: ExportedHead,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedHead {
    stream: String,
    sequence: u64,
    digest: Digest,
    seal: Digest,
}

impl ExportedHead {
    const fn sealed(&self) -> SealedHead {
        let head = Head { sequence: self.sequence, digest: self.digest };
        SealedHead { head, seal: self.seal }
    }
}

#[cfg(test)]
mod tests;
