use std::time::Duration;

use super::*;

fn record(window: u64) -> Record {
    let mut latency = Sketch::default();
    latency.record(Duration::from_micros(1234));
    Record {
        window,
        at_ms: 1_795_000_000_000 + window as i64 * 1000,
        place: Place { environment: "production".into(), service: "stock".to_owned() },
        generation: 4,
        rollout: Some(DeploymentId(17)),
        arm: "sha256:ab".to_owned(),
        requests: 1,
        bad: 0,
        latency,
    }
}

fn append(writer: &mut Writer, windows: std::ops::Range<u64>) {
    for window in windows {
        writer.append(&[record(window)]).unwrap();
    }
}

fn windows(batch: &Batch) -> Vec<u64> {
    batch.records.iter().map(|record| record.window).collect()
}

fn only_segment(dir: &Path) -> PathBuf {
    segment_path(&dir.join(JOURNAL_DIR), 1)
}

#[test]
fn a_record_is_one_line_of_json() {
    let dir = tempfile::tempdir().unwrap();
    Writer::open(dir.path()).unwrap().append(&[record(1)]).unwrap();
    let text = fs::read_to_string(only_segment(dir.path())).unwrap();
    expect_test::expect![[r#"
        {"crc32":"26b12c44","record":{"window":1,"at_ms":1795000001000,"place":{"environment":"production","service":"stock"},"generation":4,"rollout":17,"arm":"sha256:ab","requests":1,"bad":0,"latency":{"sum_us":1234,"buckets":[[65,1]]}}}
    "#]]
    .assert_eq(&text);
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
}

#[test]
fn a_reader_goes_on_where_it_stood() {
    let dir = tempfile::tempdir().unwrap();
    let mut reader = Reader::new(dir.path(), Position::default());
    assert_eq!(reader.read().unwrap(), Batch::default(), "no journal yet");
    let mut writer = Writer::open(dir.path()).unwrap();
    append(&mut writer, 1..4);
    assert_eq!(windows(&reader.read().unwrap()), [1, 2, 3]);
    append(&mut writer, 4..6);
    let mut other = Reader::new(dir.path(), reader.position());
    assert_eq!(windows(&other.read().unwrap()), [4, 5]);
    assert_eq!(other.read().unwrap(), Batch::default());
}

#[test]
fn cut_at_any_byte_all_whole_records_remain_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    append(&mut Writer::open(dir.path()).unwrap(), 1..4);
    let whole = fs::read(only_segment(dir.path())).unwrap();
    for cut in 0..=whole.len() {
        fs::remove_dir_all(dir.path().join(JOURNAL_DIR)).unwrap();
        fs::create_dir(dir.path().join(JOURNAL_DIR)).unwrap();
        fs::write(only_segment(dir.path()), &whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;

        let mut reader = Reader::new(dir.path(), Position::default());
        let batch = reader.read().unwrap();
        assert_eq!(windows(&batch), (1..=lines).collect::<Vec<_>>());
        assert_eq!((batch.damaged, batch.skipped), (0, false));

        let mut writer = Writer::open(dir.path()).unwrap();
        let next = writer.next_window();
        assert_eq!(next, lines + 1, "the torn record's window is used again");
        append(&mut writer, next..next + 1);
        assert_eq!(windows(&reader.read().unwrap()), [next], "cut at {cut}");
    }
}

#[test]
fn a_changed_byte_costs_its_record_only() {
    let dir = tempfile::tempdir().unwrap();
    append(&mut Writer::open(dir.path()).unwrap(), 1..4);
    let whole = fs::read(only_segment(dir.path())).unwrap();
    let second_line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let third_line = second_line * 2;
    for at in second_line..third_line - 1 {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(only_segment(dir.path()), &bytes).unwrap();
        let batch = Reader::new(dir.path(), Position::default()).read().unwrap();
        assert_eq!(windows(&batch), [1, 3], "changed at {at}");
        assert!(batch.damaged >= 1);
    }
}

#[test]
fn a_new_segment_begins_when_one_is_full_and_the_oldest_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path()).unwrap();
    let mut early = Reader::new(dir.path(), Position::default());
    append(&mut writer, 1..2);
    early.read().unwrap();
    for window in 2..22 {
        writer.bytes = SEGMENT_BYTES_MAX;
        append(&mut writer, window..window + 1);
    }
    let batch = Reader::new(dir.path(), Position::default()).read().unwrap();
    assert_eq!(windows(&batch), (14..22).collect::<Vec<_>>());
    assert!(!batch.skipped, "a reader from the beginning takes what there is");
    let batch = early.read().unwrap();
    assert_eq!(windows(&batch), (14..22).collect::<Vec<_>>());
    assert!(batch.skipped);
}

#[test]
fn windows_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for expected in 1..5 {
        let mut writer = Writer::open(dir.path()).unwrap();
        let window = writer.next_window();
        assert_eq!(window, expected);
        append(&mut writer, window..window + 1);
    }
    let idle = Writer::open(dir.path()).unwrap();
    drop(idle);
    assert_eq!(Writer::open(dir.path()).unwrap().next_window(), 5);
}
