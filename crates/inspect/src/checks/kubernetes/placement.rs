//! Where objects go, and by which version of the API.

use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::repository::join;
use crate::yaml::documents;

pub(super) const OLD_API: Code = Code {
    id: "QX4009",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a version of the API that was removed",
    explanation: "Clusters of today do not know this version: `no matches for kind ..`.",
    example: "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget",
    fix: "apiVersion: policy/v1",
};

pub(super) const OTHER_NAMESPACE: Code = Code {
    id: "QX4010",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a namespace in the manifest other than that of the command",
    explanation: "`kubectl -n A apply` of an object that says `namespace: B` is refused: `the namespace from the provided object does not \
                  match`.",
    example: "- run: kubectl apply -n staging -f k8s/      # k8s/app.yaml says namespace: production",
    fix: "Leave `namespace:` out of the manifests and give it to kubectl, or the other way round.",
};

pub(super) const SYNTAX: Code = Code {
    id: "QX4011",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a manifest that cannot be read",
    explanation: "The file is no YAML: kubectl stops before it applies anything of it.",
    example: "metadata:\n  name: stock\n   labels: {}",
    fix: "Indent what belongs together alike, with spaces; close brackets and quotes.",
};

pub(super) fn syntax(reading: &Reading<'_>, findings: &mut Findings) {
    for (path, text) in reading.repository.ending(&[".yml", ".yaml"]) {
        let is_manifest =
            text.contains("apiVersion:") && text.contains("kind:") && !text.contains("{{");
        if let Err(error) = documents(text)
            && is_manifest
        {
            let message = format!("kubectl cannot read this: {}", error.message);
            findings.add(
                &SYNTAX,
                path,
                error.place,
                message,
                "indent what belongs together alike; close brackets and quotes",
            );
        }
    }
}

/// Removed versions: version, kinds (all when empty), what took their place.
const REMOVED: &[(&str, &[&str], &str)] = &[
    ("extensions/v1beta1", &["Ingress"], "networking.k8s.io/v1"),
    ("extensions/v1beta1", &[], "apps/v1"),
    ("apps/v1beta1", &[], "apps/v1"),
    ("apps/v1beta2", &[], "apps/v1"),
    ("networking.k8s.io/v1beta1", &[], "networking.k8s.io/v1"),
    ("policy/v1beta1", &["PodDisruptionBudget"], "policy/v1"),
    ("batch/v1beta1", &[], "batch/v1"),
    ("autoscaling/v2beta1", &[], "autoscaling/v2"),
    ("autoscaling/v2beta2", &[], "autoscaling/v2"),
    ("rbac.authorization.k8s.io/v1beta1", &[], "rbac.authorization.k8s.io/v1"),
    ("apiextensions.k8s.io/v1beta1", &[], "apiextensions.k8s.io/v1"),
    ("admissionregistration.k8s.io/v1beta1", &[], "admissionregistration.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", &[], "storage.k8s.io/v1"),
];

pub(super) fn versions(reading: &Reading<'_>, findings: &mut Findings) {
    for object in &reading.objects {
        let Some((node, version)) =
            object.root.get("apiVersion").and_then(|node| Some((node, node.text()?)))
        else {
            continue;
        };
        let is_it = |(known, kinds, _): &&(&str, &[&str], &str)| {
            *known == version && (kinds.is_empty() || kinds.contains(&object.kind.as_str()))
        };
        let Some((_, _, now)) = REMOVED.iter().find(is_it) else { continue };
        let message = format!("clusters of today do not know {version} for {}", object.kind);
        findings.add(
            &OLD_API,
            &object.file,
            node.place,
            message,
            format!("write `apiVersion: {now}`; some fields have other names there"),
        );
    }
}

pub(super) fn namespaces(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for (job, script) in flow.scripts() {
            let folder =
                job.working_directory(flow).and_then(|node| node.text()).unwrap_or_default();
            for (line, text) in script.lines() {
                let Some((namespace, paths)) = applied(text) else { continue };
                for path in paths.iter().filter_map(|path| join(folder, path)) {
                    let is_below = |file: &str| {
                        file == path || file.starts_with(&format!("{path}/")) || path.is_empty()
                    };
                    let objects = reading.objects.iter().filter(|object| is_below(&object.file));
                    for object in objects {
                        let Some(node) = object.root.at(&["metadata", "namespace"]) else {
                            continue;
                        };
                        if object.namespace == namespace || object.namespace.contains('$') {
                            continue;
                        }
                        let message = format!(
                            "{} {} says namespace `{}`, and {}:{line} applies it to `{namespace}`: kubectl refuses",
                            object.kind, object.name, object.namespace, flow.file
                        );
                        let hint =
                            "leave `namespace:` out of the manifest, so that the command decides";
                        findings.add(&OTHER_NAMESPACE, &object.file, node.place, message, hint);
                    }
                }
            }
        }
    }
}

/// The plain namespace and paths of a `kubectl apply`.
fn applied(line: &str) -> Option<(&str, Vec<&str>)> {
    let words: Vec<&str> =
        line.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    let kubectl = words.iter().position(|word| *word == "kubectl")?;
    let words = &words[kubectl..];
    if !words.iter().any(|word| matches!(*word, "apply" | "create" | "replace")) {
        return None;
    }
    let after = |names: &[&str]| {
        words
            .iter()
            .enumerate()
            .filter_map(|(at, word)| {
                let spaced = names.contains(word).then(|| words.get(at + 1).copied()).flatten();
                spaced.or_else(|| {
                    names.iter().find_map(|name| word.strip_prefix(&format!("{name}=")[..]))
                })
            })
            .collect::<Vec<_>>()
    };
    let namespace = after(&["-n", "--namespace"]).first().copied()?;
    let paths = after(&["-f", "--filename", "-k"]);
    let plain = |text: &&str| !text.contains('$') && !text.contains("://") && *text != "-";
    (plain(&namespace) && paths.iter().all(plain)).then_some((namespace, paths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_applied_where_is_read_from_the_command() {
        assert_eq!(applied("kubectl apply -n staging -f k8s/"), Some(("staging", vec!["k8s/"])));
        assert_eq!(applied("kubectl --namespace=a apply -f=b"), Some(("a", vec!["b"])));
        assert_eq!(applied("kubectl apply -n $NS -f k8s"), None);
        assert_eq!(applied("kubectl get pods -n a"), None);
    }
}
