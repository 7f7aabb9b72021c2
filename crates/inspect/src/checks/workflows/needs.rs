//! Jobs that are skipped because one of several jobs they need was.

use crate::finding::{Area, Code, Findings, Severity};
use crate::flow::{Flow, Job};
use crate::reading::Reading;

pub(super) const SKIPPED_NEED: Code = Code {
    id: "QX2007",
    area: Area::Workflow,
    severity: Severity::Warning,
    title: "a job that is skipped with one of the jobs it needs",
    explanation: "A job without `if:` runs only when all that it needs succeeded. A needed job that is skipped by its own condition takes \
                  this one with it, and the run is green: nobody notices that nothing was deployed.",
    example: "deploy:\n  needs: [test, migrate]      # migrate has `if: inputs.migrate`",
    fix: "deploy:\n  needs: [test, migrate]\n  if: ${{ !failure() && !cancelled() }}",
};

pub(super) fn check(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        for job in flow.jobs().filter(|job| job.node.get("if").is_none()) {
            let needs = job.needs();
            let conditional: Vec<&str> = needs
                .iter()
                .filter_map(|need| need.text())
                .filter(|key| may_be_skipped(flow, key))
                .collect();
            // Who needs only jobs that may be skipped is meant to go with them.
            if conditional.is_empty() || conditional.len() == needs.len() {
                continue;
            }
            let place = job.node.get("needs").map_or(job.name.place, |node| node.place);
            let message = format!(
                "`{}` is skipped whenever {} is: a condition of its own lets it run only sometimes",
                job.key,
                conditional.join(" or ")
            );
            let hint = "add `if: ${{ !failure() && !cancelled() }}` if it shall run all the same; or repeat the condition, to say that it shall not";
            findings.add(&SKIPPED_NEED, &flow.file, place, message, hint);
        }
    }
}

fn may_be_skipped(flow: &Flow, key: &str) -> bool {
    let job = flow.jobs().find(|job: &Job<'_>| job.key.eq_ignore_ascii_case(key));
    let condition = job.and_then(|job| job.node.get("if")?.text());
    condition.is_some_and(|text| {
        !["always()", "failure()", "cancelled()"].iter().any(|word| text.contains(word))
    })
}
