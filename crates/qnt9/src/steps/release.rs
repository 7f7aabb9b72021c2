//! Building and finding releases.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use qnt9_registry::{Content, Image, ImageFile, native_architecture, pack, tree_digest};
use qnt9_server::api::shapes::{Call, Digest};

use super::call::{StepCall, output, variable};
use crate::cli::Build;
use crate::client::segment;
use crate::failure::Failure;
use crate::folder;
use crate::talk;

/// `qnt9 release build`
pub async fn build(args: &Build) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let commit = variable("GITHUB_SHA")
        .ok_or_else(|| Failure::new("GITHUB_SHA does not say which commit this is a release of"))?;
    let image = image(args, commit)?;
    let files = image.files.len();
    let packed = tokio::task::spawn_blocking(move || packed(&image)).await;
    let packed = packed.map_err(|error| Failure::because("packing the release", &error))??;
    let Call { step, call: number } = call.key()?;
    let path = format!("/api/v1/step/release?step={step}&call={number}");
    let digest: Digest = call.client.post_bytes(&path, packed.into()).await?;
    output("digest", &digest.digest.0)?;
    talk::say(&format!("release of {} from {files} files", args.services.join(", ")));
    talk::line(&digest.digest.0);
    Ok(ExitCode::SUCCESS)
}

fn image(args: &Build, commit: String) -> Result<Image, Failure> {
    let mut files = Vec::new();
    for (source, path) in &args.files {
        let source = PathBuf::from(source);
        let cannot = |error| Failure::because(format!("cannot read {}", source.display()), &error);
        let mode = mode(&std::fs::metadata(&source).map_err(cannot)?);
        files.push(ImageFile { path: path.clone(), content: Content::File(source), mode });
    }
    for (source, path) in &args.folders {
        files.extend(folder_files(source, path)?);
    }
    let mut configuration = BTreeMap::new();
    for folder in &args.config {
        let digest = tree_digest(folder).map_err(|error| {
            Failure::because(format!("the configuration {}", folder.display()), &error)
        })?;
        configuration.insert(folder.to_string_lossy().into_owned(), digest);
    }
    // What starts it stands in qnt9.toml; a release of one program names that one for other tools.
    let entrypoint = args.files.iter().map(|(_, path)| path.clone()).take(1).collect();
    let architecture = native_architecture().to_owned();
    let service = args.services.join(",");
    Ok(Image { service, commit, entrypoint, architecture, files, configuration })
}

/// The files of a folder below `path` of the release, without what belongs to git.
fn folder_files(source: &str, path: &str) -> Result<Vec<ImageFile>, Failure> {
    let below = path.trim_start_matches("./").trim_matches('/');
    let below = if below.is_empty() || below == "." { String::new() } else { format!("{below}/") };
    let listed = folder::list(std::path::Path::new(source), &[])?;
    if listed.is_empty() {
        return Err(Failure::new(format!("the folder {source} has no file"))
            .hint("is it built before the release is? name the folder that the build writes"));
    }
    let file = |(name, place): (String, PathBuf)| {
        let cannot = |error| Failure::because(format!("cannot read {}", place.display()), &error);
        let mode = mode(&std::fs::metadata(&place).map_err(cannot)?);
        Ok(ImageFile { path: format!("{below}{name}"), content: Content::File(place), mode })
    };
    listed.into_iter().map(file).collect()
}

/// Whether it is a program is part of a release; what the builder's umask left of the rest is not, so that
/// the same commit gives the same digest wherever it is built.
fn mode(metadata: &std::fs::Metadata) -> u32 {
    if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 }
}

fn packed(image: &Image) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::because("the release cannot be built", &error);
    let folder =
        tempfile::tempdir().map_err(|error| Failure::because("no temporary folder", &error))?;
    let layout = folder.path().join("layout");
    qnt9_registry::build(image, &layout).map_err(failed)?;
    let mut packed = Vec::new();
    pack(&layout, &mut packed).map_err(failed)?;
    Ok(packed)
}

/// `qnt9 release find`
pub async fn find(commit: Option<&str>) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let commit = commit.map(|commit| format!("?commit={}", segment(commit)));
    let path = format!("/api/v1/step/release{}", commit.unwrap_or_default());
    let digest: Digest = call.client.get(&path).await?;
    output("digest", &digest.digest.0)?;
    talk::line(&digest.digest.0);
    Ok(ExitCode::SUCCESS)
}
