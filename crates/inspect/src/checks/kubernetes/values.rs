//! Values that the API refuses wherever they stand.

use crate::checks::workflows::never;
use crate::finding::{Area, Code, Findings, Severity};
use crate::kubernetes::Object;
use crate::reading::Reading;
use crate::yaml::{Kind, Node, Style};

pub(super) const NO_TEXT: Code = Code {
    id: "QX4017",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a number or a truth value where the API wants a text",
    explanation: "Values of environment variables, of labels, of annotations and of ConfigMaps are texts. YAML reads `8080`, `true` and `on` as something \
                  else, and the API refuses the object: `cannot unmarshal number into Go struct field EnvVar.value of type string`.",
    example: "env: [{ name: PORT, value: 8080 }]",
    fix: "env: [{ name: PORT, value: \"8080\" }]",
};

pub(super) const NOT_BASE64: Code = Code {
    id: "QX4018",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a Secret's data that is not base64",
    explanation: "`data` holds base64, `stringData` plain text. The API refuses the object: `illegal base64 data at input byte 4`.",
    example: "kind: Secret\ndata: { url: \"postgres.internal:5432\" }",
    fix: "Let a job make the Secret: kubectl create secret generic stock --from-literal=url=..",
};

pub(super) const REFUSED: Code = Code {
    id: "QX4019",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "a name, a schedule or a policy that the API refuses",
    explanation: "Names are of small letters, digits, `-` and `.`; names of ports have at most 15 characters; schedules have five fields within their range; the pods \
                  of a Job are restarted `OnFailure` or `Never`, those of a Deployment `Always`.",
    example: "kind: CronJob\nmetadata: { name: Nightly_Report }\nspec: { schedule: \"0 25 * * *\" }",
    fix: "kind: CronJob\nmetadata: { name: nightly-report }\nspec: { schedule: \"0 1 * * *\" }",
};

/// The longest name of a port, in characters.
const PORT_NAME_CHARS_MAX: usize = 15;

pub(super) fn texts(reading: &Reading<'_>, findings: &mut Findings) {
    for object in &reading.objects {
        let mut maps: Vec<Option<&Node>> = ["labels", "annotations"]
            .iter()
            .flat_map(|key| {
                let own = object.root.at(&["metadata", key]);
                [own, object.pod().and_then(|pod| pod.at(&["metadata", key]))]
            })
            .collect();
        match object.kind.as_str() {
            "ConfigMap" => maps.push(object.root.get("data")),
            "Secret" => maps.push(object.root.get("stringData")),
            _ => {}
        }
        let mut values: Vec<(&Node, &Node)> = Vec::new();
        values.extend(maps.into_iter().flatten().flat_map(Node::entries));
        for container in object.containers() {
            let entries = container.node.get("env").map(Node::items).unwrap_or_default();
            values.extend(
                entries.iter().filter_map(|one| Some((one.get("name")?, one.get("value")?))),
            );
        }
        // A Pod is its own template: what it says is seen once, as findings are kept once.
        for (name, value) in values {
            let Some(text) = other_than_text(value) else { continue };
            let message = format!(
                "`{}` is not a text: YAML reads {text} as a number or a truth value, and the API refuses {} {}",
                name.text().unwrap_or_default(),
                object.kind,
                object.name
            );
            let hint = format!("put it in quotes: \"{text}\"");
            findings.add(&NO_TEXT, &object.file, value.place, message, hint);
        }
    }
}

/// The words of a scalar that kubectl's YAML takes for a number or a truth value.
fn other_than_text(node: &Node) -> Option<&str> {
    let Kind::Scalar { text, style: Style::Plain } = &node.kind else { return None };
    let lower = text.to_ascii_lowercase();
    let truth = ["true", "false", "yes", "no", "on", "off"].contains(&lower.as_str());
    let number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.parse::<f64>().is_ok();
    (truth || number).then_some(text.as_str())
}

pub(super) fn secrets(reading: &Reading<'_>, findings: &mut Findings) {
    for secret in reading.objects.iter().filter(|one| one.kind == "Secret") {
        for (key, value) in secret.root.get("data").into_iter().flat_map(Node::entries) {
            let Some(text) = value.text().filter(|text| !text.contains(['$', '<'])) else {
                continue;
            };
            if !is_base64(text) {
                let message = format!(
                    "`{}` of the Secret {} is not base64: the API refuses it",
                    key.text().unwrap_or_default(),
                    secret.name
                );
                let hint = "plain text goes under `stringData`; better, let a job make the Secret";
                findings.add(&NOT_BASE64, &secret.file, value.place, message, hint);
            }
        }
    }
}

fn is_base64(text: &str) -> bool {
    let text: String = text.split_whitespace().collect();
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/')
}

/// The kinds whose names go into addresses. Others, such as roles, may be called nearly anything.
const PLAINLY_NAMED: &[&str] = &[
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Ingress",
    "Job",
    "Namespace",
    "PersistentVolumeClaim",
    "Pod",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
];

pub(super) fn refused(reading: &Reading<'_>, findings: &mut Findings) {
    for object in &reading.objects {
        let mut refuse = |node: &Node, message: String, hint: &str| {
            findings.add(&REFUSED, &object.file, node.place, message, hint);
        };
        if PLAINLY_NAMED.contains(&object.kind.as_str())
            && let Some(name) = object.root.at(&["metadata", "name"])
            && let Some(text) = name.text().filter(|text| !is_name(text))
        {
            let message = format!("the API refuses the name `{text}`");
            refuse(name, message, "small letters, digits and `-`, not at either end");
        }
        if let Some(schedule) = object.root.at(&["spec", "schedule"])
            && object.kind == "CronJob"
            && let Some(text) = schedule.text().filter(|text| !text.starts_with(['@', 'T', 'C']))
            && let Some(reason) = never(text)
        {
            refuse(schedule, reason, "minute, hour, day, month, day of the week: \"0 1 * * *\"");
        }
        ports(object, &mut refuse);
        restarts(object, &mut refuse);
    }
}

fn is_name(text: &str) -> bool {
    text.contains(['$', '{'])
        || text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
            && !text.starts_with(['-', '.'])
            && !text.ends_with(['-', '.'])
}

fn ports(object: &Object, refuse: &mut impl FnMut(&Node, String, &str)) {
    for container in object.containers() {
        for port in container.node.get("ports").map(Node::items).unwrap_or_default() {
            let Some(name) = port.get("name") else { continue };
            let text = name.text().unwrap_or_default();
            if text.chars().count() > PORT_NAME_CHARS_MAX {
                let message = format!(
                    "the port's name `{text}` has more than {PORT_NAME_CHARS_MAX} characters: the API refuses it"
                );
                refuse(name, message, "take a shorter one, such as `http`");
            }
        }
    }
}

fn restarts(object: &Object, refuse: &mut impl FnMut(&Node, String, &str)) {
    let Some(spec) = object.pod().and_then(|pod| pod.get("spec")) else { return };
    if object.is_patch() {
        return;
    }
    let policy = spec.get("restartPolicy");
    let said = policy.and_then(Node::text).unwrap_or("Always");
    let (is_well, hint) = match object.kind.as_str() {
        "Job" | "CronJob" => {
            (said != "Always", "write `restartPolicy: Never`, or `OnFailure`, in the pod's spec")
        }
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            (said == "Always", "leave it out; for work that ends, take a Job")
        }
        _ => return,
    };
    if !is_well {
        let message = format!(
            "the pods of {} {} would be restarted `{said}`{}: the API refuses it",
            object.kind,
            object.name,
            if policy.is_some() { "" } else { ", as nothing else is said" }
        );
        refuse(policy.unwrap_or(spec), message, hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_base64_is_known() {
        for text in ["", "YQ==", "cGFzcw==", "YWJj", "YWJj\nYWJj"] {
            assert!(is_base64(text), "{text}");
        }
        for text in ["a", "postgres.internal:5432", "YQ=a", "====", "cGFzcw"] {
            assert!(!is_base64(text), "{text}");
        }
    }

    #[test]
    fn what_yaml_takes_for_something_else_is_known() {
        let plain = |text: &str| {
            let document = crate::yaml::documents(&format!("a: {text}\n")).unwrap();
            other_than_text(document[0].get("a").unwrap()).is_some()
        };
        for text in ["8080", "true", "on", "No", "-1", "1.5", "1e3", "YES"] {
            assert!(plain(text), "{text}");
        }
        for text in ["\"8080\"", "'true'", "1.2.3", "10m", "inf", "nan", "online", "-a", ""] {
            assert!(!plain(text), "{text}");
        }
    }
}
