//! Kubernetes objects in plain manifests. Charts' templates are no YAML until they are rendered, and are
//! not read.

use crate::Repository;
use crate::yaml::{Node, documents};

/// One object of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) file: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// `default` unless it says otherwise.
    pub(crate) namespace: String,
    pub(crate) root: Node,
}

/// One container of a workload.
#[derive(Clone, Debug)]
pub(crate) struct Container<'a> {
    pub(crate) file: &'a str,
    pub(crate) node: &'a Node,
}

impl Object {
    /// What its pods are made from, where it makes pods.
    pub(crate) fn pod(&self) -> Option<&Node> {
        let path: &[&str] = match self.kind.as_str() {
            "Pod" => &[],
            "CronJob" => &["spec", "jobTemplate", "spec", "template"],
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
                &["spec", "template"]
            }
            _ => return None,
        };
        self.root.at(path)
    }

    /// Whether it is part of an object that stands elsewhere, as kustomize lays one over the other.
    pub(crate) fn is_patch(&self) -> bool {
        self.containers().iter().any(|container| container.node.get("image").is_none())
    }

    /// Its pods' labels.
    pub(crate) fn pod_labels(&self) -> Vec<(&str, &str)> {
        let labels = self.pod().and_then(|pod| pod.at(&["metadata", "labels"]));
        labels.map(pairs).unwrap_or_default()
    }

    /// Its containers, those that only begin included.
    pub(crate) fn containers(&self) -> Vec<Container<'_>> {
        let spec = self.pod().and_then(|pod| pod.get("spec"));
        let lists = ["containers", "initContainers"].map(|key| spec.and_then(|spec| spec.get(key)));
        let nodes = lists.into_iter().flatten().flat_map(Node::items);
        nodes.map(|node| Container { file: &self.file, node }).collect()
    }
}

/// The entries of a mapping of texts.
pub(crate) fn pairs(node: &Node) -> Vec<(&str, &str)> {
    node.entries().filter_map(|(key, value)| Some((key.text()?, value.text()?))).collect()
}

/// Every object in the repository's plain manifests.
pub(crate) fn objects(repository: &Repository) -> Vec<Object> {
    let mut objects = Vec::new();
    for (file, text) in repository.ending(&[".yml", ".yaml"]) {
        let is_manifest = text.contains("apiVersion:") && text.contains("kind:");
        if !is_manifest || text.contains("{{") || file.starts_with(".github/") {
            continue;
        }
        for root in documents(text).unwrap_or_default() {
            let items: Vec<Node> = match root.text_at(&["kind"]) {
                Some("List") => root.get("items").map_or(&[][..], Node::items).to_vec(),
                _ => vec![root],
            };
            objects.extend(items.into_iter().filter_map(|root| object(file, root)));
        }
    }
    objects
}

fn object(file: &str, root: Node) -> Option<Object> {
    root.text_at(&["apiVersion"])?;
    let kind = root.text_at(&["kind"])?.to_owned();
    let name = root.text_at(&["metadata", "name"]).unwrap_or_default().to_owned();
    let namespace = root.text_at(&["metadata", "namespace"]).unwrap_or("default").to_owned();
    Some(Object { file: file.to_owned(), kind, name, namespace, root })
}
