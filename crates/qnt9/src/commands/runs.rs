//! `qnt9 runs [RUN]`

use std::process::ExitCode;

use qnt9_server::api::shapes::{RunDetail, RunShape};

use super::asking::{Asking, query};
use crate::cli::{Common, Runs};
use crate::failure::Failure;
use crate::render::{run, runs};

/// Lists runs, or shows one.
pub async fn run(common: &Common, args: &Runs) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    if let Some(id) = args.run {
        let detail: RunDetail = ask.get(&format!("/runs/{id}")).await?;
        ask.print(&detail, run::detail);
        return Ok(ExitCode::SUCCESS);
    }
    let limit = args.limit.to_string();
    let query = query(&[
        ("limit", Some(&limit)),
        ("workflow", args.workflow.as_deref()),
        ("branch", args.branch.as_deref()),
    ]);
    let runs: Vec<RunShape> = ask.get(&format!("/runs{query}")).await?;
    ask.print(&runs, |runs, clock| runs::list(runs, clock));
    Ok(ExitCode::SUCCESS)
}
