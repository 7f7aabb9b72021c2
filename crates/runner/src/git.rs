//! The git of the machine, for bare repositories that qnt9 hosts.
//!
//! Every call starts one `git` with a closed environment: no system or user configuration, no hooks,
//! no prompts. Refs and object names that come from outside are checked before they reach a command
//! line, so that none is taken for an option.

mod orphans;
mod worktree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

pub use worktree::{Worktree, worktree};

/// What a command printed is read up to this.
const OUTPUT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// One bare repository.
#[derive(Clone, Debug)]
pub struct Git {
    repository: PathBuf,
    environment: Vec<(String, String)>,
}

/// A commit as `git log` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitCommit {
    /// Its object name.
    pub sha: String,
    /// Its parents' object names.
    pub parents: Vec<String>,
    /// Its author's name.
    pub author: String,
    /// Its author's address.
    pub email: String,
    /// The first line of its message.
    pub title: String,
}

/// A file to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Its path in the repository, with `/`.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Who commits, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
}

/// The two services of git's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Clone and fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl Service {
    /// The name on the wire without `git-`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
        }
    }
}

/// Why git did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It cannot be started.
    #[error("git cannot be started")]
    Start(#[source] std::io::Error),
    /// It ended with an error.
    #[error("`git {command}` failed: {said}")]
    Failed {
        /// The subcommand and its arguments.
        command: String,
        /// What it said.
        said: String,
    },
    /// Talking to it failed.
    #[error("`git {command}` was cut off")]
    CutOff {
        /// The subcommand.
        command: String,
        /// How.
        #[source]
        source: std::io::Error,
    },
    /// The name would be taken for an option or is no name of git's.
    #[error("`{0}` is not a name git would have for this")]
    Name(String),
    /// It printed what it should not.
    #[error("`git {command}` printed what is not understood: {line}")]
    Output {
        /// The subcommand.
        command: String,
        /// What.
        line: String,
    },
}

impl Git {
    /// The repository at a path; of `environment` only `PATH` and `HOME` reach git.
    #[must_use]
    pub fn new(repository: &Path, environment: &[(String, String)]) -> Self {
        let passed = |(name, _): &&(String, String)| matches!(name.as_str(), "PATH" | "HOME");
        let environment = environment.iter().filter(passed).cloned().collect();
        Self { repository: repository.to_path_buf(), environment }
    }

    /// Makes the repository unless it exists.
    pub async fn init(&self, default_branch: &str) -> Result<(), GitError> {
        check_name(default_branch)?;
        if self.repository.join("HEAD").exists() {
            return Ok(());
        }
        let branch = format!("--initial-branch={default_branch}");
        let path = self.repository.to_string_lossy().into_owned();
        let mut command = self.command();
        command.args(["init", "--quiet", "--bare", &branch, &path]);
        output("init", command, b"").await?;
        // A commit may be asked for by its name although no ref points at it any more.
        self.run(&["config", "uploadpack.allowAnySHA1InWant", "true"], b"").await?;
        self.run(&["config", "receive.fsckObjects", "true"], b"").await?;
        // What is acknowledged is on disk.
        self.run(&["config", "core.fsync", "committed,reference"], b"").await?;
        self.run(&["config", "core.fsyncMethod", "fsync"], b"").await.map(drop)
    }

    /// Every branch and tag with the commit it points at.
    pub async fn refs(&self) -> Result<BTreeMap<String, String>, GitError> {
        let format = "--format=%(refname) %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)";
        let text = self.text(&["for-each-ref", format, "refs/heads", "refs/tags"]).await?;
        let mut refs = BTreeMap::new();
        for line in text.lines() {
            let (name, sha) = line.split_once(' ').ok_or_else(|| GitError::Output {
                command: "for-each-ref".to_owned(),
                line: line.to_owned(),
            })?;
            refs.insert(name.to_owned(), sha.to_owned());
        }
        Ok(refs)
    }

    /// The content of a file at a commit; `None` when there is none.
    pub async fn show(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        check_sha(commit)?;
        let object = format!("{commit}:{path}");
        // One question that answers "missing" without being an error.
        let answer = self.run(&["cat-file", "--batch"], format!("{object}\n").as_bytes()).await?;
        let end = answer.iter().position(|byte| *byte == b'\n').unwrap_or(answer.len());
        let header = String::from_utf8_lossy(&answer[..end]).into_owned();
        if header.ends_with(" missing") {
            return Ok(None);
        }
        let not_understood =
            || GitError::Output { command: "cat-file".to_owned(), line: header.clone() };
        let mut fields = header.rsplit(' ');
        let size: usize =
            fields.next().and_then(|size| size.parse().ok()).ok_or_else(not_understood)?;
        if fields.next() != Some("blob") {
            return Ok(None);
        }
        let content = answer.get(end + 1..end + 1 + size).ok_or_else(not_understood)?;
        Ok(Some(content.to_vec()))
    }

    /// The paths of the files under a folder at a commit.
    pub async fn files(&self, commit: &str, under: &str) -> Result<Vec<String>, GitError> {
        check_sha(commit)?;
        let args = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", under];
        Ok(split_nul(&self.run(&args, b"").await?))
    }

    /// The commits reachable from `new` and from none of `known`, newest first. Names in `known` that
    /// are not in the repository are passed over.
    pub async fn commits(&self, known: &[String], new: &str) -> Result<Vec<GitCommit>, GitError> {
        check_sha(new)?;
        let mut input = format!("{new}\n");
        for sha in known {
            check_sha(sha)?;
            input.push_str(&format!("^{sha}\n"));
        }
        let format = "--format=%H%x00%P%x00%an%x00%ae%x00%s%x01";
        let args = ["log", "--ignore-missing", "--stdin", format];
        let answer = self.run(&args, input.as_bytes()).await?;
        let text = String::from_utf8_lossy(&answer);
        let records = text.split('\u{1}').map(|record| record.trim_start_matches('\n'));
        records.filter(|record| !record.is_empty()).map(commit).collect()
    }

    /// The paths that differ between two commits.
    pub async fn changed_paths(&self, old: &str, new: &str) -> Result<Vec<String>, GitError> {
        check_sha(old)?;
        check_sha(new)?;
        let args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new];
        Ok(split_nul(&self.run(&args, b"").await?))
    }

    /// Whether one commit is reachable from another.
    pub async fn is_ancestor(&self, ancestor: &str, of: &str) -> Result<bool, GitError> {
        check_sha(ancestor)?;
        check_sha(of)?;
        let count = format!("{of}..{ancestor}");
        let text = self.text(&["rev-list", "--count", &count]).await?;
        Ok(text.trim() == "0")
    }

    /// Commits exactly these files on top of `parents` and returns the commit. No ref moves.
    pub async fn commit(
        &self,
        files: &[NewFile],
        parents: &[String],
        message: &str,
        by: &Signature,
    ) -> Result<String, GitError> {
        let blobs = self.write_blobs(files).await?;
        let mut index = Vec::new();
        for (file, blob) in files.iter().zip(&blobs) {
            let mode = if file.executable { "100755" } else { "100644" };
            index.extend(format!("{mode} {blob}\t{}\0", file.path).into_bytes());
        }
        let scratch = self.repository.join("qnt9-index");
        let with_index = |args: &[&str]| {
            let mut command = self.command();
            command.env("GIT_INDEX_FILE", &scratch).args(args);
            command
        };
        remove(&scratch)?;
        output("update-index", with_index(&["update-index", "-z", "--index-info"]), &index).await?;
        let tree = output("write-tree", with_index(&["write-tree"]), b"").await?;
        remove(&scratch)?;
        let tree = String::from_utf8_lossy(&tree).trim().to_owned();
        let mut command = self.command();
        command.args(["commit-tree", &tree]);
        for parent in parents {
            check_sha(parent)?;
            command.args(["-p", parent]);
        }
        let at = format!("@{} +0000", by.at);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), &by.name);
            command.env(format!("GIT_{role}_EMAIL"), &by.email);
            command.env(format!("GIT_{role}_DATE"), &at);
        }
        let commit = output("commit-tree", command, message.as_bytes()).await?;
        Ok(String::from_utf8_lossy(&commit).trim().to_owned())
    }

    /// Writes the files' contents with one process, however many they are.
    async fn write_blobs(&self, files: &[NewFile]) -> Result<Vec<String>, GitError> {
        let mut stream = Vec::new();
        for (mark, file) in (1..).zip(files) {
            let size = file.content.len();
            stream.extend(format!("blob\nmark :{mark}\ndata {size}\n").into_bytes());
            stream.extend_from_slice(&file.content);
            stream.extend(format!("\nget-mark :{mark}\n").into_bytes());
        }
        stream.extend_from_slice(b"done\n");
        let answer = self.run(&["fast-import", "--quiet", "--done"], &stream).await?;
        let blobs: Vec<String> =
            String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect();
        if blobs.len() == files.len() {
            return Ok(blobs);
        }
        let line = format!("{} names for {} files", blobs.len(), files.len());
        Err(GitError::Output { command: "fast-import".to_owned(), line })
    }

    /// Moves a ref from `old` (`None`: it must not exist) to `new`.
    pub async fn update_ref(
        &self,
        name: &str,
        new: &str,
        old: Option<&str>,
    ) -> Result<(), GitError> {
        check_name(name)?;
        check_sha(new)?;
        let old = old.unwrap_or("0000000000000000000000000000000000000000");
        check_sha(old)?;
        self.run(&["update-ref", name, new, old], b"").await.map(drop)
    }

    /// Takes over every branch and tag of another repository, at a path or over http.
    pub async fn fetch(&self, from: &str) -> Result<(), GitError> {
        if from.starts_with('-') {
            return Err(GitError::Name(from.to_owned()));
        }
        let refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        self.run(&["fetch", "--quiet", "--prune", from, refs[0], refs[1]], b"").await.map(drop)
    }

    /// Pushes a commit to a ref of another repository over http, with a token as the password, and
    /// returns what the other side said.
    pub async fn push(
        &self,
        to: &str,
        token: &str,
        commit: &str,
        reference: &str,
    ) -> Result<String, GitError> {
        use base64::Engine as _;
        check_sha(commit)?;
        check_name(reference)?;
        let credentials = format!("qnt9:{token}");
        let credentials = base64::engine::general_purpose::STANDARD.encode(credentials);
        let mut command = self.command();
        // In the environment and not among the arguments, which every user of the machine can read.
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {credentials}"))
            .args(["push", "--porcelain", to, &format!("{commit}:{reference}")]);
        let (_, said) = outputs("push", command, b"").await?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// The commit that a revision as git writes them names (`main`, `v1`, `HEAD~2`, `1a2b3c4`), if there is one.
    pub async fn resolve(&self, revision: &str) -> Result<Option<String>, GitError> {
        let commit = format!("{revision}^{{commit}}");
        match self.text(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).await {
            Ok(commit) => Ok(Some(commit.trim().to_owned())),
            Err(GitError::Failed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Commits the tree of another commit on top of `parents` and returns the commit: a merge whose
    /// result is known.
    pub async fn commit_tree_of(
        &self,
        commit: &str,
        parents: &[String],
        message: &str,
        by: &Signature,
    ) -> Result<String, GitError> {
        check_sha(commit)?;
        let tree = self.text(&["rev-parse", &format!("{commit}^{{tree}}")]).await?;
        self.commit_tree(tree.trim(), parents, message, by).await
    }

    /// Commits a patch on top of a commit and returns the new commit.
    pub async fn commit_patch(
        &self,
        base: &str,
        patch: &[u8],
        message: &str,
        by: &Signature,
    ) -> Result<String, GitError> {
        check_sha(base)?;
        let scratch = self.repository.join("qnt9-index");
        let with_index = |args: &[&str]| {
            let mut command = self.command();
            command.env("GIT_INDEX_FILE", &scratch).args(args);
            command
        };
        remove(&scratch)?;
        output("read-tree", with_index(&["read-tree", base]), b"").await?;
        output("apply", with_index(&["apply", "--cached", "-"]), patch).await?;
        let tree = output("write-tree", with_index(&["write-tree"]), b"").await?;
        remove(&scratch)?;
        let tree = String::from_utf8_lossy(&tree).trim().to_owned();
        self.commit_tree(&tree, &[base.to_owned()], message, by).await
    }

    async fn commit_tree(
        &self,
        tree: &str,
        parents: &[String],
        message: &str,
        by: &Signature,
    ) -> Result<String, GitError> {
        let mut command = self.command();
        command.args(["commit-tree", tree]);
        for parent in parents {
            check_sha(parent)?;
            command.args(["-p", parent]);
        }
        let at = format!("@{} +0000", by.at);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), &by.name);
            command.env(format!("GIT_{role}_EMAIL"), &by.email);
            command.env(format!("GIT_{role}_DATE"), &at);
        }
        let commit = output("commit-tree", command, message.as_bytes()).await?;
        Ok(String::from_utf8_lossy(&commit).trim().to_owned())
    }

    /// Starts one side of the stateless transport: what the client sent goes to its standard input,
    /// what it prints goes to the client. `protocol` is the client's `Git-Protocol` header.
    pub fn serve(
        &self,
        service: Service,
        advertise: bool,
        protocol: Option<&str>,
    ) -> Result<Child, GitError> {
        let mut command = self.command();
        command.args([service.name(), "--stateless-rpc"]);
        if advertise {
            command.arg("--http-backend-info-refs");
        }
        command.arg(&self.repository);
        let is_plain = |text: &&str| text.bytes().all(|b| b.is_ascii_graphic());
        if let Some(protocol) = protocol.filter(is_plain) {
            command.env("GIT_PROTOCOL", protocol);
        }
        command.env(orphans::RECEIVES, self.receives());
        command.kill_on_drop(true);
        command.spawn().map_err(GitError::Start)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_DIR", &self.repository)
            .env("LC_ALL", "C")
            .args(["-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*"])
            .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    async fn run(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
        let mut command = self.command();
        command.args(args);
        output(&args.join(" "), command, input).await
    }

    async fn text(&self, args: &[&str]) -> Result<String, GitError> {
        Ok(String::from_utf8_lossy(&self.run(args, b"").await?).into_owned())
    }
}

async fn output(name: &str, command: Command, input: &[u8]) -> Result<Vec<u8>, GitError> {
    outputs(name, command, input).await.map(|(printed, _)| printed)
}

/// What a command printed and what it said.
async fn outputs(
    name: &str,
    mut command: Command,
    input: &[u8],
) -> Result<(Vec<u8>, Vec<u8>), GitError> {
    command.kill_on_drop(true);
    let mut child = command.spawn().map_err(GitError::Start)?;
    let mut stdin = child.stdin.take().expect("the standard input was asked for as a pipe");
    let feed = async {
        match stdin.write_all(input).await {
            // It may end without reading all of it; its exit status says whether that is well.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error),
            Ok(()) | Err(_) => {}
        }
        drop(stdin);
        Ok(())
    };
    let (fed, done) = tokio::join!(feed, child.wait_with_output());
    let cut_off = |source| GitError::CutOff { command: name.to_owned(), source };
    fed.map_err(cut_off)?;
    let done = done.map_err(cut_off)?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        return Err(GitError::Failed { command: name.to_owned(), said });
    }
    if done.stdout.len() > OUTPUT_BYTES_MAX {
        let line = format!("{} bytes, more than {OUTPUT_BYTES_MAX}", done.stdout.len());
        return Err(GitError::Output { command: name.to_owned(), line });
    }
    Ok((done.stdout, done.stderr))
}

fn remove(path: &Path) -> Result<(), GitError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(GitError::Start(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn commit(record: &str) -> Result<GitCommit, GitError> {
    let fields: Vec<&str> = record.split('\0').collect();
    let [sha, parents, author, email, title] = fields[..] else {
        return Err(GitError::Output { command: "log".to_owned(), line: record.to_owned() });
    };
    Ok(GitCommit {
        sha: sha.to_owned(),
        parents: parents.split_whitespace().map(str::to_owned).collect(),
        author: author.to_owned(),
        email: email.to_owned(),
        title: title.to_owned(),
    })
}

fn split_nul(bytes: &[u8]) -> Vec<String> {
    let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// A full object name and nothing else.
fn check_sha(sha: &str) -> Result<(), GitError> {
    let well = matches!(sha.len(), 40 | 64) && sha.bytes().all(|b| b.is_ascii_hexdigit());
    if well { Ok(()) } else { Err(GitError::Name(sha.to_owned())) }
}

/// A ref name by the rules of git-check-ref-format(1).
fn check_name(name: &str) -> Result<(), GitError> {
    let bad = name.is_empty()
        || name.starts_with(['-', '/', '.'])
        || name.ends_with(['/', '.'])
        || name.ends_with(".lock")
        || ["..", "//", "@{", "/."].iter().any(|part| name.contains(part))
        || name.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c));
    if bad { Err(GitError::Name(name.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> Vec<(String, String)> {
        vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]
    }

    fn carol() -> Signature {
        Signature {
            name: "Carol".to_owned(),
            email: "carol@example.test".to_owned(),
            at: 1_700_000_000,
        }
    }

    fn file(path: &str, content: &str) -> NewFile {
        NewFile { path: path.to_owned(), content: content.into(), executable: false }
    }

    #[tokio::test]
    async fn commits_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::new(&dir.path().join("a.git"), &path());
        git.init("main").await.unwrap();
        let first = git.commit(&[file("a/b.txt", "one")], &[], "First\n\nBody", &carol()).await;
        let first = first.unwrap();
        git.update_ref("refs/heads/main", &first, None).await.unwrap();
        let files = [file("a/b.txt", "two"), file("c.txt", "")];
        let second =
            git.commit(&files, std::slice::from_ref(&first), "Second", &carol()).await.unwrap();
        git.update_ref("refs/heads/main", &second, Some(&first)).await.unwrap();

        assert_eq!(git.refs().await.unwrap()["refs/heads/main"], second);
        assert_eq!(git.show(&second, "a/b.txt").await.unwrap().unwrap(), b"two");
        assert_eq!(git.show(&second, "c.txt").await.unwrap().unwrap(), b"");
        assert_eq!(git.show(&second, "none").await.unwrap(), None);
        assert_eq!(git.show(&second, "a").await.unwrap(), None, "a folder is not a file");
        assert_eq!(git.files(&second, "a").await.unwrap(), ["a/b.txt"]);
        assert_eq!(git.changed_paths(&first, &second).await.unwrap(), ["a/b.txt", "c.txt"]);
        assert!(git.is_ancestor(&first, &second).await.unwrap());
        assert!(!git.is_ancestor(&second, &first).await.unwrap());
        let log = git.commits(&[], &second).await.unwrap();
        let titles: Vec<&str> = log.iter().map(|commit| commit.title.as_str()).collect();
        assert_eq!(titles, ["Second", "First"]);
        assert_eq!(log[0].parents, std::slice::from_ref(&first));
        assert_eq!(log[0].email, "carol@example.test");
        let unknown = "f".repeat(40);
        let new = git.commits(&[first, unknown], &second).await.unwrap();
        assert_eq!(new.len(), 1);
    }

    #[tokio::test]
    async fn a_ref_moves_only_from_where_it_was_seen() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::new(&dir.path().join("a.git"), &path());
        git.init("main").await.unwrap();
        let one = git.commit(&[file("a", "1")], &[], "1", &carol()).await.unwrap();
        let two = git.commit(&[file("a", "2")], &[], "2", &carol()).await.unwrap();
        git.update_ref("refs/heads/main", &one, None).await.unwrap();
        git.update_ref("refs/heads/main", &two, None).await.unwrap_err();
        assert_eq!(git.refs().await.unwrap()["refs/heads/main"], one);
    }

    #[tokio::test]
    async fn names_that_could_be_options_are_refused() {
        let git = Git::new(Path::new("/nonexistent"), &path());
        for name in ["--output=/tmp/x", "", "a..b", "a b", "refs/heads/x.lock", "/a"] {
            let error = git.update_ref(name, &"a".repeat(40), None).await.unwrap_err();
            assert!(matches!(error, GitError::Name(_)), "{name}: {error}");
        }
        for sha in ["--all", "main", "abc", "HEAD"] {
            let error = git.show(sha, "a").await.unwrap_err();
            assert!(matches!(error, GitError::Name(_)), "{sha}: {error}");
        }
    }

    #[tokio::test]
    async fn a_failure_says_what_git_said() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::new(&dir.path().join("none.git"), &path());
        let error = git.refs().await.unwrap_err().to_string();
        assert!(error.contains("not a git repository"), "{error}");
    }
}
