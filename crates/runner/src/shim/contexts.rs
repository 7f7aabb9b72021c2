use std::collections::BTreeMap;
use std::path::PathBuf;

use qnt9_workflow::{EvaluationError, Object, Scope, Status, Template, Value};

use super::hash_files::hash_files;
use crate::journal::{JobResult, StepConclusion};
use crate::spec::{JobSecrets, JobSpec};

/// The contexts that expressions see, as they stand at this point of the job.
pub(super) struct Contexts {
    object: Object,
    status: JobResult,
    steps: Object,
    workspace: PathBuf,
}

impl Contexts {
    pub(super) fn new(spec: &JobSpec, secrets: &JobSecrets, runner: &[(&str, String)]) -> Self {
        let mut object = Object::new();
        for (name, value) in &spec.contexts {
            object.insert(name.clone(), Value::from(value.clone()));
        }
        let mut all_secrets = Object::new();
        all_secrets.insert("GITHUB_TOKEN", secrets.token.as_str());
        for (name, value) in &secrets.secrets {
            all_secrets.insert(name.clone(), value.as_str());
        }
        object.insert("secrets", all_secrets);
        let mut runner_context = Object::new();
        for (name, value) in runner {
            runner_context.insert(*name, value.as_str());
        }
        object.insert("runner", runner_context);
        object.insert("steps", Object::new());
        object.insert("env", Object::new());
        let mut contexts = Self {
            object,
            status: JobResult::Success,
            steps: Object::new(),
            workspace: spec.folders.workspace.clone(),
        };
        contexts.set_status(JobResult::Success);
        contexts
    }

    /// Adds a property to the `github` context.
    pub(super) fn set_github(&mut self, name: &str, value: &str) {
        let mut github = match self.object.remove("github") {
            Some(Value::Object(github)) => github,
            Some(_) | None => Object::new(),
        };
        github.insert(name, value);
        self.object.insert("github", github);
    }

    /// `github.NAME` as text, empty when there is none.
    pub(super) fn github(&self, name: &str) -> String {
        match self.object.get("github").map(|github| github.get(name)) {
            Some(value) if value.is_primitive() => value.to_text(),
            Some(_) | None => String::new(),
        }
    }

    pub(super) fn github_event_json(&self) -> String {
        let event = self.object.get("github").map_or(&Value::Null, |github| github.get("event"));
        match event {
            Value::Object(_) => event.to_json_text(),
            _ => "{}".to_owned(),
        }
    }

    pub(super) fn set_env(&mut self, env: &BTreeMap<String, String>) {
        let mut object = Object::new();
        for (name, value) in env {
            object.insert(name.clone(), value.as_str());
        }
        self.object.insert("env", object);
    }

    /// `job.status`, and what `success()`, `failure()` and `cancelled()` answer.
    pub(super) fn set_status(&mut self, status: JobResult) {
        self.status = status;
        let mut job = Object::new();
        job.insert("status", status.as_str());
        self.object.insert("job", job);
    }

    pub(super) fn add_step(
        &mut self,
        id: &str,
        outcome: StepConclusion,
        conclusion: StepConclusion,
        outputs: &BTreeMap<String, String>,
    ) {
        let mut output_object = Object::new();
        for (name, value) in outputs {
            output_object.insert(name.clone(), value.as_str());
        }
        let mut step = Object::new();
        step.insert("outputs", output_object);
        step.insert("outcome", outcome.as_str());
        step.insert("conclusion", conclusion.as_str());
        self.steps.insert(id, step);
        self.object.insert("steps", self.steps.clone());
    }

    /// Evaluates something in the job's present state.
    pub(super) fn evaluate<T>(&self, evaluate: impl FnOnce(&Scope<'_>) -> T) -> T {
        self.evaluate_as(self.status, evaluate)
    }

    /// Evaluates as if the job's status were this one.
    pub(super) fn evaluate_as<T>(
        &self,
        status: JobResult,
        evaluate: impl FnOnce(&Scope<'_>) -> T,
    ) -> T {
        let status = match status {
            JobResult::Success => Status::Success,
            JobResult::Failure => Status::Failure,
            JobResult::Cancelled => Status::Cancelled,
        };
        let hash = |patterns: &[String]| hash_files(&self.workspace, patterns);
        let scope = Scope { hash_files: Some(&hash), ..Scope::new(&self.object) };
        evaluate(&scope.with_status(status))
    }

    /// Fills in the templates of an `env:` or `with:`.
    pub(super) fn interpolate_all(
        &self,
        templates: &[(String, Template)],
    ) -> Result<Vec<(String, String)>, EvaluationError> {
        self.evaluate(|scope| {
            templates
                .iter()
                .map(|(name, template)| Ok((name.clone(), template.interpolate(scope)?)))
                .collect()
        })
    }
}
