//! `qnt9 releases diff FROM TO`, also `qnt9 diff`

use std::process::ExitCode;

use qnt9_server::api::shapes::DifferenceShape;

use super::asking::{Asking, query};
use crate::cli::{Common, Diff};
use crate::failure::Failure;
use crate::render::difference;

/// Says what differs between two releases.
pub async fn run(common: &Common, args: &Diff) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let query = query(&[("from", Some(&args.from)), ("to", Some(&args.to))]);
    let shape: DifferenceShape = ask.get(&format!("/diff{query}")).await?;
    ask.print(&shape, difference::text);
    Ok(ExitCode::SUCCESS)
}
