//! The legs of a job whose needs have ended: its matrix, names, environment and limits evaluated.

use qnt9_model::fact::Leg;
use qnt9_model::{JobKey, UserText};
use qnt9_workflow::{EvaluationError, Job as JobDefinition, Object, Scope, Value};

use crate::concurrency;

/// A job's legs and how they run together.
pub(super) struct Planned {
    pub(super) legs: Vec<Leg>,
    pub(super) fail_fast: bool,
    pub(super) max_parallel: Option<u32>,
}

const MINUTE_MS: f64 = 60_000.0;
/// GitHub's default for `timeout-minutes` of a job.
const TIMEOUT_MINUTES: f64 = 360.0;

/// Evaluates a job's matrix and what differs from leg to leg.
pub(super) fn legs(
    job: &JobDefinition,
    contexts: &Object,
    scope: &Scope<'_>,
) -> Result<Planned, String> {
    let at = |key: &'static str| move |error: EvaluationError| format!("{key}: {error}");
    let Some(strategy) = &job.strategy else {
        let leg = leg(job, contexts, scope, None, 1)?;
        return Ok(Planned { legs: vec![leg], fail_fast: false, max_parallel: None });
    };
    let expanded = strategy.legs(scope).map_err(|error| format!("matrix: {error}"))?;
    let total = expanded.len();
    let legs: Result<Vec<Leg>, String> =
        expanded.iter().map(|matrix| leg(job, contexts, scope, Some(matrix), total)).collect();
    Ok(Planned {
        legs: legs?,
        fail_fast: strategy.fails_fast(scope).map_err(at("fail-fast"))?,
        max_parallel: strategy.parallel_max(scope).map_err(at("max-parallel"))?,
    })
}

fn leg(
    job: &JobDefinition,
    contexts: &Object,
    scope: &Scope<'_>,
    matrix: Option<&qnt9_workflow::Leg>,
    total: usize,
) -> Result<Leg, String> {
    let mut contexts = contexts.clone();
    let values = matrix.map_or_else(|| Value::Object(Object::new()), |m| m.values.clone().into());
    contexts.insert("matrix", values.clone());
    contexts.insert("strategy", strategy(job, matrix, total, scope)?);
    let scope = Scope { contexts: &contexts, ..*scope };
    let at = |key: &'static str| move |error: EvaluationError| format!("{key}: {error}");
    let name = job.display_name(matrix, &scope).map_err(at("name"))?;
    let environment = job.environment.as_ref().map(|e| e.name.interpolate(&scope)).transpose();
    let environment = environment.map_err(at("environment"))?.filter(|name| !name.is_empty());
    let tolerant = job.continue_on_error.as_ref().map_or(Ok(false), |t| t.boolean(&scope));
    let minutes = job.timeout_minutes.as_ref().map_or(Ok(TIMEOUT_MINUTES), |t| t.number(&scope));
    let concurrency = job.concurrency.as_ref().map(|own| concurrency::evaluate(own, &scope));
    let concurrency = concurrency.transpose()?;
    let index = matrix.map_or(0, |m| m.index as u32);
    let key = match matrix {
        Some(_) => format!("{}.{}", job.key, index + 1),
        None => job.key.clone(),
    };
    Ok(Leg {
        job: JobKey(key),
        name,
        index,
        matrix: UserText::from(values.to_json_text()),
        environment: environment.map(Into::into),
        continue_on_error: tolerant.map_err(at("continue-on-error"))?,
        timeout_ms: (minutes.map_err(at("timeout-minutes"))? * MINUTE_MS) as i64,
        concurrency,
    })
}

/// The `strategy` context; a job without a strategy has one too, as on GitHub.
fn strategy(
    job: &JobDefinition,
    matrix: Option<&qnt9_workflow::Leg>,
    total: usize,
    scope: &Scope<'_>,
) -> Result<Value, String> {
    if let (Some(strategy), Some(matrix)) = (&job.strategy, matrix) {
        let context = strategy.context(matrix.index, total, scope);
        return context.map(Value::Object).map_err(|error| format!("strategy: {error}"));
    }
    Ok(Value::Object(Object::from_iter([
        ("fail-fast", Value::Bool(true)),
        ("job-index", Value::Number(0.0)),
        ("job-total", Value::Number(1.0)),
        ("max-parallel", Value::Number(1.0)),
    ])))
}
