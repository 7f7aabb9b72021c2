//! The real skopeo reads what is built here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::process::Command;

use qnt9_registry::{Content, Image, ImageFile, build, extract};

#[test]
fn skopeo_reads_and_copies_a_release() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let image = Image {
        service: "stock".to_owned(),
        commit: "90d1c7e5a1b2c3d4e5f60718293a4b5c6d7e8f90".to_owned(),
        entrypoint: vec!["bin/stock".to_owned()],
        architecture: qnt9_registry::native_architecture().to_owned(),
        files: vec![ImageFile {
            path: "bin/stock".to_owned(),
            content: Content::Bytes(b"#!/bin/sh\n".to_vec()),
            mode: 0o755,
        }],
        configuration: BTreeMap::from([("terraform".to_owned(), "sha256:1".to_owned())]),
    };
    let release = build(&image, &layout).unwrap();
    let source = format!("oci:{}", layout.display());
    let inspected = skopeo(&["inspect", &source]);
    let json: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(json["Digest"], release.digest.0);
    assert_eq!(json["Labels"]["org.opencontainers.image.revision"], image.commit);
    assert_eq!(json["Labels"]["dev.qnt9.configuration.terraform"], "sha256:1");

    // Copying verifies every digest, and gives the same release again.
    let copy = folder.path().join("copy");
    skopeo(&["copy", "--insecure-policy", &source, &format!("oci:{}", copy.display())]);
    let files = folder.path().join("files");
    assert_eq!(extract(&copy, &release.digest, &files).unwrap(), release);
    assert!(files.join("bin/stock").is_file());
}

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo").args(arguments).output().expect(
        "skopeo is not installed, so nothing was tested: install it (`apt-get install skopeo`)",
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
