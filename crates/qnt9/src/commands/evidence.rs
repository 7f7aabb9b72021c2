//! `qnt9 evidence`

use std::process::ExitCode;

use qnt9_server::api::shapes::EvidenceShape;

use super::asking::Asking;
use crate::cli::Common;
use crate::failure::Failure;
use crate::render::things;

/// Lists them.
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let evidence: Vec<EvidenceShape> = ask.get("/evidence").await?;
    ask.print(&evidence, |evidence, clock| things::evidence(evidence, clock));
    Ok(ExitCode::SUCCESS)
}
