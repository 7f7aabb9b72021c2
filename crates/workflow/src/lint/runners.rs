//! `runs-on:`: labels that exist, and that one runner can have together.

use super::{Walk, codes};
use crate::language::Token;
use crate::nearest::nearest;
use crate::template::OPEN;

/// The labels of GitHub's own runners, and those that every runner of one's own has.
const LABELS: [&str; 38] = [
    "ubuntu-latest",
    "ubuntu-slim",
    "ubuntu-26.04",
    "ubuntu-24.04",
    "ubuntu-22.04",
    "ubuntu-26.04-arm",
    "ubuntu-24.04-arm",
    "ubuntu-22.04-arm",
    "windows-latest",
    "windows-2025",
    "windows-2025-vs2026",
    "windows-2022",
    "windows-11-arm",
    "macos-latest",
    "macos-latest-large",
    "macos-latest-xlarge",
    "macos-26",
    "macos-26-intel",
    "macos-26-large",
    "macos-26-xlarge",
    "macos-15",
    "macos-15-intel",
    "macos-15-large",
    "macos-15-xlarge",
    "macos-14",
    "macos-14-large",
    "macos-14-xlarge",
    "ubuntu-latest-4-cores",
    "ubuntu-latest-8-cores",
    "ubuntu-latest-16-cores",
    "windows-latest-8-cores",
    "self-hosted",
    "linux",
    "macos",
    "windows",
    "x64",
    "arm",
    "arm64",
];

impl Walk<'_> {
    pub(super) fn runs_on(&mut self, runs_on: &Token, matrix: Option<&Token>) {
        let labels = runs_on.get("labels").unwrap_or(runs_on);
        let labels =
            if labels.is_sequence() { labels.items() } else { std::slice::from_ref(labels) };
        // Each label with those that a matrix puts in its place.
        let mut plain: Vec<&Token> = Vec::new();
        let mut from_matrix: Vec<&Token> = Vec::new();
        for label in labels {
            match matrix_key(label) {
                Some(key) => {
                    let values = matrix.and_then(|matrix| matrix.get(&key));
                    from_matrix.extend(values.map_or(&[][..], Token::items));
                }
                None => plain.push(label),
            }
        }
        if runs_on.get("group").is_none() {
            self.unknown_labels(&plain, &from_matrix);
        }
        let mut system: Option<(&str, String)> = None;
        for label in plain.iter().chain(&from_matrix) {
            let Some(name) = label.as_str() else { continue };
            let Some(own) = system_of(name) else { continue };
            match &system {
                Some((other, first)) if *other != own => {
                    let message = format!("no runner is both `{first}` and `{name}`");
                    let hint = "use a matrix to run on each".to_owned();
                    self.report(&codes::RUNNER_CONFLICT, label, message, Some(hint));
                }
                Some(_) => {}
                // The values of a matrix stand beside the others, not beside each other.
                None if plain.iter().any(|plain| std::ptr::eq(*plain, *label)) => {
                    system = Some((own, name.to_owned()));
                }
                None => {}
            }
        }
    }

    fn unknown_labels(&mut self, plain: &[&Token], from_matrix: &[&Token]) {
        let is_own = plain.iter().any(|label| label.as_str() == Some("self-hosted"));
        let labels = plain.iter().chain(from_matrix).filter(|_| !is_own);
        for label in labels.copied().collect::<Vec<_>>() {
            let Some(name) = label.as_str().filter(|name| !name.contains(OPEN)) else { continue };
            let lower = name.to_lowercase();
            let known = self.surroundings.runner_labels.iter().map(String::as_str).chain(LABELS);
            if !known.clone().any(|known| known.eq_ignore_ascii_case(&lower)) {
                let message = format!("there is no runner of the label `{name}`");
                let hint = match nearest(name, known) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "add `self-hosted` if it is one of your own".to_owned(),
                };
                self.report(&codes::RUNNER_LABEL, label, message, Some(hint));
            }
        }
    }
}

/// `os` of `${{ matrix.os }}`.
fn matrix_key(label: &Token) -> Option<String> {
    let source = label.source();
    let inner = source.trim().strip_prefix(OPEN)?.strip_suffix("}}")?.trim();
    let key = inner.strip_prefix("matrix.")?;
    let is_name = key.chars().all(|each| each.is_ascii_alphanumeric() || "_-".contains(each));
    is_name.then(|| key.to_owned())
}

fn system_of(label: &str) -> Option<&'static str> {
    let label = label.to_lowercase();
    ["windows", "macos"]
        .into_iter()
        .find(|system| label.starts_with(system))
        .or_else(|| (label.starts_with("ubuntu") || label == "linux").then_some("linux"))
}
