//! `actions/checkout`: the sources of a commit in the workspace.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

use super::inputs::{Inputs, Known, full, meaningless, missing};
use super::{ActionWork, Outputs, Undone};
use crate::causes::with_causes;
use crate::http;
use crate::paths::inside;
use crate::process::Invocation;
use crate::shim::supervise::{StepEnd, supervise};
use crate::which::which;

pub(super) const INPUTS: &[Known] = &[
    full("repository", ""),
    full("ref", ""),
    full("token", ""),
    missing("ssh-key", ""),
    meaningless("ssh-known-hosts"),
    meaningless("ssh-strict"),
    meaningless("ssh-user"),
    full("persist-credentials", "true"),
    full("path", "."),
    full("clean", "true"),
    missing("filter", ""),
    missing("sparse-checkout", ""),
    meaningless("sparse-checkout-cone-mode"),
    full("fetch-depth", "1"),
    full("fetch-tags", "false"),
    meaningless("show-progress"),
    missing("lfs", "false"),
    missing("submodules", "false"),
    meaningless("set-safe-directory"),
    meaningless("github-server-url"),
];

/// How often a fetch is tried, as often as GitHub's own action does.
const FETCH_TRIES: u32 = 3;
/// The pause before a fetch is tried again.
const FETCH_PAUSE: Duration = Duration::from_millis(500);
/// How long a server may be away.
const SERVER_PATIENCE: Duration = Duration::from_secs(120);

/// What to fetch and what to call it afterwards.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    /// Left of the colon: what the server has.
    source: String,
    /// Right of it: how it is known here.
    destination: Option<String>,
    /// The branch to be on; otherwise HEAD is detached.
    branch: Option<String>,
    /// The reference as the output `ref` names it.
    reference: String,
}

pub(super) async fn check_out(
    work: &mut ActionWork<'_, '_>,
    inputs: &Inputs,
) -> Result<Outputs, Undone> {
    let own = work.job.contexts.github("repository");
    let repository = inputs.text("repository");
    if !repository.is_empty() && !repository.eq_ignore_ascii_case(&own) {
        return Err(Undone::failed(format!(
            "The input `repository` is `{repository}`; only the job's own repository ({own}) can \
             be checked out."
        )));
    }
    let depth = inputs.number("fetch-depth").map_err(Undone::Failed)?;
    let with_tags = inputs.truth("fetch-tags").map_err(Undone::Failed)?;
    let keeps_credentials = inputs.truth("persist-credentials").map_err(Undone::Failed)?;
    let workspace = work.job.spec.folders.workspace.clone();
    let dir = inside(&workspace, inputs.text("path")).map_err(Undone::Failed)?;
    let url = work.job.spec.checkout.clone_url.clone();
    let token = match inputs.text("token") {
        "" => work.job.secrets.token.clone(),
        given => given.to_owned(),
    };
    let mut git = Git::new(work, dir, &url, &token)?;

    git.prepare(&url, inputs.truth("clean").map_err(Undone::Failed)?).await?;
    let target = git.target(inputs.text("ref")).await?;
    let mut fetch = vec!["fetch".to_owned(), "--no-recurse-submodules".into(), "--prune".into()];
    fetch.push(if with_tags { "--tags" } else { "--no-tags" }.into());
    if depth > 0 {
        fetch.push(format!("--depth={depth}"));
    } else if git.dir.join(".git/shallow").exists() {
        fetch.push("--unshallow".into());
    }
    fetch.extend(["--quiet".into(), "origin".into()]);
    if depth == 0 {
        // The branch's own name takes what the branch is now, which may be later than the commit.
        let all = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
        fetch.push(target.source.clone());
        fetch.extend(all.map(str::to_owned));
    } else {
        fetch.push(target.refspec());
    }
    git.fetch(&fetch).await?;
    let commit = git.ask(&["rev-parse", "--verify", &target.start()]).await?;
    match &target.branch {
        Some(branch) => {
            git.run(&["checkout", "--quiet", "--force", "-B", branch, &commit]).await?;
        }
        None => git.run(&["checkout", "--quiet", "--force", "--detach", &commit]).await?,
    }
    if keeps_credentials {
        git.keep_credentials(&url, &token).await?;
    }
    git.work.say(&format!("HEAD is now at {commit}"))?;
    Ok(vec![("ref".into(), target.reference), ("commit".into(), commit)])
}

impl Target {
    fn refspec(&self) -> String {
        match &self.destination {
            Some(destination) => format!("+{}:{destination}", self.source),
            None => self.source.clone(),
        }
    }

    /// Where to find the commit once it was fetched: by its id, or as the first of what was fetched.
    fn start(&self) -> String {
        let place = if is_commit(&self.source) { &self.source } else { "FETCH_HEAD" };
        format!("{place}^{{commit}}")
    }

    /// A commit of the job's own reference: a branch job is on its branch, all others detached.
    fn of_job(sha: &str, reference: &str) -> Self {
        let branch = reference.strip_prefix("refs/heads/");
        let destination = match branch {
            Some(branch) => Some(format!("refs/remotes/origin/{branch}")),
            None if reference.starts_with("refs/tags/") => Some(reference.to_owned()),
            None => None,
        };
        Self {
            source: sha.to_owned(),
            destination,
            branch: branch.map(str::to_owned),
            reference: reference.to_owned(),
        }
    }

    /// A reference with its full name, or a commit.
    fn of_name(name: &str) -> Self {
        if is_commit(name) {
            return Self { reference: name.into(), ..Self::of_job(name, "") };
        }
        Self { source: name.to_owned(), ..Self::of_job("", name) }
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The git of the machine at work in one folder for one step.
struct Git<'g, 'w, 's> {
    work: &'g mut ActionWork<'w, 's>,
    program: PathBuf,
    dir: PathBuf,
    env: BTreeMap<String, String>,
}

impl<'g, 'w, 's> Git<'g, 'w, 's> {
    fn new(
        work: &'g mut ActionWork<'w, 's>,
        dir: PathBuf,
        url: &str,
        token: &str,
    ) -> Result<Self, Undone> {
        let path = work.env.get("PATH").map_or("", String::as_str);
        let program = which("git", path, &dir)
            .ok_or_else(|| Undone::failed(format!("git is not on PATH ({path}).")))?;
        let mut env = work.env.clone();
        for (name, value) in [
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_CONFIG_COUNT", "2"),
            ("GIT_CONFIG_KEY_1", "core.hooksPath"),
            ("GIT_CONFIG_VALUE_1", "/dev/null"),
        ] {
            env.insert(name.into(), value.into());
        }
        env.insert("GIT_CONFIG_KEY_0".into(), header_key(url));
        env.insert("GIT_CONFIG_VALUE_0".into(), header(token));
        work.job.log.add_mask(token);
        Ok(Self { work, program, dir, env })
    }

    /// Makes the folder an empty repository whose origin is `url`, or cleans the one that is there.
    async fn prepare(&mut self, url: &str, is_clean: bool) -> Result<(), Undone> {
        let cannot = |dir: &Path, error: &std::io::Error| {
            Undone::failed(format!("Cannot prepare {}: {error}", dir.display()))
        };
        let is_repository = self.dir.join(".git").is_dir()
            && self.ask(&["config", "--local", "remote.origin.url"]).await.is_ok_and(|u| u == url);
        if is_repository {
            if is_clean {
                self.run(&["clean", "-ffdxq"]).await?;
                self.run(&["reset", "--hard", "--quiet"]).await?;
            }
            return Ok(());
        }
        if self.dir.exists() {
            clear(&self.dir).map_err(|error| cannot(&self.dir, &error))?;
        }
        fs::create_dir_all(&self.dir).map_err(|error| cannot(&self.dir, &error))?;
        self.run(&["init", "--quiet"]).await?;
        self.run(&["remote", "add", "origin", url]).await
    }

    /// What to fetch for the input `ref`.
    async fn target(&mut self, name: &str) -> Result<Target, Undone> {
        let source = &self.work.job.spec.checkout;
        if name.is_empty() {
            return Ok(Target::of_job(&source.sha, &source.reference));
        }
        if name.starts_with('-') || name.contains([':', '\n', '*']) {
            return Err(Undone::failed(format!("`{name}` is not the name of a reference.")));
        }
        if is_commit(name) || name.starts_with("refs/") {
            return Ok(Target::of_name(name));
        }
        let (branch, tag) = (format!("refs/heads/{name}"), format!("refs/tags/{name}"));
        let listed = self.ask(&["ls-remote", "origin", &branch, &tag]).await?;
        let names: Vec<&str> = listed.lines().filter_map(|line| line.split('\t').nth(1)).collect();
        let found = [&branch, &tag].into_iter().find(|name| names.contains(&name.as_str()));
        match found {
            Some(name) => Ok(Target::of_name(name)),
            None => Err(Undone::failed(format!("There is no branch or tag named `{name}`."))),
        }
    }

    /// Lets later steps use git with the job's token, until the job ends.
    async fn keep_credentials(&mut self, url: &str, token: &str) -> Result<(), Undone> {
        let temp = &self.work.job.spec.folders.temp;
        let file = temp.join(format!("git-credentials-{}.config", self.work.index));
        let text = format!("[http \"{}\"]\n\textraheader = {}\n", origin_of(url), header(token));
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut opened| opened.write_all(text.as_bytes()))
            .map_err(|error| Undone::failed(format!("Cannot write {}: {error}", file.display())))?;
        self.work.job.clean_up.push(file.clone());
        let file = file.display().to_string();
        self.run(&["config", "--local", "include.path", &file]).await
    }

    fn invocation(&self, args: &[impl AsRef<str>]) -> Invocation {
        Invocation {
            program: self.program.clone().into(),
            args: args.iter().map(|arg| arg.as_ref().into()).collect(),
            env: self.env.clone(),
            dir: self.dir.clone(),
        }
    }

    /// Runs git with its output in the step's log.
    async fn run(&mut self, args: &[impl AsRef<str>]) -> Result<(), Undone> {
        let words: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        self.work.say(&format!("[command]git {}", words.join(" ")))?;
        let invocation = self.invocation(args);
        let job = &mut *self.work.job;
        let limits = self.work.limits;
        let end =
            supervise(&invocation, &mut job.control, limits, &job.log, self.work.heard).await?;
        match end {
            StepEnd::Done => Ok(()),
            StepEnd::Failed(why) => {
                Err(Undone::Failed(format!("git {}: {why}", words.first().unwrap_or(&""))))
            }
            StepEnd::Cancelled => Err(Undone::Cancelled),
        }
    }

    /// Runs git to fetch from the server, which may die meanwhile and come back: only what fails
    /// [`FETCH_TRIES`] times has failed.
    async fn fetch(&mut self, args: &[impl AsRef<str>]) -> Result<(), Undone> {
        for _ in 1..FETCH_TRIES {
            match self.run(args).await {
                Err(Undone::Failed(why)) => self.work.say(&format!("{why} Trying again."))?,
                done => return done,
            }
            self.wait_for_server().await?;
        }
        self.run(args).await
    }

    /// Waits until the server answers anything at all.
    async fn wait_for_server(&mut self) -> Result<(), Undone> {
        let server = origin_of(&self.work.job.spec.checkout.clone_url);
        let answered = async move {
            let client = http::client().map_err(|error| with_causes(&error))?;
            let until = Instant::now() + SERVER_PATIENCE;
            loop {
                tokio::time::sleep(FETCH_PAUSE).await;
                match client.get(&server).send().await {
                    Err(error) if Instant::now() > until => {
                        return Err(format!("{server} is away: {}.", with_causes(&error)));
                    }
                    Err(_) => {}
                    Ok(_) => return Ok(()),
                }
            }
        };
        self.work.or_stop(answered).await
    }

    /// Runs git and returns what it prints.
    async fn ask(&mut self, args: &[&str]) -> Result<String, Undone> {
        let invocation = self.invocation(args);
        let asking = async {
            let output = tokio::process::Command::new(&invocation.program)
                .args(&invocation.args)
                .env_clear()
                .envs(&invocation.env)
                .current_dir(&invocation.dir)
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .output()
                .await
                .map_err(|error| format!("Cannot start git: {error}."))?;
            if output.status.success() {
                Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
            } else {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("git {} failed: {}", args.join(" "), said.trim()))
            }
        };
        self.work.or_stop(asking).await
    }
}

/// `http.URL.extraheader` for the server of `url` only, so that a redirect takes no token along.
fn header_key(url: &str) -> String {
    format!("http.{}.extraheader", origin_of(url))
}

fn header(token: &str) -> String {
    format!("AUTHORIZATION: basic {}", STANDARD.encode(format!("x-access-token:{token}")))
}

/// Scheme and authority of a URL, with a slash.
fn origin_of(url: &str) -> String {
    let path = url.find("://").and_then(|scheme| Some(scheme + 3 + url[scheme + 3..].find('/')?));
    path.map_or_else(|| url.to_owned(), |path| format!("{}/", &url[..path]))
}

/// Empties a folder and keeps it: a process may stand in it.
fn clear(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_checked_out_as_one_and_a_tag_is_not() {
        let branch = Target::of_job("abc", "refs/heads/feature/x");
        assert_eq!(branch.refspec(), "+abc:refs/remotes/origin/feature/x");
        assert_eq!(branch.branch.as_deref(), Some("feature/x"));
        let tag = Target::of_name("refs/tags/v1");
        assert_eq!(tag.refspec(), "+refs/tags/v1:refs/tags/v1");
        assert_eq!(tag.branch, None);
        let commit = Target::of_name(&"a".repeat(40));
        let id = "a".repeat(40);
        assert_eq!((commit.refspec(), commit.start()), (id.clone(), format!("{id}^{{commit}}")));
    }

    #[test]
    fn the_token_goes_to_the_server_only() {
        assert_eq!(
            header_key("http://127.0.0.1:8000/git/qnt9.git"),
            "http.http://127.0.0.1:8000/.extraheader"
        );
    }
}
