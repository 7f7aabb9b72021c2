//! Where the state lies.

use hcl_edit::Span as _;

use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::repository::join;
use crate::terraform::{Mentions, Module};

pub(super) const VARIABLE: Code = Code {
    id: "QX3008",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "a variable in a backend",
    explanation: "The backend is set up before variables are known: `terraform init` fails with `Variables may not be used here`.",
    example: "backend \"azurerm\" { storage_account_name = var.state_account }",
    fix: "backend \"azurerm\" {}      # and: terraform init -backend-config=backend/prd.hcl",
};

pub(super) const NO_BACKEND: Code = Code {
    id: "QX3009",
    area: Area::Terraform,
    severity: Severity::Error,
    title: "an apply in a job whose state is thrown away",
    explanation: "Without a backend the state is a file in the job's folder, which is gone when the job ends. The next apply knows nothing and \
                  makes everything a second time, or fails because it is there.",
    example: "- run: terraform apply -auto-approve      # no backend block in the folder",
    fix: "terraform {\n  backend \"http\" {}      # and in the job: qnt9 state env WORKSPACE >> \"$GITHUB_ENV\"\n}",
};

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for module in &reading.modules {
        for (file, block) in module.settings("backend").chain(module.settings("cloud")) {
            for attribute in block.body.attributes() {
                let mentions = Mentions::of(&attribute.value);
                let used = mentions
                    .references
                    .iter()
                    .find(|one| matches!(one.names[0].as_str(), "var" | "local"));
                if let Some(used) = used {
                    let message = format!(
                        "`{}` cannot be used here: the backend is set up before any value is known",
                        used.names.join(".")
                    );
                    let hint = "leave it out here and give it to `terraform init -backend-config=..`, or in the environment";
                    findings.add(&VARIABLE, file.path, file.place(attribute.span()), message, hint);
                }
            }
        }
    }
    applies(reading, findings);
}

/// Jobs that apply in a folder whose state lies nowhere.
fn applies(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for job in flow.jobs() {
            for step in job.steps() {
                let Some(script) = step.get("run") else { continue };
                let folder = step.get("working-directory").or_else(|| job.working_directory(flow));
                let folder = folder.and_then(|node| node.text()).unwrap_or_default();
                for (line, text) in script.lines() {
                    let Some(at) = text.find("terraform ").filter(|_| text.contains(" apply"))
                    else {
                        continue;
                    };
                    let chdir = text[at..]
                        .split("-chdir=")
                        .nth(1)
                        .and_then(|rest| rest.split_whitespace().next());
                    let Some(folder) = join(folder, chdir.unwrap_or_default()) else { continue };
                    let module = reading.modules.iter().find(|module| module.folder == folder);
                    if module.is_some_and(has_no_backend) {
                        let shown = if folder.is_empty() { "the top folder" } else { &folder };
                        let message = format!(
                            "the Terraform configuration of {shown} has no backend: the state is lost when this job ends"
                        );
                        let hint = "add `terraform { backend \"http\" {} }` and `qnt9 state env WORKSPACE >> \"$GITHUB_ENV\"` before `terraform init`";
                        findings.add(
                            &NO_BACKEND,
                            &flow.file,
                            crate::finding::Place::line(line),
                            message,
                            hint,
                        );
                    }
                }
            }
        }
    }
}

fn has_no_backend(module: &Module<'_>) -> bool {
    module.broken.is_empty()
        && module.settings("backend").next().is_none()
        && module.settings("cloud").next().is_none()
}
