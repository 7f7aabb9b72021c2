//! What a step of a job may ask. Each command speaks with the token of its attempt.

mod call;
mod deploy;
mod load;
mod plan;
mod release;

use std::process::ExitCode;

use qnt9_model::Millis;
use qnt9_server::api::shapes::{
    DatabaseAction, HealthShape, StepDatabase, StepEvidence, StepNotify, StepWait, Url, WaitUntil,
};
use qnt9_server::machine;

use crate::cli;
use crate::client::segment;
use crate::failure::Failure;
use crate::talk;

pub use call::{StepCall, is_inside, output};
pub use deploy::run as deploy;
pub use load::run as load;
pub use plan::{record as record_plan, verify as verify_plan};
pub use release::{build as build_release, find as find_release};

/// `qnt9 state env WORKSPACE`
pub async fn state_env(workspace: &str) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let context = call.context().await?;
    let project = segment(&context.project);
    let address = format!("{}/api/terraform/{project}/state/{}", context.url, segment(workspace));
    let lines = [
        ("TF_HTTP_ADDRESS", address.clone()),
        ("TF_HTTP_LOCK_ADDRESS", format!("{address}/lock")),
        ("TF_HTTP_UNLOCK_ADDRESS", format!("{address}/lock")),
        ("TF_HTTP_LOCK_METHOD", "LOCK".to_owned()),
        ("TF_HTTP_UNLOCK_METHOD", "UNLOCK".to_owned()),
        ("TF_HTTP_USERNAME", "job".to_owned()),
        ("TF_HTTP_PASSWORD", call.client.token().to_owned()),
        ("TF_IN_AUTOMATION", "1".to_owned()),
    ];
    for (name, value) in lines {
        talk::line(&format!("{name}={value}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// `qnt9 url ENVIRONMENT`
pub async fn url(args: &cli::Url) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let environment = segment(&args.environment);
    let path = format!("/api/v1/step/url?environment={environment}{}", service(&args.service));
    let url: Url = call.client.get(&path).await?;
    talk::line(&url.url);
    Ok(ExitCode::SUCCESS)
}

/// `qnt9 health --environment ENVIRONMENT`
pub async fn health(args: &cli::Health) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let path = args.path.as_ref().map(|path| format!("&path={}", segment(path)));
    let path = format!(
        "/api/v1/step/health?environment={}{}{}",
        segment(&args.environment),
        service(&args.service),
        path.unwrap_or_default()
    );
    let health: HealthShape = call.client.get(&path).await?;
    if health.healthy {
        talk::line(&health.report);
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(format!("{} is not healthy", args.environment)).detail(health.report))
}

fn service(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!("&service={}", segment(name))).unwrap_or_default()
}

/// `qnt9 evidence record KIND`
pub async fn evidence(args: &cli::RecordEvidence) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let passed = args.result == cli::EvidenceResult::Success;
    let word = if passed { "passed" } else { "failed" };
    let summary = if args.note.is_empty() { word.to_owned() } else { args.note.clone() };
    let body = StepEvidence {
        call: call.key()?,
        kind: args.kind.clone(),
        environment: args.environment.clone().map(Into::into),
        passed,
        summary,
    };
    call.client.post::<()>("/api/v1/step/evidence", &body).await?;
    talk::line(&format!("recorded: {} {word}", args.kind));
    Ok(ExitCode::SUCCESS)
}

/// `qnt9 wait SECONDS`
pub async fn wait(args: &cli::Wait) -> Result<ExitCode, Failure> {
    let mut call = StepCall::begin()?;
    let for_ms = i64::from(args.seconds) * 1000;
    let body = StepWait { call: call.key()?, for_ms, reason: args.reason.clone() };
    let WaitUntil { until } = call.client.post("/api/v1/step/wait", &body).await?;
    let left = until.since(machine::now()).max(0);
    talk::say(&format!("waiting {} s: {}", seconds(left), args.reason));
    call.pause_own_time();
    sleep_until(until).await;
    call.resume_own_time();
    Ok(ExitCode::SUCCESS)
}

async fn sleep_until(until: Millis) {
    let left = u64::try_from(until.since(machine::now())).unwrap_or(0);
    tokio::time::sleep(std::time::Duration::from_millis(left)).await;
}

fn seconds(ms: i64) -> String {
    format!("{}.{}", ms / 1000, ms % 1000 / 100)
}

/// `qnt9 notify`
pub async fn notify(args: &cli::Notify) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let body = StepNotify {
        call: call.key()?,
        title: args.title.clone(),
        text: args.text.clone(),
        webhook: args.webhook.clone(),
    };
    call.client.post::<()>("/api/v1/step/notify", &body).await?;
    talk::line(&format!("posted: {}", args.title));
    Ok(ExitCode::SUCCESS)
}

/// `qnt9 local database create|drop NAME`
pub async fn database(args: &cli::Database) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let (name, action) = match args {
        cli::Database::Create { name } => (name.clone(), DatabaseAction::Create),
        cli::Database::Drop { name } => (name.clone(), DatabaseAction::Drop),
    };
    let body = StepDatabase { name, action };
    let url: Url = call.client.post("/api/v1/step/database", &body).await?;
    talk::line(&url.url);
    Ok(ExitCode::SUCCESS)
}
