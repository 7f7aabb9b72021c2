//! The load test: drives load, judges it, and records what came of it for the release that served.

use std::process::ExitCode;
use std::time::Duration;

use qnt9_load::{Plan, Report, Scenario, Target, judge, text_summary, write_reports};
use qnt9_model::DeploymentId;
use qnt9_server::api::shapes::{EnvironmentShape, StepEvidence, StepLoad, Url};
use qnt9_server::machine;

use super::call::StepCall;
use crate::cli::LoadRun;
use crate::client::segment;
use crate::failure::Failure;
use crate::talk;

/// A user without an answer by then has met a failure.
const PATIENCE: Duration = Duration::from_secs(30);
/// What runs when no scenario is named.
const DEFAULT_SCENARIO: &str = include_str!("default_scenario.toml");

/// `qnt9 load run`
pub async fn run(args: &LoadRun) -> Result<ExitCode, Failure> {
    let mut call = StepCall::begin()?;
    let (name, text) = match &args.scenario {
        None => ("default scenario".to_owned(), DEFAULT_SCENARIO.to_owned()),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::because(format!("cannot read {}", path.display()), &error)
            })?;
            (path.display().to_string(), text)
        }
    };
    let scenario =
        Scenario::parse(&name, &text).map_err(|error| Failure::new(error.to_string()))?;
    let context = call.context().await?;
    let environment = segment(&args.environment);
    let url: Url = call.client.get(&format!("/api/v1/step/url?environment={environment}")).await?;
    let target: Target =
        url.url.parse().map_err(|error| Failure::because(url.url.clone(), &error))?;
    let before = serving(&call, &context.project, &args.environment).await?;
    let scale = context.time_scale.max(1);
    let plan = Plan {
        users: u64::from(args.users),
        ramp_up: Duration::from_secs(u64::from(args.ramp_up)) / scale,
        duration: Duration::from_secs(u64::from(args.duration)) / scale,
        ramp_down: Duration::ZERO,
        pause: PAUSE,
        answer_timeout: PATIENCE,
        seed: context.run.0,
    };
    if scale > 1 {
        talk::say(&format!(
            "time scale {scale}: {} s instead of {} s",
            plan.duration.as_secs(),
            args.duration
        ));
    }
    call.pause_own_time();
    let started = machine::now();
    let measured = qnt9_load::run(&target, &scenario, &plan, |progress| {
        talk::say(&format!(
            "{:>4.0} of {:.0} s   VUs {}   {} req/s   P95 {} ms   failed {}",
            progress.elapsed_s,
            progress.length_s,
            progress.users,
            progress.rate,
            progress.p95_ms.map_or_else(|| "-".to_owned(), |p95| format!("{p95:.0}")),
            progress.failed
        ));
    })
    .await;
    let finished = machine::now();
    call.resume_own_time();
    let measured = measured.map_err(|error| Failure::because("the load", &error))?;
    let body = StepLoad { call: call.key()?, started, finished };
    call.client.post::<()>("/api/v1/step/load", &body).await?;
    let verdict = judge(&scenario.thresholds, &measured);
    let report = Report {
        scenario: &name,
        target: url.url.clone(),
        plan,
        started_ms: started.0,
        measured: &measured,
        verdict: &verdict,
    };
    write_reports(&args.out, &report).map_err(|error| Failure::because("the reports", &error))?;
    talk::line(text_summary(&report).trim_end());
    if serving(&call, &context.project, &args.environment).await? != before {
        return Err(Failure::new(format!(
            "{} got another release while the load ran: this proves nothing",
            args.environment
        ))
        .hint("run the load test again"));
    }
    let summary = if verdict.passed { figures(&measured) } else { verdict.reasons.join("; ") };
    let body = StepEvidence {
        call: call.key()?,
        kind: "load-test".to_owned(),
        environment: Some(args.environment.clone().into()),
        passed: verdict.passed,
        summary,
    };
    call.client.post::<()>("/api/v1/step/evidence", &body).await?;
    if verdict.passed {
        return Ok(ExitCode::SUCCESS);
    }
    let failure = Failure::new(format!("the load test of {} failed", args.environment));
    let failure = verdict.reasons.iter().fold(failure, |failure, reason| failure.detail(reason));
    Err(failure.hint("production refuses this release until a load test of it passes"))
}

/// Between a user's requests, as people pause.
const PAUSE: Duration = Duration::from_millis(20);

async fn serving(
    call: &StepCall,
    project: &str,
    environment: &str,
) -> Result<Option<DeploymentId>, Failure> {
    let path = format!("/api/v1/projects/{}/environments", segment(project));
    let environments: Vec<EnvironmentShape> = call.client.get(&path).await?;
    let ours = environments.into_iter().filter(|one| one.name.as_str() == environment);
    let mut serving = ours.flat_map(|one| one.services).filter_map(|service| service.serving);
    Ok(serving.next().map(|deployment| deployment.id))
}

fn figures(measured: &qnt9_load::Measured) -> String {
    let times = measured.times.map_or_else(String::new, |times| {
        format!("P95 {:.0} ms, P99 {:.0} ms, ", times.p95_ms, times.p99_ms)
    });
    let failed =
        measured.error_percent().map_or_else(String::new, |share| format!("failed {share:.2} %"));
    format!("{times}{failed}")
}
