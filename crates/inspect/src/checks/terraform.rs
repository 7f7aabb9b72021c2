//! Terraform: what `terraform plan` or `apply` would refuse, and what a plan would show every time.

mod backend;
mod count;
mod noise;
mod providers;
mod variables;
mod versions;

use super::Check;
use crate::Code;
use crate::finding::{Area, Findings, Severity};
use crate::reading::Reading;

pub(super) const CHECKS: &[Check] = &[
    syntax,
    noise::check,
    variables::files,
    variables::references,
    count::check,
    backend::check,
    providers::constraints,
    providers::lock,
    versions::check,
];

pub(super) const CODES: &[Code] = &[
    SYNTAX,
    noise::EVERY_PLAN,
    variables::NOT_DECLARED,
    variables::UNKNOWN_REFERENCE,
    variables::NOT_SET,
    count::INDEX,
    versions::ENDED,
    backend::VARIABLE,
    backend::NO_BACKEND,
    providers::CONFLICT,
    providers::NO_LOCK,
];

const SYNTAX: Code = Code {
    id: "QX3001",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a Terraform file that cannot be read",
    explanation: "The file is no HCL: terraform stops before it looks at anything.",
    example: "resource \"x\" \"y\" {\n  name = \"a\n}",
    fix: "Close what was opened: quotes, brackets, braces. `terraform fmt` shows where.",
};

fn syntax(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, place, message) in reading.modules.iter().flat_map(|module| &module.broken) {
        let message =
            format!("terraform cannot read this: {}", message.lines().next().unwrap_or_default());
        findings.add(
            &SYNTAX,
            path,
            *place,
            message,
            "close what was opened; `terraform fmt` shows where",
        );
    }
    for (path, text) in reading.repository.ending(&[".tfvars"]) {
        if let Err(error) = hcl_edit::parser::parse_body(text) {
            let at = error.location();
            let place = crate::finding::Place {
                line: crate::finding::number(at.line()),
                column: crate::finding::number(at.column()),
            };
            let message = format!(
                "terraform cannot read this: {}",
                error.message().lines().next().unwrap_or_default()
            );
            findings.add(
                &SYNTAX,
                path,
                place,
                message,
                "a variables file holds lines of the form NAME = VALUE",
            );
        }
    }
}
