//! `shellcheck`, where the machine has it: what it doubts in shell scripts.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::which::which;

/// How long it may take for all scripts of one call.
const PATIENCE: Duration = Duration::from_secs(120);
/// It ends so when it has looked at every script, and found something.
const FOUND_SOMETHING: i32 = 1;

/// The program.
#[derive(Clone, Debug)]
pub struct Shellcheck {
    program: PathBuf,
}

/// It gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ShellcheckError {
    #[error("{program} cannot be started")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("shellcheck was ended after {} seconds", PATIENCE.as_secs())]
    TooSlow,
    #[error("shellcheck failed: {said}")]
    Failed { said: String },
}

impl Shellcheck {
    /// Looks for it on `path`.
    pub fn find(path: &str) -> Option<Self> {
        which("shellcheck", path, Path::new("/")).map(|program| Self { program })
    }

    /// What it says of files in `folder`, in its format `json1`. `shell` is `bash` or `sh`; codes of
    /// `excluded`, such as `SC1091`, are left out, and so is what it calls a matter of style.
    ///
    /// # Errors
    /// It cannot be started, takes too long, or cannot do its work.
    pub async fn check(
        &self,
        folder: &Path,
        shell: &str,
        files: &[String],
        excluded: &[&str],
    ) -> Result<String, ShellcheckError> {
        let child = Command::new(&self.program)
            .args(["--norc", "--format=json1", "--severity=info", "--shell", shell, "--exclude"])
            .arg(excluded.join(","))
            .arg("--")
            .args(files)
            .current_dir(folder)
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| self.cannot_start(source))?;
        let output = timeout(PATIENCE, child.wait_with_output())
            .await
            .map_err(|_| ShellcheckError::TooSlow)?
            .map_err(|source| self.cannot_start(source))?;
        match output.status.code() {
            Some(0 | FOUND_SOMETHING) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            _ => {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                Err(ShellcheckError::Failed { said })
            }
        }
    }

    fn cannot_start(&self, source: io::Error) -> ShellcheckError {
        ShellcheckError::Start { program: self.program.display().to_string(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program of that name which does what a script says.
    fn program(script: &str) -> (tempfile::TempDir, Shellcheck) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shellcheck");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let found = Shellcheck::find(folder.path().to_str().unwrap()).unwrap();
        (folder, found)
    }

    #[tokio::test]
    async fn findings_are_an_answer_and_failures_are_not() {
        let files = ["0".to_owned()];
        let (folder, found) = program("echo \"$@\"; exit 1");
        let said = found.check(folder.path(), "sh", &files, &["SC1", "SC2"]).await.unwrap();
        let asked = "--norc --format=json1 --severity=info --shell sh --exclude SC1,SC2 -- 0\n";
        assert_eq!(said, asked);
        let (folder, broken) = program("echo no such file >&2; exit 2");
        let error = broken.check(folder.path(), "sh", &files, &[]).await.unwrap_err();
        assert_eq!(error.to_string(), "shellcheck failed: no such file");
    }

    #[test]
    fn it_is_found_on_the_path_only() {
        assert!(Shellcheck::find("/nowhere").is_none());
    }
}
