//! Plans, releases and how they are rolled out.

use qnt9_model::fact::{Counts, DeploymentOutcome, Direction, Entrance, RolloutTerms, Verdict};
use qnt9_model::plan::{PlanAction, PlanLine, PlanSummary};
use qnt9_model::{Actor, AttemptId, CallKey, DeploymentId, Fact, Place, UserText};

use super::{DAY, SECOND, Sample, release, sha};

impl Sample {
    pub(super) fn plan(&mut self, attempt: &AttemptId, environment: &str, add: u32) {
        let line = |address: &str, action, attributes: &[&str]| PlanLine {
            address: address.to_owned(),
            action,
            attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
        };
        let lines = vec![
            line("terraform_data.index", PlanAction::Create, &[]),
            line("terraform_data.settings", PlanAction::Update, &["input"]),
        ];
        let call = CallKey { attempt: attempt.clone(), step: 0, call: 1 };
        self.fact(
            &Actor::Job(attempt.clone()),
            Fact::PlanRecorded {
                call,
                environment: environment.into(),
                hash: "39f1c07be2aa4410".to_owned(),
                summary: PlanSummary { add, change: 1, destroy: 0, lines },
            },
        );
    }

    pub(super) fn release(&mut self, attempt: &AttemptId, commit: &str) {
        let by = Actor::Job(attempt.clone());
        let call = Some(CallKey { attempt: attempt.clone(), step: 1, call: 1 });
        let built = Fact::ReleaseBuilt {
            call: call.clone(),
            release: release(commit),
            service: "stock".to_owned(),
            commit: sha(commit),
            configuration: Vec::new(),
            bytes: 6_812_345,
            further: Vec::new(),
        };
        self.fact(&by, built);
        let tests = Fact::EvidenceRecorded {
            call,
            kind: "tests".to_owned(),
            environment: None,
            commit: sha(commit),
            release: None,
            passed: true,
            summary: "format, lint, unit and http tests, terraform".to_owned(),
            time_scale: 20,
        };
        self.fact(&by, tests);
        self.by_machine(Fact::ArtifactKept {
            attempt: attempt.clone(),
            name: "stock".to_owned(),
            blob: "0".repeat(64),
            bytes: 6_812_345,
            expires: self.now.plus(30 * DAY),
        });
    }

    /// Deploys a release; `bad_at` is the percent at which it turns out to be bad.
    pub(crate) fn deploy(
        &mut self,
        attempt: &AttemptId,
        environment: &str,
        commit: &str,
        steps: &[u32],
        bad_at: Option<u32>,
    ) -> DeploymentId {
        let place = Place { environment: environment.into(), service: "stock".to_owned() };
        let id = self.begin_rollout(attempt, &place, commit);
        for percent in steps {
            self.step_of_rollout(id, &place, *percent, bad_at == Some(*percent));
            if bad_at == Some(*percent) {
                let reason = "61 of 304 failed (20.0 %) against 0 of 5776 of the old release (0.0 %): worse than tolerated";
                let outcome = DeploymentOutcome::RolledBack {
                    reason: reason.to_owned(),
                    at_percent: *percent,
                };
                self.by_machine(Fact::DeploymentFinished { deployment: id, outcome });
                return id;
            }
        }
        let outcome = DeploymentOutcome::Succeeded;
        self.by_machine(Fact::DeploymentFinished { deployment: id, outcome });
        id
    }

    /// Requests a deployment and lets its replicas become healthy.
    pub(crate) fn begin_rollout(
        &mut self,
        attempt: &AttemptId,
        place: &Place,
        commit: &str,
    ) -> DeploymentId {
        let steps = if place.environment.as_str() == "production" {
            vec![5, 25, 50, 100]
        } else {
            vec![100]
        };
        let by = Actor::Job(attempt.clone());
        let id = self.fact(
            &by,
            Fact::DeploymentRequested {
                call: Some(CallKey { attempt: attempt.clone(), step: 2, call: 1 }),
                place: place.clone(),
                release: release(commit),
                direction: Direction::Forward,
                replicas: 2,
                steps,
                step_for_ms: 3 * SECOND,
                min_requests: 50,
                health_timeout_ms: 30 * SECOND,
                service: None,
                settings: vec![("DATABASE_URL".to_owned(), UserText::from("postgres://secret"))],
                terms: RolloutTerms::default(),
            },
        );
        let id = DeploymentId(id);
        if self.state.projects[&self.stream].places[place].address.is_none() {
            let address = "127.0.0.1:9012".to_owned();
            self.by_machine(Fact::AddressAssigned {
                place: place.clone(),
                entrance: Entrance::Main,
                address,
            });
        }
        for replica in 0..2 {
            self.pass(400);
            let address = format!("127.0.0.1:4{id}{replica}");
            self.by_machine(Fact::ReplicaReady { deployment: id, replica, address });
        }
        id
    }

    /// One step of a rollout with its windows.
    pub(crate) fn step_of_rollout(
        &mut self,
        id: DeploymentId,
        place: &Place,
        percent: u32,
        bad: bool,
    ) {
        self.by_machine(Fact::WeightChanged { deployment: id, percent });
        let generation = self.state.projects[&self.stream].places[place].generation;
        self.by_machine(Fact::TrafficApplied { place: place.clone(), generation });
        if percent == 100 {
            self.pass(3 * SECOND);
            return;
        }
        for second in 0..4_u64 {
            self.pass(SECOND);
            let requests = 2000 * u64::from(percent) / 100;
            let bad_requests = if bad { requests / 5 } else { second % 2 };
            let new = Counts { requests, bad: bad_requests };
            let old = Counts { requests: 2000 - requests, bad: u64::from(second == 2) };
            let window = self.project;
            let verdict = if bad { Verdict::Bad } else { Verdict::Good };
            let how = if bad { "worse than tolerated" } else { "not worse" };
            self.by_machine(Fact::WindowJudged {
                deployment: id,
                window,
                percent,
                new,
                old,
                verdict,
                reason: format!("{bad_requests} of {requests} failed against {} of {} of the old release: {how}", old.bad, old.requests),
            });
        }
    }
}
