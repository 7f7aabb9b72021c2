use std::time::Duration;

use qnt9_runner::shim::{Attachment, attach, kill_leftovers};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::*;

const TRIES: u64 = 25;

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Kills the shim at moments spread over the whole job. Each step appends its number to a file, so
/// the file says what really happened, and the journal must agree.
#[tokio::test(flavor = "multi_thread")]
async fn a_shim_killed_at_any_moment_leaves_a_true_journal() {
    let steps: String =
        (0..6).map(|n| format!("  - run: echo {n} >> done; sleep 0.02; echo log {n}\n")).collect();
    let body = format!("steps:\n{steps}");
    let mut died = 0;
    for attempt in 0..TRIES {
        let case = Case::new(&body);
        let mut shim = case.start().await;
        sleep(Duration::from_millis(attempt * 250 / TRIES)).await;
        let pid = shim.id().unwrap();
        kill(pid);
        shim.wait().await.unwrap();
        let state = attach(&case.job_dir()).await.unwrap();
        kill_leftovers(&case.job_dir()).await.unwrap();
        let journal = case.records().await;
        let finished = journal.steps().len();
        let done: Vec<String> = case.file("done").lines().map(str::to_owned).collect();
        let expected: Vec<String> = (0..done.len()).map(|n| n.to_string()).collect();
        assert_eq!(done, expected, "a step ran twice or out of order");
        match state {
            Attachment::Died { completed, in_flight } => {
                died += 1;
                assert_eq!(completed.len(), finished);
                assert!(finished <= done.len(), "a step is complete that never ran");
                let started = finished + usize::from(in_flight.is_some());
                assert!(done.len() <= started, "a step ran that the journal does not know");
                for index in 0..u32::try_from(finished).unwrap() {
                    assert_eq!(journal.log(index), format!("log {index}"), "a line is lost");
                }
            }
            Attachment::Finished { result } => {
                assert_eq!((result, finished), (JobResult::Success, 6));
            }
            Attachment::Absent | Attachment::Running { .. } => panic!("{state:?} after a kill"),
        }
    }
    assert!(died > 0, "the kills all came too late to show anything");
}

#[tokio::test]
async fn what_a_dead_shim_left_running_is_found_and_killed() {
    let case = Case::new(
        "steps: [{run: 'setsid sh -c \"echo \\$\\$ > escaped; sleep 300\" & echo $$ > leader; sleep 300'}]",
    );
    let mut shim = case.start().await;
    while case.file("escaped").is_empty() || case.file("leader").is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    kill(shim.id().unwrap());
    shim.wait().await.unwrap();
    let expected = Attachment::Died { completed: vec![], in_flight: Some(0) };
    assert_eq!(attach(&case.job_dir()).await.unwrap(), expected);
    assert!(kill_leftovers(&case.job_dir()).await.unwrap() >= 3);
    assert_eq!(kill_leftovers(&case.job_dir()).await.unwrap(), 0);
    for name in ["escaped", "leader"] {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", case.file(name).trim()));
        assert!(stat.is_err() || stat.unwrap().contains(") Z "));
    }
}

/// The server is only a reader: it may come, go and come back at any offset.
#[tokio::test]
async fn readers_come_and_go_and_miss_nothing() {
    let body = "steps: [{run: 'for i in $(seq 200); do echo line $i; sleep 0.002; done'}]";
    let case = Case::new(body);
    let _shim = case.start().await;
    let mut records = Vec::new();
    let mut offset = 0;
    loop {
        let mut follow = Follow::new(&case.job_dir(), offset);
        for _ in 0..7 {
            match follow.next().await.unwrap() {
                Some(record) => records.push(record),
                None => break,
            }
        }
        if follow.offset() == offset {
            break;
        }
        offset = follow.offset();
    }
    let journal = Journal(records);
    let expected: Vec<String> = (1..=200).map(|i| format!("line {i}")).collect();
    assert_eq!(journal.log(0), expected.join("\n"));
    assert_eq!(journal.result(), Some(JobResult::Success));
}

#[tokio::test]
async fn a_description_of_another_version_is_refused_before_anything_runs() {
    let mut case = Case::new("steps: [{run: echo x > ran}]");
    case.spec.version = 2;
    let error = shim::start(&shim_program(), &case.job_dir(), &case.spec, &case.secrets).await;
    assert!(error.is_err());
    assert_eq!(case.file("ran"), "");
    assert_eq!(attach(&case.job_dir()).await.unwrap(), Attachment::Absent);
}
