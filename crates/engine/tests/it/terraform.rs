//! Terraform state: locks, serials, lineages, two writers.

use expect_test::expect;
use qnt9_model::{Actor, Command};

use crate::world::World;

fn lock(lock: &str) -> Command {
    let info = format!(r#"{{"ID":"{lock}"}}"#);
    Command::LockState { workspace: "dev".to_owned(), lock: lock.to_owned(), info }
}

fn unlock(lock: Option<&str>) -> Command {
    Command::UnlockState { workspace: "dev".to_owned(), lock: lock.map(str::to_owned) }
}

fn write(lock: Option<&str>, serial: u64, lineage: &str, md5: &str) -> Command {
    Command::WriteState {
        workspace: "dev".to_owned(),
        lock: lock.map(str::to_owned),
        serial,
        lineage: lineage.to_owned(),
        md5: md5.to_owned(),
        blob: format!("blob-{md5}"),
        bytes: 10,
    }
}

fn delete(lock: Option<&str>) -> Command {
    Command::DeleteState { workspace: "dev".to_owned(), lock: lock.map(str::to_owned) }
}

fn world() -> World {
    World::new(crate::world::RULES)
}

#[test]
fn one_lock_at_a_time_and_no_write_past_it() {
    let mut world = world();
    let from = world.log.len();
    world.by("dev", lock("one")).unwrap();
    assert!(world.by("dev", lock("one")).unwrap().is_empty());
    let said = [
        world.by("alice", lock("two")),
        world.by("alice", write(None, 1, "l", "a")),
        world.by("alice", write(Some("two"), 1, "l", "a")),
        world.by("alice", delete(None)),
        world.by("alice", unlock(Some("two"))),
        world.by("vera", lock("three")),
        world.ask(Actor::Platform, lock("three")),
    ]
    .map(|answer| answer.unwrap_err().to_string());
    expect![[r#"
        state dev is locked by dev (lock one)
        state dev is locked by dev (lock one)
        state dev is locked by dev (lock one)
        state dev is locked by dev (lock one)
        state dev is locked by dev (lock one)
        vera cannot use Terraform state: it needs the role developer, and vera is viewer
        this is not for qnt9: use Terraform state"#]]
    .assert_eq(&said.join("\n"));
    world.by("dev", write(Some("one"), 1, "l", "a")).unwrap();
    world.by("dev", unlock(Some("one"))).unwrap();
    assert!(world.by("dev", unlock(Some("one"))).unwrap().is_empty());
    let late = world.by("dev", write(Some("one"), 2, "l", "b")).unwrap_err();
    expect!["state dev was not written: lock one is no longer held; it was released or forced"]
        .assert_eq(&late.to_string());
    expect![[r#"
        dev state-locked dev one
        dev state-written dev serial 1
        dev state-unlocked dev one forced false
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn no_update_is_lost() {
    let mut world = world();
    world.by("dev", write(None, 3, "l", "a")).unwrap();
    assert!(world.by("dev", write(None, 3, "l", "a")).unwrap().is_empty(), "sent twice");
    let said = [write(None, 3, "l", "b"), write(None, 2, "l", "b"), write(None, 4, "other", "b")]
        .map(|command| world.by("alice", command).unwrap_err().to_string());
    expect![[r#"
        state dev was not written: its serial is 3, and the current state's is 3
        state dev was not written: its serial is 2, and the current state's is 3
        state dev was not written: its lineage is other, and the current state's is l"#]]
    .assert_eq(&said.join("\n"));
    world.by("dev", write(None, 4, "l", "b")).unwrap();
    world.by("dev", delete(None)).unwrap();
    assert!(world.by("dev", delete(None)).unwrap().is_empty());
    world.by("dev", write(None, 1, "new", "c")).unwrap();
    let workspace = &world.project().workspaces["dev"];
    assert_eq!(workspace.history.len(), 3, "every version ever written is kept");
    assert_eq!(workspace.current.as_ref().unwrap().lineage, "new");
}

#[test]
fn only_an_admin_forces_a_lock_open() {
    let mut world = world();
    let run = world.push("dev", "main", "c1", "dev", &[crate::world::STAGING])[0];
    let (one, two) = (world.start(run, "test.1"), world.start(run, "test.2"));
    world.in_step(&one, lock("job")).unwrap();
    let said = [
        world.in_step(&two, unlock(Some("job"))),
        world.in_step(&one, unlock(None)),
        world.by("dev", unlock(Some("job"))),
        world.by("alice", unlock(None)),
    ]
    .map(|answer| answer.unwrap_err().to_string());
    expect![[r#"
        this is not for job 7.test.2.1: force a lock open
        this is not for job 7.test.1.1: force a lock open
        dev cannot force a lock open: it needs the role admin, and dev is developer
        alice cannot force a lock open: it needs the role admin, and alice is approver"#]]
    .assert_eq(&said.join("\n"));
    // The lock outlives its attempt: the state may be half applied, so a person looks at it first.
    world.lose(&one);
    let refused = world.in_step(&one, write(Some("job"), 1, "l", "a")).unwrap_err();
    expect!["attempt 7.test.1.1 no longer counts: the job waits for a runner"]
        .assert_eq(&refused.to_string());
    let from = world.log.len();
    world.by("ada", unlock(None)).unwrap();
    expect![[r#"
        ada state-unlocked dev job forced true
    "#]]
    .assert_eq(&world.since(from));
}
