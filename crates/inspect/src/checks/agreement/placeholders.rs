//! Texts that were meant to be replaced and were not.

use hcl_edit::Span as _;

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::flow::{Flow, Job};
use crate::kubernetes::Object;
use crate::reading::Reading;
use crate::repository::join;
use crate::secret::is_placeholder;
use crate::terraform::{attributes, text_of};
use crate::yaml::{Kind, Node, Style};

pub(super) const LEFT_IN: Code = Code {
    id: "QX6001",
    area: Area::Agreement,
    severity: Severity::Error,
    title: "a placeholder that was left in",
    explanation: "The text came from an example and names nothing: no account, no host, no organisation is called that. What uses it fails, \
                  or asks a stranger.",
    example: "backend \"azurerm\" { storage_account_name = \"<your-storage-account>\" }",
    fix: "backend \"azurerm\" { storage_account_name = \"qnt9tfstate\" }",
};

pub(super) const NOT_FILLED: Code = Code {
    id: "QX6002",
    area: Area::Agreement,
    severity: Severity::Error,
    title: "a template that is applied as it is",
    explanation: "The manifest holds `${NAME}`, which kubectl does not replace: the object is created with that very text in it, and its pods \
                  cannot pull an image of such a name.",
    example: "# k8s/app.yaml:  image: ${ACR_LOGIN_SERVER}/stock:${TAG}\n- run: kubectl apply -f k8s/",
    fix: "- run: |\n    export ACR_LOGIN_SERVER TAG\n    for file in k8s/*.yaml; do envsubst < \"$file\" | kubectl apply -f -; done",
};

pub(super) fn values(reading: &Reading<'_>, findings: &mut Findings) {
    for file in reading.modules.iter().flat_map(|module| &module.files) {
        for attribute in
            attributes(&file.body).into_iter().filter(|one| one.key.as_str() != "description")
        {
            let Some(text) = text_of(&attribute.value) else { continue };
            note(
                file.path,
                file.place(attribute.value.span()),
                attribute.key.as_str(),
                &text,
                findings,
            );
        }
    }
    for (path, text) in reading.repository.ending(&[".tfvars"]) {
        let Ok(body) = hcl_edit::parser::parse_body(text) else { continue };
        for attribute in body.attributes() {
            let Some(value) = text_of(&attribute.value) else { continue };
            let place = Place::of(text, attribute.value.span().map_or(0, |span| span.start));
            note(path, place, attribute.key.as_str(), &value, findings);
        }
    }
    for object in &reading.objects {
        in_tree(&object.file, &object.root, findings);
    }
    for flow in &reading.flows {
        let envs = flow.jobs().flat_map(|job| {
            job.steps()
                .iter()
                .flat_map(|step| [step.get("env"), step.get("with")])
                .chain([job.node.get("env")])
        });
        for env in envs.chain([flow.root.get("env")]).flatten() {
            in_tree(&flow.file, env, findings);
        }
    }
}

fn in_tree(file: &str, node: &Node, findings: &mut Findings) {
    let mut scalars = Vec::new();
    node.scalars("", &mut scalars);
    for (key, scalar) in scalars {
        note(file, scalar.place, key, scalar.text().unwrap_or_default(), findings);
    }
}

fn note(file: &str, place: Place, key: &str, text: &str, findings: &mut Findings) {
    let is_no_id = text == "00000000-0000-0000-0000-000000000000" && key.ends_with("_id");
    if is_placeholder(text) || is_no_id {
        let message = format!("`{key}` is still `{text}`, which names nothing");
        findings.add(
            &LEFT_IN,
            file,
            place,
            message,
            "write the value; if it differs by environment, take it from a variable",
        );
    }
}

pub(super) fn templates(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for (job, script) in flow.scripts() {
            for (_, line) in script.lines() {
                for path in applied(line).into_iter().filter_map(|path| {
                    join(job.working_directory(flow).and_then(Node::text).unwrap_or_default(), path)
                }) {
                    let is_below = |file: &str| {
                        path.is_empty() || file == path || file.starts_with(&format!("{path}/"))
                    };
                    for object in reading.objects.iter().filter(|object| is_below(&object.file)) {
                        in_object(flow, job, object, findings);
                    }
                }
            }
        }
    }
}

/// What a line gives to `kubectl apply`, when that is a plain path.
fn applied(line: &str) -> Vec<&str> {
    if !line.contains("kubectl") || !(line.contains(" apply") || line.contains(" create ")) {
        return Vec::new();
    }
    let words: Vec<&str> =
        line.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    let after =
        words.windows(2).filter(|pair| matches!(pair[0], "-f" | "--filename")).map(|pair| pair[1]);
    let joined = words
        .iter()
        .filter_map(|word| word.strip_prefix("-f=").or_else(|| word.strip_prefix("--filename=")));
    after
        .chain(joined)
        .filter(|path| *path != "-" && !path.contains(['$', '*']) && !path.contains("://"))
        .collect()
}

fn in_object(flow: &Flow, job: Job<'_>, object: &Object, findings: &mut Findings) {
    let mut scalars = Vec::new();
    object.root.scalars("", &mut scalars);
    for (key, scalar) in scalars {
        let Kind::Scalar { text, style } = &scalar.kind else { continue };
        // What a shell inside of the pod will replace.
        let is_shell = *style == Style::Block
            || matches!(key, "command" | "args")
            || object.kind == "ConfigMap";
        if is_shell {
            continue;
        }
        for name in placeholders(text) {
            if is_filled(job, name) {
                continue;
            }
            let message = format!(
                "`${{{name}}}` stays as it is: {} gives this file to kubectl, and nothing there fills it in",
                flow.file
            );
            let hint = format!(
                "fill it in before: `envsubst < {} | kubectl apply -f -` with {name} in `env:`",
                object.file
            );
            findings.add(&NOT_FILLED, &object.file, scalar.place, message, hint);
        }
    }
}

/// The names in `${NAME}`.
fn placeholders(text: &str) -> Vec<&str> {
    let parts = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    let is_name = |name: &&str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    parts.map(|(name, _)| name).filter(is_name).collect()
}

/// Whether the job's scripts replace the name before anything is applied.
fn is_filled(job: Job<'_>, name: &str) -> bool {
    let scripts: Vec<&str> = job.steps().iter().filter_map(|step| step.text_at(&["run"])).collect();
    let replaces = |script: &&str| {
        script.contains("envsubst")
            || (["sed ", "yq ", "perl ", "kustomize", "render"]
                .iter()
                .any(|tool| script.contains(tool))
                && script.contains(name))
    };
    scripts.iter().any(replaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_applied_and_what_is_to_be_filled_in_is_read() {
        assert_eq!(applied("kubectl apply -n a -f k8s/ --wait"), ["k8s/"]);
        assert_eq!(applied("envsubst < a | kubectl apply -f -"), [""; 0]);
        assert_eq!(placeholders("${A}/b:${C_1} $(D) ${e-f}"), ["A", "C_1"]);
    }
}
