//! What changes inside one resource, with secrets left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{Change, Document};

/// Longer values are cut.
const VALUE_CHARS_MAX: usize = 100;
/// A secret this short may be part of other values by chance: only a value equal to it is hidden.
const SHORT_SECRET_CHARS: usize = 3;
const SENSITIVE: &str = "(sensitive)";
const UNKNOWN: &str = "(known after apply)";

/// An attribute or output that differs, its values ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) forces_replacement: bool,
}

impl Attribute {
    pub(super) fn label(&self) -> String {
        let note = if self.forces_replacement { " (forces replacement)" } else { "" };
        format!("{}{note}", self.name)
    }
}

/// Every secret that the plan marks somewhere. terraform forgets the mark where a provider copies a
/// value (`terraform_data` copies `input` to `output`), so that marks alone do not hide secrets.
pub(super) struct Secrets {
    known: BTreeSet<String>,
}

impl Secrets {
    pub(super) fn of(document: &Document) -> Self {
        let mut known = BTreeSet::new();
        let resources = document.resource_changes.iter().map(|resource| &resource.change);
        for change in resources.chain(document.output_changes.values()) {
            collect_marked(&change.before, &change.before_sensitive, &mut known);
            collect_marked(&change.after, &change.after_sensitive, &mut known);
        }
        for (name, declaration) in &document.configuration.root_module.variables {
            if let Some(variable) = document.variables.get(name).filter(|_| declaration.sensitive) {
                collect_marked(&variable.value, &Value::Bool(true), &mut known);
            }
        }
        Self { known }
    }

    /// The attributes of a resource that differ, those that force its replacement first.
    pub(super) fn attributes(&self, change: &Change) -> Vec<Attribute> {
        let none = serde_json::Map::new();
        let fields = |value: &'_ Value| value.as_object().unwrap_or(&none).clone();
        let before = fields(&change.before);
        let after = fields(&change.after);
        let unknown = fields(&change.after_unknown);
        let names: BTreeSet<&String> =
            before.keys().chain(after.keys()).chain(unknown.keys()).collect();
        let forcing: BTreeMap<&str, ()> = change
            .replace_paths
            .iter()
            .filter_map(|path| path.first().and_then(Value::as_str))
            .map(|name| (name, ()))
            .collect();
        let differs = |name: &&String| {
            before.get(*name).unwrap_or(&Value::Null) != after.get(*name).unwrap_or(&Value::Null)
                || unknown.get(*name).is_some_and(has_true)
        };
        let attribute = |name: &String| Attribute {
            name: name.clone(),
            before: self.show(before.get(name), None, field(&change.before_sensitive, name)),
            after: self.show(
                after.get(name),
                unknown.get(name),
                field(&change.after_sensitive, name),
            ),
            forces_replacement: forcing.contains_key(name.as_str()),
        };
        let mut attributes: Vec<Attribute> =
            names.into_iter().filter(differs).map(attribute).collect();
        attributes.sort_by_key(|attribute| !attribute.forces_replacement);
        attributes
    }

    pub(super) fn output(&self, name: &str, change: &Change) -> Attribute {
        let (before, after) = (Some(&change.before), Some(&change.after));
        Attribute {
            name: name.to_owned(),
            before: self.show(before, None, Some(&change.before_sensitive)),
            after: self.show(after, Some(&change.after_unknown), Some(&change.after_sensitive)),
            forces_replacement: false,
        }
    }

    /// A value as it may be shown; nothing for no value.
    fn show(
        &self,
        value: Option<&Value>,
        unknown: Option<&Value>,
        sensitive: Option<&Value>,
    ) -> Option<String> {
        let value = value.filter(|value| !value.is_null());
        let partly_unknown = unknown.is_some_and(has_true);
        if value.is_none() && !partly_unknown {
            return None;
        }
        if sensitive.is_some_and(has_true) || value.is_some_and(|value| self.reveals(value)) {
            return Some(SENSITIVE.to_owned());
        }
        let Some(value) = value.filter(|_| unknown != Some(&Value::Bool(true))) else {
            return Some(UNKNOWN.to_owned());
        };
        let mut text = value.to_string();
        if let Some((cut, _)) = text.char_indices().nth(VALUE_CHARS_MAX) {
            text.truncate(cut);
            text.push('…');
        }
        Some(if partly_unknown { format!("{text} and more {UNKNOWN}") } else { text })
    }

    fn reveals(&self, value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(key, value)| {
                self.reveals(&Value::from(key.as_str())) || self.reveals(value)
            }),
            Value::Array(items) => items.iter().any(|item| self.reveals(item)),
            leaf => leaf_text(leaf).is_some_and(|text| {
                let short = |secret: &str| secret.chars().count() <= SHORT_SECRET_CHARS;
                let part = |secret: &&String| !short(secret) && text.contains(secret.as_str());
                self.known.contains(&text) || self.known.iter().any(|secret| part(&secret))
            }),
        }
    }
}

/// The leaves of `value` at which `marks` is true.
fn collect_marked(value: &Value, marks: &Value, found: &mut BTreeSet<String>) {
    match (value, marks) {
        (Value::Object(fields), Value::Bool(true)) => {
            fields.values().for_each(|value| collect_marked(value, marks, found));
        }
        (Value::Array(items), Value::Bool(true)) => {
            items.iter().for_each(|value| collect_marked(value, marks, found));
        }
        (Value::Object(fields), Value::Object(marks)) => {
            for (name, value) in fields {
                collect_marked(value, marks.get(name).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(items), Value::Array(marks)) => {
            items.iter().zip(marks).for_each(|(value, mark)| collect_marked(value, mark, found));
        }
        (leaf, Value::Bool(true)) => found.extend(leaf_text(leaf).filter(|text| !text.is_empty())),
        _ => {}
    }
}

/// A string or number; truth values are no secrets worth the name and would hide everything.
fn leaf_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The marks of one attribute; a whole value that is marked marks each of them.
fn field<'a>(marks: &'a Value, name: &str) -> Option<&'a Value> {
    match marks {
        Value::Object(fields) => fields.get(name),
        whole => Some(whole),
    }
}

fn has_true(marks: &Value) -> bool {
    match marks {
        Value::Bool(mark) => *mark,
        Value::Array(items) => items.iter().any(has_true),
        Value::Object(fields) => fields.values().any(has_true),
        _ => false,
    }
}
