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

#[test]
fn servers_that_share_a_folder_each_have_a_name_of_their_own() {
    let temporary = TempDir::new().unwrap();
    let root = temporary.path();
    let first = DataFolder::open_shared(root, "a").unwrap();
    first.announce("http://127.0.0.1:9009").unwrap();
    assert!(!first.has_company().unwrap());
    let second = DataFolder::open_shared(root, "b").unwrap();
    let alive = |root| {
        let servers = Server::all(root).unwrap().into_iter();
        servers.map(|server| (server.name, server.is_alive)).collect::<Vec<_>>()
    };
    assert_eq!(alive(root), [("a".to_owned(), true), ("b".to_owned(), true)]);
    match DataFolder::open_shared(root, "a") {
        Err(FolderError::Held { holder, .. }) => {
            assert_eq!(holder.address.as_deref(), Some("http://127.0.0.1:9009"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(DataFolder::open(root), Err(FolderError::Held { .. })), "not for one alone");
    drop(first);
    assert_eq!(alive(root), [("a".to_owned(), false), ("b".to_owned(), true)]);
    let dead = &Server::all(root).unwrap()[0];
    assert_eq!(dead.holder.address.as_deref(), Some("http://127.0.0.1:9009"), "it is remembered");
    drop(second);
    let alone = DataFolder::open(root).unwrap();
    assert!(!alone.has_company().unwrap());
    assert!(matches!(DataFolder::open_shared(root, "a"), Err(FolderError::Held { .. })));
}

#[test]
fn a_name_that_would_be_another_file_is_refused() {
    let temporary = TempDir::new().unwrap();
    for name in ["", "..", "a/b", "a b", "ü", &"a".repeat(65)] {
        let refused = DataFolder::open_shared(temporary.path(), name);
        assert!(matches!(refused, Err(FolderError::Name { .. })), "{name}: {refused:?}");
    }
}
