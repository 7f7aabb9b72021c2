//! When a pod gets traffic.

use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::yaml::Node;

pub(super) const NO_READINESS: Code = Code {
    id: "QX4007",
    area: Area::Kubernetes,
    severity: Severity::Warning,
    title: "pods that get traffic before they can answer",
    explanation: "Without a readiness probe a pod counts as ready as soon as its process runs. A rollout replaces good pods with ones that are \
                  still starting, or never will: users see 502.",
    example: "containers:\n  - name: stock\n    ports: [{ containerPort: 8000 }]      # no readinessProbe",
    fix: "    readinessProbe: { httpGet: { path: /readyz, port: 8000 }, periodSeconds: 5 }",
};

pub(super) const WRONG_PORT: Code = Code {
    id: "QX4008",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a probe at a port the container does not have",
    explanation: "The probe is never answered: the pod is restarted for ever, or never gets traffic.",
    example: "ports: [{ containerPort: 8000 }]\nreadinessProbe: { httpGet: { path: /health, port: 8080 } }",
    fix: "readinessProbe: { httpGet: { path: /health, port: 8000 } }",
};

const PROBES: &[&str] = &["readinessProbe", "livenessProbe", "startupProbe"];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    let serving = ["Deployment", "StatefulSet", "DaemonSet"];
    for object in &reading.objects {
        for container in object.containers() {
            let ports = container.node.get("ports").map(Node::items).unwrap_or_default();
            let declared: Vec<&str> = ports
                .iter()
                .flat_map(|one| ["containerPort", "name"].map(|key| one.text_at(&[key])))
                .flatten()
                .collect();
            if declared.is_empty() {
                continue;
            }
            let name = container.node.text_at(&["name"]).unwrap_or_default();
            if serving.contains(&object.kind.as_str())
                && container.node.get("readinessProbe").is_none()
            {
                let message = format!(
                    "the container `{name}` has no readinessProbe: it gets traffic before it can answer"
                );
                let hint = format!(
                    "add readinessProbe: {{ httpGet: {{ path: /readyz, port: {} }} }}, with a path that asks what it needs",
                    declared[0]
                );
                findings.add(&NO_READINESS, container.file, container.node.place, message, hint);
            }
            for probe in PROBES {
                let port = ["httpGet", "tcpSocket", "grpc"]
                    .iter()
                    .find_map(|kind| container.node.at(&[probe, kind, "port"]));
                let Some((node, port)) = port.and_then(|node| Some((node, node.text()?))) else {
                    continue;
                };
                if !declared.contains(&port) {
                    let message = format!(
                        "the {probe} of `{name}` asks port {port}, and the container has {}",
                        declared.join(", ")
                    );
                    findings.add(
                        &WRONG_PORT,
                        container.file,
                        node.place,
                        message,
                        format!("write `port: {}`", declared[0]),
                    );
                }
            }
        }
    }
}
