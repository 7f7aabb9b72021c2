use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::Invocation;
use crate::room::wait_for_room;
use crate::which::which;

/// A `run:` step, its expressions filled in.
pub(super) struct Script {
    pub(super) text: String,
    /// `None` for the default, which differs from `bash` in the options it gets.
    pub(super) shell: Option<String>,
    pub(super) dir: PathBuf,
}

/// The command line of a shell, with the script's file for `{0}`.
/// Source: GitHub's "Workflow syntax", `jobs.<job_id>.steps[*].shell`.
struct Shell {
    template: String,
    extension: &'static str,
}

impl Script {
    /// Writes the script to a file beside `file_base` and says how to start it. The error is for
    /// the step's log.
    pub(super) fn invocation(
        &self,
        file_base: &Path,
        env: BTreeMap<String, String>,
    ) -> Result<Invocation, String> {
        let path = env.get("PATH").map_or("", String::as_str);
        let shell = self.shell(path)?;
        let file = file_base.with_extension(shell.extension);
        wait_for_room(|| fs::write(&file, &self.text))
            .map_err(|error| format!("Cannot write the script {}: {error}.", file.display()))?;
        if !self.dir.is_dir() {
            return Err(format!("The working directory {} does not exist.", self.dir.display()));
        }
        let file = file.display().to_string();
        let mut words = shell.template.split_whitespace().map(|word| word.replace("{0}", &file));
        let program = words.next().unwrap_or_default();
        let found = which(&program, path, &self.dir)
            .ok_or_else(|| format!("The shell `{program}` is not on PATH ({path})."))?;
        let args = words.map(OsString::from).collect();
        Ok(Invocation { program: found.into(), args, env, dir: self.dir.clone() })
    }

    /// What the log says about how the script is run.
    pub(super) fn shell_line(&self, path: &str) -> String {
        match self.shell(path) {
            Ok(shell) => shell.template,
            Err(error) => error,
        }
    }

    fn shell(&self, path: &str) -> Result<Shell, String> {
        let (template, extension) = match self.shell.as_deref() {
            None if which("bash", path, &self.dir).is_some() => ("bash -e {0}", "sh"),
            None | Some("sh") => ("sh -e {0}", "sh"),
            Some("bash") => ("bash --noprofile --norc -e -o pipefail {0}", "sh"),
            Some("python") => ("python {0}", "py"),
            Some(custom) if custom.contains("{0}") => (custom, "sh"),
            Some(unknown) => {
                return Err(format!(
                    "`{unknown}` is no shell: bash, sh, python, or a command line in which \
                     {{0}} stands for the script's file."
                ));
            }
        };
        Ok(Shell { template: template.to_owned(), extension })
    }
}
