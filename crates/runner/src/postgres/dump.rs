//! PostgreSQL's own tools for backups: `pg_dump` and `pg_restore`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::which::which;

/// Where Debian and its kin keep the newest version's programs.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

/// Both tools, of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpTools {
    dump: PathBuf,
    restore: PathBuf,
    /// The variables of their processes; of the machine's own only `PATH`.
    path: String,
    /// As `pg_dump --version` tells it: `15.18`.
    pub version: String,
}

impl DumpTools {
    /// Looks on `path`, the value of `PATH`, and where Debian puts them; the newest are taken.
    pub async fn find(path: &str) -> Option<Self> {
        let mut folders: Vec<PathBuf> = Vec::new();
        folders.extend(
            which("pg_dump", path, Path::new("/"))
                .and_then(|program| Some(program.parent()?.to_path_buf())),
        );
        let versions = std::fs::read_dir(DEBIAN_FOLDER).into_iter().flatten().flatten();
        folders.extend(versions.map(|entry| entry.path().join("bin")));
        let mut newest: Option<Self> = None;
        for folder in folders {
            let (dump, restore) = (folder.join("pg_dump"), folder.join("pg_restore"));
            if !dump.is_file() || !restore.is_file() {
                continue;
            }
            let Some(version) = version(&dump).await else { continue };
            let found = Self { dump, restore, path: path.to_owned(), version };
            if newest.as_ref().is_none_or(|newest| newest.major() < found.major()) {
                newest = Some(found);
            }
        }
        newest
    }

    /// The major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        let digits = self.version.split(|sign: char| !sign.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// Dumps what an exported snapshot sees into a file of PostgreSQL's own format. The error is a
    /// sentence.
    pub async fn dump(&self, url: &str, snapshot: &str, file: &Path) -> Result<(), String> {
        let (mut command, _) = self.command(&self.dump, url)?;
        command.args(["--format=custom", "--compress=1", "--no-password"]);
        command.arg(format!("--snapshot={snapshot}")).arg("--file").arg(file);
        run(command).await
    }

    /// Restores such a file into an empty database. The error is a sentence.
    pub async fn restore(&self, url: &str, file: &Path) -> Result<(), String> {
        let (mut command, database) = self.command(&self.restore, url)?;
        command.args(["--exit-on-error", "--no-owner", "--no-privileges", "--no-password"]);
        command.arg("--dbname").arg(database).arg(file);
        run(command).await
    }

    /// A process that knows the address by its variables: arguments are seen by everybody.
    fn command(&self, program: &Path, url: &str) -> Result<(Command, String), String> {
        let config: Config =
            url.parse().map_err(|error| format!("the address is not understood: {error}"))?;
        let mut command = Command::new(program);
        command.env_clear().env("PATH", &self.path).env("LC_ALL", "C.UTF-8").current_dir("/");
        match config.get_hosts().first() {
            Some(Host::Tcp(host)) => command.env("PGHOST", host),
            Some(Host::Unix(folder)) => command.env("PGHOST", folder),
            None => return Err("the address names no host".to_owned()),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let database = config.get_dbname().ok_or("the address names no database")?;
        command.env("PGPORT", port.to_string()).env("PGDATABASE", database);
        if let Some(user) = config.get_user() {
            command.env("PGUSER", user);
        }
        if let Some(password) = config.get_password() {
            command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
        }
        Ok((command, database.to_owned()))
    }
}

async fn version(program: &Path) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).current_dir("/").kill_on_drop(true);
    let output = command.output().await.ok().filter(|output| output.status.success())?;
    // pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    let said = String::from_utf8(output.stdout).ok()?;
    said.split_whitespace().nth(2).map(str::to_owned)
}

async fn run(mut command: Command) -> Result<(), String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| format!("it does not start: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_there_is_found_and_what_fails_says_why() {
        let Some(tools) = DumpTools::find("/usr/bin:/bin").await else { return };
        assert!(tools.major() >= 13, "{}", tools.version);
        let folder = tempfile::TempDir::new().unwrap();
        let url = "postgres://u:secret@127.0.0.1:1/db";
        let failed = tools.dump(url, "1-1", &folder.path().join("dump")).await.unwrap_err();
        assert!(failed.contains("refused") && !failed.contains("secret"), "{failed}");
        let failed = tools.restore(url, &folder.path().join("none")).await.unwrap_err();
        assert!(failed.contains("could not open"), "{failed}");
    }
}
