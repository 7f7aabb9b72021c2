//! How workflows bring images and manifests to a cluster.

use super::images::{MUTABLE, moving_tag};
use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::reading::Reading;
use crate::repository::{folder_of, join};
use crate::yaml::{Node, documents};

pub(super) const NOT_WAITED_FOR: Code = Code {
    id: "QX4012",
    area: Area::Kubernetes,
    severity: Severity::Warning,
    title: "a deployment that nobody waits for",
    explanation: "`kubectl apply` and `helm upgrade` return as soon as the API has taken the objects. The job is green although the new pods never become \
                  ready, and what comes after it tests the old ones.",
    example: "- run: kubectl apply -f k8s/",
    fix: "- run: |\n    kubectl apply -f k8s/\n    kubectl rollout status deployment/stock --timeout=120s",
};

pub(super) fn waits(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for job in flow.jobs() {
            let whole: Vec<&str> =
                job.steps().iter().filter_map(|step| step.text_at(&["run"])).collect();
            let whole = whole.join("\n");
            let words =
                ["rollout status", "kubectl wait", "--wait", "--atomic", "--rollback-on-failure"];
            if words.iter().any(|word| whole.contains(word)) {
                continue;
            }
            for step in job.steps() {
                let Some(script) = step.get("run") else { continue };
                let folder = step.get("working-directory").or_else(|| job.working_directory(flow));
                let folder = folder.and_then(Node::text).unwrap_or_default();
                for (line, text) in script.lines() {
                    if brings_pods(reading, folder, text) {
                        let message = "nothing waits until the new pods are ready: the job is green whatever becomes of them";
                        let hint = "add `kubectl rollout status deployment/NAME --timeout=120s` (or helm's --wait) after it";
                        findings.add(&NOT_WAITED_FOR, &flow.file, Place::line(line), message, hint);
                    }
                }
            }
        }
    }
}

/// Whether a line brings workloads of this repository to a cluster.
fn brings_pods(reading: &Reading<'_>, folder: &str, line: &str) -> bool {
    let code = line.trim_start();
    if code.starts_with('#') {
        return false;
    }
    if code.starts_with("helm upgrade") || code.starts_with("helm install") {
        return true;
    }
    let words: Vec<&str> = code.split_whitespace().collect();
    let applies = words.contains(&"kubectl") && words.contains(&"apply");
    let paths = words
        .windows(2)
        .filter(|pair| matches!(pair[0], "-f" | "--filename" | "-k"))
        .map(|pair| pair[1]);
    applies
        && paths.filter_map(|path| join(folder, path.trim_matches(['"', '\'']))).any(|path| {
            let is_below = |file: &str| {
                path.is_empty() || file == path || file.starts_with(&format!("{path}/"))
            };
            let serving = ["Deployment", "StatefulSet", "DaemonSet"];
            reading
                .objects
                .iter()
                .any(|one| serving.contains(&one.kind.as_str()) && is_below(&one.file))
        })
}

/// Images that are pushed, or that charts name, by tags that move and by none that does not.
pub(super) fn tags(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for (_, step, uses) in flow.uses() {
            let pushes =
                uses.text().is_some_and(|text| text.starts_with("docker/build-push-action"));
            let Some(tags) = step.at(&["with", "tags"]).filter(|_| pushes) else { continue };
            let names: Vec<&str> = tags
                .text()
                .unwrap_or_default()
                .split([',', '\n'])
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .collect();
            if !names.is_empty() && names.iter().all(|name| moving_tag(name).is_some()) {
                let message = format!(
                    "the image is pushed only as {}, which moves: nothing can name what was built from this commit",
                    names.join(", ")
                );
                let hint = "add a tag that is never pushed twice: IMAGE:${{ github.sha }}";
                findings.add(&MUTABLE, &flow.file, tags.place, message, hint);
            }
        }
    }
    for (path, text) in reading.repository.ending(&["values.yaml", "values.yml"]) {
        let chart = join(folder_of(path), "Chart.yaml");
        if !chart.is_some_and(|chart| reading.repository.has_file(&chart)) {
            continue;
        }
        let Ok(documents) = documents(text) else { continue };
        let tag = documents.first().and_then(|root| root.at(&["image", "tag"]));
        let Some((node, tag)) = tag.and_then(|node| Some((node, node.text()?))) else { continue };
        if !tag.is_empty() && moving_tag(&format!("image:{tag}")).is_some() {
            let message = format!(
                "the chart's image has the tag `{tag}`, which moves: what runs is whatever was pushed last"
            );
            findings.add(
                &MUTABLE,
                path,
                node.place,
                message,
                "leave it empty here, and give --set image.tag=.. (the commit) when it is deployed",
            );
        }
    }
}
