//! What would become of the jobs, each after those that it needs.

use super::{Fate, JobForecast};
use crate::expression::{Function, Node, NodeKind, Vocabulary, parse};
use crate::language::{Token, TokenKind};
use crate::matrix::Matrix;
use crate::plan::{CallJob, CalledFiles, Options, PlannedJob, Work, read};
use crate::value::equals_ignoring_case;
use crate::workflow::Strategy;
use crate::{Condition, EvaluationError, Object, Scope, Status, Template, Value};

/// How deep called workflows are followed.
const CALLS_DEPTH_MAX: usize = 9;

/// The fates of the jobs of one file.
pub(super) fn of(
    jobs: &[PlannedJob],
    contexts: &Object,
    called: &CalledFiles<'_>,
    depth: usize,
) -> Vec<JobForecast> {
    let mut done: Vec<Option<JobForecast>> = vec![None; jobs.len()];
    // The order of the jobs has been checked, so every round tells the fate of one more at least.
    while let Some(at) = (0..jobs.len()).find(|at| {
        done[*at].is_none() && needs(&jobs[*at], jobs).iter().all(|need| done[*need].is_some())
    }) {
        let job = Judge { jobs, done: &done, contexts, called, depth }.job(&jobs[at]);
        done[at] = Some(job);
    }
    done.into_iter().flatten().collect()
}

/// The numbers of the jobs that a job needs.
fn needs(job: &PlannedJob, jobs: &[PlannedJob]) -> Vec<usize> {
    let position = |need: &Token| {
        let need = need.text();
        jobs.iter().position(|job| equals_ignoring_case(&job.id.text(), &need))
    };
    job.needs.iter().filter_map(position).collect()
}

struct Judge<'a> {
    jobs: &'a [PlannedJob],
    done: &'a [Option<JobForecast>],
    contexts: &'a Object,
    called: &'a CalledFiles<'a>,
    depth: usize,
}

impl Judge<'_> {
    fn job(&self, job: &PlannedJob) -> JobForecast {
        let mut forecast = JobForecast {
            id: job.id.text(),
            needs: job.needs.iter().map(Token::text).collect(),
            fate: Fate::Open { depends_on: Vec::new() },
            calls: None,
            called: Vec::new(),
        };
        let contexts = self.with_needs(job);
        let status = self.status(job);
        forecast.fate = match self.condition(job, &contexts, status) {
            Err(fate) => fate,
            Ok(()) => legs(job, &contexts),
        };
        if let Work::Call(call) = &job.work {
            forecast.calls = Some(call.reference.text());
            if !matches!(forecast.fate, Fate::Skipped { .. } | Fate::Fails { .. }) {
                forecast.called = self.called_jobs(call, &contexts);
            }
        }
        forecast
    }

    /// # Errors
    /// The fate of a job whose condition does not hold, or is not known to.
    fn condition(
        &self,
        job: &PlannedJob,
        contexts: &Object,
        status: Option<Status>,
    ) -> Result<(), Fate> {
        let source = match &job.condition.kind {
            TokenKind::Expression(expression) => expression.clone(),
            _ => job.condition.text(),
        };
        let unknown = unknown_in(&source);
        if !unknown.is_empty() {
            return Err(Fate::Open { depends_on: unknown });
        }
        let condition = Condition::new(source, job.condition.position());
        let judged = |status| condition.evaluate(&Scope::new(contexts).with_status(status));
        let first = match judged(status.unwrap_or(Status::Success)) {
            Ok(verdict) => verdict,
            Err(error) => return Err(Fate::Fails { reason: error.to_string() }),
        };
        if status.is_none() {
            let others = [Status::Failure, Status::Skipped].map(judged);
            let is_decided = others
                .iter()
                .all(|other| other.as_ref().is_ok_and(|verdict| verdict.holds == first.holds));
            if !is_decided {
                return Err(Fate::Open { depends_on: self.open_ancestors(job) });
            }
        }
        if first.holds {
            return Ok(());
        }
        let skipped = self.skipped_ancestors(job);
        let reason = match (status, skipped.as_slice()) {
            (Some(Status::Skipped), [_, ..]) => format!("{} is skipped", skipped.join(", ")),
            _ => "its `if:` is false".to_owned(),
        };
        Err(Fate::Skipped { reason, trace: Some(first.trace) })
    }

    /// What `success()` and its like would answer, if that is known.
    fn status(&self, job: &PlannedJob) -> Option<Status> {
        if !self.skipped_ancestors(job).is_empty() {
            return Some(Status::Skipped);
        }
        if self.open_ancestors(job).is_empty() { Some(Status::Success) } else { None }
    }

    fn skipped_ancestors(&self, job: &PlannedJob) -> Vec<String> {
        self.ancestors_whose(job, |fate| matches!(fate, Fate::Skipped { .. } | Fate::Fails { .. }))
    }

    fn open_ancestors(&self, job: &PlannedJob) -> Vec<String> {
        self.ancestors_whose(job, |fate| matches!(fate, Fate::Open { .. }))
    }

    fn ancestors_whose(&self, job: &PlannedJob, is_meant: impl Fn(&Fate) -> bool) -> Vec<String> {
        let mut all = needs(job, self.jobs);
        let mut at = 0;
        while let Some(next) = all.get(at).copied() {
            for need in needs(&self.jobs[next], self.jobs) {
                if !all.contains(&need) {
                    all.push(need);
                }
            }
            at += 1;
        }
        all.sort_unstable();
        let done = all.into_iter().filter_map(|at| self.done[at].as_ref());
        done.filter(|job| is_meant(&job.fate)).map(|job| job.id.clone()).collect()
    }

    /// The contexts with `needs`, as if all that runs succeeded.
    fn with_needs(&self, job: &PlannedJob) -> Object {
        let needs = needs(job, self.jobs).into_iter().filter_map(|at| self.done[at].as_ref());
        let needs: Object = needs
            .map(|need| {
                let is_skipped = matches!(need.fate, Fate::Skipped { .. });
                let result = if is_skipped { "skipped" } else { "success" };
                let entry = [
                    ("result".to_owned(), Value::from(result)),
                    ("outputs".to_owned(), Value::Object(Object::new())),
                ];
                (need.id.clone(), Value::Object(entry.into_iter().collect()))
            })
            .collect();
        let mut contexts = self.contexts.clone();
        contexts.insert("needs", needs);
        contexts
    }

    /// The jobs of a called workflow of the same repository.
    fn called_jobs(&self, call: &CallJob, contexts: &Object) -> Vec<JobForecast> {
        let reference = call.reference.text();
        if self.depth >= CALLS_DEPTH_MAX {
            return Vec::new();
        }
        let Ok(text) = (self.called)(&reference) else { return Vec::new() };
        let nothing = |_: &str| Err(String::new());
        let outcome = read(&reference, &text, &nothing, &Options::default());
        let Some(plan) = &outcome.plan else { return Vec::new() };
        let declared = plan.on.as_ref().and_then(|on| on.get("workflow_call")?.get("inputs"));
        let mut inputs = Object::new();
        for (name, definition) in declared.map_or(&[][..], Token::entries) {
            let given = call.input_values.as_ref().and_then(|given| given.get(&name.text()));
            if let Some(value) = given.or_else(|| definition.get("default")) {
                let template = Template::new(value.source(), value.position());
                let value = match value.is_expression() {
                    true => template.value(&Scope::new(contexts)).unwrap_or(Value::Null),
                    false => value.value(),
                };
                inputs.insert(name.text(), value);
            }
        }
        let mut contexts = self.contexts.clone();
        contexts.insert("inputs", inputs);
        of(&plan.jobs, &contexts, self.called, self.depth + 1)
    }
}

/// The fate of a job that runs: with its legs and environment.
fn legs(job: &PlannedJob, contexts: &Object) -> Fate {
    let scope = Scope::new(contexts);
    let matrix = job.strategy.as_ref().and_then(|strategy| strategy.get("matrix"));
    let mut unknown = Vec::new();
    if let Some(matrix) = matrix {
        unknown_below(matrix, &mut unknown);
    }
    if !unknown.is_empty() {
        return Fate::RunsWithUnknownLegs { depends_on: unknown };
    }
    let matrix = matrix.map(Matrix::of);
    let strategy = Strategy { matrix, fail_fast: None, max_parallel: None };
    match strategy.legs(&scope) {
        Ok(legs) => Fate::Runs {
            legs: legs.into_iter().map(|leg| leg.label).filter(|label| !label.is_empty()).collect(),
            environment: environment(job, &scope),
        },
        Err(error) => Fate::Fails { reason: error.to_string() },
    }
}

fn environment(job: &PlannedJob, scope: &Scope<'_>) -> Option<String> {
    let Work::Steps(steps) = &job.work else { return None };
    let environment = steps.environment.as_ref()?;
    let name = environment.get("name").unwrap_or(environment);
    let template = Template::new(name.source(), name.position());
    let value: Result<String, EvaluationError> = template.interpolate(scope);
    // A name that only the run can tell is shown as it is written.
    Some(value.unwrap_or_else(|_| name.source())).filter(|name| !name.is_empty())
}

fn unknown_below(token: &Token, unknown: &mut Vec<String>) {
    token.items().iter().for_each(|item| unknown_below(item, unknown));
    token.entries().iter().for_each(|(_, value)| unknown_below(value, unknown));
    if let TokenKind::Expression(expression) = &token.kind {
        unknown.extend(unknown_in(expression));
    }
}

const NAMES: [&str; 7] = ["github", "inputs", "vars", "needs", "strategy", "matrix", "secrets"];

fn parse_any(expression: &str) -> Option<Node<'_>> {
    parse(expression, &Vocabulary { contexts: &NAMES, functions: Function::ALL }).ok()?
}

/// What an expression names that only a run can tell: outputs of jobs, variables, secrets.
fn unknown_in(expression: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    if let Some(node) = parse_any(expression) {
        collect_unknown(expression, &node, &mut unknown);
    }
    unknown.sort();
    unknown.dedup();
    unknown
}

fn collect_unknown(source: &str, node: &Node<'_>, unknown: &mut Vec<String>) {
    let text = &source[node.span.clone()];
    if matches!(node.kind, NodeKind::Index { .. }) {
        let lower = text.to_ascii_lowercase();
        let mut parts = lower.split('.');
        let is_unknown = matches!(
            (parts.next(), parts.nth(1)),
            (Some("vars" | "secrets"), _) | (Some("needs"), Some("outputs"))
        );
        if is_unknown {
            unknown.push(text.to_owned());
            return;
        }
    }
    node.children().for_each(|child| collect_unknown(source, child, unknown));
}
