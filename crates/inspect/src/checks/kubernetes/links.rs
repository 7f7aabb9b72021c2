//! Objects that find each other by labels, names and ports.

use crate::finding::{Area, Code, Findings, Severity};
use crate::kubernetes::{Object, pairs};
use crate::reading::Reading;
use crate::yaml::Node;

pub(super) const SELECTOR: Code = Code {
    id: "QX4001",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a selector that does not match its own pods",
    explanation: "`spec.selector.matchLabels` must be among the labels of the pod template. The API refuses the object: `selector does not \
                  match template labels`.",
    example: "selector: { matchLabels: { app: stock } }\ntemplate: { metadata: { labels: { app: stock-service } } }",
    fix: "selector: { matchLabels: { app: stock } }\ntemplate: { metadata: { labels: { app: stock } } }",
};

pub(super) const NO_PODS: Code = Code {
    id: "QX4002",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a service that selects no pods",
    explanation: "No workload in the manifests carries these labels. The service is created and has no endpoints: every request is refused, \
                  and nothing reports an error.",
    example: "kind: Service\nspec: { selector: { app: stock-svc } }      # pods carry app: stock",
    fix: "spec: { selector: { app: stock } }",
};

pub(super) const WRONG_PORT: Code = Code {
    id: "QX4003",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a service that sends to a port nobody listens on",
    explanation: "`targetPort` is the container's port (or its name). The containers that the service selects declare others: connections are \
                  refused.",
    example: "ports: [{ port: 80, targetPort: 8080 }]     # containerPort: 8000",
    fix: "ports: [{ port: 80, targetPort: 8000 }]",
};

pub(super) const NO_SERVICE: Code = Code {
    id: "QX4004",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "an ingress that sends to a service there is not",
    explanation: "The manifests have no service of that name, or it has no such port: the ingress answers 503.",
    example: "backend: { service: { name: stocks, port: { number: 80 } } }      # the service is called stock",
    fix: "backend: { service: { name: stock, port: { number: 80 } } }",
};

pub(super) fn selectors(reading: &Reading<'_>, findings: &mut Findings) {
    for object in &reading.objects {
        let Some(selector) = object.root.at(&["spec", "selector", "matchLabels"]) else { continue };
        if object.pod().is_none() {
            continue;
        }
        let labels = object.pod_labels();
        for (key, value) in selector.entries() {
            let (Some(name), Some(wanted)) = (key.text(), value.text()) else { continue };
            let carried = labels.iter().find(|(label, _)| *label == name);
            if carried.is_some_and(|(_, carried)| *carried == wanted) {
                continue;
            }
            let has = match carried {
                Some((_, carried)) => format!("its pods carry `{name}: {carried}`"),
                None => format!("its pods have no label `{name}`"),
            };
            let message = format!(
                "{} {} selects `{name}: {wanted}`, and {has}: the API refuses it",
                object.kind, object.name
            );
            let hint = "write the same label in spec.selector.matchLabels and spec.template.metadata.labels";
            findings.add(&SELECTOR, &object.file, value.place, message, hint);
        }
    }
}

pub(super) fn services(reading: &Reading<'_>, findings: &mut Findings) {
    let workloads: Vec<&Object> =
        reading.objects.iter().filter(|object| object.pod().is_some()).collect();
    for service in reading.objects.iter().filter(|object| object.kind == "Service") {
        let Some(selector) = service.root.at(&["spec", "selector"]) else { continue };
        let wanted = pairs(selector);
        // Without a workload in the same namespace the pods come from somewhere else.
        let beside = workloads.iter().filter(|one| one.namespace == service.namespace);
        let beside: Vec<&Object> = beside.copied().collect();
        if wanted.is_empty() || beside.is_empty() {
            continue;
        }
        let is_selected = |one: &&Object| {
            let labels = one.pod_labels();
            wanted.iter().all(|pair| labels.contains(pair))
        };
        let selected: Vec<&Object> = beside.iter().copied().filter(is_selected).collect();
        if selected.is_empty() {
            no_pods(service, selector, &beside, findings);
            continue;
        }
        for port in service.root.at(&["spec", "ports"]).map(Node::items).unwrap_or_default() {
            target(service, port, &selected, findings);
        }
    }
}

fn no_pods(service: &Object, selector: &Node, beside: &[&Object], findings: &mut Findings) {
    let wanted = shown(&pairs(selector));
    let like = beside.iter().max_by(|a, b| {
        let score = |one: &Object| strsim::jaro_winkler(&one.name, &service.name);
        score(a).total_cmp(&score(b))
    });
    let place = selector.entries().next().map_or(selector.place, |(_, value)| value.place);
    let message = format!(
        "the service {} selects {wanted}, and no pods carry that: it has no endpoints",
        service.name
    );
    let hint = match like {
        Some(one) => {
            format!("{} {} carries {} ({})", one.kind, one.name, shown(&one.pod_labels()), one.file)
        }
        None => "write the labels of the pods".to_owned(),
    };
    findings.add(&NO_PODS, &service.file, place, message, hint);
}

fn shown(labels: &[(&str, &str)]) -> String {
    let texts: Vec<String> =
        labels.iter().map(|(key, value)| format!("`{key}: {value}`")).collect();
    texts.join(", ")
}

fn target(service: &Object, port: &Node, selected: &[&Object], findings: &mut Findings) {
    let Some(target) = port.get("targetPort").or_else(|| port.get("port")) else { return };
    let Some(wanted) = target.text() else { return };
    let mut declared: Vec<String> = Vec::new();
    for workload in selected {
        for container in workload.containers() {
            for one in container.node.get("ports").map(Node::items).unwrap_or_default() {
                declared.extend(
                    ["containerPort", "name"]
                        .iter()
                        .filter_map(|key| one.text_at(&[key]))
                        .map(str::to_owned),
                );
            }
        }
    }
    if declared.is_empty() || declared.iter().any(|one| one == wanted) {
        return;
    }
    let message = format!(
        "the service {} sends to port {wanted}, and its pods listen on {}",
        service.name,
        declared.join(", ")
    );
    let hint = format!("write `targetPort: {}`", declared[0]);
    findings.add(&WRONG_PORT, &service.file, target.place, message, hint);
}

pub(super) fn ingresses(reading: &Reading<'_>, findings: &mut Findings) {
    let services: Vec<&Object> =
        reading.objects.iter().filter(|one| one.kind == "Service").collect();
    for ingress in reading.objects.iter().filter(|one| one.kind == "Ingress") {
        let rules = ingress.root.at(&["spec", "rules"]).map(Node::items).unwrap_or_default();
        let paths =
            rules.iter().filter_map(|rule| rule.at(&["http", "paths"])).flat_map(Node::items);
        for backend in paths.filter_map(|path| path.at(&["backend", "service"])) {
            let Some(name) = backend.get("name") else { continue };
            let beside: Vec<&&Object> =
                services.iter().filter(|one| one.namespace == ingress.namespace).collect();
            if beside.is_empty() {
                continue;
            }
            let Some(service) = beside.iter().find(|one| Some(one.name.as_str()) == name.text())
            else {
                let known: Vec<&str> = beside.iter().map(|one| one.name.as_str()).collect();
                let message = format!(
                    "the ingress {} sends to the service `{}`, which is not in the manifests",
                    ingress.name,
                    name.text().unwrap_or_default()
                );
                findings.add(
                    &NO_SERVICE,
                    &ingress.file,
                    name.place,
                    message,
                    format!("there is: {}", known.join(", ")),
                );
                continue;
            };
            ingress_port(ingress, backend, service, findings);
        }
    }
}

fn ingress_port(ingress: &Object, backend: &Node, service: &Object, findings: &mut Findings) {
    let port = backend.get("port");
    let wanted = port.and_then(|port| port.get("number").or_else(|| port.get("name")));
    let Some((wanted, place)) = wanted.and_then(|node| Some((node.text()?, node.place))) else {
        return;
    };
    let ports = service.root.at(&["spec", "ports"]).map(Node::items).unwrap_or_default();
    let known: Vec<&str> = ports
        .iter()
        .flat_map(|one| ["port", "name"].map(|key| one.text_at(&[key])))
        .flatten()
        .collect();
    if known.contains(&wanted) {
        return;
    }
    let message = format!(
        "the ingress {} sends to port {wanted} of the service {}, which has {}",
        ingress.name,
        service.name,
        known.join(", ")
    );
    let hint = "an ingress names the service's `port`, not its `targetPort`";
    findings.add(&NO_SERVICE, &ingress.file, place, message, hint);
}
