use std::time::Duration;

use qnt9_runner::shim::{Attachment, attach, cancel, kill};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::*;

/// Waits until a file of the workspace has content.
async fn until(case: &Case, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while case.file(name).is_empty() {
        assert!(Instant::now() < deadline, "{name} was never written");
        sleep(Duration::from_millis(5)).await;
    }
}

fn is_alive(pid: &str) -> bool {
    let pid = pid.trim();
    assert!(pid.parse::<u32>().is_ok(), "{pid} is no process id");
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_cancelled_job_cleans_up_and_stops() {
    let case = Case::new(
        r#"
steps:
  - run: |
      trap 'echo interrupted; exit 0' INT
      echo yes > started
      while true; do sleep 0.05; done
  - {run: echo never}
  - {run: echo cleaning up, if: always()}
  - {run: echo was cancelled, if: cancelled()}
  - {run: echo never, if: failure()}
"#,
    );
    let _shim = case.start().await;
    until(&case, "started").await;
    cancel(&case.job_dir()).await.unwrap();
    let journal = case.records().await;
    assert_eq!(journal.conclusions(), ["cancelled", "skipped", "success", "success", "skipped"]);
    assert!(journal.log(0).starts_with("interrupted"), "{}", journal.log(0));
    assert_eq!(journal.result(), Some(JobResult::Cancelled));
    assert!(journal.0.iter().any(|record| matches!(record, Record::CancelRequested { .. })));
    cancel(&case.job_dir()).await.unwrap();
}

#[tokio::test]
async fn who_ignores_signals_is_killed_with_all_its_children() {
    let case = Case::new(
        r#"
steps:
  - run: |
      trap '' INT TERM
      (trap '' INT TERM; sleep 300) & echo $! > child
      setsid sh -c 'echo $$ > escaped; sleep 300' &
      while true; do sleep 0.05; done
    timeout-minutes: 0.01
  - {run: 'echo status ${{ job.status }}', if: always()}
"#,
    );
    let start = Instant::now();
    let journal = case.run().await;
    assert!(start.elapsed() < Duration::from_secs(8));
    assert!(journal.log(0).contains("timed out"), "{}", journal.log(0));
    assert_eq!(journal.conclusions(), ["failure", "success"]);
    assert_eq!(journal.result(), Some(JobResult::Failure));
    assert!(!is_alive(&case.file("child")));
    assert!(!is_alive(&case.file("escaped")));
}

#[tokio::test]
async fn a_killed_job_ends_at_once_whatever_it_is_at() {
    let mut case = Case::new(
        r#"
steps:
  - run: |
      trap '' INT TERM
      setsid sh -c 'trap "" INT TERM; echo $$ > escaped; sleep 300' &
      echo $$ > leader
      while true; do sleep 0.05; done
  - {run: echo never, if: always()}
"#,
    );
    case.spec.patience.interrupt_ms = 600_000;
    let _shim = case.start().await;
    until(&case, "leader").await;
    until(&case, "escaped").await;
    // The grace of a cancel has begun, and nobody waits for its end.
    cancel(&case.job_dir()).await.unwrap();
    let start = Instant::now();
    kill(&case.job_dir()).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(!is_alive(&case.file("leader")) && !is_alive(&case.file("escaped")));
    let journal = case.records().await;
    assert_eq!(journal.conclusions(), ["cancelled"]);
    assert_eq!(journal.result(), Some(JobResult::Cancelled));
    assert!(journal.0.iter().any(|record| matches!(record, Record::KillRequested { .. })));
    kill(&case.job_dir()).await.unwrap();
}

#[tokio::test]
async fn a_shim_that_does_not_answer_is_killed_with_its_session() {
    let case = Case::new("steps: [{run: 'echo $$ > leader; sleep 300'}]");
    let mut shim = case.start().await;
    until(&case, "leader").await;
    let pid = Pid::from_raw(i32::try_from(shim.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    kill(&case.job_dir()).await.unwrap();
    shim.wait().await.unwrap();
    assert!(!is_alive(&case.file("leader")));
    assert!(matches!(attach(&case.job_dir()).await.unwrap(), Attachment::Died(_)));
}

#[tokio::test]
async fn background_children_live_as_long_as_the_job() {
    let case = Case::new(
        r#"
steps:
  - run: |
      (echo ready; while true; do sleep 0.02; done) &
      echo $! > server
  - run: kill -0 "$(cat server)" && echo it serves
"#,
    );
    let journal = case.run().await;
    assert_eq!(journal.result(), Some(JobResult::Success));
    assert_eq!(journal.log(1), "it serves");
    assert!(!is_alive(&case.file("server")));
    let ended: Vec<_> = journal.lines(None).collect();
    assert!(ended.iter().any(|line| line.starts_with("Ended ")), "{ended:?}");
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_cancelled() {
    let mut case = Case::new("steps: [{run: sleep 300}, {run: echo bye, if: always()}]");
    case.spec.patience.job_ms = 300;
    let journal = case.run().await;
    assert_eq!(journal.conclusions(), ["cancelled", "success"]);
    assert_eq!(journal.result(), Some(JobResult::Cancelled));
    let said = journal.lines(Some(0)).any(|line| line.contains("maximum execution time"));
    assert!(said, "{journal:?}");
}

#[tokio::test]
async fn an_always_step_is_not_cancelled_but_has_an_end() {
    let mut case = Case::new(
        "steps: [{run: 'echo x > started; sleep 0.5; echo done', if: always()}, {run: sleep 300, if: always()}]",
    );
    case.spec.patience.cancel_ms = 1_500;
    let _shim = case.start().await;
    until(&case, "started").await;
    cancel(&case.job_dir()).await.unwrap();
    let journal = case.records().await;
    assert_eq!(journal.log(0), "done");
    assert_eq!(journal.conclusions(), ["success", "cancelled"]);
    assert_eq!(journal.result(), Some(JobResult::Cancelled));
}

#[tokio::test]
async fn a_second_shim_of_an_attempt_does_nothing() {
    let case = Case::new("steps: [{run: 'echo once >> count; sleep 0.3'}]");
    let _shim = case.start().await;
    let second = shim::start(&shim_program(), &case.job_dir(), &case.spec, &case.secrets).await;
    // The first one answers, so the launch finds a shim at work; it is still only one.
    assert!(second.is_ok());
    assert_eq!(case.records().await.result(), Some(JobResult::Success));
    assert_eq!(case.file("count"), "once\n");
    let third = shim::start(&shim_program(), &case.job_dir(), &case.spec, &case.secrets).await;
    assert!(third.is_ok());
    assert_eq!(case.file("count"), "once\n");
    assert_eq!(
        attach(&case.job_dir()).await.unwrap(),
        Attachment::Finished { result: JobResult::Success }
    );
}

#[tokio::test]
async fn a_socket_path_may_be_long() {
    let mut case = Case::new("steps: [{run: echo fine}]");
    let long = case.dir.path().join("n".repeat(120));
    case.spec.folders.workspace = long.join("workspace");
    let dir = long.join("job");
    let _shim = shim::start(&shim_program(), &dir, &case.spec, &case.secrets).await.unwrap();
    let journal = Journal::follow(&dir, 0).await;
    assert_eq!(journal.log(0), "fine");
    assert_eq!(journal.result(), Some(JobResult::Success));
}

#[tokio::test]
async fn of_many_shims_started_at_once_one_works() {
    let case = Case::new("steps: [{run: echo once >> count}]");
    let program = shim_program();
    let dir = case.job_dir();
    let start = || shim::start(&program, &dir, &case.spec, &case.secrets);
    let (a, b, c, d) = tokio::join!(start(), start(), start(), start());
    for started in [a, b, c, d] {
        started.unwrap();
    }
    assert_eq!(case.records().await.result(), Some(JobResult::Success));
    assert_eq!(case.file("count"), "once\n");
}
