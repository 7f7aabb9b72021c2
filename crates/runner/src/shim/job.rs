use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contexts::Contexts;
use super::control::Control;
use super::environment::{Environment, runner_context};
use super::handed_on::HandedOn;
use super::log::JobLog;
use crate::clock::now_ms;
use crate::journal::{JobResult, Record};
use crate::limits::JOB_OUTPUTS_BYTES_MAX;
use crate::process::kill_descendants;
use crate::spec::{JobSecrets, JobSpec};

/// A job that is being carried out.
pub(super) struct Job<'s> {
    pub(super) spec: &'s JobSpec,
    pub(super) secrets: &'s JobSecrets,
    pub(super) log: Arc<JobLog>,
    pub(super) control: Control,
    pub(super) contexts: Contexts,
    pub(super) environment: Environment,
    pub(super) status: JobResult,
    /// Files that must not outlive the job: credentials.
    pub(super) clean_up: Vec<PathBuf>,
    pub(super) handed_on: HandedOn,
}

impl<'s> Job<'s> {
    pub(super) fn new(
        spec: &'s JobSpec,
        secrets: &'s JobSecrets,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        log: Arc<JobLog>,
        control: Control,
    ) -> Self {
        let contexts = Contexts::new(spec, secrets, &runner_context(spec));
        let environment = Environment::new(spec, inherited);
        let status = JobResult::Success;
        let (clean_up, handed_on) = (Vec::new(), HandedOn::default());
        Self { spec, secrets, log, control, contexts, environment, status, clean_up, handed_on }
    }

    /// Carries out all steps. An error is one of the journal: the job's fate is then unknown.
    pub(super) async fn run(mut self) -> io::Result<()> {
        match self.set_up() {
            Ok(()) => {
                self.handed_on = HandedOn::of(&self.environment);
                match &self.spec.resume_from {
                    None => self.steps_from(0).await?,
                    Some(from) => match self.take_over(from).await? {
                        Ok(()) => self.steps_from(from.step).await?,
                        Err(why) => self.give_up(&why)?,
                    },
                }
            }
            Err(why) => self.give_up(&why)?,
        }
        self.finish().await
    }

    async fn steps_from(&mut self, first: u32) -> io::Result<()> {
        for (index, step) in (0..).zip(&self.spec.steps).skip(first as usize) {
            if self.control.is_killed()? {
                break;
            }
            self.step(index, step).await?;
        }
        Ok(())
    }

    /// Nothing can be carried out.
    fn give_up(&mut self, why: &str) -> io::Result<()> {
        self.log.line(&format!("##[error]{why}"))?;
        self.set_status(JobResult::Failure);
        Ok(())
    }

    pub(super) fn set_status(&mut self, status: JobResult) {
        self.status = status;
        self.contexts.set_status(status);
    }

    fn set_up(&mut self) -> Result<(), String> {
        let folders = &self.spec.folders;
        create_folder(&folders.workspace)?;
        create_folder(&folders.tool_cache)?;
        if folders.temp.exists() {
            fs::remove_dir_all(&folders.temp).map_err(|error| cannot(&folders.temp, &error))?;
        }
        create_folder(&folders.temp)?;
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&folders.temp, private)
            .map_err(|error| cannot(&folders.temp, &error))?;

        self.contexts.set_github("workspace", &folders.workspace.display().to_string());
        self.contexts.set_github("token", &self.secrets.token);
        let event = self.write_event(&self.contexts.github_event_json())?;
        self.contexts.set_github("event_path", &event.display().to_string());
        self.environment.fix(self.spec, self.secrets, &self.contexts);
        // terraform takes this for its settings; the user's own file must not change a delivery.
        let settings = folders.temp.join("terraform.rc");
        fs::write(&settings, "").map_err(|error| cannot(&settings, &error))?;
        self.environment.set_default("TF_CLI_CONFIG_FILE", settings.display().to_string());

        for (what, templates) in
            [("workflow", &self.spec.workflow_env), ("job", &self.spec.job_env)]
        {
            let env = self
                .contexts
                .interpolate_all(templates)
                .map_err(|error| format!("The env of the {what} has no value: {error}"))?;
            self.environment.add_job_env(env);
        }
        Ok(())
    }

    fn write_event(&self, json: &str) -> Result<PathBuf, String> {
        let dir = self.spec.folders.temp.join("_github_workflow");
        create_folder(&dir)?;
        let file = dir.join("event.json");
        fs::write(&file, json).map_err(|error| cannot(&file, &error))?;
        Ok(file)
    }

    async fn finish(mut self) -> io::Result<()> {
        self.log.set_step(None);
        let killed = kill_descendants().await;
        if killed > 0 {
            self.log.line(&format!("Ended {killed} processes that steps left behind."))?;
        }
        for file in &self.clean_up {
            if let Err(error) = fs::remove_file(file)
                && error.kind() != io::ErrorKind::NotFound
            {
                let message = format!("##[warning]Cannot remove {}: {error}", file.display());
                self.log.line(&message)?;
            }
        }
        if self.control.is_cancelled()? {
            self.set_status(JobResult::Cancelled);
        }
        let outputs = self.outputs()?;
        self.log.record(&Record::JobFinished { result: self.status, outputs, at: now_ms() })?;
        self.log.sync()
    }

    /// The job's outputs. One that holds a secret, or has no value, is left out with a warning.
    fn outputs(&mut self) -> io::Result<BTreeMap<String, String>> {
        self.contexts.set_env(self.environment.job_env());
        let mut outputs = BTreeMap::new();
        let mut bytes = 0;
        for (name, template) in &self.spec.outputs {
            let value = self.contexts.evaluate(|scope| template.interpolate(scope));
            let warning = match value {
                Ok(value) if value.is_empty() => continue,
                Ok(value) if self.log.contains_secret(&value) => {
                    format!("Skip output '{name}' since it may contain secret.")
                }
                Ok(value) if bytes + value.len() > JOB_OUTPUTS_BYTES_MAX => {
                    format!("Skip output '{name}': a job may have {JOB_OUTPUTS_BYTES_MAX} bytes.")
                }
                Ok(value) => {
                    bytes += value.len();
                    outputs.insert(name.clone(), value);
                    continue;
                }
                Err(error) => {
                    self.set_status(match self.status {
                        JobResult::Cancelled => JobResult::Cancelled,
                        JobResult::Success | JobResult::Failure => JobResult::Failure,
                    });
                    self.log
                        .line(&format!("##[error]The output '{name}' has no value: {error}"))?;
                    continue;
                }
            };
            self.log.line(&format!("##[warning]{warning}"))?;
        }
        Ok(outputs)
    }
}

fn create_folder(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| cannot(path, &error))
}

fn cannot(path: &Path, error: &io::Error) -> String {
    format!("The job cannot use {}: {error}", path.display())
}
