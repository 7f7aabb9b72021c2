//! Embeds the reference system: every file of it becomes bytes of the binary.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Not part of the repository that is delivered: what building leaves behind, and the demonstration's
/// own patches, which are embedded beside it.
const LEFT_OUT: &[&str] = &["target", "demo", ".terraform"];

fn main() {
    let crate_folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo"));
    let root = crate_folder.join("../../qnt9-srs");
    let root = root.canonicalize().expect("the reference system lies beside the crates");
    let mut files = Vec::new();
    walk(&root, &root, &mut files);
    files.sort();
    let mut source = String::from("&[\n");
    for (path, executable) in files {
        let file = root.join(&path);
        writeln!(source, "    ({path:?}, include_bytes!({file:?}), {executable}),")
            .expect("a string takes everything");
    }
    source.push_str("]\n");
    fs::write(out.join("reference.rs"), source).expect("cargo's folder can be written");
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<(String, bool)>) {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder).expect("a folder of the reference system").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if LEFT_OUT.contains(&name.as_str()) || name.ends_with(".tfstate") {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, files);
            continue;
        }
        println!("cargo::rerun-if-changed={}", path.display());
        let mode = entry.metadata().expect("a file of the reference system").permissions().mode();
        let below = path.strip_prefix(root).expect("found below the root");
        files.push((below.to_string_lossy().into_owned(), mode & 0o111 != 0));
    }
}
