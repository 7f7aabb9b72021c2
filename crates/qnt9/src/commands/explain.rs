//! `qnt9 explain`: what a code means. One registry of all that have one.

use std::process::ExitCode;

use serde::Serialize;

use super::asking::{format, print};
use crate::cli::{Common, Explain};
use crate::failure::Failure;
use crate::render::Table;

/// The code of whatever the engine says of `qnt9.toml`.
pub const RULES: &str = "QX6000";

/// A code and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub id: &'static str,
    pub title: &'static str,
    pub explanation: &'static str,
    pub example: &'static str,
    pub fix: &'static str,
}

/// Every code, in the order of their numbers: those of workflows, of a repository's files, of secrets.
pub fn all() -> Vec<Explanation> {
    let of_workflows = qnt9_workflow::lint::CODES.iter().map(|code| Explanation {
        id: code.id,
        title: code.title,
        explanation: code.explanation,
        example: code.example,
        fix: code.fix,
    });
    let of_files = qnt9_inspect::CODES.iter().copied().flatten().map(|code| Explanation {
        id: code.id,
        title: code.title,
        explanation: code.explanation,
        example: code.example,
        fix: code.fix,
    });
    let rules = Explanation {
        id: RULES,
        title: "rules that cannot be used",
        explanation: "qnt9.toml says something that it cannot say there, or something that can never be met. A file with a problem \
                      changes nothing: the rules in force stay as they were.",
        example: "[environment.production]\napprovals = { needed = 3, from = [\"alice\", \"bob\"] }",
        fix: "approvals = { needed = 2, from = [\"alice\", \"bob\"] }      # all keys: docs/gates.md",
    };
    let mut all: Vec<Explanation> = of_workflows.chain(of_files).chain([rules]).collect();
    all.sort_by_key(|one| one.id);
    all
}

/// Whether there is such a code.
pub fn is_known(id: &str) -> bool {
    all().iter().any(|one| one.id.eq_ignore_ascii_case(id))
}

/// Why a code's mistake is one.
pub fn explanation(id: &str) -> String {
    all()
        .into_iter()
        .find(|one| one.id == id)
        .map(|one| one.explanation.to_owned())
        .unwrap_or_default()
}

/// Explains one code, or lists all.
pub fn run(common: &Common, args: &Explain) -> Result<ExitCode, Failure> {
    match &args.code {
        None => print(format(common), &all(), |all| list(all)),
        Some(id) => print(format(common), &find(id)?, text),
    }
    Ok(ExitCode::SUCCESS)
}

fn find(id: &str) -> Result<Explanation, Failure> {
    all().into_iter().find(|one| one.id.eq_ignore_ascii_case(id)).ok_or_else(|| {
        Failure::new(format!("there is no code `{id}`")).hint("`qnt9 explain` lists all of them")
    })
}

fn list(all: &[Explanation]) -> String {
    let mut table = Table::bare();
    all.iter().for_each(|one| table.row([one.id.to_owned(), one.title.to_owned()]));
    table.text(0, "")
}

fn text(one: &Explanation) -> String {
    let indented = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let Explanation { id, title, explanation, example, fix } = one;
    format!(
        "{id}: {title}\n\n{explanation}\n\nFor example:\n{}\nFix:\n{}",
        indented(example),
        indented(fix)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_and_says_everything() {
        let all = all();
        for pair in all.windows(2) {
            assert_ne!(pair[0].id, pair[1].id, "one code, one meaning");
        }
        for one in &all {
            assert!(one.id.len() == 6 && one.id.starts_with("QX"), "{}", one.id);
            for text in [one.title, one.explanation, one.example, one.fix] {
                assert!(!text.trim().is_empty(), "{} leaves something out", one.id);
            }
        }
        assert!(all.len() > 80, "{}", all.len());
    }

    #[test]
    fn an_unknown_code_is_said() {
        let refused = find("QX9999").unwrap_err().to_string();
        assert!(refused.contains("no code `QX9999`") && refused.contains("lists all"), "{refused}");
        assert_eq!(find("qx6000").unwrap().id, RULES);
    }
}
