//! Runs one program of a release to its end, as a smoke test.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// How a program that was run to its end came out.
#[derive(Debug)]
pub struct Ran {
    /// How it ended; `None` when it was ended because it took too long.
    pub status: Option<ExitStatus>,
    /// What it wrote to both of its streams, each on its own.
    pub said: String,
}

/// Runs `command` (a program inside `release`, and its arguments) in the release's folder with exactly
/// this environment, for at most `patience`; then it is killed.
///
/// # Errors
/// The program cannot be started.
pub async fn run_to_end(
    release: &Path,
    command: &[String],
    environment: &[(String, String)],
    patience: Duration,
) -> io::Result<Ran> {
    let (program, args) = command
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program is named"))?;
    let child = Command::new(release.join(program))
        .args(args)
        .current_dir(release)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    Ok(match timeout(patience, child.wait_with_output()).await {
        Err(_) => Ran { status: None, said: String::new() },
        Ok(output) => {
            let output = output?;
            let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
            said += &String::from_utf8_lossy(&output.stderr);
            Ran { status: Some(output.status), said }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(script: &str, patience: Duration) -> Ran {
        let command = ["sh", "-c", script].map(str::to_owned);
        let environment = [("URL".to_owned(), "http://127.0.0.1:1".to_owned())];
        run_to_end(Path::new("/bin"), &command, &environment, patience).await.unwrap()
    }

    #[tokio::test]
    async fn what_a_program_says_and_how_it_ends_is_told() {
        let ran = run("echo asks $URL; echo no >&2; exit 3", Duration::from_secs(5)).await;
        assert_eq!(ran.said, "asks http://127.0.0.1:1\nno\n");
        assert_eq!(ran.status.and_then(|status| status.code()), Some(3));
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended() {
        let ran = run("exec sleep 60", Duration::from_millis(100)).await;
        assert!(ran.status.is_none());
    }
}
