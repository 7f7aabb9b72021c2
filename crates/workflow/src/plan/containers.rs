//! What is wrong with containers, services and snapshots before their expressions have values.

use super::converter::{Converter, IfKind};
use crate::language::Token;

const DOCKER: &str = "docker://";

impl Converter<'_> {
    /// A `container:` may be the empty text, which is none.
    pub(super) fn check_container(&mut self, container: &Token) {
        if container.has_expressions() {
            return;
        }
        if let Some(image) = image(container).filter(|image| !image.is_empty())
            && image.trim_start_matches(DOCKER).is_empty()
        {
            self.report(container, EMPTY_IMAGE);
        }
    }

    pub(super) fn check_services(&mut self, services: &Token) {
        if services.has_expressions() {
            return;
        }
        for (_, service) in services.entries() {
            let image = image(service).unwrap_or_default();
            if image.strip_prefix(DOCKER).unwrap_or(image).is_empty() {
                self.report(service, EMPTY_IMAGE);
            }
        }
    }

    pub(super) fn check_snapshot(&mut self, snapshot: &Token) {
        if let Some(condition) = snapshot.get("if") {
            self.condition(Some(condition), IfKind::Snapshot);
        }
        let Some(version) = snapshot.get("version").and_then(Token::as_str) else { return };
        let is_valid = version.strip_suffix(".*").is_some_and(|major| {
            !major.is_empty()
                && major.bytes().all(|digit| digit.is_ascii_digit())
                && major.parse::<i32>().is_ok()
        });
        if !is_valid {
            let message = format!("Expected format '{{major-version}}.*' Actual '{version}'");
            self.report(snapshot, message);
        }
    }
}

const EMPTY_IMAGE: &str = "Container image cannot be empty";

fn image(container: &Token) -> Option<&str> {
    container.as_str().or_else(|| container.get("image")?.as_str())
}
