//! A new run of a workflow: what is evaluated of it before it exists, and the fact that makes it.

use qnt9_model::fact::{Cause, Fact};
use qnt9_model::{Sha, StreamId, UserText};
use qnt9_workflow::{Object, Scope, Value, Workflow};
use serde_json::json;

use crate::concurrency;
use crate::contexts::{self, RunFacts};
use crate::state::Project;

/// What a run is made of.
pub(crate) struct NewRun<'a> {
    pub(crate) stream: &'a StreamId,
    pub(crate) project: &'a Project,
    /// The workflow's file.
    pub(crate) path: &'a str,
    /// The workflow as it is stored, and as it is read.
    pub(crate) source: &'a serde_json::Value,
    pub(crate) workflow: &'a Workflow,
    pub(crate) cause: Cause,
    pub(crate) event_name: &'a str,
    pub(crate) event: serde_json::Value,
    pub(crate) reference: &'a str,
    pub(crate) commit: &'a Sha,
    pub(crate) inputs: Vec<(String, Value)>,
    /// The run's title, unless `run-name` gives one.
    pub(crate) title: String,
}

impl NewRun<'_> {
    /// The fact that creates the run.
    ///
    /// # Errors
    /// Its concurrency group cannot be evaluated.
    pub(crate) fn fact(self) -> Result<Fact, String> {
        let facts = RunFacts {
            stream: self.stream,
            default_branch: &self.project.default_branch,
            event_name: self.event_name,
            event: &self.event,
            reference: self.reference,
            commit: self.commit.as_str(),
            actor: self.cause.by(),
            triggering_actor: self.cause.by(),
            workflow: self.workflow.display_name(),
            path: self.path,
            run: None,
        };
        let mut contexts = Object::new();
        contexts.insert("github", contexts::github(&facts));
        let inputs: Object = self.inputs.iter().cloned().collect();
        contexts.insert("inputs", Value::Object(inputs));
        contexts.insert("vars", Value::Object(Object::new()));
        let scope = Scope::new(&contexts);
        let own = self.workflow.concurrency.as_ref();
        let concurrency = own.map(|own| concurrency::evaluate(own, &scope)).transpose()?;
        let title = self.workflow.run_name.as_ref();
        let title = title.and_then(|name| name.interpolate(&scope).ok());
        let title = title.filter(|title| !title.trim().is_empty()).unwrap_or(self.title);
        let as_text = |(name, value): (String, Value)| (name, UserText::from(value.to_json_text()));
        Ok(Fact::RunCreated {
            path: self.path.to_owned(),
            name: self.workflow.display_name().to_owned(),
            title: UserText::from(title),
            number: self.project.numbers.get(self.path).copied().unwrap_or(0) + 1,
            cause: self.cause,
            reference: self.reference.to_owned(),
            commit: self.commit.clone(),
            event: UserText::from(self.event.to_string()),
            inputs: self.inputs.into_iter().map(as_text).collect(),
            workflow: self.source.clone(),
            concurrency,
            repeat: None,
        })
    }
}

/// `github.event.repository`.
pub(crate) fn repository(stream: &StreamId, project: &Project) -> serde_json::Value {
    json!({
        "name": stream,
        "full_name": format!("{stream}/{stream}"),
        "default_branch": project.default_branch,
    })
}
