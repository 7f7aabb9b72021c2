//! The order of jobs: every `needs:` names a job, and no job waits for itself.

use std::ops::Range;

use crate::nearest::nearest;

/// A job with what it needs, and where each is written.
pub(super) struct Needing {
    pub(super) key: String,
    pub(super) span: Range<usize>,
    pub(super) needs: Vec<(String, Range<usize>)>,
}

pub(super) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

pub(super) const NO_START: &str =
    "The workflow must contain at least one job with no dependencies.";

pub(super) fn problems(jobs: &[Needing]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for job in jobs {
        for (need, span) in &job.needs {
            if position(jobs, need).is_none() {
                let message = format!("Job '{}' depends on unknown job '{need}'.", job.key);
                let keys = jobs.iter().map(|job| job.key.as_str());
                let hint = nearest(need, keys).map(|key| format!("did you mean `{key}`?"));
                problems.push(Problem { span: span.clone(), message, hint });
            }
        }
    }
    if problems.is_empty()
        && let Some(cycle) = find_cycle(jobs)
    {
        let path: Vec<&str> = cycle.iter().map(|at| jobs[*at].key.as_str()).collect();
        let path = format!("{} -> {}", path.join(" -> "), path[0]);
        let has_start = jobs.iter().any(|job| job.needs.is_empty());
        let message = if has_start { "These jobs wait for each other." } else { NO_START };
        problems.push(Problem {
            span: jobs[cycle[0]].span.clone(),
            message: message.to_owned(),
            hint: Some(format!("`needs` runs in a circle: {path}")),
        });
    }
    problems
}

/// Replaces each need by the key that it names, since keys are found whatever their letters' case.
pub(super) fn spelled_as_defined(needs: &[String], jobs: &[Needing]) -> Vec<String> {
    let mut spelled: Vec<String> = Vec::new();
    for need in needs {
        let key = position(jobs, need).map_or(need, |at| &jobs[at].key);
        if !spelled.contains(key) {
            spelled.push(key.clone());
        }
    }
    spelled
}

fn position(jobs: &[Needing], key: &str) -> Option<usize> {
    jobs.iter().position(|job| job.key.eq_ignore_ascii_case(key))
}

/// The jobs of one cycle, each needing the next and the last the first.
fn find_cycle(jobs: &[Needing]) -> Option<Vec<usize>> {
    let needs: Vec<Vec<usize>> = jobs
        .iter()
        .map(|job| job.needs.iter().filter_map(|(need, _)| position(jobs, need)).collect())
        .collect();
    // Jobs whose needs are all settled are settled; those that never are lead into a cycle.
    let mut is_settled = vec![false; jobs.len()];
    loop {
        let settled_now: Vec<usize> = (0..jobs.len())
            .filter(|at| !is_settled[*at] && needs[*at].iter().all(|need| is_settled[*need]))
            .collect();
        if settled_now.is_empty() {
            break;
        }
        settled_now.into_iter().for_each(|at| is_settled[at] = true);
    }
    let mut path = vec![is_settled.iter().position(|settled| !settled)?];
    loop {
        let last = path[path.len() - 1];
        let next = needs[last].iter().copied().find(|need| !is_settled[*need])?;
        if let Some(start) = path.iter().position(|at| *at == next) {
            return Some(path.split_off(start));
        }
        path.push(next);
    }
}
