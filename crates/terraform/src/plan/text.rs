//! A plan for people: for a terminal with values, for a summary page without.

use qnt9_model::plan::PlanAction;

use super::details::Attribute;
use super::{Plan, Resource};

impl Plan {
    /// `1 to add, 2 to change, 1 to destroy`, with the outputs where some change.
    #[must_use]
    pub fn headline(&self) -> String {
        if self.changes() == 0 {
            return "no changes".to_owned();
        }
        let summary = &self.summary;
        let outputs = match self.outputs.len() {
            0 => String::new(),
            1 => ", 1 output changes".to_owned(),
            many => format!(", {many} outputs change"),
        };
        format!(
            "{} to add, {} to change, {} to destroy{outputs}",
            summary.add, summary.change, summary.destroy
        )
    }

    /// Lines for a terminal, without colour. Sensitive values are not in them.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut text = format!("Plan: {}\n", self.headline());
        for resource in &self.resources {
            text.push_str(&format!("\n{}\n", heading(resource)));
            write_attributes(&resource.attributes, &mut text);
        }
        if !self.outputs.is_empty() {
            text.push_str("\n    Outputs\n");
            write_attributes(&self.outputs, &mut text);
        }
        text
    }

    /// Markdown for a step summary: which attributes change, but no values.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("**Plan: {}**\n", self.headline());
        if !self.resources.is_empty() {
            text.push_str("\n| | resource | what changes |\n|---|---|---|\n");
        }
        for resource in &self.resources {
            let line = resource.line();
            let attributes = line.attributes.iter().map(|attribute| code(attribute));
            let attributes = attributes.collect::<Vec<_>>().join(", ");
            let address = code(&resource.address);
            text.push_str(&format!("| {} | {address} | {attributes} |\n", word(resource.action)));
        }
        if !self.outputs.is_empty() {
            let names = self.outputs.iter().map(|output| code(&output.name));
            text.push_str(&format!("\nOutputs: {}\n", names.collect::<Vec<_>>().join(", ")));
        }
        text
    }
}

fn heading(resource: &Resource) -> String {
    let sign = match resource.action {
        PlanAction::Delete => "  -",
        PlanAction::Replace => "-/+",
        PlanAction::Update => "  ~",
        PlanAction::Create => "  +",
        PlanAction::Read => " <=",
    };
    let what = match &resource.note {
        Some(note) if resource.only_noted() => format!("is {note}"),
        Some(note) => format!("is {note} and {}", word(resource.action)),
        None => format!("is {}", word(resource.action)),
    };
    format!("{sign} {} {what}", resource.address)
}

const fn word(action: PlanAction) -> &'static str {
    match action {
        PlanAction::Delete => "destroyed",
        PlanAction::Replace => "destroyed and created anew",
        PlanAction::Update => "changed",
        PlanAction::Create => "created",
        PlanAction::Read => "read",
    }
}

fn write_attributes(attributes: &[Attribute], text: &mut String) {
    let width = attributes.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
    for attribute in attributes {
        let values = match (&attribute.before, &attribute.after) {
            (Some(before), Some(after)) if before == after => before.clone(),
            (Some(before), Some(after)) => format!("{before} -> {after}"),
            (None, Some(after)) => after.clone(),
            (Some(before), None) => format!("{before} -> nothing"),
            (None, None) => String::new(),
        };
        let forces = if attribute.forces_replacement { "  # forces replacement" } else { "" };
        text.push_str(&format!("      {:width$}  {values}{forces}\n", attribute.name));
    }
}

/// Code in a table cell: a bar would end the cell and a backtick the code.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "\\|").replace('\n', " "))
}
