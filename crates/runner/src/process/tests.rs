use std::process::Command;

use super::table::Process;
use super::*;

fn sleeper() -> std::process::Child {
    Command::new("sleep").arg("300").spawn().unwrap()
}

#[test]
fn a_process_is_known_by_its_number_its_start_and_the_boot() {
    let mut child = sleeper();
    let id = ProcessId::of(child.id()).unwrap();
    assert!(id.lives());
    let reused = ProcessId { start_time: id.start_time + 1, ..id.clone() };
    let before_reboot = ProcessId { boot: "another".to_owned(), ..id };
    for other in [&reused, &before_reboot] {
        assert!(!other.lives());
        other.signal(Signal::KILL);
    }
    assert!(id.lives(), "a signal to another process of the same number has hit it");
    id.signal(Signal::KILL);
    child.wait().unwrap();
    assert!(!id.lives());
    assert_eq!(ProcessId::of(child.id()), None);
}

#[tokio::test]
async fn a_number_that_was_given_away_again_saves_its_new_owner() {
    let mut child = sleeper();
    let id = ProcessId::of(child.id()).unwrap();
    let reused = ProcessId { start_time: id.start_time - 1, ..id.clone() };
    let before_reboot = ProcessId { boot: "another".to_owned(), ..id };
    for known in [reused, before_reboot] {
        let session = Some(known.clone());
        let leftovers = Leftovers { mark: None, session, known: vec![known] };
        assert_eq!(leftovers.kill().await.unwrap(), 0);
    }
    assert!(id.lives());
    let leftovers = Leftovers { known: vec![id.clone()], ..Leftovers::default() };
    assert_eq!(leftovers.kill().await.unwrap(), 1);
    child.wait().unwrap();
}

#[test]
fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
    let stat = "7 (a) (b c) S 3 7 5 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 991 2 3";
    let process = Process::parse(stat).unwrap();
    assert_eq!((process.number(), process.parent, process.session), (7, 3, 5));
    assert_eq!((process.state, process.start_time), ('S', 991));
}
