//! What is declared twice, what no resource declares, and what cannot be repeated.

use std::collections::{BTreeMap, BTreeSet};

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::structure::Block;

use super::variables::{UNKNOWN_REFERENCE, nearest};
use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::terraform::{Mentions, Module, configured, label};

pub(super) const TWICE: Code = Code {
    id: "QX3017",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "declared twice in one folder",
    explanation: "The files of a folder are one module: a variable, an output, a resource or a module call of one name may stand in one of them only. \
                  `terraform init` fails with `Duplicate variable declaration`.",
    example: "# main.tf\nvariable \"region\" {}\n# variables.tf\nvariable \"region\" {}",
    fix: "Remove one of the two.",
};

pub(super) const LIST: Code = Code {
    id: "QX3018",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a `for_each` over a list",
    explanation: "`for_each` takes a map or a set of texts: `Invalid for_each argument`.",
    example: "for_each = [\"a\", \"b\"]",
    fix: "for_each = toset([\"a\", \"b\"])",
};

pub(super) fn twice(reading: &Reading<'_>, findings: &mut Findings) {
    for module in &reading.modules {
        for kind in ["variable", "output", "resource", "data", "module"] {
            let mut first: BTreeMap<Vec<&str>, String> = BTreeMap::new();
            for (file, block) in module.blocks(kind) {
                // What one file declares, override files and tests change on purpose.
                if file.path.ends_with("override.tf") {
                    continue;
                }
                let name: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
                let place = file.place(block.ident.span());
                let here = format!("{}:{}", file.path, place.line);
                match first.get(&name) {
                    None => drop(first.insert(name, here)),
                    Some(there) => {
                        let message = format!("{kind} `{}` is declared twice", name.join("."));
                        let hint = format!("remove it here or at {there}");
                        findings.add(&TWICE, file.path, place, message, hint);
                    }
                }
            }
        }
    }
}

pub(super) fn resources(reading: &Reading<'_>, findings: &mut Findings) {
    for module in reading.modules.iter().filter(|module| module.broken.is_empty()) {
        let declared: BTreeSet<(&str, &str)> = module
            .blocks("resource")
            .filter_map(|(_, block)| Some((label(block, 0)?, label(block, 1)?)))
            .collect();
        // Only names that begin as this folder's own resources do can be no iterator.
        let providers: BTreeSet<&str> =
            declared.iter().filter_map(|(kind, _)| Some(kind.split_once('_')?.0)).collect();
        let iterators = iterators(module);
        for file in &module.files {
            for attribute in configured(&file.body) {
                for reference in Mentions::of(&attribute.value).references {
                    let [kind, name, ..] = reference.names.as_slice() else { continue };
                    let is_resource = kind
                        .split_once('_')
                        .is_some_and(|(provider, _)| providers.contains(provider));
                    if !is_resource || iterators.contains(kind) || declared.contains(&(kind, name))
                    {
                        continue;
                    }
                    let alike: Vec<&str> = declared
                        .iter()
                        .filter(|(one, _)| one == kind)
                        .map(|(_, name)| *name)
                        .collect();
                    let hint = match nearest(name, &alike).or(alike.first().copied()) {
                        Some(near) => format!("did you mean `{kind}.{near}`?"),
                        None if is_read(module, kind, name) => {
                            format!("write `data.{kind}.{name}`")
                        }
                        None => format!(
                            "declare resource \"{kind}\" \"{name}\", or remove the reference"
                        ),
                    };
                    let message = format!("no resource `{kind}.{name}` is declared in this folder");
                    let place = file.place(reference.span);
                    findings.add(&UNKNOWN_REFERENCE, file.path, place, message, hint);
                }
            }
        }
    }
}

/// The names that `dynamic` blocks give to what they go over.
fn iterators(module: &Module<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Block> = module.files.iter().flat_map(|file| file.body.blocks()).collect();
    while let Some(block) = open.pop() {
        if block.ident.as_str() == "dynamic" {
            found.extend(label(block, 0).map(str::to_owned));
            if let Some(Expression::Variable(name)) =
                block.body.get_attribute("iterator").map(|iterator| &iterator.value)
            {
                found.insert(name.as_str().to_owned());
            }
        }
        open.extend(block.body.blocks());
    }
    found
}

/// Whether there is a data source of that name.
fn is_read(module: &Module<'_>, kind: &str, name: &str) -> bool {
    module
        .blocks("data")
        .any(|(_, block)| label(block, 0) == Some(kind) && label(block, 1) == Some(name))
}

pub(super) fn lists(reading: &Reading<'_>, findings: &mut Findings) {
    for module in &reading.modules {
        for kind in ["resource", "data", "module"] {
            for (file, block) in module.blocks(kind) {
                let Some(each) = block.body.get_attribute("for_each") else { continue };
                if matches!(each.value, Expression::Array(_)) {
                    let message = "`for_each` takes a map or a set, and this is a list";
                    let hint = "write `for_each = toset([..])`";
                    findings.add(&LIST, file.path, file.place(each.value.span()), message, hint);
                }
            }
        }
    }
}
