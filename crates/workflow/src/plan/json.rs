//! A plan in the JSON of GitHub's parser.

use serde_json::{Map, Value as Json, json};

use super::{CallJob, Grants, Plan, PlannedAction, PlannedJob, PlannedStep, StepsJob, Work, level};
use crate::language::{Token, TokenKind};

/// Whether the JSON says where each value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourcePlaces {
    Shown,
    Left,
}

/// The plan as GitHub's parser prints it.
pub fn to_json(plan: &Plan, places: SourcePlaces) -> Json {
    let writer = Writer { places };
    let mut object = Object::default();
    object.add("permissions", plan.permissions.as_ref().map(grants));
    object.add("env", writer.optional(plan.env.as_ref()));
    object.add("defaults", writer.optional(plan.defaults.as_ref()));
    object.add("concurrency", writer.optional(plan.concurrency.as_ref()));
    object.add("jobs", Some(writer.jobs(&plan.jobs)));
    if places == SourcePlaces::Shown {
        object.add("file-table", Some(json!(plan.files)));
    }
    object.into()
}

struct Writer {
    places: SourcePlaces,
}

#[derive(Default)]
struct Object(Map<String, Json>);

impl Object {
    fn add(&mut self, key: &str, value: Option<Json>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value);
        }
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

impl Writer {
    fn jobs(&self, jobs: &[PlannedJob]) -> Json {
        jobs.iter().map(|job| self.job(job)).collect()
    }

    fn job(&self, job: &PlannedJob) -> Json {
        let is_call = matches!(job.work, Work::Call(_));
        let mut object = Object::default();
        let kind = if is_call { "reusableWorkflowJob" } else { "job" };
        object.add("type", Some(kind.into()));
        object.add("id", Some(self.token(&job.id)));
        object.add("name", Some(self.token(&job.name)));
        if is_call || !job.needs.is_empty() {
            object.add("needs", Some(job.needs.iter().map(|need| self.token(need)).collect()));
        }
        object.add("if", Some(self.token(&job.condition)));
        object.add("permissions", job.permissions.as_ref().map(grants));
        object.add("strategy", self.optional(job.strategy.as_ref()));
        object.add("concurrency", self.optional(job.concurrency.as_ref()));
        match &job.work {
            Work::Steps(steps) => self.steps_job(&mut object, steps),
            Work::Call(call) => self.call(&mut object, call),
        }
        object.into()
    }

    fn steps_job(&self, object: &mut Object, job: &StepsJob) {
        for (key, token) in [
            ("continue-on-error", &job.continue_on_error),
            ("timeout-minutes", &job.timeout_minutes),
            ("cancel-timeout-minutes", &job.cancel_timeout_minutes),
            ("container", &job.container),
            ("services", &job.services),
            ("env", &job.env),
            ("environment", &job.environment),
            ("defaults", &job.defaults),
            ("runs-on", &job.runs_on),
            ("outputs", &job.outputs),
            ("snapshot", &job.snapshot),
        ] {
            object.add(key, self.optional(token.as_ref()));
        }
        if !job.steps.is_empty() {
            object.add("steps", Some(job.steps.iter().map(|step| self.step(step)).collect()));
        }
    }

    fn call(&self, object: &mut Object, call: &CallJob) {
        let called = &call.called;
        object.add("ref", Some(self.token(&call.reference)));
        for (key, token) in [
            ("input-definitions", &called.input_definitions),
            ("input-values", &call.input_values),
            ("secret-definitions", &called.secret_definitions),
            ("secret-values", &call.secret_values),
            ("outputs", &called.outputs),
            ("defaults", &called.defaults),
            ("env", &called.env),
            ("embedded-concurrency", &called.concurrency),
        ] {
            object.add(key, self.optional(token.as_ref()));
        }
        object.add("inherit-secrets", call.inherits_secrets.then_some(Json::Bool(true)));
        object.add("jobs", Some(self.jobs(&called.jobs)));
    }

    fn step(&self, step: &PlannedStep) -> Json {
        let mut object = Object::default();
        object.add("id", Some(step.id.as_str().into()));
        object.add("name", self.optional(step.name.as_ref()));
        object.add("if", self.optional(step.condition.as_ref()));
        object.add("continue-on-error", self.optional(step.continue_on_error.as_ref()));
        object.add("timeout-minutes", self.optional(step.timeout_minutes.as_ref()));
        object.add("env", self.optional(step.env.as_ref()));
        match &step.action {
            PlannedAction::Run { script, shell, working_directory } => {
                object.add("working-directory", self.optional(working_directory.as_ref()));
                object.add("shell", self.optional(shell.as_ref()));
                object.add("run", Some(self.token(script)));
            }
            PlannedAction::Uses { reference, with } => {
                object.add("uses", Some(self.token(reference)));
                object.add("with", self.optional(with.as_ref()));
            }
            PlannedAction::Wait { steps } => {
                object.add("wait", Some(steps.iter().map(|step| self.token(step)).collect()));
            }
            PlannedAction::WaitAll => object.add("wait-all", Some(Json::Bool(true))),
            PlannedAction::Cancel { step } => object.add("cancel", Some(self.token(step))),
            PlannedAction::Parallel { steps } => {
                object.add("parallel", Some(steps.iter().map(|step| self.step(step)).collect()));
            }
        }
        object.add("background", step.is_background.map(Json::Bool));
        object.into()
    }

    fn optional(&self, token: Option<&Token>) -> Option<Json> {
        token.map(|token| self.token(token))
    }

    fn token(&self, token: &Token) -> Json {
        let (number, key, content) = match &token.kind {
            TokenKind::String(text) => (0, "lit", text.as_str().into()),
            TokenKind::Sequence(items) => {
                (1, "seq", items.iter().map(|item| self.token(item)).collect())
            }
            TokenKind::Mapping(entries) => {
                let entry = |(key, value): &(Token, Token)| json!({ "Key": self.token(key), "Value": self.token(value) });
                (2, "map", entries.iter().map(entry).collect())
            }
            TokenKind::Expression(expression) => (3, "expr", expression.as_str().into()),
            TokenKind::Insert => (4, "directive", "insert".into()),
            TokenKind::Boolean(value) => (5, "bool", Json::Bool(*value)),
            TokenKind::Number(value) => (6, "num", number_json(*value)),
            TokenKind::Null => (7, "null", Json::Null),
        };
        let place = token.place.filter(|_| self.places == SourcePlaces::Shown);
        let is_bare = matches!(number, 0 | 5 | 6 | 7);
        let Some(place) = place else {
            return match is_bare {
                true => content,
                false => json!({ "type": number, key: content }),
            };
        };
        let mut object = Object::default();
        object.add("type", Some(number.into()));
        object.add("file", Some((place.file + 1).into()));
        object.add("line", Some(place.position.line.into()));
        object.add("col", Some(place.position.column.into()));
        if token.kind != TokenKind::Null {
            object.add(key, Some(content));
        }
        object.into()
    }
}

/// JSON has no infinities: they are texts there.
pub(super) fn number_json(number: f64) -> Json {
    /// Up to here a double holds every whole number.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
        return (number as i64).into();
    }
    match number.is_finite() {
        true => number.into(),
        false => crate::value::format_number(number).into(),
    }
}

fn grants(grants: &Grants) -> Json {
    let mut object = Object::default();
    for (scope, access) in grants.iter() {
        object.add(scope, Some(level(access).into()));
    }
    object.into()
}
