//! Whether an event starts a workflow, by its `on:`.

use super::Happening;
use crate::inputs::{Input, InputKind, values};
use crate::language::{Token, TokenKind};
use crate::trigger::{Event, Filter, Occurrence, Trigger, Triggered, judge_all};
use crate::{Object, Schedule, Value};

/// # Errors
/// The sentence that says why it does not start.
pub(super) fn judge(on: Option<&Token>, happening: &Happening) -> Result<(), String> {
    let Some(on) = on else { return Err("the workflow has no `on`".to_owned()) };
    let names = events(on);
    let event = happening.event.as_str();
    let Some(config) = names.iter().find(|(name, _)| name == event).map(|(_, config)| *config)
    else {
        let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!("it is started by {}, not by {event}", names.join(", ")));
    };
    let activity = match happening.payload.get("action") {
        Some(Value::String(action)) => action.as_str(),
        _ => "",
    };
    let kind = match event {
        "push" => Event::Push,
        // Both are filtered alike.
        "pull_request" | "pull_request_target" => {
            Event::PullRequest { activity: if activity.is_empty() { "opened" } else { activity } }
        }
        "workflow_dispatch" | "schedule" => return Ok(()),
        _ => return judge_activity(config, event, activity),
    };
    let trigger = trigger(event, config);
    let message = match happening.payload.get("head_commit") {
        Some(Value::Object(commit)) => commit.get("message").map(Value::to_text),
        _ => None,
    };
    let occurrence = Occurrence {
        event: kind,
        reference: &happening.reference,
        changed_paths: happening.changed_paths.as_deref(),
        commit_message: message.as_deref(),
    };
    match judge_all(std::slice::from_ref(&trigger), &occurrence) {
        Triggered::Yes => Ok(()),
        Triggered::No { reason } => Err(reason),
    }
}

/// The events of `on:` with what is said of each.
fn events(on: &Token) -> Vec<(String, Option<&Token>)> {
    let bare = on.items().iter().chain(on.as_str().map(|_| on));
    let bare = bare.map(|name| (name.text(), None));
    bare.chain(on.entries().iter().map(|(name, config)| (name.text(), Some(config)))).collect()
}

fn judge_activity(config: Option<&Token>, event: &str, activity: &str) -> Result<(), String> {
    let wanted = config.map(|config| texts(config.get("types"))).unwrap_or_default();
    if wanted.is_empty() || activity.is_empty() || wanted.iter().any(|wanted| wanted == activity) {
        return Ok(());
    }
    Err(format!("`{event}` is limited to {}, and this is {activity}", wanted.join(", ")))
}

fn trigger(event: &str, config: Option<&Token>) -> Trigger {
    let (branches, paths) = (filter(config, "branches"), filter(config, "paths"));
    match event {
        "push" => Trigger::Push { branches, tags: filter(config, "tags"), paths },
        _ => Trigger::PullRequest {
            types: config.map(|config| texts(config.get("types"))).unwrap_or_default(),
            branches,
            paths,
        },
    }
}

/// The patterns under a name, or under `NAME-ignore`.
pub(crate) fn filter(config: Option<&Token>, name: &str) -> Option<Filter> {
    let config = config?;
    let ignored = config.get(&format!("{name}-ignore"));
    match config.get(name) {
        Some(patterns) => Some(Filter::Only(texts(Some(patterns)))),
        None => ignored.map(|patterns| Filter::Ignore(texts(Some(patterns)))),
    }
}

/// One text, or a list of them.
pub(crate) fn texts(token: Option<&Token>) -> Vec<String> {
    match token {
        Some(list) if list.is_sequence() => list.items().iter().map(Token::text).collect(),
        Some(one) if !one.is_null() => vec![one.text()],
        _ => Vec::new(),
    }
}

/// The entries of `schedule:`.
pub(crate) fn schedules(config: Option<&Token>) -> Vec<Schedule> {
    let items = config.map_or(&[][..], Token::items).iter();
    let entry = |item: &Token| {
        let timezone = item.get("timezone").map(Token::text);
        Some(Schedule { cron: item.get("cron")?.text(), timezone })
    };
    items.filter_map(entry).collect()
}

/// The values of the inputs of a start by hand.
///
/// # Errors
/// What is wrong with those that were given.
pub(super) fn inputs(on: Option<&Token>, happening: &Happening) -> Result<Object, String> {
    if happening.event != "workflow_dispatch" {
        return Ok(Object::new());
    }
    let declared = on.and_then(|on| on.get("workflow_dispatch")?.get("inputs"));
    let declared: Vec<Input> = declared
        .map_or(&[][..], Token::entries)
        .iter()
        .map(|(name, it)| dispatch_input(name, it))
        .collect();
    let values = values(&declared, &happening.inputs).map_err(|error| error.to_string())?;
    Ok(values.into_iter().collect())
}

/// One input of `workflow_dispatch`.
pub(crate) fn dispatch_input(name: &Token, definition: &Token) -> Input {
    let options = texts(definition.get("options"));
    let kind = match definition.get("type").and_then(Token::as_str) {
        Some("boolean") => InputKind::Boolean,
        Some("number") => InputKind::Number,
        Some("choice") => InputKind::Choice(options),
        Some("environment") => InputKind::Environment,
        _ => InputKind::String,
    };
    Input {
        name: name.text(),
        description: definition.get("description").map(Token::text),
        kind,
        is_required: definition.get("required").map(|it| &it.kind)
            == Some(&TokenKind::Boolean(true)),
        default: definition.get("default").map(Token::text).filter(|text| !text.is_empty()),
    }
}
