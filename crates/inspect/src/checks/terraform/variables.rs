//! Variables: those that files set, those that are declared, those that are used.

use std::collections::BTreeMap;

use hcl_edit::Span as _;
use hcl_edit::structure::Body;

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;
use crate::repository::{folder_of, name_of};
use crate::terraform::{Mentions, Module, configured, label};

pub(super) const NOT_DECLARED: Code = Code {
    id: "QX3003",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a variables file sets what is not declared",
    explanation: "The variable was removed or renamed, or is misspelt. Terraform only warns, so that the value that somebody chose is \
                  quietly not used; Terraform Cloud refuses the run.",
    example: "# prd.tfvars\nnode_size = \"Standard_D2s_v3\"      # variables.tf declares vm_size",
    fix: "vm_size = \"Standard_D2s_v3\"           # or remove the line",
};

pub(super) const UNKNOWN_REFERENCE: Code = Code {
    id: "QX3004",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a reference to what is not declared",
    explanation: "The module uses a variable, a local value, a resource, a module call or an output of one that nothing declares: `terraform validate` fails.",
    example: "location = var.region               # variables.tf declares location",
    fix: "location = var.location",
};

pub(super) const NOT_SET: Code = Code {
    id: "QX3005",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "one environment's file leaves out a variable without a default",
    explanation: "The other environments set it. In this one terraform asks at the terminal, which a job does not have: the plan fails there, and \
                  only there.",
    example: "# dev.tfvars and staging.tfvars set node_count; prd.tfvars does not",
    fix: "# prd.tfvars\nnode_count = 2",
};

/// A variables file and the names that it sets.
type Sets<'a> = (&'a str, Vec<String>);

/// The module that a variables file is for: that of the nearest folder above that declares variables.
pub(super) fn module_of<'a, 'b>(reading: &'b Reading<'a>, path: &str) -> Option<&'b Module<'a>> {
    let mut folder = folder_of(path);
    loop {
        let found = reading.modules.iter().find(|module| module.folder == folder);
        if let Some(module) = found.filter(|module| module.blocks("variable").next().is_some()) {
            return Some(module);
        }
        if folder.is_empty() {
            return None;
        }
        folder = folder_of(folder);
    }
}

pub(super) fn files(reading: &Reading<'_>, findings: &mut Findings) {
    // What each file sets, by module and by the folder of the files.
    let mut siblings: BTreeMap<(&str, &str), Vec<Sets<'_>>> = BTreeMap::new();
    for (path, text) in reading.repository.ending(&[".tfvars"]) {
        let (Some(module), Ok(body)) =
            (module_of(reading, path), hcl_edit::parser::parse_body(text))
        else {
            continue;
        };
        let declared = module.variables();
        let set: Vec<String> = body.attributes().map(|one| one.key.as_str().to_owned()).collect();
        if module.broken.is_empty() {
            not_declared(path, text, &body, &declared, findings);
        }
        siblings.entry((module.folder, folder_of(path))).or_default().push((path, set));
    }
    for ((folder, _), files) in &siblings {
        let Some(module) = reading.modules.iter().find(|module| module.folder == *folder) else {
            continue;
        };
        // Files that only complete others, such as secrets, are not environments.
        let environments: Vec<_> =
            files.iter().filter(|(path, _)| !name_of(path).contains("auto.")).collect();
        for required in required(module) {
            let (with, without): (Vec<_>, Vec<_>) =
                environments.iter().copied().partition(|(_, set)| set.contains(&required));
            if with.len() <= without.len() {
                continue;
            }
            for (path, _) in without {
                let message = format!(
                    "`{required}` has no default and is not set here; {} sets it",
                    name_of(with[0].0)
                );
                let hint =
                    format!("add `{required} = ..` to {path}, or give the variable a default");
                findings.add(&NOT_SET, path, Place::line(1), message, hint);
            }
        }
    }
}

fn not_declared(path: &str, text: &str, body: &Body, declared: &[&str], findings: &mut Findings) {
    for attribute in body.attributes() {
        let name = attribute.key.as_str();
        if declared.contains(&name) {
            continue;
        }
        let place = Place::of(text, attribute.key.span().map_or(0, |span| span.start));
        let message = format!("`{name}` is set here, and no variable of that name is declared");
        let hint = match nearest(name, declared) {
            Some(near) => format!("did you mean `{near}`? Otherwise remove the line"),
            None if declared.is_empty() => "remove the line, or declare the variable".to_owned(),
            None => format!("declared are {}; rename it, or remove the line", declared.join(", ")),
        };
        findings.add(&NOT_DECLARED, path, place, message, hint);
    }
}

/// The variables without a default.
pub(super) fn required(module: &Module<'_>) -> Vec<String> {
    let blocks =
        module.blocks("variable").filter(|(_, block)| !block.body.has_attribute("default"));
    blocks.filter_map(|(_, block)| Some(label(block, 0)?.to_owned())).collect()
}

pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|one| (strsim::jaro_winkler(name, one), *one));
    let part = |one: &str| one.len() > 3 && (name.contains(one) || one.contains(name));
    let scored = scored.map(|(score, one)| (if part(one) { score.max(0.85) } else { score }, one));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, one)| one)
}

pub(super) fn references(reading: &Reading<'_>, findings: &mut Findings) {
    for module in reading.modules.iter().filter(|module| module.broken.is_empty()) {
        let variables = module.variables();
        let modules: Vec<&str> =
            module.blocks("module").filter_map(|(_, block)| label(block, 0)).collect();
        let locals: Vec<&str> = module
            .blocks("locals")
            .flat_map(|(_, block)| block.body.attributes().map(|one| one.key.as_str()))
            .collect();
        for file in &module.files {
            for attribute in configured(&file.body) {
                for reference in Mentions::of(&attribute.value).references {
                    let [kind, name, ..] = reference.names.as_slice() else { continue };
                    let (known, what) = match kind.as_str() {
                        "var" => (&variables, "variable"),
                        "local" => (&locals, "local value"),
                        "module" => (&modules, "module"),
                        _ => continue,
                    };
                    if known.contains(&name.as_str()) {
                        continue;
                    }
                    let message = format!("no {what} called `{name}` is declared in this folder");
                    let hint = match nearest(name, known) {
                        Some(near) => format!("did you mean `{kind}.{near}`?"),
                        None => format!(
                            "declare it, or remove the reference; `terraform validate` in {} says the same",
                            shown(module.folder)
                        ),
                    };
                    findings.add(
                        &UNKNOWN_REFERENCE,
                        file.path,
                        file.place(reference.span),
                        message,
                        hint,
                    );
                }
            }
        }
    }
}

fn shown(folder: &str) -> &str {
    if folder.is_empty() { "the top folder" } else { folder }
}
