//! What starts a workflow: `on:`, and whether something that happened matches it.

use serde::{Deserialize, Serialize};

use crate::Workflow;
use crate::inputs::Input;
use crate::pattern::any_matches;

/// One event of `on:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Trigger {
    Push {
        branches: Option<Filter>,
        tags: Option<Filter>,
        paths: Option<Filter>,
    },
    /// `types` are the activities; unless given: opened, synchronize and reopened.
    PullRequest {
        types: Vec<String>,
        branches: Option<Filter>,
        paths: Option<Filter>,
    },
    WorkflowDispatch {
        inputs: Vec<Input>,
    },
    Schedule(Vec<Schedule>),
}

/// Patterns of names that are wanted (`branches:`) or not (`branches-ignore:`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    Only(Vec<String>),
    Ignore(Vec<String>),
}

impl Filter {
    pub(crate) fn admits(&self, name: &str) -> bool {
        match self {
            Self::Only(patterns) => any_matches(patterns, name),
            Self::Ignore(patterns) => !any_matches(patterns, name),
        }
    }
}

/// One entry of `schedule:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// An IANA name; UTC unless given.
    pub timezone: Option<String>,
}

/// Something that happened in a repository.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence<'a> {
    pub event: Event<'a>,
    /// The full name of the ref. For a pull request it is that of its base branch, which is what
    /// GitHub's filters compare.
    pub reference: &'a str,
    /// The paths that differ; `None` when they are not known, which counts as all of them.
    pub changed_paths: Option<&'a [String]>,
    /// The message of the head commit, which may ask to skip.
    pub commit_message: Option<&'a str>,
}

/// The kind of an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Push,
    /// The activity, such as `opened`.
    PullRequest {
        activity: &'a str,
    },
    WorkflowDispatch,
    /// The `cron:` entry that is due.
    Schedule {
        cron: &'a str,
    },
}

impl Event<'_> {
    /// The name of the event, as in `github.event_name`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest { .. } => "pull_request",
            Self::WorkflowDispatch => "workflow_dispatch",
            Self::Schedule { .. } => "schedule",
        }
    }
}

/// Whether an occurrence starts a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Triggered {
    Yes,
    /// Not, and the sentence that says why.
    No {
        reason: String,
    },
}

impl Workflow {
    /// The entries of `on.schedule`.
    pub fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        let entries = self.on.iter().map(|trigger| match trigger {
            Trigger::Schedule(entries) => entries.as_slice(),
            _ => &[],
        });
        entries.flatten()
    }

    /// Whether the occurrence starts this workflow.
    pub fn triggered_by(&self, occurrence: &Occurrence<'_>) -> Triggered {
        judge_all(&self.on, occurrence)
    }
}

/// Whether the occurrence starts what these triggers start.
pub(crate) fn judge_all(triggers: &[Trigger], occurrence: &Occurrence<'_>) -> Triggered {
    match triggers.iter().find_map(|trigger| trigger.judge(occurrence)) {
        None => no(format!("the workflow is not started by `{}`", occurrence.event.name())),
        Some(Err(reason)) => Triggered::No { reason },
        Some(Ok(())) => match skip_request(occurrence) {
            Some(request) => no(format!("the commit message says `{request}`")),
            None => Triggered::Yes,
        },
    }
}

fn no(reason: String) -> Triggered {
    Triggered::No { reason }
}

impl Trigger {
    /// `None` if the occurrence is of another event, or else whether it passes the filters.
    fn judge(&self, occurrence: &Occurrence<'_>) -> Option<Result<(), String>> {
        match (self, occurrence.event) {
            (Self::Push { branches, tags, paths }, Event::Push) => {
                Some(judge_push(branches.as_ref(), tags.as_ref(), paths.as_ref(), occurrence))
            }
            (Self::PullRequest { types, branches, paths }, Event::PullRequest { activity }) => {
                Some(judge_activity(types, activity).and_then(|()| {
                    let branch = short_name(occurrence.reference, "refs/heads/");
                    judge_name("the base branch", branch, branches.as_ref())?;
                    judge_paths(paths.as_ref(), occurrence.changed_paths)
                }))
            }
            (Self::WorkflowDispatch { .. }, Event::WorkflowDispatch) => Some(Ok(())),
            (Self::Schedule(entries), Event::Schedule { cron }) => {
                let is_known = entries.iter().any(|entry| entry.cron == cron);
                Some(is_known.then_some(()).ok_or_else(|| format!("no schedule says `{cron}`")))
            }
            _ => None,
        }
    }
}

fn judge_push(
    branches: Option<&Filter>,
    tags: Option<&Filter>,
    paths: Option<&Filter>,
    occurrence: &Occurrence<'_>,
) -> Result<(), String> {
    if let Some(tag) = occurrence.reference.strip_prefix("refs/tags/") {
        // A filter for branches alone leaves tags out, and paths are not compared for tags.
        if tags.is_none() && branches.is_some() {
            return Err(format!("`push` is limited to branches, and {tag} is a tag"));
        }
        return judge_name("the tag", tag, tags);
    }
    let branch = short_name(occurrence.reference, "refs/heads/");
    if branches.is_none() && tags.is_some() {
        return Err(format!("`push` is limited to tags, and {branch} is a branch"));
    }
    judge_name("the branch", branch, branches)?;
    judge_paths(paths, occurrence.changed_paths)
}

fn judge_activity(types: &[String], activity: &str) -> Result<(), String> {
    const TYPES_DEFAULT: [&str; 3] = ["opened", "synchronize", "reopened"];
    let is_wanted = if types.is_empty() {
        TYPES_DEFAULT.contains(&activity)
    } else {
        types.iter().any(|wanted| wanted == activity)
    };
    is_wanted
        .then_some(())
        .ok_or_else(|| format!("the pull request was {activity}, which is not among the `types`"))
}

fn judge_name(what: &str, name: &str, filter: Option<&Filter>) -> Result<(), String> {
    match filter {
        Some(filter) if !filter.admits(name) => Err(format!("{what} {name} {}", describe(filter))),
        _ => Ok(()),
    }
}

fn judge_paths(filter: Option<&Filter>, changed: Option<&[String]>) -> Result<(), String> {
    match (filter, changed) {
        (Some(filter), Some(changed)) if !changed.iter().any(|path| filter.admits(path)) => {
            Err(format!("every changed path {}", describe(filter)))
        }
        _ => Ok(()),
    }
}

fn describe(filter: &Filter) -> String {
    match filter {
        Filter::Only(patterns) => format!("matches none of: {}", patterns.join(", ")),
        Filter::Ignore(patterns) => format!("is ignored by: {}", patterns.join(", ")),
    }
}

fn short_name<'a>(reference: &'a str, prefix: &str) -> &'a str {
    reference.strip_prefix(prefix).unwrap_or(reference)
}

/// The words in a commit message that keep push and pull request from starting anything.
fn skip_request<'a>(occurrence: &Occurrence<'a>) -> Option<&'a str> {
    const REQUESTS: [&str; 5] =
        ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];
    const TRAILERS: [&str; 2] = ["skip-checks:true", "skip-checks: true"];
    if !matches!(occurrence.event, Event::Push | Event::PullRequest { .. }) {
        return None;
    }
    let message = occurrence.commit_message?;
    let request = REQUESTS.iter().find_map(|request| {
        message.find(request).map(|start| &message[start..start + request.len()])
    });
    request.or_else(|| message.lines().find(|line| TRAILERS.contains(&line.trim())))
}

#[cfg(test)]
mod tests;
