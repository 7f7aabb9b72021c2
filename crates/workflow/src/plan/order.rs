//! The order of jobs: every `needs:` names a job, some job needs none, and none waits for itself.

use super::PlannedJob;
use crate::language::Token;
use crate::nearest::nearest;
use crate::value::equals_ignoring_case;

pub(super) struct OrderProblem {
    pub(super) at: Token,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// What is wrong with the order of the jobs of `jobs:`.
pub(super) fn problems(jobs: &Token, planned: &[PlannedJob]) -> Vec<OrderProblem> {
    let ids: Vec<&str> = planned.iter().filter_map(|job| job.id.as_str()).collect();
    let position = |need: &Token| {
        let need = need.as_str().unwrap_or_default();
        ids.iter().position(|id| equals_ignoring_case(id, need))
    };
    let needs: Vec<Vec<Option<usize>>> =
        planned.iter().map(|job| job.needs.iter().map(position).collect()).collect();
    if planned.iter().all(|job| !job.needs.is_empty()) {
        let cycle = find_cycle(&needs).map(|cycle| described(&cycle, &ids));
        let message = "The workflow must contain at least one job with no dependencies.";
        return vec![OrderProblem { at: jobs.clone(), message: message.to_owned(), hint: cycle }];
    }
    let settled = settled(&needs);
    let mut problems = Vec::new();
    for (at, job) in planned.iter().enumerate().filter(|(at, _)| !settled[*at]) {
        let id = ids[at];
        for (token, need) in job.needs.iter().zip(&needs[at]) {
            let name = token.text();
            match need {
                None => problems.push(OrderProblem {
                    at: token.clone(),
                    message: format!("Job '{id}' depends on unknown job '{name}'."),
                    hint: nearest(&name, ids.iter().copied())
                        .map(|known| format!("did you mean `{known}`?")),
                }),
                Some(need) if !settled[*need] => problems.push(OrderProblem {
                    at: token.clone(),
                    message: format!(
                        "Job '{id}' depends on job '{name}' which creates a cycle in the \
                         dependency graph."
                    ),
                    hint: find_cycle(&needs).map(|cycle| described(&cycle, &ids)),
                }),
                Some(_) => {}
            }
        }
    }
    problems
}

/// Which jobs will have all they need at some time.
fn settled(needs: &[Vec<Option<usize>>]) -> Vec<bool> {
    let mut settled = vec![false; needs.len()];
    loop {
        let now: Vec<usize> = (0..needs.len())
            .filter(|at| !settled[*at])
            .filter(|at| needs[*at].iter().all(|need| need.is_some_and(|need| settled[need])))
            .collect();
        if now.is_empty() {
            return settled;
        }
        now.into_iter().for_each(|at| settled[at] = true);
    }
}

/// The jobs of one cycle, each needing the next and the last the first.
pub(crate) fn find_cycle(needs: &[Vec<Option<usize>>]) -> Option<Vec<usize>> {
    let mut is_left = vec![true; needs.len()];
    // A job that needs nothing that is left leads into no cycle.
    while let Some(at) = (0..needs.len())
        .find(|at| is_left[*at] && !needs[*at].iter().flatten().any(|need| is_left[*need]))
    {
        is_left[at] = false;
    }
    let mut path = vec![is_left.iter().position(|left| *left)?];
    loop {
        let last = path[path.len() - 1];
        let next = needs[last].iter().flatten().copied().find(|need| is_left[*need])?;
        if let Some(start) = path.iter().position(|at| *at == next) {
            return Some(path.split_off(start));
        }
        path.push(next);
    }
}

fn described(cycle: &[usize], ids: &[&str]) -> String {
    let path: Vec<&str> = cycle.iter().chain(cycle.first()).map(|at| ids[*at]).collect();
    format!("`needs` runs in a circle: {}", path.join(" -> "))
}
