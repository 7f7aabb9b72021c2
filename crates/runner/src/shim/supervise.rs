use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until};

use super::control::{Control, StepLimits, Stop};
use super::heard::Heard;
use super::log::JobLog;
use crate::journal::Record;
use crate::limits::OUTPUT_DRAIN;
use crate::lines::Lines;
use crate::process::{Group, Invocation, ProcessId};

const READ_BYTES: usize = 64 * 1024;

/// How a step's work came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StepEnd {
    Done,
    /// With the sentence that says why.
    Failed(String),
    Cancelled,
}

/// Runs a process of a step to its end, or stops it; what it prints is heard and logged.
/// An error is one of the journal, after which the job cannot go on.
pub(super) async fn supervise(
    invocation: &Invocation,
    control: &mut Control,
    limits: StepLimits,
    log: &Arc<JobLog>,
    heard: &mut Heard,
) -> io::Result<StepEnd> {
    let (mut group, pipe) = match Group::spawn(invocation) {
        Ok(started) => started,
        Err(error) => {
            let program = invocation.program.display();
            return Ok(StepEnd::Failed(format!("Cannot start {program}: {error}.")));
        }
    };
    if let Some(process) = ProcessId::of(group.pid()) {
        log.record(&Record::ProcessStarted { step: heard.step(), process })?;
    }
    let mut output = Output { pipe, lines: Lines::default(), chunk: vec![0; READ_BYTES] };
    let mut is_open = true;
    let stop = loop {
        tokio::select! {
            count = output.read(), if is_open => is_open = output.hear(count, log, heard)?,
            status = group.wait() => break Err(status?),
            stop = control.stop(limits) => break Ok(stop?),
        }
    };
    let end = match stop {
        Err(status) => end_of(status),
        Ok(stop) => {
            let mut is_killed = stop == Stop::Killed;
            if !is_killed {
                let patience = control.patience();
                let asks = [
                    (Signal::INT, Duration::from_millis(patience.interrupt_ms)),
                    (Signal::TERM, Duration::from_millis(patience.terminate_ms)),
                ];
                let stopping = group.stop(&asks);
                tokio::pin!(stopping);
                loop {
                    tokio::select! {
                        count = output.read(), if is_open => {
                            is_open = output.hear(count, log, heard)?;
                        }
                        stopped = &mut stopping => { stopped?; break }
                        killed = control.killed() => { killed?; is_killed = true; break }
                    }
                }
            }
            if is_killed {
                group.stop(&[]).await?;
            }
            match stop {
                Stop::Cancelled | Stop::Killed => StepEnd::Cancelled,
                Stop::StepTimeout => StepEnd::Failed("The step has timed out.".into()),
            }
        }
    };
    output.drain(is_open, log, heard).await?;
    Ok(end)
}

fn end_of(status: ExitStatus) -> StepEnd {
    match (status.code(), status.signal()) {
        (Some(0), _) => StepEnd::Done,
        (Some(code), _) => StepEnd::Failed(format!("Process completed with exit code {code}.")),
        (None, Some(signal)) => StepEnd::Failed(format!("Process was ended by signal {signal}.")),
        (None, None) => StepEnd::Failed(format!("Process ended in an unknown way: {status}.")),
    }
}

/// What a process prints.
struct Output {
    pipe: pipe::Receiver,
    lines: Lines,
    chunk: Vec<u8>,
}

impl Output {
    /// Cancel-safe: a chunk is either read and returned, or not read.
    async fn read(&mut self) -> io::Result<usize> {
        self.pipe.read(&mut self.chunk).await
    }

    /// Takes in what was read. False at the end of the output.
    fn hear(
        &mut self,
        count: io::Result<usize>,
        log: &JobLog,
        heard: &mut Heard,
    ) -> io::Result<bool> {
        let count = count?;
        let bytes = &self.chunk[..count];
        let segments = log.with_masker(|masker| match bytes {
            [] => self.lines.finish(masker),
            bytes => self.lines.push(bytes, masker),
        });
        heard.lines(segments, log)?;
        Ok(count > 0)
    }

    /// Reads what a process that has ended left in the pipe. A background child may hold the pipe
    /// open for longer; then its lines go to the log for as long as the job lasts.
    async fn drain(
        mut self,
        is_open: bool,
        log: &Arc<JobLog>,
        heard: &mut Heard,
    ) -> io::Result<()> {
        let deadline = Instant::now() + OUTPUT_DRAIN;
        let mut is_open = is_open;
        while is_open {
            tokio::select! {
                count = self.read() => is_open = self.hear(count, log, heard)?,
                () = sleep_until(deadline) => {
                    tokio::spawn(self.log_on(Arc::clone(log)));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn log_on(mut self, log: Arc<JobLog>) {
        loop {
            let count = self.read().await.unwrap_or(0);
            let bytes = &self.chunk[..count];
            let segments = log.with_masker(|masker| match bytes {
                [] => self.lines.finish(masker),
                bytes => self.lines.push(bytes, masker),
            });
            let logged = log.lines(segments.iter().map(|segment| segment.text.as_str()));
            if count == 0 || logged.is_err() {
                return;
            }
        }
    }
}
