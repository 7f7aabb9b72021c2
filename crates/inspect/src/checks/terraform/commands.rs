//! terraform as jobs call it.

use hcl_edit::Span as _;

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;
use crate::repository::join;
use crate::terraform::label;
use crate::yaml::Node;

pub(super) const CLOUD_BACKEND_CONFIG: Code = Code {
    id: "QX3012",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a workspace chosen in a way that Terraform Cloud does not have",
    explanation: "`-backend-config` is for backends. With a `cloud` block `terraform init` refuses it; the workspace is chosen by the block, or by \
                  TF_WORKSPACE.",
    example: "terraform { cloud { organization = \"acme\" } }\n- run: terraform init -backend-config=\"name=prd\"",
    fix: "- run: terraform init\n  env: { TF_WORKSPACE: qnt9-srs-prd }",
};

pub(super) const NO_WAY_BACK: Code = Code {
    id: "QX3013",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "an AKS cluster's OpenID Connect issuer switched off",
    explanation: "Workload identity needs the issuer, and Azure cannot switch an issuer off once it is on: the apply fails with \
                  `OIDCIssuerFeatureCannotBeDisabled`.",
    example: "oidc_issuer_enabled       = false\nworkload_identity_enabled = true",
    fix: "oidc_issuer_enabled       = true\nworkload_identity_enabled = true",
};

pub(super) const ASKS: Code = Code {
    id: "QX3014",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "an apply that asks a terminal there is not",
    explanation: "`terraform apply` without a plan file asks whether to go on. A job has no terminal: it fails with `error asking for approval: EOF`, or waits \
                  until its time is over.",
    example: "- run: terraform apply",
    fix: "- run: terraform plan -input=false -out=tfplan\n- run: terraform apply -input=false tfplan",
};

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for job in flow.jobs() {
            for step in job.steps() {
                let Some(script) = step.get("run") else { continue };
                let folder = step.get("working-directory").or_else(|| job.working_directory(flow));
                let folder = folder.and_then(Node::text).unwrap_or_default();
                let has_cloud = |folder: &str| {
                    let module = reading.modules.iter().find(|module| module.folder == folder);
                    module.is_some_and(|module| module.settings("cloud").next().is_some())
                };
                for (line, text) in joined(script) {
                    if asks(&text) {
                        let message =
                            "this asks at a terminal whether to go on, and a job has none";
                        let hint = "apply a plan file (`-out=tfplan`, then `apply tfplan`), or add -auto-approve";
                        findings.add(&ASKS, &flow.file, Place::line(line), message, hint);
                    }
                    let is_init = text.contains("terraform")
                        && text.contains(" init")
                        && text.contains("-backend-config");
                    if is_init && join("", folder).is_some_and(|folder| has_cloud(&folder)) {
                        let message = "`-backend-config` is refused: the configuration has a `cloud` block, and no backend";
                        let hint =
                            "choose the workspace by TF_WORKSPACE in `env:`, or in the cloud block";
                        findings.add(
                            &CLOUD_BACKEND_CONFIG,
                            &flow.file,
                            Place::line(line),
                            message,
                            hint,
                        );
                    }
                }
            }
        }
    }
}

/// The lines of a script, those that end in `\` with the next one.
fn joined(script: &Node) -> Vec<(u32, String)> {
    let mut whole: Vec<(u32, String)> = Vec::new();
    let mut goes_on = false;
    for (line, text) in script.lines() {
        let (kept, continues) = match text.trim_end().strip_suffix('\\') {
            Some(kept) => (kept, true),
            None => (text, false),
        };
        match whole.last_mut().filter(|_| goes_on) {
            Some((_, last)) => last.push_str(kept),
            None => whole.push((line, kept.to_owned())),
        }
        goes_on = continues;
    }
    whole
}

/// Whether a line is an apply or a destroy that waits for a yes.
fn asks(line: &str) -> bool {
    let code = line.split(" #").next().unwrap_or(line);
    let words: Vec<&str> = code.split_whitespace().collect();
    let Some(at) = words.iter().position(|word| *word == "terraform") else { return false };
    // A yes from a pipe, a variable that may hold anything, another command behind it.
    if code.contains("| terraform") || code.contains("echo ") || code.trim_start().starts_with('#')
    {
        return false;
    }
    let words: Vec<&str> = words[at + 1..]
        .iter()
        .copied()
        .take_while(|word| !matches!(*word, "&&" | "||" | ";" | "|"))
        .collect();
    let command = words.iter().position(|word| matches!(*word, "apply" | "destroy"));
    let Some(command) = command.filter(|at| words[..*at].iter().all(|word| word.starts_with('-')))
    else {
        return false;
    };
    let mut rest = words[command + 1..].iter();
    let mut names_plan = false;
    while let Some(word) = rest.next() {
        if word.contains("-auto-approve") || word.contains('$') || matches!(*word, "-help" | "-h") {
            return false;
        }
        // `-var name=value` and its like take the next word.
        if matches!(*word, "-var" | "-var-file" | "-target" | "-replace") {
            rest.next();
        } else if !word.starts_with('-') && !word.starts_with(['>', '2']) {
            names_plan = true;
        }
    }
    !names_plan
}

pub(super) fn issuer(reading: &Reading<'_>, findings: &mut Findings) {
    for module in &reading.modules {
        for (file, block) in module.blocks("resource") {
            if label(block, 0) != Some("azurerm_kubernetes_cluster") {
                continue;
            }
            let value =
                |key: &str| block.body.get_attribute(key).and_then(|one| one.value.as_bool());
            let issuer = block.body.get_attribute("oidc_issuer_enabled");
            if value("oidc_issuer_enabled") == Some(false) {
                let message = "the OpenID Connect issuer cannot be switched off once it is on: the apply fails";
                let place = file.place(issuer.and_then(hcl_edit::Span::span));
                findings.add(
                    &NO_WAY_BACK,
                    file.path,
                    place,
                    message,
                    "write `oidc_issuer_enabled = true`",
                );
            } else if value("workload_identity_enabled") == Some(true) && issuer.is_none() {
                let identity = block.body.get_attribute("workload_identity_enabled");
                let message =
                    "workload identity needs the OpenID Connect issuer, which is not switched on";
                let place = file.place(identity.and_then(|one| one.span()));
                findings.add(
                    &NO_WAY_BACK,
                    file.path,
                    place,
                    message,
                    "add `oidc_issuer_enabled = true`",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apply_asks_unless_it_has_a_plan_or_is_told_not_to() {
        for asking in [
            "terraform apply",
            "terraform -chdir=infra apply -input=false",
            "terraform destroy -var-file a.tfvars",
        ] {
            assert!(asks(asking), "{asking}");
        }
        for quiet in [
            "terraform apply tfplan",
            "terraform apply -auto-approve",
            "terraform apply $ARGS",
            "yes | terraform apply",
            "terraform plan",
            "echo terraform apply",
            "terraform workspace new apply",
        ] {
            assert!(!asks(quiet), "{quiet}");
        }
    }
}
