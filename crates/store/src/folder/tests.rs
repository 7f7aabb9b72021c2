use super::*;
use expect_test::expect;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

fn held(root: &Path) -> Holder {
    match DataFolder::open(root) {
        Err(FolderError::Held { holder, .. }) => holder,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_one_is_refused_and_told_who_is_there() {
    let temporary = TempDir::new().unwrap();
    let root = temporary.path().join("data");
    let folder = DataFolder::open(&root).unwrap();
    let pid = Some(std::process::id());
    assert_eq!(held(&root), Holder { pid, address: None });
    folder.announce("http://127.0.0.1:9009").unwrap();
    let address = Some("http://127.0.0.1:9009".to_owned());
    assert_eq!(held(&root), Holder { pid, address });
    folder.announce("http://[::1]:1").unwrap();
    assert_eq!(held(&root).address.as_deref(), Some("http://[::1]:1"), "shorter than before");
    drop(folder);
    DataFolder::open(&root).unwrap();
}

#[test]
fn the_sentence_names_folder_process_and_address() {
    let address = Some("http://127.0.0.1:9009".to_owned());
    let holder = Holder { pid: Some(4711), address };
    let error = FolderError::Held { path: "/data".into(), holder };
    expect!["the data folder /data is in use by process 4711 at http://127.0.0.1:9009: stop that process, or name another folder"]
        .assert_eq(&error.to_string());
}

/// The file alone locks nothing, so a crash leaves nothing to clean up by hand.
#[test]
fn a_lock_file_left_behind_is_no_lock() {
    let temporary = TempDir::new().unwrap();
    let garbage = "x".repeat(10_000);
    for content in ["", "{\"pid\":1,\"address\":\"http://127.0.0.1:1\"}", &garbage] {
        fs::write(temporary.path().join("lock"), content).unwrap();
        let folder = DataFolder::open(temporary.path()).unwrap();
        assert_eq!(held(temporary.path()).pid, Some(std::process::id()), "{content:.20}");
        drop(folder);
    }
}

/// A holder may be met between taking the lock and writing its name.
#[test]
fn a_holder_without_a_name_is_still_a_holder() {
    let temporary = TempDir::new().unwrap();
    let lock = File::create(temporary.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let holder = held(temporary.path());
    assert_eq!(holder, Holder { pid: None, address: None });
    assert_eq!(holder.to_string(), "a process that has just started");
}

#[test]
fn nobody_else_can_look_into_a_new_folder() {
    let temporary = TempDir::new().unwrap();
    let folder = DataFolder::open(&temporary.path().join("a/b")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.root()), 0o700);
    for path in [folder.jobs(), folder.replicas(), folder.gateway()] {
        assert_eq!(mode(&path), 0o700, "{path:?}");
    }
}

#[test]
fn a_file_in_the_folders_place_is_an_error_that_names_it() {
    let temporary = TempDir::new().unwrap();
    let path = temporary.path().join("data");
    fs::write(&path, "somebody's file").unwrap();
    let error = DataFolder::open(&path).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's file");
}

#[test]
fn half_written_blobs_are_cleared_when_the_folder_is_taken() {
    let temporary = TempDir::new().unwrap();
    let folder = DataFolder::open(temporary.path()).unwrap();
    let digest = folder.blobs().unwrap().put(b"kept").unwrap();
    let half = temporary.path().join("blobs/unfinished/abc");
    fs::write(&half, "half").unwrap();
    drop(folder);
    let folder = DataFolder::open(temporary.path()).unwrap();
    assert!(!half.exists());
    assert_eq!(folder.blobs().unwrap().get(&digest).unwrap(), b"kept");
}
