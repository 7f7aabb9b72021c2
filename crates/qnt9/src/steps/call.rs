//! What every step command shares: who it speaks for, the number of its call, its outputs, and the
//! note of the time it took.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use qnt9_runner::journal::Interval;
use qnt9_runner::note_own_time;
use qnt9_server::api::shapes::{Call, StepContext};
use qnt9_server::machine;

use crate::client::Client;
use crate::failure::Failure;

/// One call of a step command.
pub struct StepCall {
    pub client: Client,
    own_time: Option<PathBuf>,
    /// Since when the time is qnt9's own; `None` while it is somebody else's.
    own_since: Option<i64>,
}

impl StepCall {
    /// The call that this process is.
    pub fn begin() -> Result<Self, Failure> {
        let client = Client::of_step()?;
        let own_time = variable("QNT9_OWN_TIME").map(PathBuf::from);
        Ok(Self { client, own_time, own_since: Some(machine::now().0) })
    }

    /// The key of a request that changes something. Each has a number of its own in its step, so a
    /// request that is repeated after a lost answer is known, and two alike are told apart.
    pub fn key(&self) -> Result<Call, Failure> {
        let step = variable("QNT9_STEP").and_then(|step| step.parse().ok()).ok_or_else(|| {
            Failure::new("this command works inside a step of a job only")
                .detail("QNT9_STEP, which a step has, is not set")
        })?;
        let counter = self.own_time.as_deref().unwrap_or(Path::new("qnt9")).with_extension("calls");
        let failed =
            |error| Failure::because(format!("cannot count in {}", counter.display()), &error);
        // Appending one byte is atomic, and the length is then this call's number.
        let mut file = File::options().append(true).create(true).open(&counter).map_err(failed)?;
        file.write_all(b".").map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let call = u32::try_from(length).map_err(|_| Failure::new("too many calls in one step"))?;
        Ok(Call { step, call })
    }

    /// What the step belongs to.
    pub async fn context(&self) -> Result<StepContext, Failure> {
        self.client.get("/api/v1/step/context").await
    }

    /// From here on the time is not qnt9's own: a declared wait, or load.
    pub fn pause_own_time(&mut self) {
        if let (Some(since), Some(file)) = (self.own_since.take(), &self.own_time) {
            let (start, end) = (unsigned(since), unsigned(machine::now().0));
            if let Err(error) = note_own_time(file, Interval { start, end }) {
                tracing::warn!("the time of this command is not noted: {error}");
            }
        }
    }

    /// From here on it is again.
    pub fn resume_own_time(&mut self) {
        self.own_since = Some(machine::now().0);
    }
}

impl Drop for StepCall {
    fn drop(&mut self) {
        self.pause_own_time();
    }
}

fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// Whether this process was started by a step of a job.
pub fn is_inside() -> bool {
    variable("QNT9_STEP").is_some()
}

/// A variable of the step's environment, when it is set to something.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Sets an output of the step.
pub fn output(name: &str, value: &str) -> Result<(), Failure> {
    let Some(path) = variable("GITHUB_OUTPUT") else { return Ok(()) };
    let failed = |error| Failure::because(format!("cannot write the outputs to {path}"), &error);
    let mut file = File::options().append(true).create(true).open(&path).map_err(failed)?;
    writeln!(file, "{name}={value}").map_err(failed)
}

/// Adds to the step's summary, which is shown on the page of its run.
pub fn summary(markdown: &str) -> Result<(), Failure> {
    let Some(path) = variable("GITHUB_STEP_SUMMARY") else { return Ok(()) };
    let failed = |error| Failure::because(format!("cannot write the summary to {path}"), &error);
    let mut file = File::options().append(true).create(true).open(&path).map_err(failed)?;
    writeln!(file, "{}", markdown.trim_end()).map_err(failed)
}
