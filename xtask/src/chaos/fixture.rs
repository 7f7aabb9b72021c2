//! The project that is delivered under fire, and what its log and its witness must say in the end.
//!
//! A push builds a release and brings it to staging; a dispatch, two approvals and a canary bring it to
//! production. Each step tells the witness, a file outside of the job's folder, when it begins and
//! when it ends, and prints numbered lines in between.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

pub(super) const PROJECT: &str = "till";
pub(crate) const BRANCH: &str = "main";
/// The file that every commit changes.
pub(crate) const PROGRAM: &str = "till.pl";
/// The workflow that a push starts, and the one that is dispatched.
pub(crate) const PUSHED: &str = ".github/workflows/deliver.yml";
pub(super) const DISPATCHED: &str = ".github/workflows/production.yml";
pub(super) const ENVIRONMENTS: [&str; 2] = ["staging", "production"];
/// What the judge of a canary wants to see, and what those who must approve are called.
pub(super) const SHARES: [u64; 3] = [25, 50, 100];
pub(super) const APPROVERS: [&str; 2] = ["anna", "ben"];
pub(crate) const DEVELOPER: &str = "dora";

const RULES: &str = r#"[project]
name = "till"

[service.till]
command = ["bin/till"]
health = "/health"
health_timeout = "30s"
replicas = 2

[environment.staging]
branches = ["main"]

[environment.production]
branches = ["main"]
trigger = "manual"
approvals = { needed = 2, from = ["anna", "ben"], exclude = "dispatcher" }
evidence = ["smoke@staging"]
rollout = { strategy = "canary", steps = [25, 50, 100], step_for = "2s", min_requests = 10 }
"#;

/// The service. Perl is wherever git is.
const SERVICE: &str = r#"#!/usr/bin/perl
use IO::Socket::INET;
$| = 1;
my $socket = IO::Socket::INET->new(
    LocalAddr => $ENV{HOST}, LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die $!;
while (my $client = $socket->accept) {
    my ($path) = (<$client> // '') =~ /^\w+ (\S+)/;
    while (<$client>) { last if /^\r?$/ }
    my $text = $path eq '/health' ? "fine\n" : "delivery NUMBER\n";
    print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($text)
        . "\r\nConnection: close\r\n\r\n$text";
    close $client;
}
"#;

/// The token of one of its people, as the example `new_project` gives it out.
pub(super) fn token(person: &str) -> String {
    format!("token-of-{person}")
}

/// The service as the delivery of this number brings it.
pub(crate) fn service(number: u32) -> String {
    SERVICE.replace("NUMBER", &number.to_string())
}

/// What the delivery's service answers at `/`.
pub(super) fn answer(number: u32) -> String {
    format!("delivery {number}\n")
}

/// A job of a workflow.
pub(super) struct Job {
    pub(super) key: &'static str,
    pub(super) environment: Option<&'static str>,
    /// `needs`, `strategy`, `outputs`: what stands before the steps.
    head: &'static str,
    pub(super) legs: usize,
    pub(super) steps: &'static [Step],
}

/// A step of a job.
pub(super) enum Step {
    /// Tells the witness, prints so many numbered lines with this pause between two of them, and
    /// then runs these lines.
    Counts { lines: u32, pause: &'static str, then: &'static [&'static str] },
    /// The lines of something else.
    Other(&'static str),
}

const fn counts(lines: u32, pause: &'static str, then: &'static [&'static str]) -> Step {
    Step::Counts { lines, pause, then }
}

const CHECKOUT: Step = Step::Other("uses: actions/checkout@v4");

pub(super) const PUSHED_JOBS: [Job; 4] = [
    Job {
        key: "check",
        environment: None,
        head: "strategy:\n      matrix:\n        part: [one, two, three]",
        legs: 3,
        steps: &[
            counts(20, "0.04", &["echo checked ${{ matrix.part }}"]),
            counts(50, "0.04", &[]),
            counts(10, "0.05", &[]),
        ],
    },
    Job {
        key: "build",
        environment: None,
        head: "needs: check\n    outputs:\n      digest: ${{ steps.release.outputs.digest }}\n      word: ${{ steps.word.outputs.word }}",
        legs: 1,
        steps: &[
            CHECKOUT,
            counts(30, "0.04", &["chmod +x till.pl"]),
            Step::Other(
                "id: word\n        run: echo \"word=of-$GITHUB_RUN_ID\" >> \"$GITHUB_OUTPUT\"",
            ),
            Step::Other(
                "id: release\n        run: qnt9 release build --service till --file till.pl=bin/till",
            ),
            counts(10, "0.03", &[]),
        ],
    },
    Job {
        key: "staging",
        environment: Some("staging"),
        head: "needs: build\n    env:\n      RELEASE: ${{ needs.build.outputs.digest }}",
        legs: 1,
        steps: &[
            counts(20, "0.03", &["echo GREETING=hello > \"$RUNNER_TEMP/till.env\""]),
            counts(
                1,
                "0",
                &[
                    "qnt9 deploy --environment staging --release \"$RELEASE\" --env-file \"$RUNNER_TEMP/till.env\"",
                ],
            ),
            counts(5, "0.05", &["qnt9 health --environment staging"]),
            counts(
                5,
                "0.05",
                &["qnt9 evidence record smoke --result success --environment staging"],
            ),
        ],
    },
    Job {
        key: "told",
        environment: None,
        head: "needs: [build, staging]",
        legs: 1,
        steps: &[counts(
            20,
            "0.04",
            &["test \"${{ needs.build.outputs.word }}\" = \"of-$GITHUB_RUN_ID\""],
        )],
    },
];

pub(super) const DISPATCHED_JOBS: [Job; 3] = [
    Job {
        key: "plan",
        environment: None,
        head: "outputs:\n      release: ${{ steps.release.outputs.digest }}",
        legs: 1,
        steps: &[
            counts(20, "0.04", &[]),
            Step::Other("id: release\n        run: qnt9 release find"),
            counts(20, "0.04", &[]),
        ],
    },
    Job {
        key: "production",
        environment: Some("production"),
        head: "needs: plan\n    env:\n      RELEASE: ${{ needs.plan.outputs.release }}",
        legs: 1,
        steps: &[
            counts(20, "0.03", &[]),
            counts(1, "0", &["qnt9 deploy --environment production --release \"$RELEASE\""]),
            counts(20, "0.03", &["qnt9 health --environment production"]),
        ],
    },
    Job {
        key: "verify",
        environment: None,
        head: "needs: [plan, production]",
        legs: 1,
        steps: &[counts(
            30,
            "0.04",
            &["qnt9 release find | grep -qF \"${{ needs.plan.outputs.release }}\""],
        )],
    },
];

/// Writes the project's first commit into a folder.
pub(super) fn write(folder: &Path, witness: &Path) -> Result<()> {
    let pushed = "on:\n  push:\n    branches: [main]";
    let dispatched = "on: workflow_dispatch";
    let files = [
        ("qnt9.toml", RULES.to_owned()),
        (PROGRAM, service(0)),
        (PUSHED, workflow(pushed, &PUSHED_JOBS, witness)),
        (DISPATCHED, workflow(dispatched, &DISPATCHED_JOBS, witness)),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn workflow(on: &str, jobs: &[Job], witness: &Path) -> String {
    let mut text = format!("{on}\nenv:\n  WITNESS: {}\njobs:\n", witness.display());
    for job in jobs {
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line(&format!("  {}:\n    runs-on: ubuntu-latest", job.key));
        line(&format!("    {}", job.head));
        if let Some(environment) = job.environment {
            line(&format!("    environment: {environment}"));
        }
        line("    steps:");
        for step in job.steps {
            line(&format!("      - {}", step.text()));
        }
    }
    text
}

impl Step {
    fn text(&self) -> String {
        let (lines, pause, then) = match self {
            Self::Other(text) => return (*text).to_owned(),
            Self::Counts { lines, pause, then } => (lines, pause, then),
        };
        let count = format!(
            "for n in $(seq {lines}); do echo \"{}$n\"; sleep {pause}; done",
            line_of("$QNT9_ATTEMPT", "$QNT9_STEP")
        );
        let tell = |what| format!("echo \"$QNT9_ATTEMPT $QNT9_STEP {what}\" >> \"$WITNESS\"");
        let mut text = "run: |".to_owned();
        for line in [&*tell("begins"), &*count].into_iter().chain(then.iter().copied()) {
            write_line(&mut text, line);
        }
        write_line(&mut text, &tell("ends"));
        text
    }

    /// How many numbered lines it prints.
    pub(super) fn lines(&self) -> u32 {
        match self {
            Self::Counts { lines, .. } => *lines,
            Self::Other(_) => 0,
        }
    }

    pub(super) fn tells_the_witness(&self) -> bool {
        matches!(self, Self::Counts { .. })
    }
}

fn write_line(text: &mut String, line: &str) {
    // Writing into a String cannot fail.
    let _ = write!(text, "\n          {line}");
}

/// How a numbered line of a step begins.
pub(super) fn line_of(attempt: &str, step: &str) -> String {
    format!("{attempt} {step} line ")
}
