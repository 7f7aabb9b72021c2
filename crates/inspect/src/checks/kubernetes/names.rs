//! Names that one object, or a command, calls another thing by.

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::kubernetes::Object;
use crate::reading::Reading;
use crate::yaml::Node;

pub(super) const NO_CONFIG: Code = Code {
    id: "QX4013",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a ConfigMap, or a key of one, that there is not",
    explanation: "The manifests make other ConfigMaps than the one that the container asks for. The API takes the object; its pods wait for ever with \
                  `CreateContainerConfigError` or `MountVolume.SetUp failed`.",
    example: "envFrom: [{ configMapRef: { name: stock-confg } }]     # the ConfigMap is called stock-config",
    fix: "envFrom: [{ configMapRef: { name: stock-config } }]",
};

pub(super) const NO_VOLUME: Code = Code {
    id: "QX4014",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a volume mounted that the pod does not have",
    explanation: "`volumeMounts` names the pod's `volumes`. The API refuses the object: `volumeMounts[0].name: Not found`.",
    example: "volumeMounts: [{ name: cache, mountPath: /cache }]\nvolumes: [{ name: cahce, emptyDir: {} }]",
    fix: "volumes: [{ name: cache, emptyDir: {} }]",
};

pub(super) const SCALES_NOTHING: Code = Code {
    id: "QX4015",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "an autoscaler that scales nothing",
    explanation: "It names a workload that the manifests do not have, or bounds that contradict each other. A wrong name is taken by the API, and \
                  then nothing is ever scaled; wrong bounds are refused.",
    example: "scaleTargetRef: { kind: Deployment, name: stock-api }     # the Deployment is called stock",
    fix: "scaleTargetRef: { kind: Deployment, name: stock }",
};

pub(super) const NO_WORKLOAD: Code = Code {
    id: "QX4016",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a command for a workload that there is not",
    explanation: "The job applies the manifests, and then asks for a workload by another name: `Error from server (NotFound)`.",
    example: "- run: |\n    kubectl apply -f k8s/\n    kubectl rollout status deployment/stock-api     # k8s/ has the Deployment stock",
    fix: "kubectl rollout status deployment/stock",
};

/// The ConfigMap that every namespace has by itself.
const OF_THE_CLUSTER: &str = "kube-root-ca.crt";

pub(super) fn config_maps(reading: &Reading<'_>, findings: &mut Findings) {
    // Generated names are not in any manifest.
    if reading.repository.texts().any(|(_, text)| text.contains("configMapGenerator")) {
        return;
    }
    for object in &reading.objects {
        let is_beside =
            |one: &&Object| one.kind == "ConfigMap" && one.namespace == object.namespace;
        let beside: Vec<&Object> = reading.objects.iter().filter(is_beside).collect();
        // Without any the ConfigMaps come from somewhere else.
        if beside.is_empty() {
            continue;
        }
        for (reference, key) in config_references(object) {
            let Some(name) = reference.get("name") else { continue };
            let wanted = name.text().unwrap_or_default();
            if wanted == OF_THE_CLUSTER || reference.text_at(&["optional"]) == Some("true") {
                continue;
            }
            let Some(found) = beside.iter().find(|one| one.name == wanted) else {
                let message = format!(
                    "{} {} takes the ConfigMap `{wanted}`, which is not in the manifests: its pods never start",
                    object.kind, object.name
                );
                let known = beside.iter().map(|one| one.name.as_str());
                findings.add(&NO_CONFIG, &object.file, name.place, message, there_is(known));
                continue;
            };
            let Some((key, asked)) = key.and_then(|key| Some((key, key.text()?))) else { continue };
            let keys = ["data", "binaryData"].into_iter().filter_map(|part| found.root.get(part));
            let keys: Vec<&str> =
                keys.flat_map(Node::entries).filter_map(|(key, _)| key.text()).collect();
            if !keys.contains(&asked) {
                let message = format!(
                    "the ConfigMap `{wanted}` has no key `{asked}` ({}): the pods of {} never start",
                    found.file, object.name
                );
                findings.add(&NO_CONFIG, &object.file, key.place, message, there_is(keys));
            }
        }
    }
}

/// The ConfigMaps that an object's pods ask for, and the key where they ask for one.
fn config_references(object: &Object) -> Vec<(&Node, Option<&Node>)> {
    let mut found = Vec::new();
    for container in object.containers() {
        let items = |key: &str| container.node.get(key).map(Node::items).unwrap_or_default();
        found.extend(
            items("envFrom").iter().filter_map(|one| Some((one.get("configMapRef")?, None))),
        );
        found.extend(items("env").iter().filter_map(|one| {
            let reference = one.at(&["valueFrom", "configMapKeyRef"])?;
            Some((reference, reference.get("key")))
        }));
    }
    found.extend(volumes(object).iter().filter_map(|one| Some((one.get("configMap")?, None))));
    found
}

fn volumes(object: &Object) -> &[Node] {
    let volumes = object.pod().and_then(|pod| pod.at(&["spec", "volumes"]));
    volumes.map(Node::items).unwrap_or_default()
}

fn there_is<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        "there is none".to_owned()
    } else {
        format!("there is: {}", known.join(", "))
    }
}

pub(super) fn mounts(reading: &Reading<'_>, findings: &mut Findings) {
    for object in reading.objects.iter().filter(|object| !object.is_patch()) {
        let claims = object.root.at(&["spec", "volumeClaimTemplates"]).map(Node::items);
        let claims = claims.unwrap_or_default().iter();
        let known: Vec<&str> = volumes(object)
            .iter()
            .filter_map(|one| one.text_at(&["name"]))
            .chain(claims.filter_map(|one| one.text_at(&["metadata", "name"])))
            .collect();
        for container in object.containers() {
            for mount in container.node.get("volumeMounts").map(Node::items).unwrap_or_default() {
                let Some(name) = mount.get("name") else { continue };
                let wanted = name.text().unwrap_or_default();
                if known.contains(&wanted) {
                    continue;
                }
                let message = format!(
                    "{} {} mounts the volume `{wanted}`, which its pods do not have: the API refuses it",
                    object.kind, object.name
                );
                let hint = match known.as_slice() {
                    [] => format!("add it: volumes: [{{ name: {wanted}, .. }}]"),
                    known => there_is(known.iter().copied()),
                };
                findings.add(&NO_VOLUME, &object.file, name.place, message, hint);
            }
        }
    }
}

pub(super) fn autoscalers(reading: &Reading<'_>, findings: &mut Findings) {
    for scaler in reading.objects.iter().filter(|one| one.kind == "HorizontalPodAutoscaler") {
        let Some(spec) = scaler.root.get("spec") else { continue };
        let kind = spec.text_at(&["scaleTargetRef", "kind"]).unwrap_or_default();
        if let Some(name) = spec.at(&["scaleTargetRef", "name"]) {
            let is_beside = |one: &&Object| one.kind == kind && one.namespace == scaler.namespace;
            let beside: Vec<&str> =
                reading.objects.iter().filter(is_beside).map(|one| one.name.as_str()).collect();
            let wanted = name.text().unwrap_or_default();
            if !beside.is_empty() && !beside.contains(&wanted) {
                let message = format!(
                    "the autoscaler {} is for the {kind} `{wanted}`, which is not in the manifests: nothing is scaled",
                    scaler.name
                );
                findings.add(&SCALES_NOTHING, &scaler.file, name.place, message, there_is(beside));
            }
        }
        let bound = |key: &str| Some((spec.get(key)?, spec.text_at(&[key])?.parse::<u32>().ok()?));
        if let (Some((_, least)), Some((node, most))) = (bound("minReplicas"), bound("maxReplicas"))
            && least > most
        {
            let message =
                format!("maxReplicas {most} is below minReplicas {least}: the API refuses it");
            let hint = "raise maxReplicas, or lower minReplicas";
            findings.add(&SCALES_NOTHING, &scaler.file, node.place, message, hint);
        }
    }
}

/// The kinds that `kubectl` is asked for by name, as it writes them.
const ASKED_FOR: &[(&str, &[&str])] = &[
    ("Deployment", &["deployment", "deployments", "deploy", "deployment.apps"]),
    ("StatefulSet", &["statefulset", "statefulsets", "sts"]),
    ("DaemonSet", &["daemonset", "daemonsets", "ds"]),
];

pub(super) fn commands(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for job in flow.jobs() {
            let scripts: Vec<&Node> =
                job.steps().iter().filter_map(|step| step.get("run")).collect();
            let says = |word: &str| {
                scripts.iter().any(|one| one.text().is_some_and(|text| text.contains(word)))
            };
            // Where something else brings workloads as well, their names are not known here.
            if !says("kubectl apply") || says("helm ") || says("apply -k") || says("://") {
                continue;
            }
            for (line, text) in scripts.iter().flat_map(|script| script.lines()) {
                let Some((kind, wanted)) = workload(text) else { continue };
                let of_kind = reading.objects.iter().filter(|one| one.kind == kind);
                let known: Vec<&str> = of_kind.map(|one| one.name.as_str()).collect();
                if known.is_empty() || known.contains(&wanted) {
                    continue;
                }
                let message = format!(
                    "this asks for the {kind} `{wanted}`, and the manifests have none of that name: `NotFound`"
                );
                findings.add(&NO_WORKLOAD, &flow.file, Place::line(line), message, there_is(known));
            }
        }
    }
}

/// The kind and the plain name of the workload that a line of `kubectl rollout` or `kubectl set` is about.
fn workload(line: &str) -> Option<(&'static str, &str)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "kubectl")?;
    let words = &words[at..];
    if line.trim_start().starts_with('#')
        || !words.iter().any(|word| matches!(*word, "rollout" | "set"))
    {
        return None;
    }
    let named = words.iter().enumerate().find_map(|(at, word)| {
        let (kind, name) = word.split_once('/').unwrap_or((word, ""));
        let (kind, _) = ASKED_FOR.iter().find(|(_, names)| names.contains(&kind))?;
        let name = if name.is_empty() { words.get(at + 1).copied()? } else { name };
        Some((*kind, name))
    })?;
    let is_plain = named.1.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
        && !named.1.starts_with('-');
    is_plain.then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_is_about_is_read_from_it() {
        assert_eq!(
            workload("kubectl -n a rollout status deployment/web --timeout=60s"),
            Some(("Deployment", "web"))
        );
        assert_eq!(workload("kubectl set image deploy web web=a:1"), Some(("Deployment", "web")));
        assert_eq!(workload("kubectl rollout status deployment/$NAME"), None);
        assert_eq!(workload("kubectl rollout status deployment -l app=web"), None);
        assert_eq!(workload("kubectl get deployment/web"), None);
    }
}
