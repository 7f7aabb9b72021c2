//! Images whose tag may be another one tomorrow.

use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::repository::name_of;

pub(super) const MUTABLE: Code = Code {
    id: "QX4005",
    area: Area::Kubernetes,
    severity: Severity::Error,
    title: "an image by a tag that moves",
    explanation: "`latest`, `staging`, `dev` and no tag at all name whatever was pushed last. Two replicas may run different programs, a rollback \
                  goes nowhere, nothing says what runs, and an unchanged manifest is not rolled out again.",
    example: "image: registry.example.com/stock:latest",
    fix: "image: registry.example.com/stock@sha256:..      # or a tag that is never pushed twice, such as the commit",
};

/// Tags that are pushed again and again.
const MOVING: &[&str] = &[
    "latest",
    "staging",
    "stage",
    "dev",
    "develop",
    "development",
    "main",
    "master",
    "prod",
    "production",
    "stable",
    "edge",
    "nightly",
    "test",
    "release",
    "current",
];

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for object in &reading.objects {
        for container in object.containers() {
            let Some((node, image)) =
                container.node.get("image").and_then(|node| Some((node, node.text()?)))
            else {
                continue;
            };
            if let Some(tag) = moving_tag(image) {
                let message = match tag {
                    "" => format!(
                        "the image {image} has no tag, which means `latest`: what runs is whatever was pushed last"
                    ),
                    tag => format!(
                        "the tag `{tag}` of {} moves: what runs is whatever was pushed last",
                        image.trim_end_matches(tag).trim_end_matches(':')
                    ),
                };
                let hint = "name the image by its digest, or by a tag that is never pushed twice (the commit)";
                findings.add(&MUTABLE, container.file, node.place, message, hint);
            }
        }
    }
    for (file, text) in reading.repository.ending(&["compose.yml", "compose.yaml"]) {
        let Ok(documents) = crate::yaml::documents(text) else { continue };
        let services = documents.first().and_then(|root| root.get("services"));
        for (_, service) in services.into_iter().flat_map(crate::yaml::Node::entries) {
            // What is built here is meant to be rebuilt.
            let image = service.get("image").filter(|_| service.get("build").is_none());
            let Some((node, name)) = image.and_then(|node| Some((node, node.text()?))) else {
                continue;
            };
            if let Some(tag) = moving_tag(name) {
                let shown = if tag.is_empty() { "none, which means `latest`" } else { tag };
                let message = format!(
                    "the tag of {name} moves ({shown}): what runs is whatever was pushed last"
                );
                findings.add(
                    &MUTABLE,
                    file,
                    node.place,
                    message,
                    "name it by its digest, or by a tag that is never pushed twice",
                );
            }
        }
    }
}

/// The tag of an image, when it moves; empty when it has none.
pub(crate) fn moving_tag(image: &str) -> Option<&str> {
    if image.contains('@')
        || image.contains('$')
        || image.contains("{{")
        || image == "scratch"
        || image.is_empty()
    {
        return None;
    }
    match name_of(image).split_once(':') {
        None => Some(""),
        Some((_, tag)) => MOVING.contains(&tag).then_some(tag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_move_are_told_from_those_that_do_not() {
        for moving in ["stock", "localhost:5000/stock", "a/b:latest", "a/b:staging"] {
            assert!(moving_tag(moving).is_some(), "{moving}");
        }
        for fixed in ["stock:1.2", "a/b@sha256:00", "a/b:${TAG}", "localhost:5000/a:3f2c1ab"] {
            assert_eq!(moving_tag(fixed), None, "{fixed}");
        }
    }
}
