//! What people ask. `run` is what main.rs calls for every command that is not a step's or `up`.

use std::process::ExitCode;

use crate::cli::{Command, Common};
use crate::failure::Failure;

/// Carries out a person's command.
pub async fn run(common: &Common, command: Command) -> Result<ExitCode, Failure> {
    let _ = (common, command);
    Err(Failure::new("this command is not there yet"))
}
