//! Runners that GitHub has taken away: their jobs wait for ever.

use crate::checks::versions::{Product, ended};
use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;

pub(super) const NO_SUCH_RUNNER: Code = Code {
    id: "QX2011",
    area: Area::Workflow,
    severity: Severity::Error,
    title: "a runner that no longer exists",
    explanation: "GitHub took this image away. The job waits for a runner until it is cancelled after a day; nothing says why.",
    example: "runs-on: ubuntu-20.04",
    fix: "runs-on: ubuntu-24.04",
};

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for job in flow.jobs() {
            let Some(labels) = job.node.get("runs-on") else { continue };
            for label in labels.texts() {
                let Some(text) = label.text() else { continue };
                let Some(end) = ended(Product::Runner, text, reading.today) else { continue };
                let message = format!(
                    "the runner image {text} has not existed since {end}: the job waits for ever"
                );
                findings.add(
                    &NO_SUCH_RUNNER,
                    &flow.file,
                    label.place,
                    message,
                    format!("write {}", end.instead),
                );
            }
        }
    }
}
