//! `qnt9 state unlock`: who holds the lock of a Terraform state, and forcing it.

use std::process::ExitCode;

use crate::cli::{Common, Unlock};
use crate::failure::Failure;

pub async fn unlock(_common: &Common, _args: &Unlock) -> Result<ExitCode, Failure> {
    Err(Failure::new("not built yet"))
}
