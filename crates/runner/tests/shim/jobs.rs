use expect_test::expect;

use super::*;

#[tokio::test]
async fn values_travel_from_step_to_step_and_out_of_the_job() {
    let case = Case::with_env(
        "{A: workflow, B: workflow, C: workflow}",
        r#"
env: {B: job, C: job}
outputs:
  digest: ${{ steps.build.outputs.digest }}
  empty: ${{ steps.build.outputs.nothing }}
steps:
  - id: build
    run: |
      echo "digest=sha256:1" >> "$GITHUB_OUTPUT"
      echo "notes<<END" >> "$GITHUB_OUTPUT"
      echo "one" >> "$GITHUB_OUTPUT"; echo "two" >> "$GITHUB_OUTPUT"; echo "END" >> "$GITHUB_OUTPUT"
      echo "::set-output name=old::style"
      echo "C=file" >> "$GITHUB_ENV"
      mkdir -p tools && printf '#!/bin/sh\necho my tool' > tools/tool && chmod +x tools/tool
      echo "$PWD/tools" >> "$GITHUB_PATH"
      echo Built >> "$GITHUB_STEP_SUMMARY"
  - run: |
      echo "$A $B $C ${{ env.A }} ${{ env.B }} ${{ env.C }}"
      tool
      echo '${{ toJSON(steps.build.outputs) }}'
      echo "${{ matrix.toolchain }} ${{ vars.REGION }} ${{ runner.os }} ${{ job.status }}"
  - env: {C: step, D: "${{ env.C }}"}
    run: echo "$C $D ${{ env.C }}"
"#,
    );
    let journal = case.run().await;
    assert_eq!(journal.result(), Some(JobResult::Success));
    expect![[r#"
        workflow job file workflow job file
        my tool
        {
          "digest": "sha256:1",
          "notes": "one\ntwo",
          "old": "style"
        }
        stable west Linux success"#]]
    .assert_eq(&journal.log(1).replace("\"old\": \"style\",\n  ", ""));
    assert_eq!(journal.log(2), "step file step");
    assert_eq!(journal.outputs(), [("digest".to_owned(), "sha256:1".to_owned())].into());
    let summaries = journal.0.iter().filter(
        |record| matches!(record, Record::Summary { step: 0, markdown } if markdown == "Built\n"),
    );
    assert_eq!(summaries.count(), 1);
}

#[tokio::test]
async fn the_environment_is_github_s_and_no_more() {
    let case = Case::new("steps: [{run: env}]");
    let journal = case.run().await;
    let log = journal.log(0);
    let names: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .filter(|name| {
            ["GITHUB", "RUNNER", "QNT9", "CI", "TF_"].iter().any(|p| name.starts_with(p))
        })
        .collect();
    let mut names = names;
    names.sort_unstable();
    expect![[r#"
        CI
        GITHUB_ACTIONS
        GITHUB_ACTOR
        GITHUB_ENV
        GITHUB_EVENT_NAME
        GITHUB_EVENT_PATH
        GITHUB_JOB
        GITHUB_OUTPUT
        GITHUB_PATH
        GITHUB_REF
        GITHUB_REF_NAME
        GITHUB_REPOSITORY
        GITHUB_RUN_ATTEMPT
        GITHUB_RUN_ID
        GITHUB_RUN_NUMBER
        GITHUB_SERVER_URL
        GITHUB_SHA
        GITHUB_STATE
        GITHUB_STEP_SUMMARY
        GITHUB_WORKFLOW
        GITHUB_WORKSPACE
        QNT9_ATTEMPT
        QNT9_JOB
        QNT9_OWN_TIME
        QNT9_STEP
        QNT9_TOKEN
        QNT9_URL
        RUNNER_ARCH
        RUNNER_ENVIRONMENT
        RUNNER_NAME
        RUNNER_OS
        RUNNER_TEMP
        RUNNER_TOOL_CACHE
        RUNNER_TRACKING_ID
        RUNNER_WORKSPACE
        TF_CLI_CONFIG_FILE"#]]
    .assert_eq(&names.join("\n"));
    assert!(!log.contains("CARGO_MANIFEST_DIR"), "the server's environment leaks into steps");
}

#[tokio::test]
async fn shells_and_folders() {
    let case = Case::new(
        r#"
defaults: {run: {working-directory: sub}}
steps:
  - run: mkdir -p sub other
    working-directory: .
  - run: |
      echo "$0 in ${PWD##*/}"; false | true; echo "no pipefail"
  - run: |
      false | true; echo unreachable
    shell: bash
    continue-on-error: true
  - run: print("python here")
    shell: python3 {0}
  - run: echo "$- custom"
    shell: bash -u {0}
    working-directory: other
  - run: echo never
    shell: a-shell-nobody-has {0}
    continue-on-error: true
  - run: echo never
    working-directory: nowhere
"#,
    );
    let journal = case.run().await;
    assert!(journal.log(1).ends_with("in sub\nno pipefail"), "{}", journal.log(1));
    assert_eq!(journal.log(2), "##[error]Process completed with exit code 1.");
    assert_eq!(journal.steps()[2], (StepConclusion::Failure, StepConclusion::Success));
    assert_eq!(journal.log(3), "python here");
    assert!(journal.log(4).contains('u') && journal.log(4).ends_with("custom"));
    assert!(
        journal.log(5).contains("The shell `a-shell-nobody-has` is not on PATH"),
        "{}",
        journal.log(5)
    );
    assert!(journal.log(6).contains("nowhere does not exist"), "{}", journal.log(6));
    assert_eq!(journal.result(), Some(JobResult::Failure));
}

#[tokio::test]
async fn after_a_failure_only_steps_that_ask_for_it_run() {
    let case = Case::new(
        r#"
steps:
  - {id: first, run: exit 3, continue-on-error: true}
  - run: echo goes on
    if: steps.first.outcome == 'failure' && steps.first.conclusion == 'success'
  - {run: exit 4}
  - {run: echo skipped}
  - {run: 'echo "status ${{ job.status }}"', if: failure()}
  - {run: echo cleaned up, if: always()}
  - {run: echo no, if: cancelled()}
  - {run: echo no, if: "${{ success() }}"}
  - {run: "echo the text is true", if: "${{ failure() }} == 'x'"}
"#,
    );
    let journal = case.run().await;
    assert_eq!(
        journal.conclusions(),
        [
            "success", "success", "failure", "skipped", "success", "success", "skipped", "skipped",
            "success"
        ]
    );
    assert_eq!(journal.log(4), "status failure");
    assert_eq!(journal.result(), Some(JobResult::Failure));
}

#[tokio::test]
async fn no_secret_leaves_a_step() {
    let case = Case::new(
        r#"
outputs:
  kept: ${{ steps.leak.outputs.kept }}
  secret: "x${{ secrets.PASSWORD }}"
steps:
  - id: leak
    name: Say ${{ secrets.PASSWORD }}
    env: {IT: "${{ secrets.PASSWORD }}"}
    run: |
      echo "plain $IT, base64 $(printf %s "$IT" | base64), shifted $(printf 'xy%s' "$IT" | base64)"
      printf 'split s3same'; sleep 0.05; echo '-open'
      own="my $((40 + 2))"; echo "::add-mask::$own"; echo "this is $own word"
      echo "::error::with $IT"
      echo "leak=a $IT b" >> "$GITHUB_OUTPUT"
      echo "kept=fine" >> "$GITHUB_OUTPUT"
      echo "summary $IT" >> "$GITHUB_STEP_SUMMARY"
      echo "$QNT9_TOKEN ${{ github.token }} ${{ secrets.GITHUB_TOKEN }}"
      head -c 40000 /dev/zero | tr '\0' x; echo "$IT"
"#,
    );
    let journal = case.run().await;
    assert_eq!(journal.result(), Some(JobResult::Success), "{}", journal.log(0));
    let bytes = std::fs::read(case.job_dir().join("journal")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for secret in ["s3same-open", "czNzYW1lLW9wZW", "eHlzM3NhbWUtb3Blb", "my 42", "attempt-token"] {
        assert!(!text.contains(secret), "{secret} is in the journal");
    }
    assert!(journal.log(0).contains("split ***\nthis is *** word"), "{}", journal.log(0));
    assert_eq!(journal.outputs(), [("kept".to_owned(), "fine".to_owned())].into());
    assert_eq!(journal.step_outputs(0).keys().collect::<Vec<_>>(), ["kept"]);
    assert!(journal.log(0).contains("Skip output 'leak' since it may contain secret."));
}

#[tokio::test]
async fn secrets_lie_in_no_file_and_the_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new("steps: [{run: 'true'}]");
    case.run().await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&case.job_dir()), 0o700);
    assert_eq!(mode(&case.spec.folders.temp), 0o700);
    let files: Vec<_> = std::fs::read_dir(case.job_dir()).unwrap().flatten().collect();
    for file in &files {
        if let Ok(bytes) = std::fs::read(file.path()) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("s3same") && !text.contains("attempt-token"), "{file:?}");
        }
    }
    assert_eq!(mode(&case.job_dir().join("spec.json")), 0o600);
    assert_eq!(mode(&case.job_dir().join("journal")), 0o600);
}

#[tokio::test]
async fn mistakes_in_files_and_expressions_fail_the_step_and_say_why() {
    let case = Case::new(
        r#"
steps:
  - {run: 'echo nonsense >> "$GITHUB_OUTPUT"', continue-on-error: true}
  - {run: 'echo GITHUB_SHA=1 >> "$GITHUB_ENV"', continue-on-error: true}
  - {run: "echo '::set-env name=A::b'", continue-on-error: true}
  - {run: "echo ${{ fromJSON(vars.REGION) }}", continue-on-error: true}
  - {uses: docker/login-action@v3, continue-on-error: true}
  - {run: 'rm -rf "${GITHUB_OUTPUT%/*}"', continue-on-error: true}
  - {run: "true"}
"#,
    );
    let journal = case.run().await;
    assert_eq!(journal.result(), Some(JobResult::Success));
    let said = |step| journal.log(step).lines().last().unwrap_or_default().to_owned();
    assert!(
        said(0).contains("Unable to process GITHUB_OUTPUT: line 1: \"nonsense\""),
        "{}",
        said(0)
    );
    assert!(said(1).contains("GITHUB_SHA may not be set by a step"), "{}", said(1));
    assert!(said(2).contains("`set-env` command is disabled"), "{}", said(2));
    assert!(said(3).contains("has no value"), "{}", said(3));
    assert!(said(4).contains("docker/login-action@v3 is not built in"), "{}", said(4));
    assert!(said(4).contains("actions/checkout"), "{}", said(4));
    let outcomes: Vec<_> = journal.steps().iter().map(|(outcome, _)| outcome.as_str()).collect();
    assert_eq!(
        outcomes,
        ["failure", "failure", "failure", "failure", "failure", "success", "success"]
    );
}

#[tokio::test]
async fn time_that_the_platform_took_is_told_apart() {
    let case = Case::new(
        r#"
steps:
  - run: |
      now() { date +%s%3N; }
      start=$(now); sleep 0.1; echo "$start $(now)" >> "$QNT9_OWN_TIME"
      sleep 0.1
"#,
    );
    let journal = case.run().await;
    let Some((ours, whole)) = journal.0.iter().find_map(|record| match record {
        Record::StepFinished { ours, started, finished, .. } => {
            Some((ours.clone(), finished - started))
        }
        _ => None,
    }) else {
        panic!("the step did not end")
    };
    assert_eq!(ours.len(), 1);
    let own = ours[0].end - ours[0].start;
    assert!(own >= 100 && whole >= own + 100, "{own} of {whole}");
}
