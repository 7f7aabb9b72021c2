use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::frame::{FrameError, decode};
use super::{PROTOCOL_VERSION, Record};
use crate::shim_dir::ShimDir;
use crate::socket::{self, Request, Welcome};

const READ_BYTES: usize = 64 * 1024;

/// Why a journal cannot be read on.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file cannot be read.
    #[error("cannot read the journal {path}")]
    Read {
        /// The journal.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its bytes are not what was written.
    #[error("{path}")]
    Frame {
        /// The journal.
        path: PathBuf,
        /// Which bytes.
        #[source]
        source: FrameError,
    },
    /// Its writer is newer than this program.
    #[error(
        "the shim of {path} speaks protocol version {theirs}, this program knows up to \
         {PROTOCOL_VERSION}; start the newer program again, or wait until the job has ended"
    )]
    Version {
        /// The journal.
        path: PathBuf,
        /// The version of its writer.
        theirs: u32,
    },
}

impl JournalError {
    /// Whether its bytes have changed since they were written, which no second look can mend.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Frame { source: FrameError::Damaged { .. }, .. })
    }
}

/// Bytes of a journal turned into records, wherever they come from.
#[derive(Debug)]
struct Decoder {
    buffer: Vec<u8>,
    consumed: usize,
    offset: u64,
}

impl Decoder {
    fn new(offset: u64) -> Self {
        Self { buffer: Vec::new(), consumed: 0, offset }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Result<Option<Record>, FrameError> {
        let decoded = decode(&self.buffer[self.consumed..], self.offset)?;
        Ok(decoded.map(|(record, bytes)| {
            self.consumed += bytes;
            self.offset += bytes as u64;
            record
        }))
    }
}

/// Reads the records that a journal file holds now. A torn tail ends the reading like the end of
/// the file; damage before it is an error.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: File,
    decoder: Decoder,
}

impl Reader {
    /// Opens `path` at `offset`, which must be a border between records: 0 or [`Reader::offset`].
    pub fn open(path: &Path, offset: u64) -> Result<Self, JournalError> {
        let open = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        };
        let file = open().map_err(|source| JournalError::Read { path: path.into(), source })?;
        Ok(Self { path: path.into(), file, decoder: Decoder::new(offset) })
    }

    /// The next complete record, `None` when there is none yet.
    pub fn next_record(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            match self.decoder.next() {
                Ok(Some(record)) => return self.known(record).map(Some),
                Ok(None) => {}
                Err(source) => {
                    return Err(JournalError::Frame { path: self.path.clone(), source });
                }
            }
            let mut chunk = vec![0; READ_BYTES];
            let count = self
                .file
                .read(&mut chunk)
                .map_err(|source| JournalError::Read { path: self.path.clone(), source })?;
            if count == 0 {
                return Ok(None);
            }
            self.decoder.push(&chunk[..count]);
        }
    }

    /// The offset behind the last record returned.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.decoder.offset
    }

    fn known(&self, record: Record) -> Result<Record, JournalError> {
        match record {
            Record::Hello { protocol, .. } if protocol > PROTOCOL_VERSION => {
                Err(JournalError::Version { path: self.path.clone(), theirs: protocol })
            }
            record => Ok(record),
        }
    }
}

/// Follows a job to its end: from the shim's socket while it lives, from the file afterwards.
#[derive(Debug)]
pub struct Follow {
    dir: ShimDir,
    offset: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Start,
    Socket { stream: UnixStream, decoder: Decoder },
    File(Reader),
}

impl Follow {
    /// Follows the job of `dir` from `offset` on; see [`Follow::offset`].
    #[must_use]
    pub fn new(dir: &Path, offset: u64) -> Self {
        Self { dir: ShimDir::new(dir), offset, source: Source::Start }
    }

    /// The next record. `None` when the shim is gone and the file holds nothing more: if the last
    /// record was not `JobFinished`, the shim died. Cancel-safe: nothing is lost or read twice.
    pub async fn next(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            match &mut self.source {
                Source::Start => self.source = self.connect().await?,
                Source::Socket { stream, decoder } => {
                    let decoded = decoder.next().map_err(|source| JournalError::Frame {
                        path: self.dir.journal(),
                        source,
                    })?;
                    if let Some(record) = decoded {
                        self.offset = decoder.offset;
                        return Ok(Some(record));
                    }
                    let mut chunk = vec![0; READ_BYTES];
                    match stream.read(&mut chunk).await {
                        Ok(count) if count > 0 => decoder.push(&chunk[..count]),
                        // The shim closes when it has finished, and a dead one is cut off: in both
                        // cases the file knows the rest.
                        Ok(_) | Err(_) => {
                            self.source =
                                Source::File(Reader::open(&self.dir.journal(), self.offset)?);
                        }
                    }
                }
                Source::File(reader) => {
                    let record = reader.next_record()?;
                    self.offset = reader.offset();
                    return Ok(record);
                }
            }
        }
    }

    /// The offset behind the last record returned, from which another `Follow` can go on.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    async fn connect(&self) -> Result<Source, JournalError> {
        let journal = self.dir.journal();
        match self.greet().await {
            Ok((stream, welcome)) if welcome.protocol <= PROTOCOL_VERSION => {
                Ok(Source::Socket { stream, decoder: Decoder::new(self.offset) })
            }
            Ok((_, welcome)) => {
                Err(JournalError::Version { path: journal, theirs: welcome.protocol })
            }
            // Nobody listens: the shim has ended, one way or the other.
            Err(_) => Ok(Source::File(Reader::open(&journal, self.offset)?)),
        }
    }

    async fn greet(&self) -> io::Result<(UnixStream, Welcome)> {
        let mut stream = self.dir.connect().await?;
        socket::send(&mut stream, &Request::Follow { from: self.offset }).await?;
        let welcome = socket::receive(&mut stream).await?;
        Ok((stream, welcome))
    }
}
