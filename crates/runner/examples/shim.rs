//! The shim by itself: `shim DIR` does what `qnt9 shim DIR` does. The tests of this crate start it.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1) else {
        return ExitCode::from(2);
    };
    match qnt9_runner::shim::run(Path::new(&dir), std::env::vars_os(), std::io::stdin()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
