//! A job started again from one of its steps, on the workspace that a failed attempt left.

use qnt9_runner::kept;
use qnt9_runner::spec::ResumeFrom;
use qnt9_workflow::{Position, Template};

use super::*;

/// The third step fails as long as there is no file `mended`, which lies outside the workspace.
const JOB: &str = r#"
env: {KIND: a}
outputs: {digest: '${{ steps.make.outputs.digest }}', last: '${{ steps.use.outputs.last }}'}
steps:
  - id: make
    run: |
      echo one >> steps
      echo digest=sha256:1 >> "$GITHUB_OUTPUT"
      echo place=$PWD/steps >> "$GITHUB_OUTPUT"
      echo "URL=http://u:${{ secrets.PASSWORD }}@h" >> "$GITHUB_ENV"
      echo "AUTH=$QNT9_TOKEN" >> "$GITHUB_ENV"
      echo "$PWD/tools" >> "$GITHUB_PATH"
      mkdir tools && printf '#!/bin/sh\necho tool' > tools/mytool && chmod +x tools/mytool
      echo kept > "$RUNNER_TEMP/note"
  - run: echo skipped >> steps
    if: failure()
  - id: use
    run: |
      test -e "$MENDED"
      echo three >> steps
      test "$URL" = "http://u:s3same-open@h" && test "$AUTH" = "$QNT9_TOKEN" && echo same
      test "${{ steps.make.outputs.place }}" = "$PWD/steps" && echo here
      mytool
      cat "$RUNNER_TEMP/note"
      echo "${{ steps.make.outcome }} ${{ steps.make.conclusion }}"
      echo "last=$(wc -l < steps)" >> "$GITHUB_OUTPUT"
  - run: echo four >> steps
"#;

/// A case whose folders all lie in the job's own, as the server has it.
fn case(body: &str) -> Case {
    let mut case = Case::new(body);
    lay_out(&mut case, "job");
    case
}

fn lay_out(case: &mut Case, dir: &str) {
    let dir = case.dir.path().join(dir);
    case.spec.folders.workspace = dir.join("workspace");
    case.spec.folders.temp = dir.join("temp");
    let mended = case.dir.path().join("mended").display().to_string();
    case.spec.job_env.retain(|(name, _)| name != "MENDED");
    case.spec.job_env.push(("MENDED".into(), Template::new(mended, Position::default())));
}

/// Runs the first attempt, which fails, and keeps it.
async fn fail_and_keep(case: &Case) -> PathBuf {
    let journal = case.run().await;
    assert_eq!(journal.result(), Some(JobResult::Failure), "{journal:?}");
    let kept = case.dir.path().join("kept/7.job.1");
    kept::keep(&case.job_dir(), &kept).unwrap();
    kept
}

/// Runs a second attempt from this step on.
async fn resume(case: &mut Case, kept: &Path, step: u32) -> Journal {
    lay_out(case, "second");
    case.spec.attempt = 2;
    case.secrets.token = "attempt-token-5678".into();
    let attempt_dir = kept.to_path_buf();
    case.spec.resume_from = Some(ResumeFrom { attempt_dir, attempt: "7.job.1".into(), step });
    let dir = case.dir.path().join("second");
    let _shim = shim::start(&shim_program(), &dir, &case.spec, &case.secrets).await.unwrap();
    Journal::follow(&dir, 0).await
}

fn said(journal: &Journal) -> String {
    journal.lines(None).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_job_goes_on_from_a_step_as_if_the_earlier_ones_had_run() {
    let mut case = case(JOB);
    let kept = fail_and_keep(&case).await;
    std::fs::write(case.dir.path().join("mended"), "").unwrap();
    let journal = resume(&mut case, &kept, 2).await;
    assert_eq!(journal.conclusions(), ["success", "skipped", "success", "success"], "{journal:?}");
    assert_eq!(journal.log(2), "same\nhere\ntool\nkept\nsuccess success");
    assert_eq!(journal.log(0), "Taken over from attempt 7.job.1: success.");
    assert_eq!(case.file("steps"), "one\nthree\nfour\n");
    let expected = [("digest", "sha256:1"), ("last", "2")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(journal.outputs(), BTreeMap::from(expected));
    // What was kept is as it was: it can be gone on from again.
    let steps = std::fs::read_to_string(kept.join("workspace/steps")).unwrap();
    assert_eq!(steps, "one\n");
    let text = String::from_utf8_lossy(&std::fs::read(kept.join("journal")).unwrap()).into_owned();
    assert!(
        !text.contains("s3same") && !text.contains("attempt-token"),
        "a secret is in a journal"
    );
}

#[tokio::test]
async fn a_resumed_attempt_that_failed_can_be_resumed_too() {
    let mut case = case(JOB);
    let kept = fail_and_keep(&case).await;
    let journal = resume(&mut case, &kept, 2).await;
    assert_eq!(journal.result(), Some(JobResult::Failure));
    let second = case.dir.path().join("kept/7.job.2");
    kept::keep(&case.dir.path().join("second"), &second).unwrap();
    std::fs::write(case.dir.path().join("mended"), "").unwrap();
    let journal = resume(&mut case, &second, 2).await;
    assert_eq!(journal.result(), Some(JobResult::Success), "{journal:?}");
    assert_eq!(journal.log(2), "same\nhere\ntool\nkept\nsuccess success");
    assert_eq!(case.file("steps"), "one\nthree\nfour\n");
}

#[tokio::test]
async fn what_cannot_be_gone_on_from_is_said_and_nothing_runs() {
    let mut case = case(JOB);
    let kept = fail_and_keep(&case).await;
    for (step, why) in [
        (4, "There is no step 5: the job has 4."),
        (3, "Step 3 of attempt 7.job.1 had not succeeded; start from it or from one before."),
    ] {
        let journal = resume(&mut case, &kept, step).await;
        assert_eq!(journal.result(), Some(JobResult::Failure));
        assert_eq!(said(&journal), format!("##[error]{why}"));
        assert_eq!(case.file("steps"), "");
        std::fs::remove_dir_all(case.dir.path().join("second")).unwrap();
    }
    std::fs::remove_dir_all(kept.join("workspace")).unwrap();
    let journal = resume(&mut case, &kept, 2).await;
    assert_eq!(journal.result(), Some(JobResult::Failure));
    assert!(said(&journal).contains("cannot be copied"), "{journal:?}");
}

#[tokio::test]
async fn values_that_were_hidden_are_kept_nowhere_and_that_is_said() {
    let mut masking = case(
        "steps: [{run: 'v=h1dd; v=${v}en-x; echo ::add-mask::$v; echo V=$v >> $GITHUB_ENV'}, {run: exit 1}]",
    );
    let kept = fail_and_keep(&masking).await;
    let journal = resume(&mut masking, &kept, 1).await;
    assert!(said(&journal).contains("hid a value with ::add-mask::"), "{journal:?}");
    let bytes = std::fs::read(kept.join("journal")).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("h1dden"));

    let mut encoding = case(
        "steps: [{run: 'echo V=$(printf %s \"${{ secrets.PASSWORD }}\" | base64) >> $GITHUB_ENV'}, {run: exit 1}]",
    );
    let kept = fail_and_keep(&encoding).await;
    let journal = resume(&mut encoding, &kept, 1).await;
    assert!(
        said(&journal).contains("The variable V holds a value that is kept nowhere"),
        "{journal:?}"
    );
}

#[tokio::test]
async fn variables_that_are_too_long_to_be_kept_are_said_and_harm_nothing() {
    let mut case = case(
        "steps: [{run: 'printf \"LONG=%01100000d\\\\n\" 7 >> $GITHUB_ENV'}, {run: 'test -e $MENDED'}]",
    );
    let kept = fail_and_keep(&case).await;
    let journal = resume(&mut case, &kept, 1).await;
    assert!(said(&journal).contains("The variable LONG holds a value that is kept nowhere"));
}
