//! `actions/upload-artifact` and `actions/download-artifact`: files kept by the platform.
//!
//! The conversation: `PUT {server}/api/v1/runs/{run}/artifacts/{name}` with a tar.gz as body and
//! `retention_days` and `overwrite` as query, answered by `{"id": ..}`; `GET` of the same address;
//! `GET {server}/api/v1/runs/{run}/artifacts` answers `[{"name": ..}, ..]`. The attempt's token is
//! the bearer. Every request may be sent again: the server may be away for a while.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use globset::Glob;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep};

use super::inputs::{Inputs, Known, full, meaningless, missing};
use super::{ActionWork, Outputs, Undone};
use crate::archive::{pack, unpack};
use crate::causes::with_causes;
use crate::globs::{self, Found, Hidden};
use crate::http;
use crate::limits::ARTIFACT_TRANSFER;
use crate::paths::inside;

pub(super) const UPLOAD_INPUTS: &[Known] = &[
    full("name", "artifact"),
    full("path", ""),
    full("if-no-files-found", "warn"),
    full("retention-days", "30"),
    full("compression-level", "6"),
    full("overwrite", "false"),
    full("include-hidden-files", "false"),
    missing("archive", "true"),
];

pub(super) const DOWNLOAD_INPUTS: &[Known] = &[
    full("name", ""),
    missing("artifact-ids", ""),
    full("path", ""),
    full("pattern", ""),
    full("merge-multiple", "false"),
    meaningless("github-token"),
    meaningless("repository"),
    full("run-id", ""),
    missing("skip-decompress", "false"),
];

const RETRY: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Uploaded {
    id: u64,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
}

pub(super) async fn upload(
    work: &mut ActionWork<'_, '_>,
    inputs: &Inputs,
) -> Result<Outputs, Undone> {
    let name = inputs.text("name");
    check_name(name).map_err(Undone::Failed)?;
    if work.job.log.contains_secret(name) {
        return Err(Undone::failed("The name of the artifact holds a secret."));
    }
    let days = inputs.number("retention-days").map_err(Undone::Failed)?;
    let level = inputs.number("compression-level").map_err(Undone::Failed)?;
    if level > 9 {
        return Err(Undone::failed(format!("`compression-level` is {level}; it may be 0 to 9.")));
    }
    let overwrite = inputs.truth("overwrite").map_err(Undone::Failed)?;
    let hidden = match inputs.truth("include-hidden-files").map_err(Undone::Failed)? {
        true => Hidden::Include,
        false => Hidden::Exclude,
    };
    let found = globs::find(&work.job.spec.folders.workspace, inputs.text("path"), hidden)
        .map_err(|error| Undone::Failed(with_causes(&error)))?;
    if found.files.is_empty() {
        return nothing_found(work, inputs);
    }
    let archive = work.job.spec.folders.temp.join(format!("artifact-{}.tar.gz", work.index));
    let root = root_of(&found);
    let packing = {
        let (files, archive) = (found.files, archive.clone());
        async move {
            let packing = move || pack(&root, &files, level, &archive);
            tokio::task::spawn_blocking(packing)
                .await
                .map_err(|error| format!("The archive was not finished: {error}."))?
                .map_err(|error| format!("Cannot pack the artifact: {}.", with_causes(&error)))
        }
    };
    let packed = work.or_stop(packing).await?;
    work.say(&format!("{} files, {} bytes packed.", packed.files, packed.bytes))?;

    let address = address(work, None, Some(name));
    let (token, client) = (work.job.secrets.token.clone(), client()?);
    let bytes = packed.bytes;
    let sending = send(|| {
        let (client, address, token, archive) =
            (client.clone(), address.clone(), token.clone(), archive.clone());
        async move {
            let file = tokio::fs::File::open(&archive).await.map_err(|error| error.to_string())?;
            Ok(client
                .put(format!("{address}?retention_days={days}&overwrite={overwrite}"))
                .bearer_auth(&token)
                .header("content-type", "application/gzip")
                .header("content-length", bytes)
                .body(file))
        }
    });
    let response = work.or_stop(sending).await?;
    let uploaded: Uploaded = match response.status() {
        StatusCode::CONFLICT => {
            return Err(Undone::failed(format!(
                "An artifact named `{name}` exists already in this run. Give it another name, or \
                 set `overwrite: true`."
            )));
        }
        _ => answer(response).await.map_err(Undone::Failed)?,
    };
    work.say(&format!("Artifact {name} has been uploaded, id {}.", uploaded.id))?;
    Ok(vec![
        ("artifact-id".into(), uploaded.id.to_string()),
        ("artifact-digest".into(), packed.digest),
        ("artifact-url".into(), address),
    ])
}

pub(super) async fn download(
    work: &mut ActionWork<'_, '_>,
    inputs: &Inputs,
) -> Result<Outputs, Undone> {
    let merges = inputs.truth("merge-multiple").map_err(Undone::Failed)?;
    let run = match inputs.text("run-id") {
        "" => None,
        text => Some(text.parse::<u64>().map_err(|_| {
            Undone::failed(format!("The input `run-id` is `{text}`; it must be a number."))
        })?),
    };
    let dir =
        inside(&work.job.spec.folders.workspace, inputs.text("path")).map_err(Undone::Failed)?;
    let wanted = match inputs.text("name") {
        "" => {
            let names = list(work, run, inputs.text("pattern")).await?;
            work.say(&format!("{} artifacts to download.", names.len()))?;
            names
                .into_iter()
                .map(|name| {
                    let into = if merges { dir.clone() } else { dir.join(&name) };
                    (name, into)
                })
                .collect()
        }
        name => vec![(name.to_owned(), dir.clone())],
    };
    for (name, into) in wanted {
        check_name(&name).map_err(Undone::Failed)?;
        fetch(work, run, &name, &into).await?;
    }
    Ok(vec![("download-path".into(), dir.display().to_string())])
}

async fn fetch(
    work: &mut ActionWork<'_, '_>,
    run: Option<u64>,
    name: &str,
    into: &Path,
) -> Result<(), Undone> {
    let address = address(work, run, Some(name));
    let response = get(work, &address).await?;
    if response.status() == StatusCode::NOT_FOUND {
        return Err(Undone::failed(format!(
            "Artifact not found: `{name}` (asked {address}). It is there once the job that uploads \
             it has done so; `needs:` makes this job wait for it."
        )));
    }
    let archive = work.job.spec.folders.temp.join(format!("artifact-{}.tar.gz", work.index));
    let (into, name) = (into.to_path_buf(), name.to_owned());
    let unpacking = {
        let (archive, into, name) = (archive.clone(), into.clone(), name.clone());
        async move {
            save(response, &archive).await?;
            fs::create_dir_all(&into).map_err(|error| format!("{}: {error}", into.display()))?;
            let unpacking = move || unpack(&archive, &into);
            tokio::task::spawn_blocking(unpacking)
                .await
                .map_err(|error| format!("The artifact was not unpacked: {error}."))?
                .map_err(|error| {
                    format!("Cannot unpack the artifact `{name}`: {}.", with_causes(&error))
                })
        }
    };
    let count = work.or_stop(unpacking).await?;
    work.say(&format!("Artifact {name}: {count} files in {}.", into.display()))
}

async fn list(
    work: &mut ActionWork<'_, '_>,
    run: Option<u64>,
    pattern: &str,
) -> Result<Vec<String>, Undone> {
    let pattern = if pattern.is_empty() { "*" } else { pattern };
    let matcher = Glob::new(pattern)
        .map_err(|error| Undone::failed(format!("`{pattern}` is not a pattern: {error}.")))?
        .compile_matcher();
    let address = address(work, run, None);
    let response = get(work, &address).await?;
    let listed: Vec<Listed> = answer(response).await.map_err(Undone::Failed)?;
    Ok(listed.into_iter().map(|one| one.name).filter(|name| matcher.is_match(name)).collect())
}

async fn get(work: &mut ActionWork<'_, '_>, address: &str) -> Result<Response, Undone> {
    let (token, client) = (work.job.secrets.token.clone(), client()?);
    work.or_stop(send(|| {
        let request = client.get(address).bearer_auth(&token);
        async move { Ok(request) }
    }))
    .await
}

fn client() -> Result<Client, Undone> {
    http::client().map_err(|error| Undone::failed(format!("No HTTP client: {error}.")))
}

/// Sends a request until the server answers with anything but "I cannot now".
async fn send<F>(request: impl Fn() -> F) -> Result<Response, String>
where
    F: Future<Output = Result<RequestBuilder, String>>,
{
    let deadline = Instant::now() + ARTIFACT_TRANSFER;
    let mut pause = RETRY;
    loop {
        let why = match request().await?.send().await {
            Ok(response) if !response.status().is_server_error() => return Ok(response),
            Ok(response) => format!("the server answers {}", response.status()),
            Err(error) => with_causes(&error),
        };
        if Instant::now() + pause > deadline {
            return Err(format!("The platform cannot be reached: {why}."));
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

async fn answer<T: serde::de::DeserializeOwned>(response: Response) -> Result<T, String> {
    let (status, address) = (response.status(), response.url().clone());
    let body = response.text().await.map_err(|error| with_causes(&error))?;
    if !status.is_success() {
        return Err(format!("{address} answers {status}: {}", body.trim()));
    }
    serde_json::from_str(&body)
        .map_err(|error| format!("{address} answers what is not understood ({error}): {body}"))
}

async fn save(response: Response, path: &Path) -> Result<(), String> {
    let status = response.status();
    if !status.is_success() {
        let body = response.text().await.unwrap_or_default();
        return Err(format!("The server answers {status}: {}", body.trim()));
    }
    let at = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = tokio::fs::File::create(path).await.map_err(at)?;
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        file.write_all(&chunk.map_err(|error| with_causes(&error))?).await.map_err(at)?;
    }
    file.flush().await.map_err(at)
}

fn address(work: &ActionWork<'_, '_>, run: Option<u64>, name: Option<&str>) -> String {
    let spec = work.job.spec;
    let run = run.unwrap_or(spec.run);
    let mut address = format!("{}/api/v1/runs/{run}/artifacts", spec.server_url);
    if let Some(name) = name {
        address.push('/');
        address.push_str(&http::path_segment(name));
    }
    address
}

/// The characters that GitHub forbids, since not every file system takes them.
fn check_name(name: &str) -> Result<(), String> {
    const FORBIDDEN: [char; 11] = ['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/'];
    if name.is_empty() || name == "." || name == ".." {
        return Err(format!("`{name}` cannot be the name of an artifact."));
    }
    match name.chars().find(|letter| FORBIDDEN.contains(letter)) {
        Some(letter) => {
            Err(format!("The name of the artifact `{name}` holds {letter:?}, which it may not."))
        }
        None => Ok(()),
    }
}

fn nothing_found(work: &mut ActionWork<'_, '_>, inputs: &Inputs) -> Result<Outputs, Undone> {
    let message = format!(
        "No files were found with the provided path: {}. No artifacts will be uploaded.",
        inputs.text("path").replace('\n', ", ")
    );
    match inputs.text("if-no-files-found") {
        "warn" => work.warn(message)?,
        "ignore" => work.say(&message)?,
        "error" => return Err(Undone::Failed(message)),
        other => {
            return Err(Undone::failed(format!(
                "`if-no-files-found` is `{other}`; it may be warn, error or ignore."
            )));
        }
    }
    Ok(Outputs::new())
}

/// The folder from which the names in the archive count: what all searched places have in common,
/// or the folder of a single file.
fn root_of(found: &Found) -> PathBuf {
    let mut roots = found.roots.iter();
    let first = roots.next().cloned().unwrap_or_default();
    let common = roots.fold(first, |common, root| {
        common
            .components()
            .zip(root.components())
            .map_while(|(a, b)| (a == b).then_some(a))
            .collect()
    });
    match common.parent() {
        Some(parent) if found.files.contains(&common) => parent.to_path_buf(),
        _ => common,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(roots: &[&str], files: &[&str]) -> String {
        let paths = |all: &[&str]| all.iter().map(PathBuf::from).collect();
        root_of(&Found { files: paths(files), roots: paths(roots) }).display().to_string()
    }

    #[test]
    fn names_count_from_where_the_originals_do() {
        assert_eq!(root(&["/w/dist"], &["/w/dist/a", "/w/dist/b"]), "/w/dist");
        assert_eq!(root(&["/w/a.txt"], &["/w/a.txt"]), "/w");
        assert_eq!(root(&["/w/a/x", "/w/b"], &["/w/a/x", "/w/b/y"]), "/w");
        assert_eq!(root(&["/w", "/w/b"], &["/w/a", "/w/b/y"]), "/w");
    }

    #[test]
    fn names_that_are_no_file_names_are_refused() {
        assert!(check_name("results (test 1).v2").is_ok());
        for name in ["", ".", "..", "a/b", "a\\b", "a:b", "a\nb"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
