//! A disk that takes nothing more, and a log that somebody changed.

use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::platform::{Home, Platform, QNT9, said};
use crate::project::{Clone, NO_GATES, create_with_workflow, start_run};

const CI: &str =
    "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hi\n";

/// What a full disk does to a program, done by a limit: every write beyond the first byte of a file
/// fails, with the signal that comes along ignored.
fn fill_disk(platform: &Platform<'_>, is_full: bool) {
    let unlimited = getrlimit(Resource::Fsize).maximum;
    let current = if is_full { Some(1) } else { unlimited };
    let limit = Rlimit { current, maximum: unlimited };
    prlimit(Pid::from_raw(platform.pid()), Resource::Fsize, limit).unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_commands_says_why_and_is_got_over() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, CI).await;
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", QNT9, "up", "--empty"]);
    command.args(["--port", &home.port.to_string(), "--data"]).arg(home.data());
    home.prepare(&mut command);
    let platform = Platform::start(&home, command);
    let clone = Clone::of(&platform);
    let (status, answer) = platform.set_secret("BEFORE", "one").await;
    assert!((200..300).contains(&status), "{answer}");

    fill_disk(&platform, true);
    let (status, answer) = platform.set_secret("DURING", "two").await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer.contains(r#""class":"unavailable""#), "{answer}");
    assert!(answer.contains("disk"), "{answer}");
    let (status, body) = platform.healthz().await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("trouble") && body.contains("disk"), "{body}");
    clone.commit("dora", "Push into a full disk", &[("README.md", "full\n")]);
    let pushed = clone.try_push("dora", "main");
    assert!(!pushed.status.success(), "{}", said(&pushed));
    assert!(said(&pushed).contains("disk"), "{}", said(&pushed));
    let secrets = platform.get("dora", "/secrets").await.to_string();
    assert!(secrets.contains("BEFORE") && !secrets.contains("DURING"), "{secrets}");

    fill_disk(&platform, false);
    let (status, answer) = platform.set_secret("AFTER", "three").await;
    assert!((200..300).contains(&status), "{answer}");
    assert_eq!(platform.healthz().await.0, 200);
    let seen = clone.push("dora");
    assert!(seen.contains("qnt9: run "), "{seen}");
    let run = platform.ended(crate::project::newest_run(&platform).await).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    platform.kill();
    let platform = home.up();
    let secrets = platform.get("dora", "/secrets").await.to_string();
    assert!(secrets.contains("AFTER") && !secrets.contains("DURING"), "{secrets}");
}

#[tokio::test]
async fn a_changed_log_is_found_and_the_entry_named() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, CI).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.ended(id).await;
    assert_eq!(platform.interrupt().code(), Some(0));
    let whole = home.run(&["audit", "verify"]);
    assert_eq!(whole.status.code(), Some(0), "{}", said(&whole));

    let log = rusqlite::Connection::open(home.data().join("log.sqlite")).unwrap();
    let line: Vec<u8> = log
        .query_row(
            "SELECT line FROM entries WHERE stream = 'shop' AND sequence = ?1",
            [id.cast_signed()],
            |row| row.get(0),
        )
        .unwrap();
    let changed = String::from_utf8(line).unwrap().replace("refs/heads/main", "refs/heads/mine");
    let rows = log
        .execute(
            "UPDATE entries SET line = ?1 WHERE stream = 'shop' AND sequence = ?2",
            (changed.into_bytes(), id.cast_signed()),
        )
        .unwrap();
    assert_eq!(rows, 1);
    drop(log);

    let tampered = home.run(&["audit", "verify"]);
    let text = said(&tampered);
    assert_eq!(tampered.status.code(), Some(1), "{text}");
    assert!(text.contains("shop") && text.contains(&id.to_string()), "{text}");
}
