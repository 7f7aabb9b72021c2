//! Logins by the job's own identity (OpenID Connect) that the job may not use.

use crate::finding::{Area, Code, Findings, Severity};
use crate::flow::{Flow, Job, action};
use crate::reading::Reading;
use crate::yaml::Node;

pub(super) const NO_ID_TOKEN: Code = Code {
    id: "QX2005",
    area: Area::Workflow,
    severity: Severity::Error,
    title: "a login by OpenID Connect without `id-token: write`",
    explanation: "The action asks GitHub for a token that says which job this is. Jobs get it only with `permissions: id-token: write`, \
                  which is never there by default: the login fails with `Unable to get ACTIONS_ID_TOKEN_REQUEST_URL`.",
    example: "jobs:\n  deploy:\n    steps:\n      - uses: azure/login@v2\n        with: { client-id: .., tenant-id: .., subscription-id: .. }",
    fix: "jobs:\n  deploy:\n    permissions:\n      id-token: write\n      contents: read",
};

/// Actions, the input by which they log in with the job's identity, and one that says they do not.
const LOGINS: &[(&str, &str, &str)] = &[
    ("azure/login", "client-id", "creds"),
    ("aws-actions/configure-aws-credentials", "role-to-assume", "aws-access-key-id"),
    ("google-github-actions/auth", "workload_identity_provider", "credentials_json"),
];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for (job, step, uses) in flow.uses() {
            let Some((name, _)) = uses.text().and_then(action) else { continue };
            if !logs_in(name, step) || may_identify(flow, job) {
                continue;
            }
            let message = format!(
                "{name} logs in as this job, and the job `{}` may not ask for its identity",
                job.key
            );
            let hint =
                "add `permissions:` with `id-token: write` (and `contents: read`) to the job";
            findings.add(&NO_ID_TOKEN, &flow.file, uses.place, message, hint);
        }
    }
}

fn logs_in(name: &str, step: &Node) -> bool {
    let has = |input: &str| step.at(&["with", input]).is_some();
    let is_jwt = step.text_at(&["with", "method"]) == Some("jwt") && !has("jwtPrivateKey");
    LOGINS
        .iter()
        .any(|(known, by, other)| name.eq_ignore_ascii_case(known) && has(by) && !has(other))
        || (name.eq_ignore_ascii_case("hashicorp/vault-action") && is_jwt)
}

/// A job's own permissions take the place of the workflow's.
fn may_identify(flow: &Flow, job: Job<'_>) -> bool {
    let permissions = job.node.get("permissions").or_else(|| flow.root.get("permissions"));
    permissions.is_some_and(|node| {
        node.text() == Some("write-all") || node.text_at(&["id-token"]) == Some("write")
    })
}
