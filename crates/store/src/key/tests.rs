use super::*;
use proptest::prelude::*;
use tempfile::TempDir;

const KEY: MasterKey = MasterKey::from_bytes([7; 32]);

proptest! {
    #[test]
    fn what_is_sealed_opens_with_the_same_key_label_and_owner_only(
        plaintext in prop::collection::vec(any::<u8>(), 0..200),
        aad in prop::collection::vec(any::<u8>(), 0..20),
        flipped in any::<prop::sample::Index>(),
    ) {
        let sealed = KEY.seal("state", &aad, &plaintext).unwrap();
        prop_assert_eq!(KEY.open("state", &aad, &sealed), Ok(plaintext.clone()));
        prop_assert_ne!(&KEY.seal("state", &aad, &plaintext).unwrap(), &sealed);

        let other = MasterKey::from_bytes([8; 32]);
        prop_assert_eq!(other.open("state", &aad, &sealed), Err(Unsealable::Changed));
        prop_assert_eq!(KEY.open("token", &aad, &sealed), Err(Unsealable::Changed));
        prop_assert_eq!(KEY.open("state", b"somebody else's name", &sealed), Err(Unsealable::Changed));
        let bit = flipped.index(sealed.len() * 8);
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(KEY.open("state", &aad, &changed).is_err());
        for length in 0..sealed.len() {
            prop_assert!(KEY.open("state", &aad, &sealed[..length]).is_err());
        }
    }
}

#[test]
fn a_format_of_the_future_is_named() {
    let mut sealed = KEY.seal("state", &[], b"x").unwrap();
    sealed[0] = 2;
    assert_eq!(KEY.open("state", &[], &sealed), Err(Unsealable::UnknownFormat { format: 2 }));
}

#[test]
fn keys_of_different_purposes_have_nothing_in_common() {
    let mac = |label| KEY.mac_key(label).mac(&[b"x"]);
    assert_ne!(mac("a"), mac("b"));
    // A part cannot lend a byte to its neighbour.
    let key = KEY.mac_key("a");
    assert_ne!(key.mac(&[b"ab", b"c"]), key.mac(&[b"a", b"bc"]));
}

/// Sealed data outlives programs: how keys are derived can never change.
/// The values were computed with Python's `hmac`.
#[test]
fn derivation_stays_as_it_is() {
    assert_eq!(KEY.fingerprint(), "8b444c2aa67e6c86");
    assert_eq!(
        hex::encode(KEY.derive("seal", "log text")),
        "8fbc3b97d76c66a4ca320e7be086899e38f819600d8fb1cfc87d6b3d7cc76f77"
    );
}

#[test]
fn a_key_is_made_once_and_for_its_owner_only() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config/qnt9/key");
    assert!(matches!(MasterKey::load(&path), Err(KeyError::Missing { .. })));
    let made = MasterKey::load_or_create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for loaded in [MasterKey::load_or_create(&path), MasterKey::load(&path)] {
        assert_eq!(loaded.unwrap().fingerprint(), made.fingerprint());
    }
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft stays behind");
    let second = MasterKey::load_or_create(&folder.path().join("second")).unwrap();
    assert_ne!(second.fingerprint(), made.fingerprint());
    assert_eq!(format!("{made:?}"), format!("MasterKey({})", made.fingerprint()));
}

#[test]
fn processes_that_start_at_once_agree_on_one_key() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("key");
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || MasterKey::load_or_create(&path).unwrap().fingerprint())
        })
        .collect();
    let mut keys: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    keys.dedup();
    assert_eq!(keys.len(), 1);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("key");
    MasterKey::load_or_create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = MasterKey::load_or_create(&path).unwrap_err();
        assert!(matches!(error, KeyError::Readable { mode: found, .. } if found == mode));
        assert!(error.to_string().contains("run `chmod 600"), "{error}");
    }
}

#[test]
fn a_file_that_is_no_key_is_refused_and_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("key");
    let digits = "ab".repeat(32);
    let contents = [
        "",
        "ab",
        &digits[1..],
        &format!("{digits}ab\n"),
        &format!("{digits}\n\n"),
        &"zz".repeat(32),
    ]
    .map(str::to_owned);
    for content in contents {
        fs::write(&path, &content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = MasterKey::load_or_create(&path).unwrap_err();
        assert!(matches!(error, KeyError::NotAKey { .. }), "{content:?}: {error:?}");
        assert!(content.is_empty() || !error.to_string().contains(&content));
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    fs::write(&path, &digits).unwrap();
    assert!(MasterKey::load(&path).is_ok(), "an editor may drop the newline");
}

#[test]
fn a_folder_in_the_key_files_place_is_an_error() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(MasterKey::load_or_create(folder.path()), Err(KeyError::Io { .. })));
}
