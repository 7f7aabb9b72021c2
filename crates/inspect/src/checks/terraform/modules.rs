//! Calls of modules that lie in the repository.

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, Traversal, TraversalOperator};
use hcl_edit::structure::Block;
use hcl_edit::visit::{Visit, visit_traversal};

use super::variables::{UNKNOWN_REFERENCE, nearest, required};
use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::repository::join;
use crate::terraform::{File, Module, configured, label, text_at};

pub(super) const NO_SOURCE: Code = Code {
    id: "QX3015",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a module that is not where its call says",
    explanation: "The folder has no Terraform files: `terraform init` fails with `Unreadable module directory`.",
    example: "module \"network\" { source = \"./modules/netwrok\" }",
    fix: "module \"network\" { source = \"./modules/network\" }",
};

pub(super) const ARGUMENTS: Code = Code {
    id: "QX3016",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a call that does not fit its module",
    explanation: "The module has no variable of that name (`Unsupported argument`), or has one without a default that the call leaves out (`Missing required \
                  argument`).",
    example: "module \"db\" { source = \"./modules/db\", sizes = 3 }      # the variable is called size",
    fix: "module \"db\" { source = \"./modules/db\", size = 3 }",
};

/// What a call says beside the module's variables.
const OF_THE_CALL: &[&str] = &["source", "version", "providers", "count", "for_each", "depends_on"];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for module in &reading.modules {
        let mut called: Vec<(&str, &Module<'_>)> = Vec::new();
        for (file, call) in module.blocks("module") {
            let source = text_at(&call.body, "source").filter(|source| source.starts_with('.'));
            let Some(folder) = source.as_deref().and_then(|source| join(module.folder, source))
            else {
                continue;
            };
            match reading.modules.iter().find(|one| one.folder == folder) {
                Some(target) if target.broken.is_empty() => {
                    arguments(file, call, target, findings);
                    called.extend(label(call, 0).map(|name| (name, target)));
                }
                Some(_) => {}
                // Modules may be written in JSON, which is not read.
                None if reading
                    .repository
                    .below(&folder)
                    .any(|path| path.ends_with(".tf.json")) => {}
                None => no_source(reading, file, call, &folder, findings),
            }
        }
        outputs(module, &called, findings);
    }
}

fn no_source(
    reading: &Reading<'_>,
    file: &File<'_>,
    call: &Block,
    folder: &str,
    findings: &mut Findings,
) {
    let place = call.body.get_attribute("source").map(|source| source.value.span());
    let known: Vec<&str> = reading.modules.iter().map(|module| module.folder).collect();
    let hint = match nearest(folder, &known) {
        Some(near) => format!("did you mean the folder {near}?"),
        None => "write the path from this file's folder to the module's".to_owned(),
    };
    let message = format!("the folder {folder} has no Terraform files");
    findings.add(&NO_SOURCE, file.path, file.place(place.flatten()), message, hint);
}

fn arguments(file: &File<'_>, call: &Block, target: &Module<'_>, findings: &mut Findings) {
    let declared = target.variables();
    let given: Vec<&str> = call.body.attributes().map(|one| one.key.as_str()).collect();
    for one in call.body.attributes() {
        let name = one.key.as_str();
        if OF_THE_CALL.contains(&name) || declared.contains(&name) {
            continue;
        }
        let message = format!("the module in {} has no variable `{name}`", target.folder);
        let hint = match nearest(name, &declared) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has: {}", declared.join(", ")),
        };
        findings.add(&ARGUMENTS, file.path, file.place(one.key.span()), message, hint);
    }
    for name in required(target).iter().filter(|name| !given.contains(&name.as_str())) {
        let message = format!(
            "the module in {} needs `{name}`, which has no default and is not given here",
            target.folder
        );
        let hint = format!("add `{name} = ..`, or give the variable a default");
        findings.add(&ARGUMENTS, file.path, file.place(call.ident.span()), message, hint);
    }
}

/// The outputs of modules that expressions ask for: module, output, place.
#[derive(Default)]
struct Asked(Vec<(String, String, Option<std::ops::Range<usize>>)>);

impl Visit for Asked {
    fn visit_traversal(&mut self, node: &Traversal) {
        if matches!(&node.expr, Expression::Variable(first) if first.as_str() == "module") {
            let names = node.operators.iter().filter_map(|operator| match operator.value() {
                TraversalOperator::GetAttr(name) => Some(name.as_str().to_owned()),
                _ => None,
            });
            let mut names = names;
            if let (Some(module), Some(output)) = (names.next(), names.next()) {
                self.0.push((module, output, node.span()));
            }
        }
        visit_traversal(self, node);
    }
}

fn outputs(module: &Module<'_>, called: &[(&str, &Module<'_>)], findings: &mut Findings) {
    for file in &module.files {
        let mut asked = Asked::default();
        for attribute in configured(&file.body) {
            asked.visit_expr(&attribute.value);
        }
        for (name, output, span) in asked.0 {
            let Some((_, target)) = called.iter().find(|(known, _)| *known == name) else {
                continue;
            };
            let known: Vec<&str> =
                target.blocks("output").filter_map(|(_, block)| label(block, 0)).collect();
            if known.contains(&output.as_str()) {
                continue;
            }
            let message = format!("the module {name} ({}) has no output `{output}`", target.folder);
            let hint = match nearest(&output, &known) {
                Some(near) => format!("did you mean `module.{name}.{near}`?"),
                None => format!("add `output \"{output}\"` in {}", target.folder),
            };
            findings.add(&UNKNOWN_REFERENCE, file.path, file.place(span), message, hint);
        }
    }
}
