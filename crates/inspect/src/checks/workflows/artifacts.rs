//! Artifacts that are uploaded twice under one name.

use std::collections::BTreeMap;

use crate::finding::{Area, Code, Findings, Place, Severity};
use crate::flow::action;
use crate::reading::Reading;

pub(super) const SAME_NAME: Code = Code {
    id: "QX2006",
    area: Area::Workflow,
    severity: Severity::Error,
    title: "two uploads of an artifact under one name",
    explanation: "Since version 4 an artifact cannot be changed: the second upload of a name in a run fails with a conflict (409). In a \
                  matrix every leg uploads, so that all but the first fail.",
    example: "strategy:\n  matrix: { python: [\"3.11\", \"3.12\"] }\nsteps:\n  - uses: actions/upload-artifact@v4\n    with: { name: coverage, path: coverage.xml }",
    fix: "    with: { name: \"coverage-${{ matrix.python }}\", path: coverage.xml }",
};

/// The name that an upload without one has.
const UNNAMED: &str = "artifact";

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        let mut first: BTreeMap<String, (Place, &str)> = BTreeMap::new();
        for (job, step, uses) in flow.uses() {
            let Some((name, version)) = uses.text().and_then(action) else { continue };
            let is_old =
                version.starts_with("v1") || version.starts_with("v2") || version.starts_with("v3");
            let overwrites = step.text_at(&["with", "overwrite"]) == Some("true");
            if !name.eq_ignore_ascii_case("actions/upload-artifact") || is_old || overwrites {
                continue;
            }
            let named = step.at(&["with", "name"]);
            let text = named.and_then(|node| node.text()).unwrap_or(UNNAMED);
            let place = named.map_or(uses.place, |node| node.place);
            if text.contains("${{") {
                continue;
            }
            if job.node.at(&["strategy", "matrix"]).is_some() {
                let message = format!(
                    "every leg of the matrix of `{}` uploads the artifact `{text}`: all but the first fail",
                    job.key
                );
                let hint = format!(
                    "make the name differ by leg, as `{text}-${{{{ strategy.job-index }}}}`"
                );
                findings.add(&SAME_NAME, &flow.file, place, message, hint);
                continue;
            }
            let condition = step.get("if").or_else(|| job.node.get("if"));
            match first.get(text) {
                // Two that exclude each other by a condition are common, and well.
                Some(_) if condition.is_some() => {}
                Some((before, other)) => {
                    let message = format!(
                        "the artifact `{text}` is uploaded a second time in a run (first in job `{other}`, line {})",
                        before.line
                    );
                    let hint = "give it another name, or `overwrite: true` if the last one counts";
                    findings.add(&SAME_NAME, &flow.file, place, message, hint);
                }
                None if condition.is_none() => {
                    first.insert(text.to_owned(), (place, job.key));
                }
                None => {}
            }
        }
    }
}
