//! Starting a process that outlives the one that starts it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// Starts `program` with nothing shared but the environment: no terminal, no standard streams, its
/// talk appended to `talk`, and `input` on its standard input, which is a pipe so that secrets lie
/// in no file. The process must call [`leave_session`] first of all.
pub async fn spawn_detached(
    program: &Path,
    args: &[&OsStr],
    talk: &Path,
    input: &[u8],
) -> io::Result<Detached> {
    let talk = File::options().create(true).append(true).open(talk)?;
    // By whatever way the program is found, it is listed by its name.
    let mut child = Command::new(program)
        .arg0("qnt9")
        .args(args)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(talk)
        .spawn()?;
    let mut stdin = child.stdin.take().expect("the standard input was asked for as a pipe");
    let feeding = async {
        stdin.write_all(input).await?;
        stdin.shutdown().await
    };
    match feeding.await {
        // It ended without listening; how, the caller learns by waiting for it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        fed => fed?,
    }
    Ok(Detached { child })
}

/// A process that goes on when this value is dropped.
#[derive(Debug)]
pub struct Detached {
    child: Child,
}

impl Detached {
    /// The process id, `None` once it was waited for.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the end, as long as this process lives to see it. Cancel-safe.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }
}

/// Makes this process the leader of its own session and process group, so that neither Ctrl-C in a
/// terminal nor the end of its parent's session reaches it. Already being one is fine.
pub fn leave_session() -> io::Result<()> {
    match rustix::process::setsid() {
        Ok(_) => Ok(()),
        // The only error setsid(2) knows: this process leads a group already.
        Err(_) if rustix::process::getsid(None)? == rustix::process::getpid() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
