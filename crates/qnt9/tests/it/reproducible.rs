//! The same commit, built in another folder and at another time, is the same release.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use qnt9_registry::{Content, Image, ImageFile};

const MANIFEST: &str = "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
                        [profile.release]\nopt-level = 1\ndebug = false\n\n[workspace]\n";
/// It can panic, so that the place in the source is in the program.
const SOURCE: &str = "fn main() {\n    let length = std::env::args().count();\n    \
                      assert!(length < 9, \"{length} arguments\");\n}\n";

/// Compiles the program in `folder`, and packs it as `qnt9 release build` does.
fn release(folder: &Path) -> String {
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), MANIFEST).unwrap();
    fs::write(folder.join("src/main.rs"), SOURCE).unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--offline", "--quiet"])
        .current_dir(folder)
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .unwrap();
    assert!(built.success());
    let program = folder.join("target/release/shop");
    let mode = fs::metadata(&program).unwrap().permissions().mode();
    let files = vec![ImageFile { path: "bin/shop".into(), content: Content::File(program), mode }];
    let image = Image {
        service: "shop".into(),
        commit: "c".repeat(40),
        entrypoint: vec!["bin/shop".into()],
        architecture: "amd64".into(),
        files,
        configuration: BTreeMap::new(),
    };
    qnt9_registry::build(&image, &folder.join("layout")).unwrap().digest.0
}

#[test]
fn the_same_commit_built_twice_gives_the_same_digest() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = release(&here.path().join("one"));
    // Archives and compilers write times in whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = release(&there.path().join("somewhere/else/two"));
    assert_eq!(first, second);
}
