//! `qnt9 why SUBJECT`
//!
//! Held by a gate, it exits with 3, so that a script can wait for a gate without reading the tree.

use std::process::ExitCode;

use qnt9_server::api::shapes::WhyShape;

use super::asking::Asking;
use crate::cli::{Common, Why};
use crate::client::segment;
use crate::failure::{Exit, Failure};
use crate::render::why;

/// Explains why something stands where it stands.
pub async fn run(common: &Common, args: &Why) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let subject = segment(&args.subject.join(" "));
    let shape: WhyShape = ask.get(&format!("/why/{subject}")).await?;
    ask.print(&shape, why::why);
    Ok(if shape.held { ExitCode::from(Exit::Held as u8) } else { ExitCode::SUCCESS })
}
