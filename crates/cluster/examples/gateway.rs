//! A gateway by itself: `cargo run -p qnt9-cluster --example gateway -- DIR`.

use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "a program says what went wrong")]
fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1) else {
        eprintln!("usage: gateway DIR");
        return ExitCode::from(2);
    };
    match qnt9_cluster::gateway::run_blocking(dir.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
