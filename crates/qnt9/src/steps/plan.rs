//! Terraform plans that approvals are for.

use std::path::Path;
use std::process::ExitCode;

use qnt9_server::api::shapes::{PlanHash, PlanShape, StepPlan};
use qnt9_terraform::Plan;

use super::call::{StepCall, output};
use crate::cli::PlanFile;
use crate::client::segment;
use crate::failure::Failure;
use crate::talk;

/// `qnt9 plan record`
pub async fn record(args: &PlanFile) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let plan = serde_json::from_slice(&read(&args.plan)?).map_err(|error| {
        Failure::because(format!("{} is not JSON", args.plan.display()), &error)
            .hint("write it with `terraform show -json tfplan > tfplan.json`")
    })?;
    let environment = args.environment.clone().into();
    let body = StepPlan { call: call.key()?, environment, plan };
    let plan: PlanShape = call.client.post("/api/v1/step/plan", &body).await?;
    output("hash", &plan.hash)?;
    output("changes", &plan.changes.to_string())?;
    talk::line(plan.text.trim_end());
    talk::line(&format!("recorded for {}: plan {}", args.environment, plan.hash));
    Ok(ExitCode::SUCCESS)
}

/// `qnt9 plan verify`
pub async fn verify(args: &PlanFile) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let plan = Plan::read(&read(&args.plan)?).map_err(|error| {
        Failure::because(format!("{} is not a plan", args.plan.display()), &error)
            .hint("write it with `terraform show -json tfplan > tfplan.json`")
    })?;
    let path = format!("/api/v1/step/plan?environment={}", segment(&args.environment));
    let approved: PlanHash = call.client.get(&path).await?;
    if approved.hash == plan.hash {
        talk::line(&format!("this is the plan for {}: {}", args.environment, plan.hash));
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(format!("this is not the plan that {} was opened for", args.environment))
        .detail(format!("expected {}", approved.hash))
        .detail(format!("got      {}", plan.hash))
        .hint("run the workflow again: a changed plan needs a new approval"))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::because(format!("cannot read {}", path.display()), &error))
}
