//! Terraform: what `terraform plan` or `apply` would refuse, and what a plan would show every time.

mod backend;
mod commands;
mod count;
mod declarations;
mod modules;
mod noise;
mod providers;
mod values;
mod variables;
mod versions;

use super::Check;
use crate::Code;
use crate::finding::{Area, Findings, Place, Severity, number};
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
    commands::check,
    commands::issuer,
    modules::check,
    declarations::twice,
    declarations::resources,
    declarations::lists,
    values::check,
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
    commands::CLOUD_BACKEND_CONFIG,
    commands::NO_WAY_BACK,
    commands::ASKS,
    modules::NO_SOURCE,
    modules::ARGUMENTS,
    declarations::TWICE,
    declarations::LIST,
    values::VALUE,
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

/// A quote that is not closed is found by the parser at the beginning of what it is in: the first line with
/// an odd number of quotes from there on is where it was opened.
fn opened(text: &str, place: Place) -> Place {
    let quotes = |line: &str| line.replace("\\\"", "").matches('"').count();
    let lines = text.lines().enumerate().skip(place.line.saturating_sub(1) as usize);
    let mut code = lines.filter(|(_, line)| !line.trim_start().starts_with(['#', '/']));
    let odd = code.find(|(_, line)| quotes(line) % 2 == 1);
    odd.map_or(place, |(at, _)| Place::line(number(at + 1)))
}

fn syntax(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, place, message) in reading.modules.iter().flat_map(|module| &module.broken) {
        let message =
            format!("terraform cannot read this: {}", message.lines().next().unwrap_or_default());
        let text = reading.repository.text(path).unwrap_or_default();
        findings.add(
            &SYNTAX,
            path,
            opened(text, *place),
            message,
            "close what was opened; `terraform fmt` shows where",
        );
    }
    for (path, text) in reading.repository.ending(&[".tfvars"]) {
        if let Err(error) = hcl_edit::parser::parse_body(text) {
            let at = error.location();
            let place = Place { line: number(at.line()), column: number(at.column()) };
            let place = opened(text, place);
            let message = format!(
                "terraform cannot read this: {}",
                error.message().lines().next().unwrap_or_default()
            );
            findings.add(
                &SYNTAX,
                path,
                place,
                message,
                if error.message().contains("redefined") {
                    "it is set twice: remove one of the two"
                } else {
                    "a variables file holds lines of the form NAME = VALUE"
                },
            );
        }
    }
}
