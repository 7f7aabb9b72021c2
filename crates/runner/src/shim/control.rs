use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::log::JobLog;
use crate::clock::now_ms;
use crate::journal::{Annotation, AnnotationLevel, Record};
use crate::spec::Patience;

/// Whether and when work must stop: the wish to cancel, and the clocks of the job and the step.
pub(super) struct Control {
    wish: watch::Receiver<bool>,
    noted: watch::Sender<bool>,
    log: Arc<JobLog>,
    job_deadline: Instant,
    patience: Patience,
    cancelled: Option<Instant>,
}

/// Why a step must stop now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Cancelled,
    StepTimeout,
}

/// What a step has to say about stopping.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepLimits {
    pub(super) deadline: Option<Instant>,
    /// The step's condition holds in a cancelled job too, so a cancel does not stop it at once.
    pub(super) survives_cancel: bool,
}

impl Control {
    pub(super) fn new(
        wish: watch::Receiver<bool>,
        noted: watch::Sender<bool>,
        log: Arc<JobLog>,
        patience: Patience,
    ) -> Self {
        let job_deadline = Instant::now() + Duration::from_millis(patience.job_ms);
        Self { wish, noted, log, job_deadline, patience, cancelled: None }
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Whether the job is cancelled by now, noting it if that is new.
    pub(super) fn is_cancelled(&mut self) -> io::Result<bool> {
        if self.cancelled.is_none() && *self.wish.borrow() {
            self.note_wish()?;
        }
        if self.cancelled.is_none() && Instant::now() >= self.job_deadline {
            self.note_timeout()?;
        }
        Ok(self.cancelled.is_some())
    }

    /// Resolves when the running step must stop. Cancel-safe.
    pub(super) async fn stop(&mut self, step: StepLimits) -> io::Result<Stop> {
        loop {
            let far = Instant::now() + Duration::from_secs(365 * 24 * 60 * 60);
            let limit = self.cancelled.map_or(self.job_deadline, |at| {
                at + Duration::from_millis(self.patience.cancel_ms)
            });
            let was_cancelled = self.cancelled.is_some();
            if was_cancelled && !step.survives_cancel {
                return Ok(Stop::Cancelled);
            }
            let is_timeout = tokio::select! {
                () = sleep_until(step.deadline.unwrap_or(far)) => return Ok(Stop::StepTimeout),
                () = sleep_until(limit) => {
                    if was_cancelled {
                        return Ok(Stop::Cancelled);
                    }
                    true
                }
                wish = self.wish.wait_for(|wish| *wish), if !was_cancelled => {
                    wish.map_err(io::Error::other)?;
                    false
                }
            };
            if is_timeout { self.note_timeout() } else { self.note_wish() }?;
        }
    }

    fn note_wish(&mut self) -> io::Result<()> {
        self.cancelled = Some(Instant::now());
        self.log.record(&Record::CancelRequested { at: now_ms() })?;
        self.log.sync()?;
        self.noted.send_replace(true);
        Ok(())
    }

    /// GitHub cancels a job that runs for too long.
    fn note_timeout(&mut self) -> io::Result<()> {
        self.cancelled = Some(Instant::now());
        let minutes = Duration::from_millis(self.patience.job_ms).as_secs_f64() / 60.0;
        let message =
            format!("The job has exceeded the maximum execution time of {minutes} minutes.");
        self.log.line(&format!("##[error]{message}"))?;
        self.log.record(&Record::Annotation {
            step: None,
            annotation: Annotation::new(AnnotationLevel::Error, message),
        })
    }
}
