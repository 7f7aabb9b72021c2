use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::log::JobLog;
use crate::clock::now_ms;
use crate::journal::{Annotation, AnnotationLevel, Record};
use crate::spec::Patience;

/// What somebody outside wants of the job. The later ones include the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    GoOn,
    /// Steps are asked to end, and `always()` steps run.
    Cancel,
    /// Every process ends now, and no step begins.
    Kill,
}

impl Wish {
    /// Says what is wanted now; nobody can want less than was wanted before.
    pub(super) fn raise(wish: &watch::Sender<Self>, to: Self) {
        wish.send_if_modified(|wish| {
            let is_more = to > *wish;
            *wish = to.max(*wish);
            is_more
        });
    }
}

/// Whether and when work must stop: what is wanted outside, and the clocks of the job and the step.
pub(super) struct Control {
    wish: watch::Receiver<Wish>,
    noted: watch::Sender<bool>,
    log: Arc<JobLog>,
    job_deadline: Instant,
    patience: Patience,
    cancelled: Option<Instant>,
    killed: bool,
}

/// Why a step must stop now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Cancelled,
    StepTimeout,
    /// At once, whatever the step has to say about it.
    Killed,
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
        wish: watch::Receiver<Wish>,
        noted: watch::Sender<bool>,
        log: Arc<JobLog>,
        patience: Patience,
    ) -> Self {
        let job_deadline = Instant::now() + Duration::from_millis(patience.job_ms);
        Self { wish, noted, log, job_deadline, patience, cancelled: None, killed: false }
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Whether the job is cancelled by now, noting it if that is new.
    pub(super) fn is_cancelled(&mut self) -> io::Result<bool> {
        self.note_wish()?;
        if self.cancelled.is_none() && Instant::now() >= self.job_deadline {
            self.note_timeout()?;
        }
        Ok(self.cancelled.is_some())
    }

    /// Whether the job must end at once.
    pub(super) fn is_killed(&mut self) -> io::Result<bool> {
        self.note_wish()?;
        Ok(self.killed)
    }

    /// Resolves when the job must end at once. Cancel-safe.
    pub(super) async fn killed(&mut self) -> io::Result<()> {
        self.wish.wait_for(|wish| *wish == Wish::Kill).await.map_err(io::Error::other)?;
        self.note_wish()
    }

    /// Resolves when the running step must stop. Cancel-safe.
    pub(super) async fn stop(&mut self, step: StepLimits) -> io::Result<Stop> {
        loop {
            if self.is_killed()? {
                return Ok(Stop::Killed);
            }
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
                wish = self.wish.wait_for(|wish| *wish == Wish::Kill || !was_cancelled && *wish == Wish::Cancel) => {
                    wish.map_err(io::Error::other)?;
                    false
                }
            };
            if is_timeout {
                self.note_timeout()?;
            }
        }
    }

    /// Puts into the journal what is wanted, if that is new.
    fn note_wish(&mut self) -> io::Result<()> {
        let wish = *self.wish.borrow();
        let record = match wish {
            Wish::Kill if !self.killed => Record::KillRequested { at: now_ms() },
            Wish::Cancel if self.cancelled.is_none() => Record::CancelRequested { at: now_ms() },
            Wish::GoOn | Wish::Cancel | Wish::Kill => return Ok(()),
        };
        self.cancelled.get_or_insert_with(Instant::now);
        self.killed = wish == Wish::Kill;
        self.log.record(&record)?;
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
