//! The detached processes by themselves: `shim DIR` and `replica DIR`, as `qnt9` has them. The tests
//! of this crate start it.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let [kind, dir] = args.as_slice() else { return ExitCode::from(2) };
    let dir = Path::new(dir);
    let failure = match kind.to_str() {
        Some("shim") => qnt9_runner::shim::run(dir, std::env::vars_os(), std::io::stdin())
            .err()
            .map(|error| qnt9_runner::with_causes(&error)),
        Some("replica") => qnt9_runner::replica::run(dir, std::io::stdin())
            .err()
            .map(|error| qnt9_runner::with_causes(&error)),
        _ => return ExitCode::from(2),
    };
    match failure {
        None => ExitCode::SUCCESS,
        Some(error) => {
            // The talk of a detached process goes to a file in its folder.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), error.as_bytes());
            ExitCode::FAILURE
        }
    }
}
