//! Actions whose version does not run any more, or on a runtime that is gone.

use crate::finding::{Area, Code, Findings, Severity};
use crate::flow::action;
use crate::reading::Reading;

pub(super) const GONE: Code = Code {
    id: "QX2001",
    area: Area::Workflow,
    severity: Severity::Error,
    title: "an action's version that was switched off",
    explanation: "GitHub has shut down the services that these versions talk to: the step fails at once, whatever it is given.",
    example: "- uses: actions/upload-artifact@v3",
    fix: "- uses: actions/upload-artifact@v4   # names must differ within a run, see QX2006",
};

pub(super) const OLD_RUNTIME: Code = Code {
    id: "QX2002",
    area: Area::Workflow,
    severity: Severity::Warning,
    title: "an action for a runtime that runners no longer have",
    explanation: "The action was written for node12 or node16. Runners force it onto a newer Node.js, for which it was never tried, \
                  and warn in every run.",
    example: "- uses: actions/checkout@v3        # runs on node16",
    fix: "- uses: actions/checkout@v4",
};

/// Versions that fail: action, last major that does.
const SHUT_DOWN: &[(&str, u32)] =
    &[("actions/upload-artifact", 3), ("actions/download-artifact", 3), ("actions/cache", 2)];

/// Last major on node16 or older, and the first that is not.
const OLD: &[(&str, u32)] = &[
    ("actions/checkout", 3),
    ("actions/setup-node", 3),
    ("actions/setup-python", 4),
    ("actions/setup-go", 4),
    ("actions/setup-java", 3),
    ("actions/setup-dotnet", 3),
    ("actions/cache", 3),
    ("actions/github-script", 6),
    ("actions/labeler", 4),
    ("actions/stale", 7),
    ("aws-actions/configure-aws-credentials", 3),
    ("aws-actions/amazon-ecr-login", 1),
    ("azure/login", 1),
    ("azure/docker-login", 1),
    ("azure/setup-kubectl", 3),
    ("azure/setup-helm", 3),
    ("azure/aks-set-context", 3),
    ("azure/k8s-deploy", 4),
    ("codecov/codecov-action", 3),
    ("docker/build-push-action", 4),
    ("docker/login-action", 2),
    ("docker/metadata-action", 4),
    ("docker/setup-buildx-action", 2),
    ("docker/setup-qemu-action", 2),
    ("google-github-actions/auth", 1),
    ("hashicorp/setup-terraform", 2),
    ("hashicorp/vault-action", 2),
    ("softprops/action-gh-release", 1),
];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for (_, _, uses) in flow.uses() {
            let Some((name, version)) = uses.text().and_then(action) else { continue };
            let Some(major) = major(version) else { continue };
            let last_of = |table: &[(&str, u32)]| {
                table
                    .iter()
                    .find(|(known, _)| name.eq_ignore_ascii_case(known))
                    .map(|(_, last)| *last)
            };
            if let Some(last) = last_of(SHUT_DOWN).filter(|last| major <= *last) {
                let message =
                    format!("{name}@{version} was switched off by GitHub: the step fails");
                let hint = format!("write {name}@v{}", last + 1);
                findings.add(&GONE, &flow.file, uses.place, message, hint);
            } else if let Some(last) = last_of(OLD).filter(|last| major <= *last) {
                let message = format!(
                    "{name}@{version} runs on node16 or older, which runners no longer have"
                );
                let hint = format!("write {name}@v{}", last + 1);
                findings.add(&OLD_RUNTIME, &flow.file, uses.place, message, hint);
            }
        }
    }
    own_actions(reading, findings);
}

/// The actions of the repository itself.
fn own_actions(reading: &Reading<'_>, findings: &mut Findings) {
    for (file, text) in reading.repository.ending(&["action.yml", "action.yaml"]) {
        let Ok(documents) = crate::yaml::documents(text) else { continue };
        let using = documents.first().and_then(|root| root.at(&["runs", "using"]));
        let Some(using) = using.filter(|node| matches!(node.text(), Some("node12" | "node16")))
        else {
            continue;
        };
        let message = format!(
            "the action asks for {}, which runners no longer have",
            using.text().unwrap_or_default()
        );
        findings.add(&OLD_RUNTIME, file, using.place, message, "write `using: node24` and try it");
    }
}

/// `3` of `v3` and `v3.1.0`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}
