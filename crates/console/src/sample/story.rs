//! What has happened in the made-up project.

use qnt9_model::fact::{Cause, Outcome, Subjects};
use qnt9_model::{Actor, AttemptId, CallKey, EnvironmentName, Fact, RunId, UserText};

use super::workflows::{production_jobs, staging_jobs, workflow};
use super::{DAY, MINUTE, SECOND, Sample, person, release, sha};

impl Sample {
    /// A push run up to a working deployment.
    pub(crate) fn staging(&mut self, number: u64, commit: &str) -> RunId {
        let cause = Cause::Push { by: "dana".to_owned() };
        let workflow = workflow(".github/workflows/staging.yml", &staging_jobs());
        let run = self.run("Staging", number, cause, "main", commit, workflow);
        self.checks(run);
        let infrastructure = self.gated(run, "infrastructure", "staging");
        self.plan(&infrastructure, "staging", 3);
        self.step(&infrastructure, 0, "Plan", 3 * SECOND, Outcome::Success);
        self.step(&infrastructure, 1, "Apply", 2 * SECOND, Outcome::Success);
        self.end(&infrastructure, Outcome::Success);
        let building = self.job(run, "release", 12 * SECOND);
        self.release(&building, commit);
        let deploy = self.gated(run, "deploy", "staging");
        self.deploy(&deploy, "staging", commit, &[100], None);
        self.step(&deploy, 0, "Deploy", 2 * SECOND, Outcome::Success);
        self.end(&deploy, Outcome::Success);
        run
    }

    /// The load test of a staging run, and the run's end.
    pub(crate) fn load_test(&mut self, run: RunId, commit: &str, passed: bool) {
        self.plan_job(run, "load-test", &["load-test"], None);
        let attempt = self.start(run, "load-test");
        let result = if passed { Outcome::Success } else { Outcome::Failure };
        self.step(&attempt, 0, "Health before", 300, Outcome::Success);
        let call = CallKey { attempt: attempt.clone(), step: 1, call: 1 };
        let (started, finished) = (self.now, self.now.plus(21 * SECOND));
        self.by_machine(Fact::LoadDriven { call: call.clone(), started, finished });
        self.step(&attempt, 1, "qnt9 load run --environment staging", 22 * SECOND, result);
        let summary = if passed {
            "P95 212 ms, P99 402 ms, failed 0.02 %, availability 99.98 %"
        } else {
            "P99 1,340 ms over 1,000 ms; P95 231 ms, failed 0.02 %"
        };
        self.by_machine(Fact::EvidenceRecorded {
            call: Some(call),
            kind: "load-test".to_owned(),
            environment: Some("staging".into()),
            commit: sha(commit),
            release: Some(release(commit)),
            passed,
            summary: summary.to_owned(),
            time_scale: 20,
        });
        if passed {
            self.step(&attempt, 2, "Cool down", 900, Outcome::Success);
        } else {
            self.step(&attempt, 2, "Cool down", 0, Outcome::Skipped);
        }
        self.step(&attempt, 3, "Health after", 300, result.min(Outcome::Success));
        self.end(&attempt, result);
        self.job(run, "summary", 200);
        self.by_machine(Fact::RunFinished { run, result });
    }

    /// A production run up to its gates.
    pub(crate) fn production(&mut self, number: u64, commit: &str, by: &str) -> RunId {
        let cause = Cause::Dispatch { by: by.to_owned() };
        let workflow = workflow(".github/workflows/terraform.yml", &production_jobs());
        let name = "Terraform Apply - Multi-Environment";
        let run = self.run(name, number, cause, "main", commit, workflow);
        let plan = {
            self.plan_job(run, "plan", &["plan"], None);
            let attempt = self.start(run, "plan");
            self.plan(&attempt, "production", 1);
            self.step(
                &attempt,
                0,
                "Find the release built from this commit",
                200,
                Outcome::Success,
            );
            self.step(&attempt, 1, "Plan", 3 * SECOND, Outcome::Success);
            self.step(&attempt, 2, "Record the plan", 300, Outcome::Success);
            attempt
        };
        self.end(&plan, Outcome::Success);
        self.plan_job(run, "deploy", &["deploy"], Some("production"));
        run
    }

    /// Approves a run for production.
    pub(crate) fn approve(&mut self, run: RunId, name: &str, comment: Option<&str>) {
        let environment = EnvironmentName::from("production");
        let subjects: Subjects = {
            let project = &self.state.projects[&self.stream];
            project.subjects(&project.runs[&run], &environment)
        };
        let (by, comment) = (person(name), comment.map(UserText::from));
        let approver = name.to_owned();
        self.fact(
            &by,
            Fact::ApprovalGiven {
                run,
                environment,
                person: approver,
                subjects,
                comment,
                rollback_plan: None,
            },
        );
    }

    /// Takes an approved production run to its end.
    pub(crate) fn finish_production(&mut self, run: RunId, commit: &str, bad_at: Option<u32>) {
        self.open(run, "deploy", "production");
        let attempt = self.start(run, "deploy");
        self.step(&attempt, 0, "Verify that this is the approved plan", 300, Outcome::Success);
        self.step(&attempt, 1, "Apply", 2 * SECOND, Outcome::Success);
        self.deploy(&attempt, "production", commit, &[5, 25, 50, 100], bad_at);
        let result = if bad_at.is_some() { Outcome::Failure } else { Outcome::Success };
        self.step(&attempt, 2, "Deploy step by step", 0, result);
        self.end(&attempt, result);
        if bad_at.is_none() {
            self.job(run, "verify", SECOND);
        } else {
            let reason = UserText::from("its need deploy ended with failure");
            self.by_machine(Fact::JobSkipped { run, key: "verify".to_owned(), reason });
        }
        let notify = self.job(run, "notify", 200);
        self.fact(
            &Actor::Job(notify.clone()),
            Fact::NotificationPosted {
                call: Some(CallKey { attempt: notify, step: 0, call: 1 }),
                title: UserText::from(format!("Production, apply: {}", result.word())),
                text: UserText::from(format!("Release of {commit}; started by carol")),
                webhook: Some(UserText::from("http://127.0.0.1:9009/standin/webhook")),
            },
        );
        self.job(run, "summary", 200);
        self.by_machine(Fact::RunFinished { run, result });
    }

    /// Opens the gates of production and loses the runner in the middle of its second step.
    pub(crate) fn lose_production(&mut self, run: RunId) -> AttemptId {
        self.open(run, "deploy", "production");
        let attempt = self.start(run, "deploy");
        self.step(&attempt, 0, "Verify that this is the approved plan", 300, Outcome::Success);
        self.pass(2 * SECOND);
        let reason = "the process of its job is gone".to_owned();
        let lost = attempt.clone();
        self.by_machine(Fact::JobLost { attempt: lost, reason, retry: false });
        attempt
    }

    /// The whole story: a release in production, a good one before its gates, a bad one in staging.
    pub(crate) fn story() -> Self {
        let mut sample = Self::new();
        let first = sample.staging(126, "2c41f9e");
        sample.load_test(first, "2c41f9e", true);
        let production = sample.production(6, "2c41f9e", "carol");
        sample.approve(production, "alice", None);
        sample.approve(production, "bob", Some("looks good"));
        sample.pass(30 * SECOND);
        sample.finish_production(production, "2c41f9e", None);
        sample.pass(9 * DAY);
        sample.push("main", Some("2c41f9e"), "a41d77e");
        let bad = sample.staging(128, "a41d77e");
        sample.load_test(bad, "a41d77e", false);
        sample.pass(40 * MINUTE);
        let good = sample.staging(129, "9f03c1a");
        sample.load_test(good, "9f03c1a", true);
        sample.pass(5 * MINUTE);
        let waiting = sample.production(7, "9f03c1a", "carol");
        sample.pass(2 * SECOND);
        sample.approve(waiting, "bob", Some("the index first, then traffic <b>slowly</b>"));
        sample.pass(14 * SECOND);
        sample
    }
}
