use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::layout::BLOBS;

fn file(path: &str, content: &str, mode: u32) -> ImageFile {
    ImageFile { path: path.to_owned(), content: Content::Bytes(content.into()), mode }
}

fn image(files: Vec<ImageFile>) -> Image {
    Image {
        service: "stock".to_owned(),
        commit: "90d1c7e5a1b2c3d4e5f60718293a4b5c6d7e8f90".to_owned(),
        entrypoint: vec!["bin/stock".to_owned(), "serve".to_owned()],
        architecture: "amd64".to_owned(),
        files,
        configuration: BTreeMap::from([("terraform".to_owned(), format!("sha256:{:064}", 1))]),
    }
}

fn stock() -> Image {
    image(vec![file("bin/stock", "#!/bin/sh\n", 0o755), file("data/tickers.csv", "AAPL\n", 0o640)])
}

fn built(image: &Image) -> (TempDir, PathBuf, Release) {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let release = build(image, &layout).unwrap();
    (folder, layout, release)
}

fn digest(image: &Image) -> String {
    built(image).2.digest.0
}

#[test]
fn the_same_inputs_give_the_same_release() {
    let mut turned = stock();
    turned.files.reverse();
    let on_disk = tempfile::NamedTempFile::new().unwrap();
    fs::write(on_disk.path(), "AAPL\n").unwrap();
    let mut from_file = stock();
    from_file.files[1].content = Content::File(on_disk.path().to_owned());
    assert_eq!(digest(&stock()), digest(&turned));
    assert_eq!(digest(&stock()), digest(&from_file));
}

#[test]
fn every_input_changes_the_release() {
    let changes: [fn(&mut Image); 8] = [
        |image| image.service.push('x'),
        |image| image.commit.replace_range(0..1, "8"),
        |image| image.entrypoint.push("--loud".to_owned()),
        |image| image.architecture = "arm64".to_owned(),
        |image| image.files[0].mode = 0o700,
        |image| image.files[0].path.push('2'),
        |image| image.files[0].content = Content::Bytes(b"#!/bin/bash\n".to_vec()),
        |image| drop(image.configuration.insert("chart".to_owned(), "sha256:2".to_owned())),
    ];
    let mut digests = vec![digest(&stock())];
    for change in changes {
        let mut other = stock();
        change(&mut other);
        digests.push(digest(&other));
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 9);
}

#[test]
fn a_release_comes_out_as_it_went_in() {
    let (folder, layout, release) = built(&stock());
    assert_eq!(release.commit, stock().commit);
    assert_eq!(release.entrypoint, stock().entrypoint);
    assert_eq!(release.configuration, stock().configuration);
    let into = folder.path().join("files");
    assert_eq!(extract(&layout, &release.digest, &into).unwrap(), release);
    let program = into.join("bin/stock");
    assert_eq!(fs::read_to_string(&program).unwrap(), "#!/bin/sh\n");
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o7777, 0o755);
    let data = fs::metadata(into.join("data/tickers.csv")).unwrap();
    assert_eq!(data.permissions().mode() & 0o7777, 0o640);
    // Once more changes nothing.
    extract(&layout, &release.digest, &into).unwrap();
}

#[test]
fn an_upload_is_kept_under_its_digest_and_again_without_effect() {
    let (folder, layout, release) = built(&stock());
    let mut upload = Vec::new();
    assert_eq!(pack(&layout, &mut upload).unwrap(), release);
    let releases = folder.path().join("releases");
    for _ in 0..2 {
        assert_eq!(unpack_upload(&mut upload.as_slice(), &releases).unwrap(), release);
    }
    let kept = upload::release_folder(&releases, &release.digest);
    assert_eq!(read(&kept).unwrap(), release);
    assert_eq!(names(&releases).len(), 1);
    let mut again = Vec::new();
    pack(&kept, &mut again).unwrap();
    assert_eq!(again, upload);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_cannot_be_in_a_release_is_refused() {
    let say = |files: Vec<ImageFile>| {
        let folder = tempfile::tempdir().unwrap();
        let error = build(&image(files), &folder.path().join("layout")).unwrap_err();
        assert!(names(folder.path()).is_empty(), "nothing is left behind");
        error.to_string()
    };
    assert_eq!(say(vec![]), "the release has no files");
    let bad =
        ["", "/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/", "a\\b", "a\nb", "x/.wh.y"];
    for path in bad {
        let said = say(vec![file(path, "x", 0o644)]);
        assert!(said.contains("cannot be a path in a release"), "{path}: {said}");
    }
    let twice = "is in the release twice, or is a file and a folder at once";
    assert_eq!(say(vec![file("a", "1", 0o644), file("a", "2", 0o644)]), format!("`a` {twice}"));
    assert_eq!(say(vec![file("a/b", "1", 0o644), file("a", "2", 0o644)]), format!("`a` {twice}"));
    let content = Content::File("/nowhere/at/all".into());
    let said = say(vec![ImageFile { path: "a".to_owned(), content, mode: 0o644 }]);
    assert_eq!(said, "/nowhere/at/all cannot be read or written");
}

/// Kind, path, and content or where a link leads.
type Crafted = (EntryType, &'static str, &'static str);

/// A layout whose layer is this archive, with all digests right: what an attacker would upload.
fn layout_with_layer(entries: &[Crafted]) -> (TempDir, PathBuf, Release) {
    let (folder, layout, _) = built(&stock());
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (kind, path, content) in entries {
        let mut header = Header::new_gnu();
        // Past the checks of the writer, straight into the bytes of the header.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o6777);
        if kind.is_file() {
            header.set_size(content.len() as u64);
        } else {
            header.set_size(0);
            let link = &mut header.as_gnu_mut().unwrap().linkname;
            link[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        let data = if kind.is_file() { content.as_bytes() } else { &[] };
        archive.append(&header, data).unwrap();
    }
    let layer = archive.into_inner().unwrap().finish().unwrap();
    let unpacked = {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(layer.as_slice()), &mut bytes)
            .unwrap();
        bytes
    };
    replace_layer(&layout, &layer, &checked::digest_of(&unpacked));
    let release = read(&layout).unwrap();
    (folder, layout, release)
}

/// Puts another layer into a layout and corrects every digest above it.
fn replace_layer(layout: &Path, layer: &[u8], diff_id: &str) {
    let blobs = layout.join(BLOBS);
    let put = |bytes: &[u8]| {
        let digest = checked::digest_of(bytes);
        fs::write(blobs.join(&digest), bytes).unwrap();
        (format!("sha256:{digest}"), bytes.len())
    };
    let load = |path: &Path| -> serde_json::Value {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let blob_of = |descriptor: &serde_json::Value| {
        blobs.join(descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap())
    };
    let mut index = load(&layout.join("index.json"));
    let manifest_at = blob_of(&index["manifests"][0]);
    let mut manifest = load(&manifest_at);
    let config_at = blob_of(&manifest["config"]);
    let mut config = load(&config_at);
    fs::remove_file(blob_of(&manifest["layers"][0])).unwrap();
    fs::remove_file(manifest_at).unwrap();
    fs::remove_file(config_at).unwrap();
    config["rootfs"]["diff_ids"][0] = format!("sha256:{diff_id}").into();
    let set = |descriptor: &mut serde_json::Value, bytes: &[u8]| {
        let (digest, size) = put(bytes);
        descriptor["digest"] = digest.into();
        descriptor["size"] = size.into();
    };
    set(&mut manifest["config"], config.to_string().as_bytes());
    set(&mut manifest["layers"][0], layer);
    set(&mut index["manifests"][0], manifest.to_string().as_bytes());
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

#[test]
fn no_entry_of_a_layer_reaches_outside() {
    use EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
    let outside = "the link leads out of the release";
    let cases: [(&[Crafted], &str); 12] = [
        (&[(Regular, "../up", "x")], "it goes up with `..`"),
        (&[(Regular, "a/../../up", "x")], "it goes up with `..`"),
        (&[(Regular, "/tmp/qnt9-up", "x")], "it is absolute"),
        (&[(Symlink, "a", "/etc")], outside),
        (&[(Symlink, "a", "../up")], outside),
        (&[(Symlink, "a/b", "../../up")], outside),
        (&[(Symlink, "a", "b"), (Regular, "a/c", "x")], "something above it is not a folder"),
        (&[(Link, "a", "/etc/passwd")], "`a` is a hard link"),
        (&[(Char, "a", "")], "`a` is a device"),
        (&[(Block, "a", "")], "`a` is a device"),
        (&[(Fifo, "a", "")], "`a` is a named pipe"),
        (&[(Regular, "a", "x"), (Regular, "a", "y")], "`a` is in the release twice"),
    ];
    for (entries, reason) in cases {
        let (folder, layout, release) = layout_with_layer(entries);
        let into = folder.path().join("deep/files");
        let said = extract(&layout, &release.digest, &into).unwrap_err().to_string();
        assert!(said.contains(reason), "{entries:?}: {said}");
        assert!(!into.exists() && names(&folder.path().join("deep")).is_empty());
        assert!(!folder.path().join("up").exists() && !Path::new("/tmp/qnt9-up").exists());
    }
}

#[test]
fn a_link_that_stays_inside_is_kept_and_set_user_id_is_not() {
    let entries: [Crafted; 2] =
        [(EntryType::Regular, "lib/one.so", "x"), (EntryType::Symlink, "lib/so", "../lib/one.so")];
    let (folder, layout, release) = layout_with_layer(&entries);
    let into = folder.path().join("files");
    extract(&layout, &release.digest, &into).unwrap();
    assert_eq!(fs::read_to_string(into.join("lib/so")).unwrap(), "x");
    assert_eq!(fs::metadata(into.join("lib/one.so")).unwrap().permissions().mode() & 0o7777, 0o777);
}

#[test]
fn another_or_a_damaged_release_is_not_extracted() {
    let (folder, layout, release) = built(&stock());
    let into = folder.path().join("files");
    let other = qnt9_model::ReleaseDigest(format!("sha256:{:064}", 0));
    let said = extract(&layout, &other, &into).unwrap_err().to_string();
    assert!(
        said.starts_with("the release is damaged: it should have the digest sha256:0000"),
        "{said}"
    );
    let parts = layout::read_parts(&layout).unwrap();
    let layer = parts.layer.path(&layout).unwrap();
    let mut bytes = fs::read(&layer).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&layer, bytes).unwrap();
    let said = extract(&layout, &release.digest, &into).unwrap_err().to_string();
    assert!(said.starts_with("the layer is damaged"), "{said}");
    assert!(!into.exists());
}

#[test]
fn a_faulty_upload_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let releases = folder.path().join("releases");
    let say = |upload: &[u8]| {
        let error = unpack_upload(&mut &*upload, &releases).unwrap_err();
        assert!(names(&releases).is_empty(), "{error}");
        error.to_string()
    };
    let archive = |entries: &[(&str, &[u8])]| {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, *content).unwrap();
        }
        archive.into_inner().unwrap()
    };
    assert_eq!(say(b""), "the release lacks oci-layout");
    assert_eq!(say(&[7; 2000]), "the stream of an upload cannot be read");
    let outside = archive(&[("../index.json", b"{}")]);
    assert_eq!(say(&outside), "the upload holds `../index.json`, which belongs to no release");
    let twice = archive(&[("index.json", b"{}"), ("index.json", b"{}")]);
    assert!(say(&twice).starts_with("`index.json` is in the release twice"));
    let old = archive(&[("oci-layout", b"{\"imageLayoutVersion\":\"0.9\"}")]);
    assert_eq!(
        say(&old),
        "oci-layout is not what a release of qnt9 has: only image layout 1.0.0 is known"
    );

    // A layer whose unpacked bytes are not those the configuration promises.
    let (_keep, layout, _) = built(&stock());
    let layer = GzEncoder::new(Vec::new(), Compression::fast()).finish().unwrap();
    replace_layer(&layout, &layer, &"0".repeat(64));
    let mut upload = Vec::new();
    pack(&layout, &mut upload).unwrap();
    assert!(say(&upload).starts_with("the unpacked layer is damaged"));

    // A blob that nothing names.
    let (_keep, layout, _) = built(&stock());
    let mut upload = Vec::new();
    pack(&layout, &mut upload).unwrap();
    upload.truncate(upload.len() - 1024);
    let stray = format!("{BLOBS}/{}", "a".repeat(64));
    upload.extend(archive(&[(&stray, b"x")]));
    assert_eq!(say(&upload), format!("the upload holds `{stray}`, which belongs to no release"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// An upload with one byte changed or the end cut off is the same release or is refused; it is
    /// never kept as something else.
    #[test]
    fn a_damaged_upload_is_refused_or_harmless(at in 0_usize..6000, bit in 0_u32..8, cut in any::<bool>()) {
        let (folder, layout, release) = built(&stock());
        let mut upload = Vec::new();
        pack(&layout, &mut upload).unwrap();
        let at = at % upload.len();
        if cut { upload.truncate(at) } else { upload[at] ^= 1 << bit }
        let releases = folder.path().join("releases");
        match unpack_upload(&mut upload.as_slice(), &releases) {
            Ok(kept) => prop_assert_eq!(kept, release),
            Err(_) => prop_assert!(names(&releases).is_empty()),
        }
    }
}

#[test]
fn the_digest_of_a_folder_knows_names_contents_links_and_programs_only() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir(at("sub")).unwrap();
    fs::write(at("sub/a.tf"), "one").unwrap();
    fs::write(at("b.tf"), "two").unwrap();
    let digest = || tree_digest(folder.path()).unwrap();
    let first = digest();
    assert!(first.starts_with("sha256:") && first.len() == 71);

    fs::create_dir(at(".terraform")).unwrap();
    fs::write(at(".terraform/cache"), "x").unwrap();
    fs::set_permissions(at("b.tf"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(digest(), first);

    fs::write(at("b.tf"), "three").unwrap();
    let content = digest();
    fs::rename(at("b.tf"), at("c.tf")).unwrap();
    let name = digest();
    fs::set_permissions(at("c.tf"), fs::Permissions::from_mode(0o700)).unwrap();
    let program = digest();
    symlink("c.tf", at("d.tf")).unwrap();
    let link = digest();
    let mut all = vec![first, content, name, program, link];
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
    assert!(
        tree_digest(&at("nowhere")).unwrap_err().to_string().ends_with("cannot be read or written")
    );
}
