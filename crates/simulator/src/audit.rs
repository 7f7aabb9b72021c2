//! The auditor: books of its own, kept from the facts alone, and what must be true of every fact given
//! all facts before it. Nothing here asks the engine what is right; where its state is looked at, it is
//! to be compared with these books.

mod attempts;
mod book;
mod deployments;
mod gates;
mod rest;
mod runs;
mod source;
mod terraform;

use std::collections::{BTreeMap, BTreeSet};

use qnt9_model::{AttemptId, Entry, Fact, Person, RunId, StreamId};

use book::{LegBook, Project};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub(crate) struct Broken {
    /// Its name.
    pub(crate) invariant: &'static str,
    /// What was found.
    pub(crate) detail: String,
}

impl Broken {
    pub(crate) fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }

    /// About a fact.
    pub(crate) fn of(invariant: &'static str, entry: &Entry, detail: impl Into<String>) -> Self {
        let detail = format!("{}\n  at {}", detail.into(), crate::told::entry(entry));
        Self { invariant, detail }
    }
}

/// All books.
#[derive(Clone, Debug, Default)]
pub(crate) struct Auditor {
    /// Facts seen.
    pub(crate) facts: u64,
    platform_sequence: u64,
    people: BTreeMap<String, Person>,
    projects: BTreeMap<StreamId, Project>,
}

impl Auditor {
    /// Takes a fact into the books, unless it breaks an invariant.
    pub(crate) fn see(&mut self, entry: &Entry) -> Result<(), Broken> {
        self.facts += 1;
        if entry.stream.as_str() == StreamId::PLATFORM {
            return self.platform(entry);
        }
        let Some(project) = self.projects.get_mut(&entry.stream) else {
            return Err(Broken::of("stream", entry, "there is no such project"));
        };
        project.sequence += 1;
        if project.sequence != entry.sequence {
            let what = format!("number {} was expected", project.sequence);
            return Err(Broken::of("sequence", entry, what));
        }
        project.take(entry, &self.people)
    }

    fn platform(&mut self, entry: &Entry) -> Result<(), Broken> {
        self.platform_sequence += 1;
        if self.platform_sequence != entry.sequence {
            let what = format!("number {} was expected", self.platform_sequence);
            return Err(Broken::of("sequence", entry, what));
        }
        match &entry.fact {
            Fact::PersonAdded { person } => {
                let known = self.people.insert(person.name.clone(), person.clone());
                return match known {
                    None => Ok(()),
                    Some(_) => Err(Broken::of("people", entry, "they were here already")),
                };
            }
            Fact::RoleChanged { person, role } => match self.people.get_mut(person) {
                Some(person) => person.role = *role,
                None => return Err(Broken::of("people", entry, "nobody of that name")),
            },
            Fact::ProjectCreated { project, time_scale, .. } => {
                let new = Project::new(*time_scale);
                if self.projects.insert(project.clone(), new).is_some() {
                    return Err(Broken::of("people", entry, "the project was here already"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a runner may begin this attempt: it was announced, and if an earlier attempt of a job
    /// with an environment was lost, a person decided.
    pub(crate) fn may_run(&self, stream: &StreamId, attempt: &AttemptId) -> Result<(), Broken> {
        let leg = self.projects.get(stream).and_then(|project| project.leg(attempt));
        let broken = |what: &str| Broken::new("nothing-twice", format!("{attempt}: {what}"));
        let leg = leg.ok_or_else(|| broken("no fact planned it"))?;
        if leg.attempts != attempt.attempt {
            return Err(broken("a runner begins, and no fact announced it"));
        }
        if leg.environment.is_some() && leg.decided + 1 < attempt.attempt - leg.attempts_before {
            return Err(broken("a job with an environment runs again, and nobody decided that"));
        }
        Ok(())
    }

    /// Whether the books say that this attempt is lost.
    pub(crate) fn is_lost(&self, stream: &StreamId, attempt: &AttemptId) -> bool {
        let leg = self.projects.get(stream).and_then(|project| project.leg(attempt));
        leg.is_some_and(|leg| leg.is_lost && leg.attempts == attempt.attempt)
    }

    /// The serial of the last state version written.
    pub(crate) fn serial(&self, stream: &StreamId, workspace: &str) -> u64 {
        let project = self.projects.get(stream);
        project.and_then(|p| p.workspaces.get(workspace)).map_or(0, |w| w.serial)
    }

    /// The engine's live runs are those of the books.
    pub(crate) fn same_live(
        &self,
        stream: &StreamId,
        live: &BTreeSet<RunId>,
    ) -> Result<(), Broken> {
        let known = self.projects.get(stream).map(|project| &project.live);
        if known.is_none_or(|known| known == live) {
            return Ok(());
        }
        Err(Broken::new("state", format!("{stream}: the live runs are not those of the facts")))
    }

    /// At the end of everything.
    pub(crate) fn close(&self) -> Result<(), Broken> {
        self.projects.iter().try_for_each(|(stream, project)| project.close(stream))
    }
}

impl Project {
    fn take(&mut self, entry: &Entry, people: &BTreeMap<String, Person>) -> Result<(), Broken> {
        self.source(entry)?;
        self.runs(entry)?;
        self.attempts(entry)?;
        self.gates(entry, people)?;
        self.deployments(entry)?;
        self.terraform(entry)
    }

    fn leg(&self, attempt: &AttemptId) -> Option<&LegBook> {
        self.runs.get(&attempt.run)?.legs.get(&attempt.job)
    }

    fn leg_mut(&mut self, attempt: &AttemptId) -> Option<&mut LegBook> {
        self.runs.get_mut(&attempt.run)?.legs.get_mut(&attempt.job)
    }
}
