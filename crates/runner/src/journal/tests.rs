use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn sample(lines: usize) -> Vec<Record> {
    let mut records =
        vec![hello(PROTOCOL_VERSION), Record::StepStarted { index: 0, name: "Test".into(), at: 2 }];
    records.extend((0..lines).map(|line| Record::Log {
        step: Some(0),
        lines: vec![LogLine { at: 3, text: format!("line {line} \u{1b}[1m ü") }],
    }));
    records.push(Record::StepFinished {
        index: 0,
        name: "Test".into(),
        outcome: StepConclusion::Failure,
        conclusion: StepConclusion::Success,
        outputs: [("digest".to_owned(), "sha256:1".to_owned())].into(),
        started: 2,
        finished: 9,
        ours: vec![Interval { start: 3, end: 4 }],
    });
    records.push(Record::JobFinished { result: JobResult::Success, outputs: [].into(), at: 10 });
    records
}

fn hello(protocol: u32) -> Record {
    Record::Hello { protocol, pid: 7, process: None, at: 1 }
}

fn write(records: &[Record]) -> (TempDir, PathBuf, Vec<u64>) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("journal");
    let mut writer = Writer::create(&path).unwrap();
    let mut ends = Vec::new();
    for record in records {
        writer.append(record).unwrap();
        ends.push(writer.end());
    }
    writer.sync().unwrap();
    (dir, path, ends)
}

fn read(path: &Path) -> Result<Vec<Record>, JournalError> {
    let mut reader = Reader::open(path, 0)?;
    std::iter::from_fn(|| reader.next_record().transpose()).collect()
}

#[test]
fn a_journal_cut_at_any_byte_gives_the_records_before_the_cut() {
    let records = sample(5);
    let (_dir, path, ends) = write(&records);
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let complete = ends.iter().filter(|&&end| end <= cut as u64).count();
        assert_eq!(read(&path).unwrap(), records[..complete], "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_at_any_byte_is_an_error() {
    let records = sample(3);
    let (_dir, path, _) = write(&records);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut damaged = whole.clone();
            damaged[at] ^= bit;
            fs::write(&path, &damaged).unwrap();
            let error = read(&path).expect_err("a flipped bit was believed");
            assert!(
                matches!(error, JournalError::Frame { source: FrameError::Damaged { .. }, .. }),
                "byte {at}: {error:?}"
            );
        }
    }
}

#[test]
fn zeros_that_a_power_cut_left_behind_are_a_torn_tail() {
    let records = sample(1);
    let (_dir, path, _) = write(&records);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([0; 4096]);
    fs::write(&path, bytes).unwrap();
    assert_eq!(read(&path).unwrap(), records);
}

#[test]
fn a_journal_is_started_only_once() {
    let (_dir, path, _) = write(&sample(1));
    assert_eq!(Writer::create(&path).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn a_newer_protocol_is_refused_by_name() {
    let (_dir, path, _) = write(&[hello(PROTOCOL_VERSION + 1)]);
    assert!(matches!(read(&path), Err(JournalError::Version { theirs: 3, .. })));
}

#[test]
fn the_journal_of_the_first_protocol_is_read() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("journal");
    // The bytes of a shim of version 0.1: the header's sums cover what stands here.
    let payload = br#"{"kind":"hello","protocol":1,"pid":7,"at":1}"#;
    let frame = encode(&hello(1), 0).unwrap();
    assert_eq!(&frame[FRAME_HEADER_BYTES..], payload);
    fs::write(&path, frame).unwrap();
    assert_eq!(read(&path).unwrap(), [hello(1)]);
}

#[test]
fn reading_goes_on_where_it_stopped_when_the_rest_arrives() {
    let records = sample(4);
    let (_dir, path, _) = write(&records);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..30]).unwrap();
    let mut reader = Reader::open(&path, 0).unwrap();
    let mut seen = Vec::new();
    for end in (30..=whole.len()).step_by(7).chain([whole.len()]) {
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, &whole[..end]).unwrap();
        while let Some(record) = reader.next_record().unwrap() {
            seen.push(record);
        }
    }
    assert_eq!(seen, records);
    let mut later = Reader::open(&path, reader.offset()).unwrap();
    assert_eq!(later.next_record().unwrap(), None);
}

/// All that can be read before the end or the damage.
fn readable(path: &Path) -> Vec<Record> {
    let mut reader = Reader::open(path, 0).unwrap();
    std::iter::from_fn(|| reader.next_record().ok().flatten()).collect()
}

proptest! {
    #[test]
    fn whatever_follows_a_cut_only_whole_records_before_it_are_read(
        lines in 0..6usize, cut in 0.0..1.0f64, tail in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        let records = sample(lines);
        let (_dir, path, ends) = write(&records);
        let whole = fs::read(&path).unwrap();
        let cut = (whole.len() as f64 * cut) as usize;
        let mut bytes = whole[..cut].to_vec();
        bytes.extend(&tail);
        fs::write(&path, &bytes).unwrap();
        let complete = ends.iter().filter(|&&end| end <= cut as u64).count();
        let seen = readable(&path);
        // A tail may by chance be the very bytes that were cut off.
        let same = ends.iter().filter(|&&end| bytes.get(..end as usize) == Some(&whole[..end as usize]));
        prop_assert_eq!(seen.len(), same.count());
        prop_assert!(seen.len() >= complete);
        prop_assert_eq!(&seen[..], &records[..seen.len()]);
    }

    #[test]
    fn every_offset_returned_is_one_to_go_on_from(lines in 0..200usize) {
        let records = sample(lines);
        let (_dir, path, ends) = write(&records);
        let middle = records.len() / 2;
        let mut reader = Reader::open(&path, ends[middle]).unwrap();
        let rest: Vec<_> = std::iter::from_fn(|| reader.next_record().unwrap()).collect();
        prop_assert_eq!(rest, records[middle + 1..].to_vec());
    }
}
