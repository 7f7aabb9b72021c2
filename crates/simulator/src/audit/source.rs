//! Pushes, commits, rules, releases, evidence, notifications.

use qnt9_model::{Actor, AttemptId, Entry, Fact, NotificationId, PushId};

use super::Broken;
use super::book::{CommitBook, EvidenceBook, Project};

impl Project {
    pub(super) fn source(&mut self, entry: &Entry) -> Result<(), Broken> {
        match &entry.fact {
            Fact::PushOffered { by, .. } => {
                self.pushes.insert(PushId(entry.sequence), by.clone());
            }
            Fact::PushSettled { push, moved } => {
                let by = self.pushes.remove(push);
                if by.is_none() && push.0 != 0 {
                    return Err(Broken::of("push-settles-once", entry, "it was not on its way"));
                }
                for sha in moved.iter().filter_map(|update| update.new.as_ref()) {
                    if let (Some(commit), Some(by)) = (self.commits.get_mut(sha), &by) {
                        commit.pushers.insert(by.clone());
                    }
                }
            }
            Fact::CommitsSeen { commits } => {
                for commit in commits {
                    let is_known = |parent| self.commits.contains_key(parent);
                    self.disordered |= !commit.parents.iter().all(is_known);
                    let book = CommitBook {
                        nth: self.commits.len(),
                        parents: commit.parents.clone(),
                        email: commit.email.clone(),
                        pushers: Default::default(),
                    };
                    if self.commits.insert(commit.sha.clone(), book).is_some() {
                        return Err(Broken::of("commit", entry, "a commit came twice"));
                    }
                }
            }
            Fact::PolicyAdopted { policy, .. } => self.policy = Some(policy.clone()),
            _ => return self.records(entry),
        }
        Ok(())
    }

    /// What jobs leave behind.
    fn records(&mut self, entry: &Entry) -> Result<(), Broken> {
        match &entry.fact {
            Fact::ReleaseBuilt { release, commit, .. } => {
                if self.releases.insert(release.clone(), commit.clone()).is_some() {
                    return Err(Broken::of("release-is-immutable", entry, "it was built before"));
                }
                let built = (entry.time, release.clone());
                let newest = self.newest.entry(commit.clone()).or_insert_with(|| built.clone());
                if *newest < built {
                    *newest = built;
                }
            }
            Fact::EvidenceRecorded { kind, environment, commit, release, passed, .. } => {
                self.evidence_is_bound(entry)?;
                if let Some(environment) = environment
                    && kind == "load-test"
                {
                    if *passed {
                        self.unexplained.remove(environment);
                    } else {
                        self.unexplained.insert(environment.clone());
                    }
                }
                let (kind, environment) = (kind.clone(), environment.clone());
                let book = EvidenceBook { kind, environment, passed: *passed };
                if let Some(release) = release {
                    self.of_release.entry(release.clone()).or_default().push(book.clone());
                }
                self.of_commit.entry(commit.clone()).or_default().push(book);
            }
            Fact::CauseNoted { environment, .. } => {
                let by_person = entry.actor.person().is_some();
                if !(self.unexplained.remove(environment) && by_person) {
                    return Err(Broken::of("evidence", entry, "nothing was to be explained"));
                }
            }
            Fact::PlanRecorded { call, environment, hash, .. } => {
                let AttemptId { run, job, .. } = &call.attempt;
                let plan = (hash.clone(), job.clone());
                self.plans.insert((*run, environment.clone()), plan);
            }
            Fact::NotificationPosted { .. } => {
                self.notifications.insert(NotificationId(entry.sequence), false);
            }
            Fact::NotificationDelivered { notification } => {
                let known = self.notifications.get_mut(notification);
                if known.is_none_or(|known| std::mem::replace(known, true)) {
                    return Err(Broken::of("notification", entry, "it was delivered before"));
                }
            }
            Fact::NotificationFailed { notification, .. }
                if self.notifications.get(notification) != Some(&false) =>
            {
                return Err(Broken::of("notification", entry, "nobody was to try it"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Evidence is about the commit of the run that recorded it, or about the release that served.
    fn evidence_is_bound(&self, entry: &Entry) -> Result<(), Broken> {
        let Fact::EvidenceRecorded { kind, environment, commit, release, .. } = &entry.fact else {
            return Ok(());
        };
        let of_run = |attempt: &qnt9_model::AttemptId| {
            self.runs.get(&attempt.run).is_some_and(|run| run.commit == *commit)
        };
        let serves = |wanted| {
            self.serving.iter().any(|(place, id)| {
                let deployment = self.deployments.get(id);
                Some(&place.environment) == environment.as_ref()
                    && deployment.is_some_and(|deployment| Some(&deployment.release) == wanted)
            })
        };
        let is_bound = match (environment, &entry.actor) {
            (None, Actor::Job(attempt)) => of_run(attempt) && release.is_none(),
            (Some(_), Actor::Job(_)) => serves(release.as_ref()),
            (Some(_), Actor::Platform) => kind == "watched" && serves(release.as_ref()),
            _ => return Err(Broken::of("evidence", entry, "only a job records evidence")),
        };
        if is_bound { Ok(()) } else { Err(Broken::of("evidence", entry, "it is about nothing")) }
    }
}
