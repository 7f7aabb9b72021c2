use super::*;
use crate::key::MasterKey;
use proptest::prelude::*;
use tempfile::TempDir;

struct Broken;

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.len() > 10 { Err(io::Error::other("the line went dead")) } else { Ok(0) }
    }
}

fn blobs() -> (TempDir, Blobs) {
    let folder = TempDir::new().unwrap();
    let blobs = Blobs::open(folder.path()).unwrap();
    (folder, blobs)
}

fn unfinished(folder: &TempDir) -> usize {
    fs::read_dir(folder.path().join(UNFINISHED)).unwrap().count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_put_is_there_under_its_digest(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 1..6),
    ) {
        let (folder, blobs) = blobs();
        let mut digests = Vec::new();
        for content in &contents {
            let digest = blobs.put(content).unwrap();
            prop_assert_eq!(digest, Digest::of(content));
            prop_assert_eq!(blobs.put_from(&mut &content[..]).unwrap(), (digest, content.len() as u64));
            digests.push(digest);
        }
        prop_assert_eq!(unfinished(&folder), 0);
        let again = Blobs::open(folder.path()).unwrap();
        for (content, digest) in contents.iter().zip(&digests) {
            prop_assert_eq!(&again.get(digest).unwrap(), content);
            prop_assert_eq!(again.verify(digest).unwrap(), content.len() as u64);
        }
        digests.sort_unstable();
        digests.dedup();
        prop_assert_eq!(again.list().unwrap(), digests.clone());
        for digest in &digests {
            prop_assert!(again.exists(digest).unwrap());
            prop_assert!(again.delete(digest).unwrap());
            prop_assert!(!again.delete(digest).unwrap());
            prop_assert!(!again.exists(digest).unwrap());
        }
        prop_assert_eq!(again.list().unwrap(), []);
    }
}

#[test]
fn a_blob_longer_than_the_buffer_is_whole() {
    let (_folder, blobs) = blobs();
    let content: Vec<u8> = (0..COPY_BYTES * 3 + 17).map(|i| (i % 251) as u8).collect();
    let digest = blobs.put(&content).unwrap();
    assert_eq!(blobs.get(&digest).unwrap(), content);
}

#[test]
fn a_damaged_blob_is_never_given_out_and_putting_it_again_repairs_it() {
    let (_folder, blobs) = blobs();
    let digest = blobs.put(b"content").unwrap();
    fs::write(blobs.path(&digest), b"c0ntent").unwrap();
    for error in [blobs.get(&digest).unwrap_err(), blobs.verify(&digest).unwrap_err()] {
        assert!(matches!(error, BlobError::Changed { .. }), "{error:?}");
        assert!(error.to_string().contains(&digest.to_string()), "{error}");
    }
    blobs.put(b"content").unwrap();
    assert_eq!(blobs.get(&digest).unwrap(), b"content");
}

#[test]
fn a_missing_blob_is_named() {
    let (_folder, blobs) = blobs();
    let digest = Digest::of(b"never put");
    for error in [blobs.get(&digest).unwrap_err(), blobs.verify(&digest).unwrap_err()] {
        assert!(matches!(error, BlobError::Missing { .. }), "{error:?}");
    }
}

#[test]
fn a_source_that_breaks_off_leaves_nothing() {
    let (folder, blobs) = blobs();
    let mut source = (&b"the beginning"[..]).chain(Broken);
    assert!(matches!(blobs.put_from(&mut source), Err(BlobError::Source(_))));
    assert_eq!(blobs.list().unwrap(), []);
    assert_eq!(unfinished(&folder), 0);
}

#[test]
fn a_sealed_blob_shows_nothing_of_its_content() {
    let (_folder, blobs) = blobs();
    let key = MasterKey::from_bytes([7; 32]).seal_key("terraform state");
    let content = b"the database password is hunter2";
    let digest = blobs.put_sealed(&key, content).unwrap();
    let stored = fs::read(blobs.path(&digest)).unwrap();
    assert!(!stored.windows(8).any(|window| content.windows(8).any(|piece| piece == window)));
    assert_eq!(blobs.get_sealed(&key, &digest).unwrap(), content);
    assert_ne!(blobs.put_sealed(&key, content).unwrap(), digest, "a name tells nothing either");
    blobs.verify(&digest).unwrap();

    let other = MasterKey::from_bytes([7; 32]).seal_key("job log");
    let error = blobs.get_sealed(&other, &digest).unwrap_err();
    assert!(matches!(error, BlobError::Seal(Unsealable::Changed)), "{error:?}");
}

#[test]
fn foreign_files_are_no_blobs() {
    let (folder, blobs) = blobs();
    fs::write(folder.path().join("sha256/README"), "x").unwrap();
    fs::create_dir_all(folder.path().join("sha256/ab")).unwrap();
    fs::write(folder.path().join("sha256/ab/notes.txt"), "x").unwrap();
    assert_eq!(blobs.list().unwrap(), []);
}

#[test]
fn what_a_crash_left_is_cleared() {
    let (folder, blobs) = blobs();
    let digest = blobs.put(b"kept").unwrap();
    std::mem::forget(Draft::create(&blobs.unfinished()).unwrap());
    assert_eq!(unfinished(&folder), 1);
    Blobs::clear_unfinished(folder.path()).unwrap();
    assert_eq!(unfinished(&folder), 0);
    assert_eq!(blobs.get(&digest).unwrap(), b"kept");
}
