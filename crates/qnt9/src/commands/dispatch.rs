//! `qnt9 dispatch WORKFLOW`

use std::process::ExitCode;

use qnt9_server::api::shapes::{Dispatch as Body, Started};

use super::asking::Asking;
use crate::cli::{Common, Dispatch};
use crate::failure::Failure;

/// Starts a workflow by hand.
pub async fn run(common: &Common, args: &Dispatch) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let inputs = args.fields.iter().map(|(name, value)| (name.clone(), value.clone().into()));
    let body = Body {
        workflow: args.workflow.clone(),
        r#ref: args.r#ref.clone(),
        inputs: inputs.collect(),
    };
    let started: Started = ask.post("/dispatch", &body).await?;
    ask.print(&started, |started, _| format!("started run {}", started.run));
    ask.say(&format!("hint: qnt9 logs -f {}", started.run));
    Ok(ExitCode::SUCCESS)
}
