//! `on:` in the JSON of GitHub's editor.

use serde_json::{Map, Value as Json, json};

use crate::language::{Token, TokenKind};

/// The events of `on:` with their filters.
pub fn events_json(on: &Token) -> Json {
    let mut events = Map::new();
    let names = on.items().iter().chain(on.as_str().map(|_| on));
    for name in names {
        events.insert(name.text(), json!({}));
    }
    for (name, config) in on.entries() {
        let name = name.text();
        let config = match name.as_str() {
            _ if config.is_null() => json!({}),
            "schedule" => config.items().iter().map(plain).collect(),
            "workflow_dispatch" | "workflow_call" => declared(config),
            _ => filters(config),
        };
        events.insert(name, config);
    }
    Json::Object(events)
}

/// What is filtered by: always a list.
fn filters(config: &Token) -> Json {
    let lists = config.entries().iter().map(|(key, value)| {
        let list = match value.is_sequence() {
            true => value.items().iter().map(plain).collect(),
            false => json!([plain(value)]),
        };
        (key.text(), list)
    });
    Json::Object(lists.collect())
}

/// Inputs, secrets and outputs; one of which nothing is said has no properties.
fn declared(config: &Token) -> Json {
    let parts = config.entries().iter().map(|(part, entries)| {
        let entries = entries.entries().iter().map(|(name, definition)| {
            let definition = if definition.is_null() { json!({}) } else { plain(definition) };
            (name.text(), definition)
        });
        (part.text(), Json::Object(entries.collect()))
    });
    Json::Object(parts.collect())
}

fn plain(token: &Token) -> Json {
    match &token.kind {
        TokenKind::Null => Json::Null,
        TokenKind::Boolean(value) => Json::Bool(*value),
        TokenKind::Number(value) => super::json::number_json(*value),
        TokenKind::Sequence(items) => items.iter().map(plain).collect(),
        TokenKind::Mapping(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.text(), plain(value))).collect())
        }
        _ => token.text().into(),
    }
}
