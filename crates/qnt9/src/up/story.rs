//! The demonstration's story: what is pushed, dispatched and approved, by whom, through the doors that
//! people use. Each act looks at the state first, so that a story that was cut off goes on where it
//! stood.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use qnt9_engine::contexts::event_name;
use qnt9_engine::gates::Gate;
use qnt9_engine::state::{LegPhase, Project, Run};
use qnt9_model::fact::{DeploymentOutcome, Outcome};
use qnt9_model::{AttemptId, EnvironmentName, Millis, RunId, Sha, StreamId};
use qnt9_runner::git::Git;
use qnt9_server::{Core, machine};
use serde_json::json;

use super::progress::Progress;
use super::reference::{self, APPROVERS, AUTHOR, DISPATCHER, PROJECT};
use super::stages::{self, Stage};
use super::traffic::Traffic;
use crate::client::{Absence, Client};
use crate::failure::Failure;
use crate::places::Tokens;

/// How often the state is looked at while something goes on.
const PULSE: Duration = Duration::from_millis(100);

/// Who approves production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approvals {
    /// The demonstration's people, by themselves.
    ByThemselves,
    /// Whoever sits in front of it.
    ByAPerson,
}

/// How the story is told.
pub struct Story<'a> {
    pub core: &'a Core,
    pub tokens: &'a Tokens,
    pub approvals: Approvals,
    pub bad_release: bool,
    pub scratch: std::path::PathBuf,
    pub progress: &'a mut Progress,
    pub traffic: &'a mut Traffic,
}

/// One delivery: a run and the name of the part it is.
#[derive(Clone, Debug)]
pub struct Part {
    pub name: String,
    pub run: RunId,
    pub outcome: Outcome,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Told {
    pub parts: Vec<Part>,
    /// The bad release's commit, when it was delivered.
    pub bad: Option<Sha>,
}

impl Told {
    /// Whether everything up to the bad release succeeded.
    pub fn good_parts_succeeded(&self) -> bool {
        let bad = if self.bad.is_some() { 1 } else { 0 };
        let good = self.parts.len().saturating_sub(bad);
        self.parts[..good].iter().all(|part| part.outcome == Outcome::Success)
    }
}

const FIRST: &str = "Prepare the first release";
const MERGE: &str = "Merge develop: the first release";
const SECOND: &str = "Suggest searches on the homepage";
const BAD: &str = "Try an experiment with rankings";

impl Story<'_> {
    /// Tells the story to its end, or to the first part that does not succeed.
    pub async fn tell(&mut self) -> Result<Told, Failure> {
        let mut told = Told::default();
        self.traffic.start_if_serving(self.core).await;
        let first = self.first_commit().await?;
        if !self.follow_push(&mut told, "development", "push to develop", &first).await? {
            return Ok(told);
        }
        let merge = self.merge_to_main(&first).await?;
        if !self.deliver(&mut told, &merge, "").await? {
            return Ok(told);
        }
        let second = self.patch_main(SECOND, reference::GOOD_PATCH).await?;
        if !self.deliver(&mut told, &second, " (2)").await? || !self.bad_release {
            return Ok(told);
        }
        let bad = self.patch_main(BAD, reference::BAD_PATCH).await?;
        told.bad = Some(bad.clone());
        self.deliver(&mut told, &bad, " (3)").await?;
        Ok(told)
    }

    /// Staging by the push, production by hand.
    async fn deliver(
        &mut self,
        told: &mut Told,
        commit: &Sha,
        number: &str,
    ) -> Result<bool, Failure> {
        let staging = format!("staging{number}");
        if !self.follow_push(told, &staging, "push to main", commit).await? {
            return Ok(false);
        }
        let production = format!("production{number}");
        let run = self.dispatch(commit).await?;
        self.progress.part(&production, &format!("{DISPATCHER} dispatches {}", commit.short()));
        let outcome = self.follow(&production, run).await?;
        self.traffic.start_if_serving(self.core).await;
        told.parts.push(Part { name: production, run, outcome });
        Ok(outcome == Outcome::Success)
    }

    async fn follow_push(
        &mut self,
        told: &mut Told,
        name: &str,
        what: &str,
        commit: &Sha,
    ) -> Result<bool, Failure> {
        self.progress.part(name, &format!("{what} {}", commit.short()));
        // The checks of a push are runs of their own, which the environment's gates wait for.
        let environment = name.split(' ').next().unwrap_or(name);
        let file = format!("/{environment}.yml");
        let delivers = |run: &Run| run.path.ends_with(&file);
        let found = self.read(|project| last_run(project, commit, "push", delivers));
        let run = found.ok_or_else(|| {
            Failure::new(format!("the push of {} started no run", commit.short()))
                .hint("its workflows are refused: see the console's home page")
        })?;
        let outcome = self.follow(name, run).await?;
        told.parts.push(Part { name: name.to_owned(), run, outcome });
        Ok(outcome == Outcome::Success)
    }

    /// Shows a run until it has ended.
    async fn follow(&mut self, part: &str, run: RunId) -> Result<Outcome, Failure> {
        let mut told_how = false;
        let mut lost_told = Vec::new();
        loop {
            let now = machine::now();
            let (stages, finished, gated) = self.core.read(|state| {
                let project = &state.projects[&stream()];
                let run = &project.runs[&run];
                let stages: Vec<Stage> = stages::of_run(project, run, part, now);
                let gated = run.legs.values().find(|leg| leg.phase == LegPhase::Gated);
                let gate = gated.and_then(|leg| Gate::of(&state.platform, project, run, leg));
                let gate = gate.map(|gate| (gate.environment.clone(), gate.why(now)));
                (stages, run.finished, gate)
            });
            self.progress.stages(&stages, now);
            if let Some((outcome, _)) = finished {
                return Ok(outcome);
            }
            if let Some(lost) = self.newly_lost(run, &mut lost_told) {
                self.progress
                    .note("lost", &format!("{lost}: its runner died, a person must decide"));
                self.progress.note("", &format!("qnt9 rerun {lost}   (or: resume, abandon)"));
                if self.approvals == Approvals::ByThemselves {
                    // Nobody is there to decide, so that waiting would never end.
                    return Ok(Outcome::Failure);
                }
            }
            if let Some((environment, why)) = gated {
                match self.approvals {
                    Approvals::ByThemselves => self.approve(run, &environment).await?,
                    Approvals::ByAPerson if !told_how && needs_people(&why) => {
                        told_how = true;
                        self.tell_how_to_approve(run, &environment);
                    }
                    Approvals::ByAPerson => {}
                }
                self.progress.waiting(&why.unmet().join("; "));
            }
            tokio::time::sleep(PULSE).await;
        }
    }

    /// A job of the run, as RUN.JOB, whose runner was lost and of which nobody was told yet.
    fn newly_lost(&self, run: RunId, told: &mut Vec<AttemptId>) -> Option<String> {
        let lost = self.read(|project| {
            let lost = project.runs[&run].legs.values().filter(|leg| leg.phase == LegPhase::Lost);
            lost.map(|leg| leg.attempt_id(run)).find(|attempt| !told.contains(attempt))
        })?;
        let name = format!("{}.{}", lost.run, lost.job);
        told.push(lost);
        Some(name)
    }

    fn tell_how_to_approve(&mut self, run: RunId, environment: &EnvironmentName) {
        let url = format!("{}/p/{PROJECT}/runs/{run}", self.core.url());
        self.progress.note("waits", &format!("{environment} needs two approvals: {url}"));
        for person in APPROVERS {
            self.progress.note("", &format!("or: qnt9 approve {environment} --as {person}"));
        }
    }

    /// The demonstration's approvers approve, unless they have.
    async fn approve(&mut self, run: RunId, environment: &EnvironmentName) -> Result<(), Failure> {
        let needed = self.core.read(|state| {
            let project = &state.projects[&stream()];
            let rules = project.policy.as_ref().and_then(|(_, p)| p.environment(environment));
            rules.is_some_and(|rules| rules.approvals.is_some())
        });
        if !needed {
            return Ok(());
        }
        for person in APPROVERS {
            let approved = self.read(|project| {
                let legs = project.runs.get(&run).map(|run| run.legs.values().collect::<Vec<_>>());
                let approvals = legs.into_iter().flatten().flat_map(|leg| &leg.approvals);
                approvals.filter(|approval| approval.approved).any(|a| a.person == person)
            });
            if !approved {
                let path = format!("/api/v1/projects/{PROJECT}/runs/{run}/approve");
                let body = json!({ "environment": environment });
                let _: serde_json::Value = self.client(person)?.post(&path, &body).await?;
                self.progress.note("approved", &format!("by {person} (demo)"));
            }
        }
        Ok(())
    }

    /// The run of production for this commit, dispatched unless it was.
    async fn dispatch(&mut self, commit: &Sha) -> Result<RunId, Failure> {
        let applies = |run: &Run| {
            let mut inputs = run.inputs.iter();
            inputs.any(|(name, value)| name == "action" && value.show() == "\"apply\"")
        };
        let found = self.read(|project| last_run(project, commit, "workflow_dispatch", applies));
        if let Some(run) = found {
            return Ok(run);
        }
        let path = format!("/api/v1/projects/{PROJECT}/dispatch");
        let body = json!({
            "workflow": "production.yml",
            "ref": reference::DEFAULT_BRANCH,
            "inputs": { "environment": "production", "action": "apply" },
        });
        let started: serde_json::Value = self.client(DISPATCHER)?.post(&path, &body).await?;
        started["run"]
            .as_u64()
            .map(RunId)
            .ok_or_else(|| Failure::new("the dispatch was not answered with a run"))
    }

    fn client(&self, person: &str) -> Result<Client, Failure> {
        let token = self.tokens.tokens.get(person).map(String::as_str).unwrap_or_default();
        Client::new(&self.core.url(), token, Absence::Fails)
    }

    fn read<T>(&self, look: impl FnOnce(&Project) -> T) -> T {
        self.core.read(|state| look(&state.projects[&stream()]))
    }

    /// The commit with this title, if it was pushed.
    fn commit_titled(&self, title: &str) -> Option<Sha> {
        self.read(|project| {
            let mut known = project.commits.values();
            known.find(|commit| commit.title.show() == title).map(|commit| commit.sha.clone())
        })
    }

    fn head(&self, branch: &str) -> Option<Sha> {
        self.read(|project| project.refs.get(&format!("refs/heads/{branch}")).cloned())
    }

    async fn first_commit(&mut self) -> Result<Sha, Failure> {
        if let Some(commit) = self.commit_titled(FIRST) {
            return Ok(commit);
        }
        let base = self.main()?;
        let git = self.scratch_clone().await?;
        let mut files = reference::files();
        if let Some(readme) = files.iter_mut().find(|file| file.path == "README.md") {
            readme.content.extend_from_slice(b"\nDelivered by qnt9.\n");
        }
        let commit = git.commit(&files, &[base.to_string()], FIRST, &self.author()).await;
        let commit = commit.map_err(|error| Failure::because("the first commit", &error))?;
        self.push(&git, &commit, "develop").await
    }

    async fn merge_to_main(&mut self, develop: &Sha) -> Result<Sha, Failure> {
        if let Some(commit) = self.commit_titled(MERGE) {
            return Ok(commit);
        }
        let main = self.main()?;
        let git = self.scratch_clone().await?;
        let parents = [main.to_string(), develop.to_string()];
        let commit = git.commit_tree_of(develop.as_str(), &parents, MERGE, &self.author()).await;
        let commit = commit.map_err(|error| Failure::because("the merge", &error))?;
        self.push(&git, &commit, reference::DEFAULT_BRANCH).await
    }

    async fn patch_main(&mut self, title: &str, patch: &[u8]) -> Result<Sha, Failure> {
        if let Some(commit) = self.commit_titled(title) {
            return Ok(commit);
        }
        let main = self.main()?;
        let git = self.scratch_clone().await?;
        let commit = git.commit_patch(main.as_str(), patch, title, &self.author()).await;
        let commit = commit.map_err(|error| Failure::because(format!("`{title}`"), &error))?;
        self.push(&git, &commit, reference::DEFAULT_BRANCH).await
    }

    fn main(&self) -> Result<Sha, Failure> {
        let head = self.head(reference::DEFAULT_BRANCH);
        head.ok_or_else(|| Failure::new("the reference project has no commit on main"))
    }

    fn author(&self) -> qnt9_runner::git::Signature {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        reference::signature(AUTHOR, i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// The author's own clone.
    async fn scratch_clone(&self) -> Result<Git, Failure> {
        let failed = |error| Failure::because("a clone of the reference project", &error);
        let git = Git::new(&self.scratch.join("clone.git"), &self.core.config().job_environment);
        git.init(reference::DEFAULT_BRANCH).await.map_err(failed)?;
        git.fetch(&self.remote()).await.map_err(failed)?;
        Ok(git)
    }

    fn remote(&self) -> String {
        format!("{}/git/{PROJECT}.git", self.core.url())
    }

    async fn push(&self, git: &Git, commit: &str, branch: &str) -> Result<Sha, Failure> {
        let token = self.tokens.tokens.get(AUTHOR).map(String::as_str).unwrap_or_default();
        let reference = format!("refs/heads/{branch}");
        let pushed = git.push(&self.remote(), token, commit, &reference).await;
        pushed.map_err(|error| Failure::because(format!("the push to {branch}"), &error))?;
        Ok(Sha::from(commit))
    }
}

fn stream() -> StreamId {
    StreamId::from(PROJECT)
}

/// The last run that such an event started for a commit: somebody may have run an earlier one again.
fn last_run(
    project: &Project,
    commit: &Sha,
    event: &str,
    fits: impl Fn(&Run) -> bool,
) -> Option<RunId> {
    let mut runs = project.runs.values();
    let of_event =
        |run: &&Run| run.commit == *commit && event_name(project, run) == event && fits(run);
    runs.rfind(of_event).map(|run| run.id)
}

/// Whether a gate waits for people and not only for time.
pub fn needs_people(why: &qnt9_model::Why) -> bool {
    !why.who.is_empty() || why.of.iter().any(needs_people)
}

/// How a commit's rollout to production was taken back, if it was.
pub fn rollback_of(project: &Project, commit: &Sha) -> Option<(String, String, u32)> {
    let of_commit = project.deployments.values().filter(|deployment| {
        let release = project.releases.get(&deployment.release);
        deployment.place.environment.as_str() == "production"
            && release.is_some_and(|release| release.commit == *commit)
    });
    of_commit
        .filter_map(|deployment| match &deployment.outcome {
            Some((DeploymentOutcome::RolledBack { reason, at_percent }, _)) => {
                Some((deployment.release.to_string(), reason.clone(), *at_percent))
            }
            _ => None,
        })
        .next_back()
}

/// The runs of the story's parts.
pub fn runs<'a>(project: &'a Project, parts: &[Part]) -> Vec<(&'a Run, String)> {
    let runs =
        parts.iter().filter_map(|part| Some((project.runs.get(&part.run)?, part.name.clone())));
    runs.collect()
}

/// Now.
pub fn now() -> Millis {
    machine::now()
}
