//! What the contexts hold at each place of a workflow.

use std::rc::Rc;

use super::actions;
use super::expressions::{Contexts, check};
use super::types::{ObjectType, Type};
use crate::expression::{Function, Node, SyntaxError, Vocabulary, parse};
use crate::language::{Token, TokenKind};
use crate::template::{Segment, segments};
use crate::value::equals_ignoring_case;

/// Every context there is; whether it may be used at its place is for the grammar to say.
const NAMES: [&str; 12] = [
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job", "runner",
    "env", "jobs",
];

/// Reads an expression in which anything may be used.
pub(super) fn parse_any(expression: &str) -> Result<Option<Node<'_>>, SyntaxError> {
    parse(expression, &Vocabulary { contexts: &NAMES, functions: Function::ALL })
}

/// The contexts of a whole workflow.
pub(super) fn of_workflow(on: Option<&Token>) -> Contexts {
    Contexts(vec![
        ("github", github(on)),
        ("inputs", inputs(on)),
        ("secrets", secrets(on)),
        ("vars", Type::map(Type::Text)),
        ("env", Type::map(Type::Text)),
    ])
}

/// Those of a job, beyond its workflow's; its steps' come on top.
pub(super) fn of_job(workflow: &Contexts, jobs: &Token, job: &Token) -> Contexts {
    let needs = needs_of(job).into_iter().filter_map(|need| {
        let found = jobs.entries().iter().find(|(id, _)| equals_ignoring_case(&id.text(), &need));
        found.map(|(id, job)| (id.text(), finished(job)))
    });
    let contexts = workflow.with("needs", Type::strict(needs.collect::<Vec<_>>()));
    let strategy = ["fail-fast", "job-index", "job-total", "max-parallel"];
    let strategy =
        strategy.map(|name| (name, if name == "fail-fast" { Type::Bool } else { Type::Number }));
    let contexts = contexts.with("strategy", Type::strict(strategy));
    let matrix = matrix(job.get("strategy"), &contexts);
    let contexts = contexts.with("matrix", matrix);
    let runner = ["name", "os", "arch", "temp", "tool_cache", "debug", "environment", "workspace"];
    let contexts = contexts.with("runner", Type::strict(runner.map(|name| (name, Type::Text))));
    contexts.with("job", job_context())
}

/// The ids under `needs:`.
pub(super) fn needs_of(job: &Token) -> Vec<String> {
    let Some(needs) = job.get("needs") else { return Vec::new() };
    match needs.is_sequence() {
        true => needs.items().iter().map(Token::text).collect(),
        false => vec![needs.text()],
    }
}

/// What `steps` holds of a step that has run; nothing of one without an id.
pub(super) fn step(step: &Token, files: &actions::Files<'_>) -> Option<(String, Type)> {
    let id = step.get("id")?.as_str()?.to_owned();
    let outputs = step
        .get("uses")
        .map_or_else(|| Type::map(Type::Text), |uses| actions::outputs(&uses.text(), files));
    let result = [("outputs", outputs), ("conclusion", Type::Text), ("outcome", Type::Text)];
    Some((id, Type::strict(result)))
}

/// `jobs`, as the outputs of a called workflow see it.
pub(super) fn jobs(jobs: &Token) -> Type {
    Type::strict(jobs.entries().iter().map(|(id, job)| (id.text(), finished(job))))
}

/// What others see of a job: its outputs and result.
fn finished(job: &Token) -> Type {
    let outputs = match (job.get("outputs"), job.get("uses")) {
        // What a called workflow puts out stands in its own file.
        (_, Some(_)) => Type::map(Type::Any),
        (Some(outputs), None) if outputs.entries().iter().any(|(key, _)| key.is_expression()) => {
            Type::map(Type::Text)
        }
        (outputs, None) => {
            let entries = outputs.map_or(&[][..], Token::entries);
            Type::strict(entries.iter().map(|(name, _)| (name.text(), Type::Text)))
        }
    };
    Type::strict([("outputs", outputs), ("result", Type::Text)])
}

fn job_context() -> Type {
    let service = [("id", Type::Text), ("network", Type::Text), ("ports", Type::map(Type::Text))];
    Type::strict([
        ("status", Type::Text),
        ("check_run_id", Type::Number),
        ("workflow_ref", Type::Text),
        ("workflow_sha", Type::Text),
        ("workflow_repository", Type::Text),
        ("workflow_file_path", Type::Text),
        ("container", Type::strict([("id", Type::Text), ("network", Type::Text)])),
        ("services", Type::map(Type::strict(service))),
    ])
}

fn github(on: Option<&Token>) -> Type {
    const TEXTS: [&str; 44] = [
        "action",
        "action_path",
        "action_ref",
        "action_repository",
        "action_status",
        "actor",
        "actor_id",
        "api_url",
        "artifact_cache_size_limit",
        "base_ref",
        "env",
        "event_name",
        "event_path",
        "graphql_url",
        "head_ref",
        "job",
        "job_workflow_sha",
        "output",
        "path",
        "ref",
        "ref_name",
        "ref_type",
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "repository_visibility",
        "repositoryurl",
        "run_attempt",
        "run_id",
        "run_number",
        "secret_source",
        "server_url",
        "sha",
        "state",
        "step_summary",
        "token",
        "triggering_actor",
        "workflow",
        "workflow_ref",
        "workflow_sha",
        "workspace",
        "environment",
        "api_version",
    ];
    let declared = on.and_then(|on| on.get("workflow_dispatch"));
    let event = match declared.and_then(|dispatch| dispatch.get("inputs")) {
        Some(inputs) => {
            let names = inputs.entries().iter().map(|(name, _)| (name.text(), Type::Text));
            Type::loose([("inputs", Type::strict(names))])
        }
        None => Type::map(Type::Any),
    };
    let texts = TEXTS.iter().map(|name| (*name, Type::Text));
    let others =
        [("event", event), ("ref_protected", Type::Bool), ("retention_days", Type::Number)];
    Type::strict(texts.chain(others))
}

fn inputs(on: Option<&Token>) -> Type {
    let mut object = ObjectType::default();
    for event in ["workflow_dispatch", "workflow_call"] {
        let inputs = on.and_then(|on| on.get(event)?.get("inputs"));
        for (name, definition) in inputs.map_or(&[][..], Token::entries) {
            object.insert(&name.text(), input_type(event, definition));
        }
    }
    Type::Object(object)
}

/// The kind of an input by its `type:`.
pub(super) fn input_type(event: &str, definition: &Token) -> Type {
    match definition.get("type").and_then(Token::as_str) {
        Some("boolean") => Type::Bool,
        Some("number") => Type::Number,
        Some("string" | "choice" | "environment") => Type::Text,
        None if event == "workflow_dispatch" => Type::Text,
        _ => Type::Any,
    }
}

/// A workflow that only others start has the secrets that it declares; it may inherit all others if
/// it declares none.
fn secrets(on: Option<&Token>) -> Type {
    const ALWAYS: [&str; 3] = ["GITHUB_TOKEN", "ACTIONS_STEP_DEBUG", "ACTIONS_RUNNER_DEBUG"];
    let any = Type::map(Type::Text);
    let Some(on) = on.filter(|on| on.entries().len() == 1) else { return any };
    let Some(secrets) = on.get("workflow_call").and_then(|call| call.get("secrets")) else {
        return any;
    };
    let declared = secrets.entries().iter().map(|(name, _)| (name.text(), Type::Text));
    Type::strict(declared.chain(ALWAYS.map(|name| (name.to_owned(), Type::Text))))
}

fn matrix(strategy: Option<&Token>, contexts: &Contexts) -> Type {
    let Some(matrix) = strategy.and_then(|strategy| strategy.get("matrix")) else {
        let is_computed = strategy.is_some_and(Token::is_expression);
        return if is_computed { Type::Any } else { Type::strict::<&str>([]) };
    };
    if !matrix.is_mapping() {
        return Type::map(Type::Any);
    }
    let mut object = ObjectType::default();
    for (key, value) in matrix.entries() {
        match key.as_str() {
            None => object.rest = Some(Rc::new(Type::Any)),
            Some("exclude") => {}
            Some("include") => included(&mut object, value, contexts),
            Some(name) => {
                let kind = match of_token(value, contexts) {
                    Type::Array { item, .. } => (*item).clone(),
                    _ => Type::Any,
                };
                object.insert(name, kind);
            }
        }
    }
    Type::Object(object)
}

fn included(object: &mut ObjectType, include: &Token, contexts: &Contexts) {
    if !include.is_sequence() {
        object.rest = Some(Rc::new(Type::Any));
    }
    for item in include.items() {
        if !item.is_mapping() {
            object.rest = Some(Rc::new(Type::Any));
        }
        for (key, value) in item.entries() {
            object.insert(&key.text(), of_token(value, contexts));
        }
    }
}

/// The kind of a value as it is written.
pub(super) fn of_token(token: &Token, contexts: &Contexts) -> Type {
    match &token.kind {
        TokenKind::Null => Type::Null,
        TokenKind::Boolean(_) => Type::Bool,
        TokenKind::Number(_) => Type::Number,
        TokenKind::Insert => Type::Any,
        TokenKind::Sequence(items) => {
            Type::array(Type::of_all(items.iter().map(|item| of_token(item, contexts))))
        }
        TokenKind::Mapping(entries) => {
            let is_open = entries.iter().any(|(key, _)| key.is_expression());
            let properties =
                entries.iter().map(|(key, value)| (key.text(), of_token(value, contexts)));
            if is_open { Type::loose(properties) } else { Type::strict(properties) }
        }
        TokenKind::String(_) | TokenKind::Expression(_) => {
            let source = token.source();
            match segments(&source).as_deref() {
                Ok([Segment::Expression(span)]) => of_expression(&source[span.clone()], contexts),
                Ok(_) => Type::Text,
                Err(_) => Type::Any,
            }
        }
    }
}

fn of_expression(expression: &str, contexts: &Contexts) -> Type {
    match parse_any(expression) {
        Ok(Some(node)) => check(expression, &node, contexts).0,
        _ => Type::Any,
    }
}
