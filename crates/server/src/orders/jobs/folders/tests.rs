use std::fs::{self, File};
use std::time::SystemTime;

use super::*;

/// A kept folder with a file of this size, kept so long ago.
fn kept(root: &Path, name: &str, bytes: usize, age: Duration) {
    let dir = root.join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("journal"), vec![0; bytes]).unwrap();
    File::open(dir).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

fn names(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = folders(Some(root))
        .iter()
        .map(|dir| dir.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn what_is_too_old_goes_and_then_the_oldest_until_the_rest_has_room() {
    let root = tempfile::tempdir().unwrap();
    kept(root.path(), "1.build.1", 10, 9 * HOUR);
    kept(root.path(), "2.build.1", 3000, 3 * HOUR);
    kept(root.path(), "3.build.1", 3000, 2 * HOUR);
    kept(root.path(), "4.build.1", 3000, HOUR);
    assert_eq!(expire(root.path(), (8 * HOUR, u64::MAX)).unwrap(), 1);
    assert_eq!(names(root.path()), ["2.build.1", "3.build.1", "4.build.1"]);
    assert_eq!(expire(root.path(), (8 * HOUR, 7000)).unwrap(), 1);
    assert_eq!(names(root.path()), ["3.build.1", "4.build.1"]);
    assert_eq!(expire(&root.path().join("none"), (HOUR, 0)).unwrap(), 0);
}

#[test]
fn the_last_failed_attempt_of_a_job_takes_the_place_of_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    let (jobs, to) = (root.path().join("jobs"), root.path().join("kept"));
    for attempt in ["7.build.1", "7.build.2", "7.test.1", "8.build.1"] {
        kept(&jobs, attempt, 1, HOUR);
        keep(&jobs.join(attempt), &to.join(attempt)).unwrap();
    }
    assert_eq!(names(&to), ["7.build.2", "7.test.1", "8.build.1"]);
    assert_eq!(names(&jobs), Vec::<String>::new());
    assert!(keeping::age(&to.join("7.test.1")).unwrap() < HOUR, "it is kept from now on");
    // Nothing to keep is no mistake: it was done before.
    keep(&jobs.join("7.test.1"), &to.join("7.test.1")).unwrap();
    assert_eq!(names(&to), ["7.build.2", "7.test.1", "8.build.1"]);
}
