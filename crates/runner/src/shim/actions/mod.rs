//! The actions that are built in: those whose originals need GitHub or node.

mod artifacts;
mod checkout;
mod inputs;
mod setup_terraform;

use std::collections::BTreeMap;
use std::io;

use super::control::StepLimits;
use super::heard::Heard;
use super::job::Job;
use super::supervise::StepEnd;
use crate::journal::AnnotationLevel;
use inputs::{Inputs, Known};

/// What an action works with.
pub(super) struct ActionWork<'w, 's> {
    pub(super) job: &'w mut Job<'s>,
    pub(super) limits: StepLimits,
    pub(super) heard: &'w mut Heard,
    /// The environment of the step's processes.
    pub(super) env: BTreeMap<String, String>,
    pub(super) index: u32,
}

type Outputs = Vec<(String, String)>;

/// Why an action did not do its work.
#[derive(Debug)]
enum Undone {
    /// With the sentence for the step's log.
    Failed(String),
    Cancelled,
    /// The journal cannot be written.
    Journal(io::Error),
}

impl Undone {
    fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }
}

impl From<io::Error> for Undone {
    fn from(error: io::Error) -> Self {
        Self::Journal(error)
    }
}

const NAMES: [&str; 4] = [
    "actions/checkout",
    "actions/upload-artifact",
    "actions/download-artifact",
    "hashicorp/setup-terraform",
];

/// Carries out the action that `reference` (`owner/name@version`) names.
pub(super) async fn carry_out(
    work: &mut ActionWork<'_, '_>,
    reference: &str,
    inputs: Vec<(String, String)>,
) -> io::Result<(StepEnd, Outputs)> {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    let known: &[Known] = match name.to_ascii_lowercase().as_str() {
        "actions/checkout" => checkout::INPUTS,
        "actions/upload-artifact" => artifacts::UPLOAD_INPUTS,
        "actions/download-artifact" => artifacts::DOWNLOAD_INPUTS,
        "hashicorp/setup-terraform" => setup_terraform::INPUTS,
        _ => {
            let why = format!(
                "The action {reference} is not built in, and no other can be run yet. \
                 Built in are {}.",
                NAMES.join(", ")
            );
            return Ok((StepEnd::Failed(why), Outputs::new()));
        }
    };
    work.announce(reference, &inputs)?;
    let inputs = match Inputs::new(known, inputs) {
        Ok((inputs, unexpected)) => {
            if let Some(warning) = unexpected {
                work.heard.say(AnnotationLevel::Warning, warning, &work.job.log)?;
            }
            inputs
        }
        Err(why) => return Ok((StepEnd::Failed(why), Outputs::new())),
    };
    let done = match name.to_ascii_lowercase().as_str() {
        "actions/checkout" => checkout::check_out(work, &inputs).await,
        "actions/upload-artifact" => artifacts::upload(work, &inputs).await,
        "actions/download-artifact" => artifacts::download(work, &inputs).await,
        _ => setup_terraform::set_up(work, &inputs).await,
    };
    match done {
        Ok(outputs) => Ok((StepEnd::Done, outputs)),
        Err(Undone::Failed(why)) => Ok((StepEnd::Failed(why), Outputs::new())),
        Err(Undone::Cancelled) => Ok((StepEnd::Cancelled, Outputs::new())),
        Err(Undone::Journal(error)) => Err(error),
    }
}

impl ActionWork<'_, '_> {
    /// Shows what will run, as GitHub's logs do.
    fn announce(&self, reference: &str, inputs: &[(String, String)]) -> io::Result<()> {
        let mut lines = vec![format!("##[group]Run {reference}")];
        if !inputs.is_empty() {
            lines.push("with:".into());
            lines.extend(inputs.iter().map(|(name, value)| format!("  {name}: {value}")));
        }
        lines.push("##[endgroup]".into());
        self.job.log.lines(lines.iter().map(String::as_str))
    }

    fn say(&self, line: &str) -> Result<(), Undone> {
        Ok(self.job.log.line(line)?)
    }

    fn warn(&mut self, message: String) -> Result<(), Undone> {
        Ok(self.heard.say(AnnotationLevel::Warning, message, &self.job.log)?)
    }

    /// Waits for work that is not a process, unless the step must stop before.
    async fn or_stop<T>(
        &mut self,
        work: impl Future<Output = Result<T, String>>,
    ) -> Result<T, Undone> {
        use super::control::Stop;
        tokio::select! {
            done = work => done.map_err(Undone::Failed),
            stop = self.job.control.stop(self.limits) => Err(match stop? {
                Stop::Cancelled | Stop::Killed => Undone::Cancelled,
                Stop::StepTimeout => Undone::failed("The step has timed out."),
            }),
        }
    }
}
