use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::PostgresError;
use crate::which::which;

/// Who PostgreSQL runs as. It refuses root, since a hole in it would then be one in the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Ourselves,
    /// A user namespace in which root's files belong to somebody who is not root.
    Namespace {
        unshare: PathBuf,
    },
    /// An unprivileged user of the machine, to whom the folder is given.
    User {
        uid: u32,
        gid: u32,
    },
}

/// Users that come with PostgreSQL or with every system.
const USERS: [&str; 2] = ["postgres", "nobody"];

impl Identity {
    /// Who to be for files in `dir`, which exists.
    pub(super) async fn find(dir: &Path, path: &str) -> Result<Self, PostgresError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        if let Some(unshare) = which("unshare", path, Path::new("/")) {
            let namespace = Self::Namespace { unshare };
            if namespace.reaches(dir).await {
                return Ok(namespace);
            }
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        for user in USERS.iter().filter_map(|name| user_of(&users, name)) {
            if user.reaches(dir).await {
                return Ok(user);
            }
        }
        let why = format!(
            "`unshare -U` does not work here, and no unprivileged user can reach {}. Start qnt9 as a \
             user that is not root, or set DATABASE_URL.",
            dir.display()
        );
        Err(PostgresError::Root { why })
    }

    /// A command that runs as this identity.
    pub(super) fn command(&self, program: &Path) -> Command {
        match self {
            Self::Ourselves => Command::new(program),
            Self::Namespace { unshare } => {
                let mut command = Command::new(unshare);
                command.args(["--user", "--map-user=1000", "--"]).arg(program);
                command
            }
            Self::User { uid, gid } => {
                let mut command = Command::new(program);
                command.uid(*uid).gid(*gid);
                command
            }
        }
    }

    /// Gives a folder that was just made to this identity.
    pub(super) fn own(&self, dir: &Path) -> std::io::Result<()> {
        match self {
            Self::User { uid, gid } => std::os::unix::fs::chown(dir, Some(*uid), Some(*gid)),
            Self::Ourselves | Self::Namespace { .. } => Ok(()),
        }
    }

    async fn reaches(&self, dir: &Path) -> bool {
        let mut command = self.command(Path::new("/usr/bin/test"));
        command.arg("-x").arg(dir).stdin(Stdio::null()).stderr(Stdio::null());
        command.status().await.is_ok_and(|status| status.success())
    }
}

/// A line of passwd(5).
fn user_of(users: &str, name: &str) -> Option<Identity> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2);
    let (uid, gid) = (ids.next()?.parse().ok()?, ids.next()?.parse().ok()?);
    (uid != 0).then_some(Identity::User { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_and_root_is_none() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres:x:103:104::/:/bin/sh\n";
        assert_eq!(user_of(users, "postgres"), Some(Identity::User { uid: 103, gid: 104 }));
        assert_eq!(user_of(users, "root"), None);
        assert_eq!(user_of(users, "nobody"), None);
    }
}
