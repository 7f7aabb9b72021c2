//! A repository: the mistakes that its files hold, and how many files were looked at for them.

use std::path::Path;

use qnt9_inspect::{Area, Month, Repository, inspect};
use qnt9_workflow::lint;

use super::{Check, Place, Verdict};
use crate::commands::explain;
use crate::failure::Failure;
use crate::repository::Folder;

/// Which of its files count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// Workflow files, and where they disagree with others.
    Workflows,
}

/// Everything that can be said of the repository in a folder.
pub(super) async fn look(dir: &Path, part: Part) -> Result<Vec<Check>, Failure> {
    let folder = Folder::read(dir).await?;
    Ok(checks(&folder.repository, part, this_month()))
}

pub(super) fn checks(repository: &Repository, part: Part, today: Month) -> Vec<Check> {
    let mut found: Vec<Check> = inspect(repository, today)
        .into_iter()
        .filter(|finding| {
            part == Part::Whole
                || finding.area == Area::Workflow
                || finding.file.starts_with(".github/")
        })
        .map(|finding| Check {
            id: finding.code.to_owned(),
            category: word(finding.area).to_owned(),
            verdict: match finding.severity {
                qnt9_inspect::Severity::Error => Verdict::Fail,
                qnt9_inspect::Severity::Warning => Verdict::Warn,
            },
            found: finding.message,
            explanation: explain::explanation(finding.code),
            hint: Some(finding.hint),
            place: Some(Place { file: finding.file, line: finding.line, column: finding.column }),
            fixed: false,
        })
        .collect();
    let linted = lint_workflows(repository, &found);
    found.extend(linted);
    found.extend(rules(repository, part));
    for area in areas(part) {
        let files = files(repository, area);
        if files > 0 && !found.iter().any(|check| check.category == word(area)) {
            found.push(Check::ok(
                word(area),
                format!("{}, nothing is wrong", crate::render::count(files, "file")),
                about(area),
            ));
        }
    }
    found.sort_by(|a, b| {
        let key = |check: &Check| {
            let at = areas(Part::Whole).iter().position(|area| word(*area) == check.category);
            let place =
                check.place.as_ref().map(|place| (place.file.clone(), place.line, place.column));
            (at, place, check.id.clone())
        };
        key(a).cmp(&key(b))
    });
    found
}

/// What the reader of workflows says; a line that was named already is not named twice for the same thing.
fn lint_workflows(repository: &Repository, found: &[Check]) -> Vec<Check> {
    let files = |path: &str| repository.text(path).map(str::to_owned);
    let surroundings = lint::Surroundings { files: &files, ..lint::Surroundings::NOTHING };
    let mut checks = Vec::new();
    let is_workflow = |path: &&str| {
        path.starts_with(".github/workflows/")
            && (path.ends_with(".yml") || path.ends_with(".yaml"))
    };
    for path in repository.paths().filter(is_workflow) {
        let Some(text) = repository.text(path) else { continue };
        for finding in lint::check(path, text, &surroundings) {
            let diagnostic = finding.diagnostic;
            let is_known = found.iter().any(|check| {
                check.category == "workflow"
                    && check
                        .place
                        .as_ref()
                        .is_some_and(|place| place.file == path && place.line == diagnostic.line)
            });
            if is_known {
                continue;
            }
            checks.push(Check {
                id: finding.code.id.to_owned(),
                category: "workflow".to_owned(),
                verdict: match finding.code.severity {
                    lint::Severity::Error => Verdict::Fail,
                    lint::Severity::Warning => Verdict::Warn,
                },
                found: diagnostic.message,
                explanation: finding.code.explanation.to_owned(),
                hint: diagnostic.hint.or_else(|| Some(finding.code.fix.to_owned())),
                place: Some(Place {
                    file: path.to_owned(),
                    line: diagnostic.line,
                    column: diagnostic.column,
                }),
                fixed: false,
            });
        }
    }
    checks
}

/// What the engine says of `qnt9.toml`.
fn rules(repository: &Repository, part: Part) -> Vec<Check> {
    const FILE: &str = "qnt9.toml";
    let text = repository.text(FILE).filter(|_| part == Part::Whole);
    let problems = text.map(|text| qnt9_engine::policy::read(FILE, text).err().unwrap_or_default());
    let check = |problem: qnt9_engine::policy::PolicyProblem| Check {
        place: Some(Place { file: problem.file, line: problem.line, column: problem.column }),
        found: problem.message,
        hint: problem.hint.or_else(|| Some("all keys are in docs/gates.md".to_owned())),
        verdict: Verdict::Fail,
        id: explain::RULES.to_owned(),
        category: word(Area::Agreement).to_owned(),
        ..Check::ok(explain::RULES, "", &explain::explanation(explain::RULES))
    };
    problems.unwrap_or_default().into_iter().map(check).collect()
}

fn areas(part: Part) -> Vec<Area> {
    match part {
        Part::Workflows => vec![Area::Workflow],
        Part::Whole => vec![
            Area::Workflow,
            Area::Terraform,
            Area::Kubernetes,
            Area::Image,
            Area::Agreement,
            Area::Secret,
        ],
    }
}

/// The category's name.
const fn word(area: Area) -> &'static str {
    match area {
        Area::Workflow => "workflow",
        Area::Terraform => "terraform",
        Area::Kubernetes => "kubernetes",
        Area::Image => "image",
        Area::Agreement => "agreement",
        Area::Secret => "secrets",
    }
}

const fn about(area: Area) -> &'static str {
    match area {
        Area::Workflow => "What GitHub, a runner or an action refuses, or quietly does otherwise.",
        Area::Terraform => "What terraform refuses, and what every plan would show.",
        Area::Kubernetes => "What the API refuses, and what it takes and never works.",
        Area::Image => "What fails when an image is built or started.",
        Area::Agreement => "What several files say about one thing: names, ports, paths.",
        Area::Secret => "Secrets that stand in files.",
    }
}

/// How many files of a kind there are.
fn files(repository: &Repository, area: Area) -> usize {
    let is_one = |path: &&str| match area {
        Area::Workflow => path.starts_with(".github/workflows/"),
        Area::Terraform => path.ends_with(".tf") || path.ends_with(".tfvars"),
        Area::Kubernetes => {
            let text = repository.text(path).unwrap_or_default();
            (path.ends_with(".yaml") || path.ends_with(".yml")) && text.contains("apiVersion:")
        }
        Area::Image => path.rsplit('/').next().is_some_and(|name| name.starts_with("Dockerfile")),
        Area::Agreement | Area::Secret => true,
    };
    repository.paths().filter(is_one).count()
}

/// This month by this machine's clock.
pub(crate) fn this_month() -> Month {
    let today = jiff::Zoned::now();
    Month {
        year: u16::try_from(today.year()).unwrap_or_default(),
        month: u8::try_from(today.month()).unwrap_or(1),
    }
}
