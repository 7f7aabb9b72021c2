use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::env_files::{self, EnvFileError};
use crate::limits::{ENV_FILE_BYTES_MAX, STEP_SUMMARY_BYTES_MAX};
use crate::room::wait_for_room;

/// The files by which one step hands values on, empty when the step starts.
pub(super) struct StepFiles {
    dir: PathBuf,
}

const NAMES: [(&str, &str); 6] = [
    ("GITHUB_ENV", "env"),
    ("GITHUB_OUTPUT", "output"),
    ("GITHUB_PATH", "path"),
    ("GITHUB_STATE", "state"),
    ("GITHUB_STEP_SUMMARY", "summary"),
    ("QNT9_OWN_TIME", "own_time"),
];

/// What a step wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) env: Vec<(String, String)>,
    pub(super) outputs: Vec<(String, String)>,
    pub(super) paths: Vec<String>,
    pub(super) summary: String,
    pub(super) own_time: String,
    /// What could not be understood; each fails the step.
    pub(super) mistakes: Vec<String>,
    /// What is worth a remark and fails nothing.
    pub(super) remarks: Vec<String>,
}

impl StepFiles {
    pub(super) fn create(temp: &Path, index: u32) -> io::Result<Self> {
        let dir = temp.join(format!("_runner_file_commands/{index}"));
        wait_for_room(|| fs::create_dir_all(&dir))?;
        for (_, file) in NAMES {
            wait_for_room(|| File::create(dir.join(file)))?;
        }
        Ok(Self { dir })
    }

    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        NAMES
            .iter()
            .map(|(name, file)| ((*name).to_owned(), self.dir.join(file).display().to_string()))
            .collect()
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// Reads what the step wrote and clears the files away.
    pub(super) fn take(self) -> Written {
        let mut written = Written::default();
        let mistakes = &mut written.mistakes;
        let env = self.read("env", ENV_FILE_BYTES_MAX, mistakes);
        let output = self.read("output", ENV_FILE_BYTES_MAX, mistakes);
        let path = self.read("path", ENV_FILE_BYTES_MAX, mistakes);
        written.own_time = self.read("own_time", ENV_FILE_BYTES_MAX, mistakes);
        written.summary = self.read("summary", STEP_SUMMARY_BYTES_MAX, &mut written.remarks);
        written.env = understood("env", env_files::parse_env(&env), mistakes);
        written.outputs = understood("output", env_files::parse_pairs(&output), mistakes);
        written.paths = env_files::parse_paths(&path);
        // Left-over files are emptied away with the job's temporary folder.
        let _ = fs::remove_dir_all(&self.dir);
        written
    }

    fn read(&self, file: &str, max: u64, mistakes: &mut Vec<String>) -> String {
        let mut bytes = Vec::new();
        let read = File::open(self.dir.join(file))
            .and_then(|opened| opened.take(max + 1).read_to_end(&mut bytes));
        match read {
            Ok(count) if count as u64 <= max => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(_) => {
                mistakes.push(format!("{} is larger than {max} bytes.", variable(file)));
                String::new()
            }
            // A step may remove its own file, which then says nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                mistakes.push(format!("{} cannot be read: {error}.", variable(file)));
                String::new()
            }
        }
    }
}

fn variable(file: &str) -> &'static str {
    NAMES.iter().find(|(_, name)| *name == file).map_or("", |(variable, _)| variable)
}

fn understood(
    file: &str,
    parsed: Result<Vec<(String, String)>, EnvFileError>,
    mistakes: &mut Vec<String>,
) -> Vec<(String, String)> {
    parsed.unwrap_or_else(|error| {
        mistakes.push(format!("Unable to process {}: {error}.", variable(file)));
        Vec::new()
    })
}
