//! Going on where an earlier attempt failed: its steps count as they ended, and its workspace is copied.

use std::collections::BTreeMap;
use std::io;

use super::handed_on::{HandedOn, join};
use super::job::Job;
use super::read_spec;
use crate::clock::now_ms;
use crate::journal::{Reader, Record, StepConclusion, ValuePart};
use crate::kept::copy_tree;
use crate::shim_dir::ShimDir;
use crate::spec::{Folders, JobSecrets, ResumeFrom};

/// What stays behind of the earlier attempt's temporary folder: this attempt has its own.
const TEMP_OF_ITS_OWN: [&str; 3] = ["_runner_file_commands", "_github_workflow", "terraform.rc"];

/// A step that had ended.
struct Ended {
    name: String,
    outcome: StepConclusion,
    conclusion: StepConclusion,
    outputs: BTreeMap<String, String>,
}

/// What the earlier attempt's journal says of the steps before the one to start from.
#[derive(Default)]
struct Earlier {
    steps: BTreeMap<u32, Ended>,
    env: BTreeMap<String, Option<Vec<ValuePart>>>,
    paths: Vec<String>,
    masked: bool,
}

impl Job<'_> {
    /// Brings the job to where the earlier attempt stood before the step. The inner error says, for
    /// people, why that cannot be; nothing of the job was carried out then.
    pub(super) async fn take_over(&mut self, from: &ResumeFrom) -> io::Result<Result<(), String>> {
        let earlier = match self.earlier(from) {
            Ok(earlier) => earlier,
            Err(why) => return Ok(Err(why)),
        };
        if let Err(why) = self.copy_folders(from).await {
            return Ok(Err(why));
        }
        if let Err(why) = self.hand_on(&earlier) {
            return Ok(Err(why));
        }
        for (index, ended) in earlier.steps {
            let Some(step) = self.spec.steps.get(index as usize) else { continue };
            self.log.set_step(Some(index));
            let said =
                format!("Taken over from attempt {}: {}.", from.attempt, ended.conclusion.as_str());
            self.log.line(&said)?;
            if index + 1 == from.step {
                self.note_handed_on(index, false)?;
            }
            let conclusions = [ended.outcome, ended.conclusion];
            let now = now_ms();
            self.record_finish(index, step, ended.name, conclusions, ended.outputs, now, vec![])?;
        }
        Ok(Ok(()))
    }

    fn earlier(&self, from: &ResumeFrom) -> Result<Earlier, String> {
        let steps = self.spec.steps.len();
        if from.step as usize >= steps {
            return Err(format!("There is no step {}: the job has {steps}.", from.step + 1));
        }
        let old = read_spec(&ShimDir::new(&from.attempt_dir)).map_err(|error| error.to_string())?;
        let mut earlier = read(from)?;
        earlier.move_places(&old.folders, &self.spec.folders);
        for index in 0..from.step {
            let number = index + 1;
            match earlier.steps.get(&index).map(|ended| ended.conclusion) {
                Some(StepConclusion::Success | StepConclusion::Skipped) => {}
                Some(StepConclusion::Failure | StepConclusion::Cancelled) => {
                    return Err(format!(
                        "Step {number} of attempt {} had not succeeded; start from it or from one before.",
                        from.attempt
                    ));
                }
                None => {
                    return Err(format!(
                        "Step {number} of attempt {} had not ended; start from it or from one before.",
                        from.attempt
                    ));
                }
            }
        }
        if earlier.masked {
            return Err(format!(
                "A step before step {} hid a value with ::add-mask::, and such values are kept \
                 nowhere; start from that step.",
                from.step + 1
            ));
        }
        Ok(earlier)
    }

    async fn copy_folders(&self, from: &ResumeFrom) -> Result<(), String> {
        let kept = from.attempt_dir.clone();
        let Folders { workspace, temp, .. } = self.spec.folders.clone();
        let copying = tokio::task::spawn_blocking(move || {
            copy_tree(&kept.join("workspace"), &workspace, &[])?;
            match copy_tree(&kept.join("temp"), &temp, &TEMP_OF_ITS_OWN) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                copied => copied,
            }
        });
        let copied = copying.await.map_err(|error| error.to_string())?;
        copied.map_err(|error| {
            format!("The workspace of attempt {} cannot be copied: {error}.", from.attempt)
        })
    }

    /// Gives the steps to come what those before them had handed on.
    fn hand_on(&mut self, earlier: &Earlier) -> Result<(), String> {
        let mut env = BTreeMap::new();
        for (name, parts) in &earlier.env {
            env.insert(name.clone(), fill(name, parts.as_deref(), self.secrets)?);
        }
        self.environment.add_job_env(env);
        self.environment.add_paths(earlier.paths.iter().rev().cloned());
        // Unlike what it is now, so that it is written down and yet another attempt can go on from here.
        self.handed_on = HandedOn::default();
        Ok(())
    }
}

impl Earlier {
    /// Turns the places of the old attempt's folders into those of the new one.
    fn move_places(&mut self, old: &Folders, new: &Folders) {
        let pairs = [(&old.workspace, &new.workspace), (&old.temp, &new.temp)];
        let pairs = pairs.map(|(old, new)| (old.display().to_string(), new.display().to_string()));
        let move_in = |text: &mut String| {
            for (old, new) in &pairs {
                *text = text.replace(old, new);
            }
        };
        self.paths.iter_mut().for_each(move_in);
        self.steps.values_mut().flat_map(|step| step.outputs.values_mut()).for_each(move_in);
        for part in self.env.values_mut().flatten().flatten() {
            if let ValuePart::Text(text) = part {
                move_in(text);
            }
        }
    }
}

fn fill(name: &str, parts: Option<&[ValuePart]>, secrets: &JobSecrets) -> Result<String, String> {
    let parts = parts.ok_or_else(|| {
        format!(
            "The variable {name} holds a value that is kept nowhere, since it was hidden from the \
             log or is too long; start from the step that sets it."
        )
    })?;
    join(parts, secrets).map_err(|secret| {
        format!("The variable {name} was made of the secret {secret}, which is not there any more.")
    })
}

fn read(from: &ResumeFrom) -> Result<Earlier, String> {
    let unreadable = |error: &dyn std::error::Error| {
        let why = crate::with_causes(error);
        format!("The journal of attempt {} cannot be read: {why}.", from.attempt)
    };
    let path = ShimDir::new(&from.attempt_dir).journal();
    let mut reader = Reader::open(&path, 0).map_err(|error| unreadable(&error))?;
    let mut earlier = Earlier::default();
    while let Some(record) = reader.next_record().map_err(|error| unreadable(&error))? {
        match record {
            Record::StepFinished { index, name, outcome, conclusion, outputs, .. }
                if index < from.step =>
            {
                earlier.steps.insert(index, Ended { name, outcome, conclusion, outputs });
            }
            Record::HandedOn { step, env, paths, masked } if step < from.step => {
                (earlier.env, earlier.paths, earlier.masked) = (env, paths, masked);
            }
            _ => {}
        }
    }
    Ok(earlier)
}
