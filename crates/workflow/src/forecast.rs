//! What an event would start: which workflows, jobs and legs, and for each that would not, why.
//!
//! Nothing runs here. What only a run can tell, the outputs of jobs above all, is left open and named.

mod jobs;
mod starts;

pub(crate) use starts::{dispatch_input, filter, schedules, texts};

use serde::Serialize;

use crate::language::{Token, shown_on_github};
use crate::plan::{CalledFiles, Options, read};
use crate::{Object, Trace, Value};

/// Something that happens in a repository.
#[derive(Clone, Debug, Default)]
pub struct Happening {
    /// The name of the event, such as `push`.
    pub event: String,
    /// The full name of the ref; of a pull request that of its base branch.
    pub reference: String,
    /// What GitHub would send.
    pub payload: Object,
    /// For `workflow_dispatch`.
    pub inputs: Vec<(String, String)>,
    /// The paths that differ; `None` when they are not known, which counts as all of them.
    pub changed_paths: Option<Vec<String>>,
}

/// What would become of one workflow.
#[derive(Clone, Debug, Serialize)]
pub struct Forecast {
    pub file: String,
    pub name: String,
    pub start: Start,
    /// Its jobs, in the order of the file; none when it does not start.
    pub jobs: Vec<JobForecast>,
    /// What of it this machine cannot carry out yet, each with its place.
    pub unsupported: Vec<String>,
}

/// Whether a workflow starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Start {
    Started,
    NotStarted {
        reason: String,
    },
    /// GitHub refuses the file.
    Refused {
        errors: Vec<String>,
    },
}

/// What would become of one job.
#[derive(Clone, Debug, Serialize)]
pub struct JobForecast {
    pub id: String,
    pub needs: Vec<String>,
    pub fate: Fate,
    /// The workflow that it calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<String>,
    /// The jobs of the workflow that it calls, where its file is at hand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub called: Vec<Self>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Fate {
    /// It runs, if what it needs succeeds; once for each leg of its matrix.
    Runs { legs: Vec<String>, environment: Option<String> },
    /// It runs, and only the run can tell how many legs it has.
    RunsWithUnknownLegs { depends_on: Vec<String> },
    /// It does not, and why; with the values of the condition's parts.
    Skipped { reason: String, trace: Option<Trace> },
    /// Only the run can tell.
    Open { depends_on: Vec<String> },
    /// It cannot even be judged.
    Fails { reason: String },
}

/// What would become of the workflow in a file.
pub fn forecast(
    file: &str,
    text: &str,
    happening: &Happening,
    called: &CalledFiles<'_>,
) -> Forecast {
    let nothing = |_: &str| Err("calls are followed by the forecast itself".to_owned());
    let outcome = read(file, text, &nothing, &Options::default());
    let name = outcome.root.as_ref().and_then(|root| Some(root.get("name")?.text()));
    let mut forecast = Forecast {
        file: file.to_owned(),
        name: name.unwrap_or_else(|| file.to_owned()),
        start: Start::Started,
        jobs: Vec::new(),
        unsupported: Vec::new(),
    };
    let (Some(plan), Some(root)) = (&outcome.plan, &outcome.root) else {
        forecast.start = Start::Refused { errors: shown_on_github(&outcome.problems) };
        return forecast;
    };
    if let Err(reason) = starts::judge(plan.on.as_ref(), happening) {
        forecast.start = Start::NotStarted { reason };
        return forecast;
    }
    match contexts(root, happening) {
        Ok(contexts) => forecast.jobs = jobs::of(&plan.jobs, &contexts, called, 0),
        Err(reason) => forecast.start = Start::NotStarted { reason },
    }
    if let Err(diagnostics) = crate::parse(file, text) {
        forecast.unsupported = diagnostics.iter().map(ToString::to_string).collect();
    }
    forecast
}

/// The contexts of the workflow's jobs as far as they are known before it runs.
fn contexts(root: &Token, happening: &Happening) -> Result<Object, String> {
    let reference = happening.reference.as_str();
    let (kind, short) = match reference.strip_prefix("refs/tags/") {
        Some(tag) => ("tag", tag),
        None => ("branch", reference.strip_prefix("refs/heads/").unwrap_or(reference)),
    };
    let payload = &happening.payload;
    let inputs = starts::inputs(root.get("on"), happening)?;
    let mut event = payload.clone();
    if happening.event == "workflow_dispatch" {
        let given = inputs.iter().map(|(name, value)| (name.to_owned(), value.to_text()));
        event.insert(
            "inputs",
            given.map(|(name, text)| (name, Value::from(text))).collect::<Object>(),
        );
    }
    let mut github = Object::new();
    for (name, value) in [
        ("event_name", Value::from(happening.event.as_str())),
        ("ref", Value::from(reference)),
        ("ref_name", Value::from(short)),
        ("ref_type", Value::from(kind)),
        ("event", Value::Object(event)),
    ] {
        github.insert(name, value);
    }
    for (name, path) in [
        ("sha", &["after"][..]),
        ("actor", &["sender", "login"]),
        ("repository", &["repository", "full_name"]),
        ("repository_owner", &["repository", "owner", "login"]),
        ("head_ref", &["pull_request", "head", "ref"]),
        ("base_ref", &["pull_request", "base", "ref"]),
    ] {
        if let Some(value) = find(payload, path) {
            github.insert(name, value);
        }
    }
    Ok(Object::from_iter([
        ("github".to_owned(), Value::Object(github)),
        ("inputs".to_owned(), Value::Object(inputs)),
        ("vars".to_owned(), Value::Object(Object::new())),
    ]))
}

fn find(object: &Object, path: &[&str]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    match (object.get(first)?, rest) {
        (value, []) => Some(value.clone()),
        (Value::Object(inner), rest) => find(inner, rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
