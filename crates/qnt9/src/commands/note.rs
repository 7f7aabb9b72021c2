//! `qnt9 note KIND --environment NAME --cause TEXT`

use std::process::ExitCode;

use qnt9_server::api::shapes::NoteShape;

use super::asking::Asking;
use crate::cli::{Common, Note};
use crate::client::segment;
use crate::failure::Failure;

/// Notes why something failed.
pub async fn run(common: &Common, args: &Note) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let note = NoteShape { kind: args.kind.clone(), cause: args.cause.clone() };
    let path = format!("/environments/{}/note", segment(&args.environment));
    let note: NoteShape = ask.post(&path, &note).await?;
    ask.print(&note, |note, _| {
        format!("noted why {} failed in {}; the next try may begin", note.kind, args.environment)
    });
    Ok(ExitCode::SUCCESS)
}
