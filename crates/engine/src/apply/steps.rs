//! What steps ask for: waits, load, releases, evidence, plans.

use qnt9_model::fact::Span;
use qnt9_model::{Actor, Fact};

use super::Applying;
use crate::state::{Cause, Evidence, Plan, Release, Wait};

impl Applying<'_> {
    pub(super) fn step_call(&mut self, fact: &Fact) {
        let time = self.time();
        let project = &mut *self.project;
        match fact {
            Fact::WaitDeclared { call, until, reason } => {
                let wait = Wait { from: time, until: *until, reason: reason.clone() };
                project.waits.insert(call.clone(), wait);
            }
            Fact::LoadDriven { call, started, finished } => {
                let span = Span { started: *started, finished: *finished };
                project.loads.insert(call.clone(), span);
            }
            Fact::ReleaseBuilt {
                release, service, commit, configuration, bytes, further, ..
            } => {
                let state = Release {
                    digest: release.clone(),
                    service: service.clone(),
                    further: further.clone(),
                    commit: commit.clone(),
                    configuration: configuration.clone(),
                    bytes: *bytes,
                    built: time,
                    by: self.entry.actor.clone(),
                };
                project.releases.insert(release.clone(), state);
                let built = project.built.entry(commit.clone()).or_default();
                if !built.contains(release) {
                    built.push(release.clone());
                }
            }
            Fact::EvidenceRecorded {
                call,
                kind,
                environment,
                commit,
                release,
                passed,
                summary,
                time_scale,
            } => project.evidence.push(Evidence {
                call: call.clone(),
                kind: kind.clone(),
                environment: environment.clone(),
                commit: commit.clone(),
                release: release.clone(),
                passed: *passed,
                summary: summary.clone(),
                time_scale: *time_scale,
                at: time,
                cause: None,
            }),
            Fact::CauseNoted { kind, environment, cause } => {
                let by = match &self.entry.actor {
                    Actor::Person { name, .. } => name.clone(),
                    other => other.to_string(),
                };
                let cause = Cause { by, text: cause.clone(), at: time };
                if let Some(evidence) = project.evidence_to_explain(environment, kind) {
                    evidence.cause = Some(cause);
                }
            }
            Fact::PlanRecorded { call, environment, hash, summary } => {
                let plan = Plan {
                    call: call.clone(),
                    hash: hash.clone(),
                    summary: summary.clone(),
                    at: time,
                };
                project.plans.insert((call.attempt.run, environment.clone()), plan);
            }
            _ => {}
        }
    }
}
