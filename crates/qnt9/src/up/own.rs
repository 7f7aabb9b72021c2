//! A repository of one's own on the platform: its commits are pushed as they are, its workflows deliver it
//! by its own rules.

use std::path::{Path, PathBuf};
use std::time::Duration;

use qnt9_engine::accounting::Ledger;
use qnt9_engine::gates::Gate;
use qnt9_engine::policy;
use qnt9_engine::state::{LegPhase, Project};
use qnt9_model::fact::{Outcome, Span};
use qnt9_model::policy::Policy;
use qnt9_model::{EnvironmentName, Person, Role, RunId, Sha, StreamId, Why};
use qnt9_runner::git::{Git, NewFile, Signature};
use qnt9_server::{Core, NewProject};
use serde_json::json;

use super::preflight::Wanted;
use super::progress::Progress;
use super::stages::{self, Stage};
use super::story::{self, needs_people};
use crate::failure::Failure;
use crate::folder;
use crate::places::Tokens;
use crate::repository::Folder;
use crate::talk;

/// How often the state is looked at while something goes on.
const PULSE: Duration = Duration::from_millis(100);
/// All files of a folder that is no git repository.
const FOLDER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The file of the rules.
const RULES: &str = "qnt9.toml";

/// A repository to deliver.
pub struct Own {
    folder: Folder,
    policy: Policy,
    branch: String,
    source: Source,
}

/// What is delivered of it.
enum Source {
    /// The last commit of a git repository.
    Commit { repository: PathBuf, commit: Sha },
    /// A folder without git: its files, as one commit.
    Files,
}

/// Whether somebody is there to approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Gates that wait for people are waited for.
    ForPeople,
    /// They end the delivery, undecided.
    UntilPeople,
}

/// What came of it.
pub struct Delivered {
    runs: Vec<RunId>,
    /// Whether every run succeeded.
    pub well: bool,
    /// What waits for people, a line each.
    pub waits: Vec<String>,
}

impl Own {
    /// Reads the repository; nothing is started when it cannot be delivered.
    pub async fn read(dir: &Path) -> Result<Self, Failure> {
        let folder = Folder::read(dir).await?;
        let shown = dir.display();
        let (source, branch, text) = match &folder.worktree {
            None => {
                let text = folder.repository.text(RULES).map(str::to_owned);
                (Source::Files, "main".to_owned(), text)
            }
            Some(worktree) if !worktree.is_top => {
                return Err(Failure::new(format!(
                    "{shown} is a part of the repository at {}",
                    worktree.repository.display()
                ))
                .hint("name the top of the repository, or a folder outside of it"));
            }
            Some(worktree) => {
                let commit = worktree.head.clone().ok_or_else(|| {
                    Failure::new(format!("{shown} has no commit yet"))
                        .hint("commit what is to be delivered")
                })?;
                let git = Git::new(&worktree.repository, &super::job_environment(None));
                let text = git.show(&commit, RULES).await;
                let text =
                    text.map_err(|error| Failure::because(format!("{RULES} of {shown}"), &error))?;
                let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                let source = Source::Commit {
                    repository: worktree.repository.clone(),
                    commit: Sha::from(commit.as_str()),
                };
                (source, worktree.branch.clone().unwrap_or_else(|| "main".to_owned()), text)
            }
        };
        let text = text.ok_or_else(|| without_rules(&folder, dir))?;
        let policy = policy::read(RULES, &text).map_err(|problems| {
            let mut failure = Failure::new(format!("{RULES} of {shown} cannot be used"));
            failure.details = problems.iter().map(ToString::to_string).collect();
            failure.hint("all keys are in docs/gates.md")
        })?;
        Ok(Self { folder, policy, branch, source })
    }

    /// The project's name.
    pub fn name(&self) -> &str {
        &self.policy.project
    }

    /// What its jobs call.
    pub fn wanted(&self) -> Wanted {
        let repository = &self.folder.repository;
        let calls = |text: &str| {
            let workflows = repository.paths().filter(|path| path.starts_with(".github/"));
            workflows
                .filter_map(|path| repository.text(path))
                .any(|workflow| workflow.contains(text))
        };
        Wanted { terraform: calls("terraform "), postgres: calls("qnt9 local database") }
    }

    /// Those whom its rules name and who are nobody here yet: approvers, whose tokens this machine keeps
    /// until they are handed to them.
    pub fn people(&self) -> Vec<Person> {
        let named = self.policy.environments.iter().filter_map(|one| one.approvals.as_ref());
        let mut names: Vec<&String> = named.flat_map(|rule| &rule.from).collect();
        names.sort();
        names.dedup();
        let person = |name: &String| Person {
            name: name.clone(),
            email: format!("{name}@localhost"),
            role: Role::Approver,
            demo: false,
        };
        names.into_iter().map(person).collect()
    }

    /// Pushes it and follows the runs that this starts.
    pub async fn deliver(
        &self,
        core: &Core,
        tokens: &Tokens,
        patience: Patience,
        progress: &mut Progress,
    ) -> Result<Delivered, Failure> {
        self.say_what_is_left_out(progress);
        self.make_project(core).await?;
        let commit = self.push(core, tokens).await?;
        progress
            .part("push", &format!("{} to {} by {}", commit.short(), self.branch, tokens.owner));
        let problems = self.read_project(core, |project| {
            let of_commit = project.workflow_problems.iter().filter(|(of, ..)| *of == commit);
            of_commit.map(|(_, _, message)| message.show().to_owned()).collect::<Vec<_>>()
        });
        if let Some(first) = problems.first() {
            let mut failure = Failure::new(first.clone());
            failure.details = problems[1..].to_vec();
            return Err(
                failure.hint("mend it, commit, and start again; `qnt9 doctor repo` finds more")
            );
        }
        let runs = self.read_project(core, |project| {
            let of_commit = project.runs.values().filter(|run| run.commit == commit);
            of_commit.map(|run| run.id).collect::<Vec<_>>()
        });
        if runs.is_empty() {
            return Err(Failure::new(format!("no workflow is started by a push to {}", self.branch))
                .detail("looked at .github/workflows of the commit")
                .hint("`qnt9 init --dry-run` proposes a workflow; a dispatched one is started with `qnt9 dispatch`"));
        }
        self.follow(core, runs, patience, progress).await
    }

    fn say_what_is_left_out(&self, progress: &mut Progress) {
        let Some(worktree) = self.folder.worktree.as_ref().filter(|one| !one.changed.is_empty())
        else {
            return;
        };
        let first = &worktree.changed[0];
        let number = worktree.changed.len();
        let text = format!("{first} and what else is not committed ({number}) is not delivered");
        progress.note("note", &text);
    }

    async fn make_project(&self, core: &Core) -> Result<(), Failure> {
        let project = NewProject {
            name: StreamId::from(self.name()),
            embedded: false,
            time_scale: 1,
            default_branch: self.branch.clone(),
        };
        let nobody = Signature { name: String::new(), email: String::new(), at: 0 };
        core.create_project(&project, &[], &nobody).await.map_err(|reason| {
            Failure::new(format!("the project {} was not made: {reason}", self.name()))
                .hint("give it another name in qnt9.toml, or use another data folder: --data DIR")
        })
    }

    async fn push(&self, core: &Core, tokens: &Tokens) -> Result<Sha, Failure> {
        let failed = |error| Failure::because(format!("the push to {}", self.branch), &error);
        let environment = &core.config().job_environment;
        let (git, commit) = match &self.source {
            Source::Commit { repository, commit } => {
                (Git::new(repository, environment), commit.clone())
            }
            Source::Files => {
                let scratch = core.folder().root().join("own").join(format!("{}.git", self.name()));
                let made = scratch.parent().map_or(Ok(()), std::fs::create_dir_all);
                made.map_err(|error| {
                    Failure::because(format!("cannot make {}", scratch.display()), &error)
                })?;
                let git = Git::new(&scratch, environment);
                git.init(&self.branch).await.map_err(failed)?;
                let commit = self.commit_files(core, &git, &tokens.owner).await?;
                (git, commit)
            }
        };
        let reference = format!("refs/heads/{}", self.branch);
        let is_there =
            self.read_project(core, |project| project.refs.get(&reference) == Some(&commit));
        if is_there {
            return Ok(commit);
        }
        let token = tokens.tokens.get(&tokens.owner).map(String::as_str).unwrap_or_default();
        let remote = format!("{}/git/{}.git", core.url(), self.name());
        git.push(&remote, token, commit.as_str(), &reference).await.map_err(|error| {
            failed(error).hint("a branch that went another way there is not overwritten: fetch it, or use another data folder")
        })?;
        Ok(commit)
    }

    /// The folder's files as a commit on top of what is there; that one when nothing has changed.
    async fn commit_files(&self, core: &Core, git: &Git, owner: &str) -> Result<Sha, Failure> {
        let failed = |error| Failure::because("the folder's files cannot be committed", &error);
        let files = folder::read(&self.folder.path, FOLDER_BYTES_MAX)?;
        let is_known = |path: &str| self.folder.repository.has_file(path);
        let files = files.into_iter().filter(|file| is_known(&file.path)).map(|file| NewFile {
            path: file.path,
            content: file.content,
            executable: file.mode & 0o111 != 0,
        });
        let files: Vec<NewFile> = files.collect();
        let reference = format!("refs/heads/{}", self.branch);
        let head = self.read_project(core, |project| project.refs.get(&reference).cloned());
        let remote = format!("{}/git/{}.git", core.url(), self.name());
        if head.is_some() {
            git.fetch(&remote).await.map_err(failed)?;
        }
        let parents: Vec<String> = head.iter().map(ToString::to_string).collect();
        let by = Signature {
            name: owner.to_owned(),
            email: format!("{owner}@localhost"),
            at: story::now().0 / 1000,
        };
        let commit =
            git.commit(&files, &parents, "Deliver the folder", &by).await.map_err(failed)?;
        if let Some(head) = head {
            let changed = git.changed_paths(head.as_str(), &commit).await.map_err(failed)?;
            if changed.is_empty() {
                return Ok(head);
            }
        }
        Ok(Sha::from(commit.as_str()))
    }

    /// Shows the runs until all have ended, or until only people can go on.
    async fn follow(
        &self,
        core: &Core,
        runs: Vec<RunId>,
        patience: Patience,
        progress: &mut Progress,
    ) -> Result<Delivered, Failure> {
        let mut told: Vec<(RunId, EnvironmentName)> = Vec::new();
        loop {
            let looks: Vec<Look> = runs.iter().map(|run| self.look(core, *run)).collect();
            let now = story::now();
            let stages: Vec<Stage> = looks.iter().flat_map(|look| look.stages.clone()).collect();
            progress.stages(&stages, now);
            for (look, run) in looks.iter().zip(&runs) {
                let Some((environment, why)) = &look.gated else { continue };
                let is_news = !told.contains(&(*run, environment.clone()));
                if needs_people(why) && is_news && patience == Patience::ForPeople {
                    told.push((*run, environment.clone()));
                    self.tell_how_to_approve(core, *run, environment, why, progress);
                }
                progress.waiting(&why.unmet().join("; "));
            }
            let ended = looks.iter().all(|look| look.finished.is_some());
            let waits: Vec<String> = looks.iter().zip(&runs).filter_map(waits_for_people).collect();
            let only_people_go_on = !waits.is_empty() && looks.iter().all(|look| !look.works);
            if ended || (only_people_go_on && patience == Patience::UntilPeople) {
                let well = looks.iter().all(|look| look.finished == Some(Outcome::Success));
                return Ok(Delivered { runs, well, waits });
            }
            tokio::time::sleep(PULSE).await;
        }
    }

    fn look(&self, core: &Core, id: RunId) -> Look {
        let now = story::now();
        core.read(|state| {
            let project = &state.projects[&StreamId::from(self.name())];
            let run = &project.runs[&id];
            let name = run.path.rsplit('/').next().unwrap_or(&run.path);
            let part = name.trim_end_matches(".yaml").trim_end_matches(".yml");
            let gated = run.legs.values().find(|leg| leg.phase == LegPhase::Gated);
            let gate = gated.and_then(|leg| Gate::of(&state.platform, project, run, leg));
            let waits = |phase: &LegPhase| {
                matches!(phase, LegPhase::Gated | LegPhase::Done(..) | LegPhase::Lost)
            };
            Look {
                stages: stages::of_run(project, run, part, now),
                finished: run.finished.map(|(outcome, _)| outcome),
                gated: gate.map(|gate| (gate.environment.clone(), gate.why(now))),
                works: run.finished.is_none() && run.legs.values().any(|leg| !waits(&leg.phase)),
            }
        })
    }

    fn tell_how_to_approve(
        &self,
        core: &Core,
        run: RunId,
        environment: &EnvironmentName,
        why: &Why,
        progress: &mut Progress,
    ) {
        let project = self.name();
        let url = format!("{}/p/{project}/runs/{run}", core.url());
        progress.note("waits", &format!("{environment}: {}   {url}", why.unmet().join("; ")));
        let mut who: Vec<String> = Vec::new();
        people_of(why, &mut who);
        for person in who {
            progress
                .note("", &format!("qnt9 approve {environment} --project {project} --as {person}"));
        }
    }

    fn read_project<T>(&self, core: &Core, look: impl FnOnce(&Project) -> T) -> T {
        core.read(|state| look(&state.projects[&StreamId::from(self.name())]))
    }

    /// The summary: what ran, how long, and what serves where.
    pub fn show(&self, core: &Core, delivered: &Delivered, progress: &mut Progress) {
        let now = story::now();
        let summary = self.read_project(core, |project| {
            let runs: Vec<_> =
                delivered.runs.iter().filter_map(|run| project.runs.get(run)).collect();
            let ledger = Ledger::of(project, runs.iter().copied(), now);
            let started = runs.iter().map(|run| run.created).min().unwrap_or(now);
            let total = ledger.share(Span { started, finished: now });
            let environments = self.policy.environments.iter().map(|environment| {
                let serving = project.serving_environment(&environment.name);
                let address =
                    serving.and_then(|one| project.places.get(&one.place)?.address.clone());
                json!({
                    "name": environment.name,
                    "release": serving.map(|deployment| deployment.release.to_string()),
                    "url": address.map(|address| format!("http://{address}")),
                })
            });
            let result = match (&delivered.waits[..], delivered.well) {
                ([], true) => "success",
                ([], false) => "failure",
                _ => "waiting",
            };
            json!({ "summary": {
                "result": result,
                "project": self.name(),
                "totals": {
                    "own_s": stages::seconds(total.own_ms),
                    "waiting_s": stages::seconds(total.waiting_ms),
                    "user_s": stages::seconds(total.user_ms),
                },
                "environments": environments.collect::<Vec<_>>(),
            }})
        });
        if progress.is_json() {
            talk::json(&summary);
            return;
        }
        let inner = &summary["summary"];
        let totals = &inner["totals"];
        progress.note(
            inner["result"].as_str().unwrap_or_default(),
            &format!(
                "{} s ours, {} s waiting, {} s your steps",
                totals["own_s"], totals["waiting_s"], totals["user_s"]
            ),
        );
        for environment in inner["environments"].as_array().into_iter().flatten() {
            let name = environment["name"].as_str().unwrap_or_default();
            let serves = environment["url"].as_str().unwrap_or("nothing yet");
            progress.note("serves", &format!("{name}: {serves}"));
        }
        progress.note("console", &core.url());
    }
}

/// A run at one moment.
struct Look {
    stages: Vec<Stage>,
    finished: Option<Outcome>,
    gated: Option<(EnvironmentName, Why)>,
    /// Whether something of it goes on by itself.
    works: bool,
}

/// What of a run only people can change.
fn waits_for_people((look, run): (&Look, &RunId)) -> Option<String> {
    let (environment, why) = look.gated.as_ref().filter(|(_, why)| needs_people(why))?;
    Some(format!("run {run}, {environment}: {}", why.unmet().join("; ")))
}

/// The people who could change something, each once.
fn people_of(why: &Why, found: &mut Vec<String>) {
    for person in &why.who {
        if !found.contains(person) {
            found.push(person.clone());
        }
    }
    why.of.iter().for_each(|part| people_of(part, found));
}

fn without_rules(folder: &Folder, dir: &Path) -> Failure {
    let shown = dir.display();
    if folder.repository.has_file(RULES) {
        return Failure::new(format!("{RULES} of {shown} is not committed"))
            .hint("a delivery is of a commit: git add qnt9.toml .github && git commit");
    }
    Failure::new(format!("{shown} has no {RULES}"))
        .hint(format!("`qnt9 init {shown}` looks at the repository and writes one"))
}
