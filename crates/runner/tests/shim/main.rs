//! Real shims, real processes: whole jobs from a workflow's text to the last record.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod actions;
mod bench;
mod crashes;
mod jobs;
mod replicas;
mod resuming;
mod stopping;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Once;

use qnt9_runner::journal::{Follow, JobResult, Record, StepConclusion};
use qnt9_runner::spec::{CheckoutSource, Folders, JobSecrets, JobSpec, Patience, SPEC_VERSION};
use qnt9_runner::{Detached, shim};
use qnt9_workflow::parse;
use tempfile::TempDir;

/// A job in a folder of its own.
struct Case {
    dir: TempDir,
    spec: JobSpec,
    secrets: JobSecrets,
}

impl Case {
    /// The job `job` of a workflow whose text from `jobs.job` on is `body`.
    fn new(body: &str) -> Self {
        Self::with_env("{}", body)
    }

    fn with_env(env: &str, body: &str) -> Self {
        let indented: String = body.lines().map(|line| format!("    {line}\n")).collect();
        let text =
            format!("on: push\nenv: {env}\njobs:\n  job:\n    runs-on: ubuntu-latest\n{indented}");
        let workflow =
            parse("test.yml", &text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}"));
        let job = &workflow.jobs[0];
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        let spec = JobSpec {
            version: SPEC_VERSION,
            run: 7,
            job: "job".into(),
            attempt: 1,
            server_url: "http://127.0.0.1:9".into(),
            checkout: CheckoutSource {
                clone_url: "http://127.0.0.1:9/none.git".into(),
                sha: "0".repeat(40),
                reference: "refs/heads/main".into(),
            },
            contexts: BTreeMap::from([
                (
                    "github".into(),
                    serde_json::json!({
                        "repository": "qnt9/reference", "sha": "0".repeat(40), "job": "job",
                        "ref": "refs/heads/main", "ref_name": "main", "run_id": "7",
                        "run_number": "3", "run_attempt": "1", "workflow": "Test",
                        "actor": "alice", "event_name": "push",
                        "server_url": "http://127.0.0.1:9", "event": {"after": "0"},
                    }),
                ),
                ("matrix".into(), serde_json::json!({"toolchain": "stable"})),
                ("needs".into(), serde_json::json!({})),
                ("vars".into(), serde_json::json!({"REGION": "west"})),
                ("inputs".into(), serde_json::json!({})),
                ("strategy".into(), serde_json::json!({})),
            ]),
            workflow_env: workflow.env.clone(),
            job_env: job.env.clone(),
            defaults: job.defaults.clone(),
            steps: job.steps.clone(),
            outputs: job.outputs.clone(),
            patience: Patience {
                job_ms: 60_000,
                interrupt_ms: 1_000,
                terminate_ms: 500,
                cancel_ms: 5_000,
            },
            folders: Folders {
                workspace: at("workspace"),
                temp: at("temp"),
                tool_cache: at("tools"),
                bin: at("bin"),
            },
            resume_from: None,
        };
        let secrets = JobSecrets {
            token: "attempt-token-1234".into(),
            secrets: BTreeMap::from([("PASSWORD".into(), "s3same-open".into())]),
            masks: Vec::new(),
        };
        Self { dir, spec, secrets }
    }

    fn job_dir(&self) -> PathBuf {
        self.dir.path().join("job")
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.spec.folders.workspace.join(name)).unwrap_or_default()
    }

    async fn start(&self) -> Detached {
        shim::start(&shim_program(), &self.job_dir(), &self.spec, &self.secrets).await.unwrap()
    }

    /// Carries the job out and returns its whole journal.
    async fn run(&self) -> Journal {
        let _shim = self.start().await;
        self.records().await
    }

    /// All records to the end, whoever writes them.
    async fn records(&self) -> Journal {
        Journal::follow(&self.job_dir(), 0).await
    }
}

/// The records of a job, asked in the words of a test.
#[derive(Debug)]
struct Journal(Vec<Record>);

impl Journal {
    async fn follow(dir: &Path, from: u64) -> Self {
        let mut follow = Follow::new(dir, from);
        let mut records = Vec::new();
        while let Some(record) = follow.next().await.unwrap() {
            records.push(record);
        }
        Self(records)
    }

    fn result(&self) -> Option<JobResult> {
        match self.0.last() {
            Some(Record::JobFinished { result, .. }) => Some(*result),
            _ => None,
        }
    }

    fn outputs(&self) -> BTreeMap<String, String> {
        match self.0.last() {
            Some(Record::JobFinished { outputs, .. }) => outputs.clone(),
            last => panic!("the job has no end but {last:?}"),
        }
    }

    /// Outcome and conclusion of each step.
    fn steps(&self) -> Vec<(StepConclusion, StepConclusion)> {
        self.0
            .iter()
            .filter_map(|record| match record {
                Record::StepFinished { outcome, conclusion, .. } => Some((*outcome, *conclusion)),
                _ => None,
            })
            .collect()
    }

    fn conclusions(&self) -> Vec<&'static str> {
        self.steps().into_iter().map(|(_, conclusion)| conclusion.as_str()).collect()
    }

    fn step_outputs(&self, wanted: u32) -> BTreeMap<String, String> {
        self.0
            .iter()
            .find_map(|record| match record {
                Record::StepFinished { index, outputs, .. } if *index == wanted => {
                    Some(outputs.clone())
                }
                _ => None,
            })
            .unwrap_or_default()
    }

    /// The milliseconds of a step that were the platform's own.
    fn ours(&self, wanted: u32) -> u64 {
        let of_step = self.0.iter().find_map(|record| match record {
            Record::StepFinished { index, ours, .. } if *index == wanted => Some(ours),
            _ => None,
        });
        of_step.into_iter().flatten().map(|interval| interval.end - interval.start).sum()
    }

    /// The log of a step, without the group that shows its script.
    fn log(&self, wanted: u32) -> String {
        let lines: Vec<&str> = self.lines(Some(wanted)).collect();
        let start = match lines.first() {
            Some(first) if first.starts_with("##[group]Run ") => {
                lines.iter().position(|line| *line == "##[endgroup]").map_or(0, |end| end + 1)
            }
            _ => 0,
        };
        lines[start..].join("\n")
    }

    fn lines(&self, wanted: Option<u32>) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .flat_map(move |record| match record {
                Record::Log { step, lines } if *step == wanted => lines.as_slice(),
                _ => &[],
            })
            .map(|line| line.text.as_str())
    }
}

/// The example `shim`, which cargo builds with the tests.
fn shim_program() -> PathBuf {
    static BUILT: Once = Once::new();
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/shim");
    BUILT.call_once(|| assert!(program.exists(), "{} is not built", program.display()));
    program
}
