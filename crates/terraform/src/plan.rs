//! A plan as `terraform show -json` writes it, made readable, and the hash that approvals name.
//!
//! Source of the format: terraform's documentation, "JSON Output Format", format version 1.

mod details;
mod document;
mod hash;
mod text;

#[cfg(test)]
mod tests;

use qnt9_model::plan::{PlanAction, PlanLine, PlanSummary};
use serde_json::Value;

use self::details::{Attribute, Secrets};
use self::document::{Document, ResourceChange};

/// What a plan would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In numbers and lines, without values.
    pub summary: PlanSummary,
    /// sha256 in hexadecimal over everything the plan would do: the same plan made twice has the
    /// same hash, and one changed value gives another.
    pub hash: String,
    resources: Vec<Resource>,
    outputs: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Resource {
    address: String,
    action: PlanAction,
    /// What happens beside or instead of the action: moved, imported, forgotten.
    note: Option<String>,
    attributes: Vec<Attribute>,
}

/// The file is not a plan that can be shown or applied.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not JSON, or not of a plan's shape.
    #[error("this is not the output of `terraform show -json PLANFILE`")]
    NotAPlan(#[source] serde_json::Error),
    /// A format that may mean something else.
    #[error("the plan has format version {found}; this program knows version 1")]
    Version {
        /// The version found.
        found: String,
    },
    /// terraform made the plan although it failed.
    #[error(
        "terraform could not finish this plan, so it cannot be applied; look at the output of `terraform plan`"
    )]
    Errored,
    /// An action of a later terraform.
    #[error("the plan does `{actions}` to {address}, which this program does not know")]
    UnknownAction {
        /// The resource.
        address: String,
        /// The actions found.
        actions: String,
    },
}

impl Plan {
    /// Reads the output of `terraform show -json PLANFILE`.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(json: &[u8]) -> Result<Self, PlanError> {
        let raw: Value = serde_json::from_slice(json).map_err(PlanError::NotAPlan)?;
        let hash = hash::of(&raw);
        let document: Document = serde_json::from_value(raw).map_err(PlanError::NotAPlan)?;
        if !document.format_version.starts_with("1.") {
            return Err(PlanError::Version { found: document.format_version });
        }
        if document.errored {
            return Err(PlanError::Errored);
        }
        let secrets = Secrets::of(&document);
        let mut resources = Vec::new();
        for change in &document.resource_changes {
            resources.extend(read_resource(change, &secrets)?);
        }
        // Deletes and replacements come first: they are what a person must not overlook.
        resources.sort_by(|a, b| (a.action, &a.address).cmp(&(b.action, &b.address)));
        let outputs = document.output_changes.iter().filter(|(_, change)| !change.is_no_op());
        let outputs = outputs.map(|(name, change)| secrets.output(name, change)).collect();
        Ok(Self { summary: summary(&resources), hash, resources, outputs })
    }

    /// How many resources and outputs the plan changes. Nothing to apply when it is 0.
    #[must_use]
    pub fn changes(&self) -> usize {
        let reads = |resource: &&Resource| resource.action != PlanAction::Read;
        self.resources.iter().filter(reads).count() + self.outputs.len()
    }
}

fn read_resource(
    resource: &ResourceChange,
    secrets: &Secrets,
) -> Result<Option<Resource>, PlanError> {
    let change = &resource.change;
    let moved =
        resource.previous_address.as_ref().filter(|previous| **previous != resource.address);
    let mut note = moved.map(|previous| format!("moved from {previous}"));
    if change.importing.is_some() {
        note = Some("imported".to_owned());
    }
    let actions: Vec<&str> = change.actions.iter().map(String::as_str).collect();
    let action = match actions.as_slice() {
        ["no-op"] if note.is_none() => return Ok(None),
        ["no-op"] | ["update"] => PlanAction::Update,
        ["create"] => PlanAction::Create,
        ["read"] => PlanAction::Read,
        ["delete"] => PlanAction::Delete,
        ["delete", "create"] | ["create", "delete"] => PlanAction::Replace,
        ["forget"] => {
            note = Some(FORGOTTEN.to_owned());
            PlanAction::Delete
        }
        _ => {
            let address = resource.address.clone();
            return Err(PlanError::UnknownAction { address, actions: actions.join(", ") });
        }
    };
    let address = match &resource.deposed {
        Some(deposed) => format!("{} (deposed {deposed})", resource.address),
        None => resource.address.clone(),
    };
    Ok(Some(Resource { address, action, note, attributes: secrets.attributes(change) }))
}

const FORGOTTEN: &str = "forgotten, and left as it is";

impl Resource {
    /// Moves and imports change the state but no object; a forgotten object stays.
    fn only_noted(&self) -> bool {
        let forgotten = self.note.as_deref() == Some(FORGOTTEN);
        forgotten || (self.note.is_some() && self.attributes.is_empty())
    }

    fn line(&self) -> PlanLine {
        // All attributes of a new or a destroyed object differ: naming them would say nothing.
        let telling = matches!(self.action, PlanAction::Update | PlanAction::Replace);
        let changed = self.attributes.iter().filter(|_| telling).map(Attribute::label);
        let attributes = self.note.clone().into_iter().chain(changed).collect();
        PlanLine { address: self.address.clone(), action: self.action, attributes }
    }
}

fn summary(resources: &[Resource]) -> PlanSummary {
    let count = |wanted: &[PlanAction]| {
        let counted = resources.iter().filter(|resource| !resource.only_noted());
        let number = counted.filter(|resource| wanted.contains(&resource.action)).count();
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    PlanSummary {
        add: count(&[PlanAction::Create, PlanAction::Replace]),
        change: count(&[PlanAction::Update]),
        destroy: count(&[PlanAction::Delete, PlanAction::Replace]),
        lines: resources.iter().map(Resource::line).collect(),
    }
}
