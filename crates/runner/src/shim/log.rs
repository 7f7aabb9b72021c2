use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::clock::now_ms;
use crate::journal::{LogLine, Record, Writer};
use crate::limits::{JOB_LOG_BYTES_MAX, LOG_RECORD_LINES_MAX};
use crate::mask::Masker;

/// What the job says and does, on its way into the journal. Everything that passes is masked.
pub(crate) struct JobLog {
    inner: Mutex<Inner>,
    end: watch::Sender<u64>,
}

struct Inner {
    writer: Writer,
    masker: Masker,
    step: Option<u32>,
    line_bytes: u64,
}

impl JobLog {
    pub(crate) fn new(writer: Writer, masker: Masker) -> Self {
        let end = watch::Sender::new(writer.end());
        Self { inner: Mutex::new(Inner { writer, masker, step: None, line_bytes: 0 }), end }
    }

    /// Tells where the journal ends, whenever it grows.
    pub(crate) fn watch_end(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    /// The step to which lines belong from now on.
    pub(crate) fn set_step(&self, step: Option<u32>) {
        self.lock().step = step;
    }

    pub(crate) fn record(&self, record: &Record) -> io::Result<()> {
        let mut inner = self.lock();
        inner.writer.append(record)?;
        self.end.send_replace(inner.writer.end());
        Ok(())
    }

    /// Puts everything so far on the disk: the border between two steps.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.lock().writer.sync()
    }

    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        self.lines([text])
    }

    /// Appends lines with the time of now. Text with line feeds becomes several.
    pub(crate) fn lines<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> io::Result<()> {
        let at = now_ms();
        let mut inner = self.lock();
        let mut lines = Vec::new();
        for text in texts {
            let masked = inner.masker.mask(text).into_owned();
            for part in masked.split('\n') {
                if inner.line_bytes > JOB_LOG_BYTES_MAX {
                    break;
                }
                inner.line_bytes += part.len() as u64 + 1;
                let text = if inner.line_bytes > JOB_LOG_BYTES_MAX {
                    "##[warning]The log of this job is full. Its further lines are not kept."
                } else {
                    part
                };
                lines.push(LogLine { at, text: text.to_owned() });
            }
        }
        let step = inner.step;
        while !lines.is_empty() {
            let rest = lines.split_off(lines.len().min(LOG_RECORD_LINES_MAX));
            inner.writer.append(&Record::Log { step, lines })?;
            lines = rest;
        }
        self.end.send_replace(inner.writer.end());
        Ok(())
    }

    pub(crate) fn mask(&self, text: &str) -> String {
        self.lock().masker.mask(text).into_owned()
    }

    pub(crate) fn contains_secret(&self, text: &str) -> bool {
        self.lock().masker.contains_secret(text)
    }

    pub(crate) fn add_mask(&self, secret: &str) {
        self.lock().masker.add(secret);
    }

    pub(crate) fn with_masker<T>(&self, use_it: impl FnOnce(&Masker) -> T) -> T {
        use_it(&self.lock().masker)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while appending can at worst leave a torn tail, which readers ignore.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
