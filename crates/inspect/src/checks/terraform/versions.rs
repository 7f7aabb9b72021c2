//! Versions that a cloud no longer offers.

use hcl_edit::Span as _;

use crate::checks::versions::{Product, ended};
use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;
use crate::terraform::{attributes, label, text_of};

pub(super) const ENDED: Code = Code {
    id: "QX3007",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a version that is no longer offered",
    explanation: "The cloud creates nothing of this version any more: the apply fails with `version is not supported in this region`, after \
                  everything else was made.",
    example: "kubernetes_version = \"1.27\"",
    fix: "kubernetes_version = \"1.34\"",
};

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for module in &reading.modules {
        for (file, block) in module.blocks("resource").chain(module.blocks("variable")) {
            let kind = label(block, 0).unwrap_or_default();
            for attribute in attributes(&block.body) {
                // A variable's default is its value where no file says otherwise.
                let name =
                    if attribute.key.as_str() == "default" { kind } else { attribute.key.as_str() };
                let Some(value) = text_of(&attribute.value) else { continue };
                let place = file.place(attribute.value.span());
                note(reading, file.path, place, kind, name, &value, findings);
            }
        }
    }
    for (path, text) in reading.repository.ending(&[".tfvars"]) {
        let Ok(body) = hcl_edit::parser::parse_body(text) else { continue };
        for attribute in body.attributes() {
            let Some(value) = text_of(&attribute.value) else { continue };
            let place = Place::of(text, attribute.value.span().map_or(0, |span| span.start));
            note(reading, path, place, "", attribute.key.as_str(), &value, findings);
        }
    }
}

fn note(
    reading: &Reading<'_>,
    file: &str,
    place: Place,
    kind: &str,
    name: &str,
    value: &str,
    findings: &mut Findings,
) {
    let is_postgres =
        kind.contains("postgresql") || name.contains("postgres") || name.contains("pg_version");
    let product = match name {
        "kubernetes_version" | "orchestrator_version" | "k8s_version" | "aks_version" => {
            Product::Kubernetes
        }
        "version" if is_postgres => Product::PostgreSql,
        "postgres_version" | "postgresql_version" | "pg_version" => Product::PostgreSql,
        "node_version" => Product::Node,
        "python_version" => Product::Python,
        _ => return,
    };
    let plain = value.trim_start_matches(['~', '^', '>', '=', ' ']);
    let Some(end) = ended(product, plain, reading.today) else { return };
    let message =
        format!("`{name}` {value} has been out of support since {end}, and is no longer offered");
    findings.add(&ENDED, file, place, message, format!("write {}", end.instead));
}
