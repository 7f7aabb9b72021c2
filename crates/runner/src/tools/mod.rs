//! The programs that qnt9 needs and does not bring along: found on the machine, or fetched once into
//! the data folder from their makers, pinned by checksum.

mod fetch;
mod postgresql;
pub mod shellcheck;
mod terraform;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

#[cfg(test)]
pub(crate) use postgresql::fetched_postgres;
pub use postgresql::{PostgresBinaries, PostgresFinding, find_postgres};
pub use terraform::find_terraform;

use crate::which::which;

/// How long a program may take to tell its version.
const VERSION_WAIT: Duration = Duration::from_secs(20);

/// Whether a missing tool may be fetched over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// From the address that is pinned, if the checksum is right.
    Allowed,
    /// The network is not touched.
    Never,
}

/// What came of the search for a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is there and runs.
    Found {
        /// The program.
        path: PathBuf,
        /// As the program tells it.
        version: String,
        /// Where it came from.
        origin: Origin,
    },
    /// It is not.
    Missing {
        /// What was tried, in sentences.
        why: String,
        /// What to do, in a sentence.
        how_to_get_it: String,
    },
}

/// Where a tool came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody installed it.
    Machine,
    /// Fetched just now or earlier, into the data folder.
    Fetched,
}

/// Looks for git on `path`, the value of `PATH`.
pub async fn find_git(path: &str) -> Finding {
    let how_to_get_it = "Install it with the system's packages, such as `apt install git`.".into();
    let Some(program) = which("git", path, Path::new("/")) else {
        return Finding::Missing { why: format!("git is not on PATH ({path})."), how_to_get_it };
    };
    match ask(&program, &["--version"], &[]).await {
        Ok(said) => {
            let version = said.trim().trim_start_matches("git version ").to_owned();
            Finding::Found { path: program, version, origin: Origin::Machine }
        }
        Err(why) => Finding::Missing { why, how_to_get_it },
    }
}

/// Runs a program that answers a question and ends.
async fn ask(program: &Path, args: &[&str], env: &[(&str, &OsStr)]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(args).envs(env.iter().copied()).current_dir("/");
    command.stdin(Stdio::null()).kill_on_drop(true);
    let shown = program.display();
    let output = timeout(VERSION_WAIT, command.output())
        .await
        .map_err(|_| format!("{shown} does not answer."))?
        .map_err(|error| format!("{shown} does not start: {error}."))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{shown} ended with {}: {}", output.status, said.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn git_is_found_or_named() {
        let Finding::Found { version, .. } = find_git("/usr/local/bin:/usr/bin").await else {
            panic!("the tests need git")
        };
        assert!(version.starts_with('2'), "{version}");
        let missing = find_git("/nowhere").await;
        assert!(matches!(missing, Finding::Missing { why, .. } if why.contains("/nowhere")));
    }
}
