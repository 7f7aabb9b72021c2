//! A Terraform plan in numbers and lines.

use serde::{Deserialize, Serialize};

/// What a plan would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Resources to create (replacements counted here and under `destroy`, as terraform does).
    pub add: u32,
    /// Resources to change in place.
    pub change: u32,
    /// Resources to destroy.
    pub destroy: u32,
    /// One line per resource that changes, deletes and replacements first.
    pub lines: Vec<PlanLine>,
}

/// One resource of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLine {
    /// Its address, `terraform_data.database`.
    pub address: String,
    /// What happens to it.
    pub action: PlanAction,
    /// The attributes that differ, values left out.
    pub attributes: Vec<String>,
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanAction {
    /// Destroyed.
    Delete,
    /// Destroyed and created anew.
    Replace,
    /// Changed in place.
    Update,
    /// Created.
    Create,
    /// Only read.
    Read,
}
