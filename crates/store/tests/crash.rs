//! The log in processes that are killed, that meet the limit of their disk, or that may not write.
//!
//! A child is this very test program, started again to run one of the `child_` tests, which do
//! nothing when they are run by themselves.
#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use qnt9_store::verify_stream;
use qnt9_store::{
    Digest, Head, Log as _, LogHandle, LogRead, MasterKey, NewEntry, NewSnapshot, Sqlite,
    StoreError, Text, Writer,
};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tempfile::TempDir;

const FOLDER: &str = "QNT9_STORE_TEST_FOLDER";
const KEY: MasterKey = MasterKey::from_bytes([7; 32]);
/// What a child says when a snapshot is complete.
const KEPT: &str = "kept";
const KILLS: u32 = 50;
const WRITERS: usize = 4;

#[test]
fn what_was_acknowledged_survives_fifty_kills() {
    let folder = TempDir::new().unwrap();
    let mut acknowledged = [0_u64; WRITERS];
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut total = 0;
    let mut snapshots = 0;
    for kill in 0..KILLS {
        let (mut child, mut lines) = start("child_appends_until_killed", folder.path());
        assert_eq!(lines.next().as_deref(), Some("ready"));
        // A xorshift generator: any spread of moments will do, and a failure can be repeated.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let moment = Duration::from_micros(random % 60_000);
        let mut note = |line: &str| {
            let (writer, sequence) = line.split_once(' ').unwrap();
            acknowledged[writer.parse::<usize>().unwrap()] = sequence.parse().unwrap();
            total += 1;
        };
        if kill % 20 == 10 {
            // Others are killed before any snapshot is complete.
            lines.by_ref().take_while(|line| line != KEPT).for_each(|line| note(&line));
        }
        let killer = std::thread::spawn(move || {
            std::thread::sleep(moment);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        lines.filter(|line| line != KEPT).for_each(|line| note(&line));
        killer.join().unwrap();

        let log = Sqlite::open(&log_file(folder.path()), &KEY).unwrap();
        for (writer, sequence) in acknowledged.iter_mut().enumerate() {
            let stream = stream(writer);
            let found = verify_stream(&log, &stream, Some(&KEY)).unwrap().entries;
            assert!(found >= *sequence, "kill {kill}: {stream} has {found} of {sequence}");
            // A batch is three entries, so a half one would show.
            assert_eq!(found % 3, 0, "kill {kill}: half a batch in {stream}");
            let texts = log.texts(&stream, 1..=found).unwrap();
            assert_eq!(texts.len() as u64, found / 3);
            assert!(texts.iter().all(|text| text.text.is_some()));
            if let Some(snapshot) = log.snapshot(&stream).unwrap() {
                assert_eq!(snapshot.state, state(snapshot.at), "kill {kill}: a mixed snapshot");
                assert!(snapshot.at.sequence <= found);
                snapshots += 1;
            }
            // What was written and not acknowledged may be there, and then it stays.
            *sequence = found;
        }
    }
    assert!(snapshots > 0, "there were snapshots");
    let mut log = Sqlite::open(&log_file(folder.path()), &KEY).unwrap();
    let next = log.compact(&stream(0), acknowledged[0]).unwrap();
    assert!(next.is_none_or(|next| *next.start() > 1), "entries were archived");
    assert!(total > KILLS as usize, "the children appended {total} batches only");
}

/// Prints a line once the append is acknowledged, and only then.
#[test]
fn child_appends_until_killed() {
    let Some(folder) = child_folder() else { return };
    let log = Sqlite::open(&log_file(&folder), &KEY).unwrap();
    let writer = Writer::start(log).unwrap();
    let barrier = Arc::new(Barrier::new(WRITERS));
    announce("ready");
    let keeper = writer.handle();
    std::thread::spawn(move || keep_snapshots_and_archive(&keeper));
    let threads: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (handle, barrier) = (writer.handle(), barrier.clone());
            std::thread::spawn(move || {
                let stream = stream(number);
                let mut head = handle.head(&stream).unwrap();
                barrier.wait();
                loop {
                    let batch = batch(&stream, head);
                    head = batch[2].as_head();
                    handle.append(batch).wait().unwrap();
                    announce(&format!("{number} {}", head.sequence));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// What the server does beside appending: snapshots of several chunks, and archiving before them.
fn keep_snapshots_and_archive(handle: &LogHandle) {
    for number in (0..WRITERS).cycle() {
        let stream = stream(number);
        let at = handle.head(&stream).unwrap();
        if at.sequence > 0 {
            let snapshot = NewSnapshot::new(&stream, at, 1, state(at));
            handle.put_snapshot(snapshot).wait().unwrap();
            announce(KEPT);
            handle.compact(&stream, at.sequence).wait().unwrap();
        }
    }
}

/// A state that only this entry can have, larger than one chunk.
fn state(at: Head) -> Vec<u8> {
    at.digest.as_bytes().repeat(34_000)
}

#[test]
fn a_disk_that_takes_no_more_stores_nothing_half_and_the_log_recovers() {
    let folder = TempDir::new().unwrap();
    let (mut child, mut lines) = start("child_meets_the_limit_of_its_disk", folder.path());
    let told: Vec<u64> = lines.by_ref().map(|line| line.parse().unwrap()).collect();
    assert!(child.wait().unwrap().success());
    let [before, after] = told[..] else { panic!("{told:?}") };
    let log = Sqlite::open(&log_file(folder.path()), &KEY).unwrap();
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, after);
    assert!(after > before);
}

/// The limit on the size of files stands for the end of the disk; lifting it stands for making room.
#[test]
fn child_meets_the_limit_of_its_disk() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(folder) = child_folder() else { return };
    let log = Sqlite::open(&log_file(&folder), &KEY).unwrap();
    let writer = Writer::start(log).unwrap();
    let handle = writer.handle();
    let mut head = Head::EMPTY;
    let mut append = |count: usize| {
        let mut next = head;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.extend(batch("s", next));
            next = entries[entries.len() - 1].as_head();
        }
        let result = handle.append(entries).wait();
        if result.is_ok() {
            head = next;
        }
        assert_eq!(handle.head("s").unwrap(), head);
        result
    };
    append(10).unwrap();
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: Some(300_000), maximum }).unwrap();
    let error = (0..100).find_map(|_| append(20).err()).expect("the limit was met");
    // The operating system says "file too large" here, not "no space", and so does the log.
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    let before = verify_stream(&handle, "s", Some(&KEY)).unwrap().entries;
    append(20).unwrap_err();
    assert_eq!(verify_stream(&handle, "s", Some(&KEY)).unwrap().entries, before);
    setrlimit(Resource::Fsize, Rlimit { current: None, maximum }).unwrap();
    append(20).unwrap();
    announce(&before.to_string());
    announce(&(before + 60).to_string());
}

#[test]
fn a_folder_that_cannot_be_written_is_said_to_be_so() {
    let temporary = TempDir::new().unwrap();
    set_mode(temporary.path(), 0o755);
    let folder = temporary.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o555);
    let (mut child, lines) = start("child_may_not_write", &folder);
    assert_eq!(lines.collect::<Vec<_>>(), ["refused"]);
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn child_may_not_write() {
    let Some(folder) = child_folder() else { return };
    let error = Sqlite::open(&log_file(&folder), &KEY).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(error.to_string().contains("check the owner and the permissions"), "{error}");
    announce("refused");
}

/// Starts this program again for one of the children; answers it with the lines it announces.
fn start(child: &str, folder: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("/bin/sh");
    // A write beyond the limit shall be an error and not a signal, and only a shell can say so
    // without unsafe code.
    let script = r#"trap "" XFSZ; exec "$0" --exact "$1" --nocapture --test-threads=1"#;
    command.args(["-c", script]).env(FOLDER, folder).stdout(Stdio::piped());
    if child == "child_may_not_write" && rustix::process::geteuid().is_root() {
        // Permissions do not bind root, so the child is somebody else, who must be able to read
        // the program.
        let copy = folder.with_file_name("program");
        std::fs::copy(&program, &copy).unwrap();
        set_mode(&copy, 0o755);
        command.arg(&copy).arg(child).uid(65_534).gid(65_534);
    } else {
        command.arg(&program).arg(child);
    }
    let mut child = command.spawn().unwrap();
    let lines = announced(child.stdout.take().unwrap());
    (child, lines)
}

/// The test program prints lines of its own; those of a child begin with `>`.
fn announced(output: ChildStdout) -> impl Iterator<Item = String> {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    lines.filter_map(|line| Some(line.split_once("> ")?.1.to_owned()))
}

/// One write, so that a line is there as a whole or not at all.
fn announce(what: &str) {
    std::io::stdout().lock().write_all(format!("> {what}\n").as_bytes()).unwrap();
}

fn child_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("log.sqlite")
}

fn stream(writer: usize) -> String {
    format!("project/{writer}")
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Three entries after `head`, the second with a text.
fn batch(stream: &str, mut head: Head) -> Vec<NewEntry> {
    let entry = |number| {
        let (sequence, previous) = (head.sequence + 1, head.digest);
        let line = format!(
            r#"{{"version":1,"stream":"{stream}","sequence":{sequence},"time":0,"actor":"test","kind":"noted","previous":"{previous}","payload":{{}}}}"#
        );
        let content = format!("text of {sequence}").into_bytes();
        let text = Text { digest: Digest::of(&content), salt: Vec::new(), plaintext: content };
        let texts = if number == 1 { vec![text] } else { Vec::new() };
        let entry = NewEntry::new(line.into_bytes(), texts).unwrap();
        head = entry.as_head();
        entry
    };
    (0..3).map(entry).collect()
}
