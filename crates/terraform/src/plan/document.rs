//! The parts of the JSON that are read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) format_version: String,
    #[serde(default)]
    pub(super) errored: bool,
    #[serde(default)]
    pub(super) resource_changes: Vec<ResourceChange>,
    #[serde(default)]
    pub(super) output_changes: BTreeMap<String, Change>,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Variable>,
    #[serde(default)]
    pub(super) configuration: Configuration,
}

#[derive(Deserialize)]
pub(super) struct ResourceChange {
    pub(super) address: String,
    pub(super) previous_address: Option<String>,
    pub(super) deposed: Option<String>,
    pub(super) change: Change,
}

#[derive(Deserialize)]
pub(super) struct Change {
    pub(super) actions: Vec<String>,
    #[serde(default)]
    pub(super) before: Value,
    #[serde(default)]
    pub(super) after: Value,
    /// Shaped like `after`, `true` where a value is not known yet.
    #[serde(default)]
    pub(super) after_unknown: Value,
    /// Shaped like `before`, `true` where a value is secret.
    #[serde(default)]
    pub(super) before_sensitive: Value,
    /// Shaped like `after`, `true` where a value is secret.
    #[serde(default)]
    pub(super) after_sensitive: Value,
    /// Paths of the attributes that force a replacement.
    #[serde(default)]
    pub(super) replace_paths: Vec<Vec<Value>>,
    pub(super) importing: Option<Value>,
}

impl Change {
    pub(super) fn is_no_op(&self) -> bool {
        self.actions == ["no-op"]
    }
}

#[derive(Deserialize)]
pub(super) struct Variable {
    #[serde(default)]
    pub(super) value: Value,
}

#[derive(Default, Deserialize)]
pub(super) struct Configuration {
    #[serde(default)]
    pub(super) root_module: RootModule,
}

#[derive(Default, Deserialize)]
pub(super) struct RootModule {
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Declaration>,
}

#[derive(Deserialize)]
pub(super) struct Declaration {
    #[serde(default)]
    pub(super) sensitive: bool,
}
