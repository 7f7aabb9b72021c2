use std::time::Duration;

use qnt9_runner::ProcessId;
use qnt9_runner::journal::{PROTOCOL_VERSION, Writer};
use qnt9_runner::shim::{Attachment, LastSeen, attach, kill_leftovers};
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
            Attachment::Died(LastSeen { completed, in_flight, .. }) => {
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
            Attachment::Absent => assert_eq!((finished, done.len()), (0, 0)),
            Attachment::Running { .. } => panic!("{state:?} after a kill"),
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
    let Attachment::Died(seen) = attach(&case.job_dir()).await.unwrap() else { panic!() };
    assert_eq!((seen.completed.len(), seen.in_flight.unwrap().index), (0, 0));
    assert!(kill_leftovers(&case.job_dir()).await.unwrap() >= 3);
    assert_eq!(kill_leftovers(&case.job_dir()).await.unwrap(), 0);
    for name in ["escaped", "leader"] {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", case.file(name).trim()));
        assert!(stat.is_err() || stat.unwrap().contains(") Z "));
    }
}

fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_err() || stat.unwrap().contains(") Z ")
}

/// Waits until files of the workspace have content.
async fn until(case: &Case, names: &[&str]) {
    while names.iter().any(|name| case.file(name).is_empty()) {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_dropped_the_mark_is_found_by_the_session_of_the_dead_shim() {
    let case = Case::new(
        "steps: [{run: 'env -i /bin/sh -c \"echo \\$\\$ > bare; sleep 300\" & sleep 0.1; disown; kill -9 $PPID; sleep 300'}]",
    );
    let mut shim = case.start().await;
    shim.wait().await.unwrap();
    until(&case, &["bare"]).await;
    assert!(kill_leftovers(&case.job_dir()).await.unwrap() >= 2);
    assert!(is_gone(&case.file("bare")));
}

#[tokio::test]
async fn of_a_copied_folder_whose_shim_works_elsewhere_nothing_is_killed() {
    let case = Case::new("steps: [{run: 'echo x > begun; sleep 1; echo done'}]");
    let _shim = case.start().await;
    until(&case, &["begun"]).await;
    let copy = case.dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in ["spec.json", "journal"] {
        std::fs::copy(case.job_dir().join(file), copy.join(file)).unwrap();
    }
    let Attachment::Died(seen) = attach(&copy).await.unwrap() else { panic!() };
    assert_eq!(seen.in_flight.unwrap().index, 0);
    assert_eq!(kill_leftovers(&copy).await.unwrap(), 0);
    assert_eq!(case.records().await.result(), Some(JobResult::Success));
}

/// The machine was started again: the journal names processes of another boot, whose numbers belong
/// to others by now.
#[tokio::test]
async fn after_a_reboot_the_numbers_of_old_processes_mean_nothing() {
    let case = Case::new("steps: [{run: 'echo x > begun; sleep 300'}]");
    let mut shim = case.start().await;
    until(&case, &["begun"]).await;
    kill(shim.id().unwrap());
    shim.wait().await.unwrap();
    let mut bystander = std::process::Command::new("sleep").arg("300").spawn().unwrap();
    let stale = |record: Record| match record {
        Record::Hello { protocol, pid, process: Some(process), at } => {
            let process = Some(ProcessId { boot: "an earlier one".into(), ..process });
            Record::Hello { protocol, pid, process, at }
        }
        Record::ProcessStarted { step, process } => {
            let process =
                ProcessId { pid: bystander.id(), boot: "an earlier one".into(), ..process };
            Record::ProcessStarted { step, process }
        }
        record => record,
    };
    let rebooted = case.dir.path().join("rebooted");
    std::fs::create_dir(&rebooted).unwrap();
    std::fs::copy(case.job_dir().join("spec.json"), rebooted.join("spec.json")).unwrap();
    let mut writer = Writer::create(&rebooted.join("journal")).unwrap();
    for record in case.records().await.0 {
        writer.append(&stale(record)).unwrap();
    }
    let Attachment::Died(seen) = attach(&rebooted).await.unwrap() else { panic!() };
    assert!(seen.rebooted);
    assert_eq!(kill_leftovers(&rebooted).await.unwrap(), 0);
    assert!(bystander.try_wait().unwrap().is_none(), "a stranger was killed");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    assert!(kill_leftovers(&case.job_dir()).await.unwrap() > 0);
}

/// A shim that dies before it has begun a step has done nothing, and may begin once more.
#[tokio::test]
async fn a_journal_without_a_step_is_begun_again() {
    let case = Case::new("steps: [{run: echo once >> count}]");
    std::fs::create_dir_all(case.job_dir()).unwrap();
    let mut writer = Writer::create(&case.job_dir().join("journal")).unwrap();
    let hello = Record::Hello { protocol: PROTOCOL_VERSION, pid: 1, process: None, at: 1 };
    writer.append(&hello).unwrap();
    drop(writer);
    // The machine lost power in the middle of the next record.
    let mut torn = std::fs::OpenOptions::new().append(true).open(case.job_dir().join("journal"));
    std::io::Write::write_all(torn.as_mut().unwrap(), &[7, 0]).unwrap();
    assert_eq!(attach(&case.job_dir()).await.unwrap(), Attachment::Absent);
    assert_eq!(case.run().await.result(), Some(JobResult::Success));
    assert_eq!(case.file("count"), "once\n");
}

#[tokio::test]
async fn a_damaged_journal_says_what_is_known_and_from_where_on_nothing_is() {
    let case = Case::new("steps: [{run: echo one}, {run: echo two}]");
    case.run().await;
    let path = case.job_dir().join("journal");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let Attachment::Died(seen) = attach(&case.job_dir()).await.unwrap() else { panic!() };
    assert!(seen.damaged.unwrap().contains("damaged at byte"));
    assert!(seen.completed.len() <= 1);
    assert_eq!(kill_leftovers(&case.job_dir()).await.unwrap(), 0);
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
    case.spec.version = SPEC_VERSION + 1;
    let error = shim::start(&shim_program(), &case.job_dir(), &case.spec, &case.secrets).await;
    assert!(error.is_err());
    assert_eq!(case.file("ran"), "");
    assert_eq!(attach(&case.job_dir()).await.unwrap(), Attachment::Absent);
}
