//! Runs, their jobs and their steps.

use qnt9_model::fact::{Cause, Leg, Outcome};
use qnt9_model::{AttemptId, EnvironmentName, Fact, JobKey, RunId, UserText};
use serde_json::Value;

use super::workflows::CHECKS;
use super::{COMMITS, MINUTE, SECOND, Sample, person, sha};

impl Sample {
    /// Creates and starts a run.
    pub(crate) fn run(
        &mut self,
        name: &str,
        number: u64,
        cause: Cause,
        branch: &str,
        commit: &str,
        workflow: Value,
    ) -> RunId {
        let title = COMMITS.iter().find(|(sha, _, _)| sha.starts_with(commit));
        let by = person(cause.by());
        let fact = Fact::RunCreated {
            path: format!(".github/workflows/{}.yml", name.to_lowercase()),
            name: name.to_owned(),
            title: UserText::from(title.map_or("a run", |(_, _, title)| *title)),
            number,
            cause,
            reference: format!("refs/heads/{branch}"),
            commit: sha(commit),
            event: UserText::from("{}"),
            inputs: Vec::new(),
            workflow,
            concurrency: None,
            repeat: None,
        };
        let run = RunId(self.fact(&by, fact));
        self.by_machine(Fact::RunStarted { run });
        run
    }

    /// Plans a job with so many legs.
    pub(crate) fn plan_job(
        &mut self,
        run: RunId,
        key: &str,
        legs: &[&str],
        environment: Option<&str>,
    ) {
        let leg = |(index, name): (usize, &&str)| Leg {
            job: if legs.len() == 1 { key.into() } else { format!("{key}.{index}").into() },
            name: (*name).to_owned(),
            index: index as u32,
            matrix: UserText::from("{}"),
            environment: environment.map(EnvironmentName::from),
            continue_on_error: false,
            timeout_ms: 60 * MINUTE,
            concurrency: None,
        };
        let legs = legs.iter().enumerate().map(leg).collect();
        self.by_machine(Fact::JobPlanned {
            run,
            key: key.to_owned(),
            legs,
            fail_fast: true,
            max_parallel: None,
            condition: UserText::from("success()"),
        });
    }

    /// Starts the first attempt of a leg.
    pub(crate) fn start(&mut self, run: RunId, job: &str) -> AttemptId {
        let attempt = AttemptId { run, job: JobKey::from(job), attempt: 1 };
        self.by_machine(Fact::JobStarted {
            attempt: attempt.clone(),
            runner: "local-1".to_owned(),
            resumes: None,
        });
        attempt
    }

    /// Ends a step that took so long.
    pub(crate) fn step(
        &mut self,
        attempt: &AttemptId,
        number: u32,
        name: &str,
        took: i64,
        outcome: Outcome,
    ) {
        let started = self.now;
        self.pass(took);
        self.by_machine(Fact::StepFinished {
            attempt: attempt.clone(),
            step: number,
            name: name.to_owned(),
            outcome,
            conclusion: outcome,
            started,
            finished: self.now,
            user: number > 0,
            own: Vec::new(),
        });
    }

    /// Ends an attempt.
    pub(crate) fn end(&mut self, attempt: &AttemptId, result: Outcome) {
        let lines = 215;
        let blob = "0".repeat(64);
        self.by_machine(Fact::LogSealed { attempt: attempt.clone(), first_line: 1, lines, blob });
        let markdown = "## Staging\n\n| Stage | Result |\n| --- | --- |\n| Checks | success |\n| Load test | **as the run says**, see `load-test` |\n";
        let summary = (attempt.job.as_str() == "summary").then(|| UserText::from(markdown));
        let attempt = attempt.clone();
        let (outputs, reason) = (Vec::new(), None);
        self.by_machine(Fact::JobFinished { attempt, result, outputs, reason, summary });
    }

    /// A job with one leg that runs through.
    pub(super) fn job(&mut self, run: RunId, key: &str, took: i64) -> AttemptId {
        self.plan_job(run, key, &[key], None);
        let attempt = self.start(run, key);
        self.step(&attempt, 0, "Check out", 300, Outcome::Success);
        self.step(&attempt, 1, &format!("Run {key}"), took, Outcome::Success);
        self.end(&attempt, Outcome::Success);
        attempt
    }

    pub(super) fn checks(&mut self, run: RunId) {
        let start = self.now;
        for key in CHECKS {
            self.now = start;
            if key == "test" {
                self.plan_job(run, key, &["test (--lib)", "test (--test http)"], None);
                for leg in ["test.0", "test.1"] {
                    let attempt = self.start(run, leg);
                    self.step(&attempt, 0, "Check out", 400, Outcome::Success);
                    self.step(&attempt, 1, "cargo test", 20 * SECOND, Outcome::Success);
                    self.end(&attempt, Outcome::Success);
                }
            } else {
                self.job(run, key, 6 * SECOND);
            }
        }
    }

    pub(super) fn gated(&mut self, run: RunId, key: &str, environment: &str) -> AttemptId {
        self.plan_job(run, key, &[key], Some(environment));
        self.open(run, key, environment);
        self.start(run, key)
    }

    /// Opens the gates of a leg.
    pub(crate) fn open(&mut self, run: RunId, key: &str, environment: &str) {
        let environment = EnvironmentName::from(environment);
        let subjects = {
            let project = &self.state.projects[&self.stream];
            project.subjects(&project.runs[&run], &environment)
        };
        let proof =
            vec![format!("✓ all gates of {environment}"), "  ✓ no other job holds it".to_owned()];
        let job = JobKey::from(key);
        self.by_machine(Fact::GatesOpened { run, job, environment, subjects, proof });
    }
}
