//! Learns what the owners of other streams append.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use qnt9_model::StreamId;
use qnt9_store::{LogHandle, LogRead};

use crate::machine::{LoadError, Machine, tail};

/// How often it is looked for new entries.
const PULSE: Duration = Duration::from_millis(100);

/// The thread, until it is stopped.
pub(super) struct Handle {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Handle {
    pub(super) fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!("the thread that follows other servers had panicked");
        }
    }
}

pub(super) fn start(machine: Machine, log: LogHandle) -> std::io::Result<Handle> {
    let stopping = Arc::new(AtomicBool::new(false));
    let stop = stopping.clone();
    let thread = std::thread::Builder::new()
        .name("follower".to_owned())
        .spawn(move || follow(&machine, &log, &stop))?;
    Ok(Handle { stopping, thread })
}

fn follow(machine: &Machine, log: &LogHandle, stop: &AtomicBool) {
    let mut reader: Option<Box<dyn LogRead>> = None;
    let mut was_away = false;
    while !stop.load(Ordering::Acquire) {
        let looked = match &reader {
            Some(reader) => look(machine, reader.as_ref()),
            None => log.reader().wait().map(|fresh| reader = Some(fresh)).map_err(LoadError::from),
        };
        match looked {
            Ok(()) => was_away = false,
            Err(error) => {
                if !was_away {
                    tracing::warn!("what other servers append is not seen: {error}");
                }
                was_away = true;
                reader = None;
            }
        }
        std::thread::sleep(PULSE);
    }
}

fn look(machine: &Machine, log: &dyn LogRead) -> Result<(), LoadError> {
    for (stream, newest) in log.heads()? {
        let stream = StreamId::from(stream);
        let head = machine.head(&stream);
        if newest.sequence > head.sequence && !machine.owns(&stream) {
            machine.follow(&stream, tail(log, &stream, head)?);
        }
    }
    Ok(())
}
