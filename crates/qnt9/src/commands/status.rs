//! `qnt9 status [--at TIME | --fact N]`

use std::process::ExitCode;

use qnt9_server::api::shapes::StatusShape;

use super::asking::{Asking, query};
use crate::cli::{Common, Status};
use crate::failure::Failure;
use crate::render::status::text;

/// Shows what is going on, or was at an earlier moment.
pub async fn run(common: &Common, args: &Status) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let at = args.at.as_deref().map(|at| {
        let moment = ask.clock.read(at).ok_or_else(|| {
            Failure::usage(format!("`{at}` is no moment"))
                .hint("write `2h ago`, `2026-11-24`, `2026-11-24 14:10` or `2026-11-24T14:10:02Z`")
        })?;
        Ok(moment.0.to_string())
    });
    let (at, fact) = (at.transpose()?, args.fact.map(|fact| fact.to_string()));
    let query = query(&[("at", at.as_deref()), ("fact", fact.as_deref())]);
    let status: StatusShape = ask.get(&format!("/status{query}")).await?;
    ask.print(&status, |status, clock| text(status, ask.client.url(), clock));
    Ok(ExitCode::SUCCESS)
}
