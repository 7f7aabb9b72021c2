//! `qnt9 serve-static DIR`: a folder of files for browsers, as a service that has no program of its own.
//!
//! The files are read once, at the start: a release never changes. What was not read is not served, so
//! no path can lead out of the folder.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ServeStatic;
use crate::failure::Failure;
use crate::folder;
use crate::talk;

/// All files together; they are kept in memory.
const SITE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// What a folder's address stands for.
const INDEX: &str = "index.html";
/// What is shown for an address that is none, where the site has it.
const NOT_FOUND: &str = "404.html";

/// One file, ready to be sent.
#[derive(Clone, Debug)]
struct Page {
    content: Bytes,
    kind: &'static str,
    /// Its digest, in quotes.
    tag: HeaderValue,
}

/// Pages by their path from the top of the folder.
type Site = Arc<BTreeMap<String, Page>>;

/// Serves the folder until it is told to stop; requests under way are answered.
pub async fn run(args: &ServeStatic) -> Result<ExitCode, Failure> {
    let site = read(&args.dir)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = tokio::net::TcpListener::bind(address).await;
    let listener = listener
        .map_err(|error| Failure::because(format!("cannot listen on {address}"), &error))?;
    let local = listener.local_addr().map_err(|error| Failure::because("the address", &error))?;
    talk::say(&format!("{} files of {} at http://{local}", site.len(), args.dir.display()));
    let mut asked = signal(SignalKind::terminate())
        .map_err(|error| Failure::because("cannot listen for the signal to stop", &error))?;
    let stop = async move {
        tokio::select! {
            _ = asked.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let served = axum::serve(listener, router(site)).with_graceful_shutdown(stop).await;
    served.map_err(|error| Failure::because("the server", &error))?;
    Ok(ExitCode::SUCCESS)
}

fn read(dir: &Path) -> Result<Site, Failure> {
    let files = folder::read(dir, SITE_BYTES_MAX)?;
    if files.is_empty() {
        return Err(Failure::new(format!("{} has no file to serve", dir.display()))
            .hint("name the folder that holds index.html"));
    }
    let page = |file: folder::File| {
        let tag = format!("\"{}\"", hex::encode(Sha256::digest(&file.content)));
        let tag = HeaderValue::from_str(&tag).expect("hexadecimal digits are a header's");
        let page = Page { kind: kind(&file.path), content: file.content.into(), tag };
        (file.path, page)
    };
    Ok(Arc::new(files.into_iter().map(page).collect()))
}

fn router(site: Site) -> Router {
    Router::new().fallback(answer).with_state(site)
}

async fn answer(
    State(site): State<Site>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let Some(path) = decoded(uri.path()) else {
        return plain(StatusCode::BAD_REQUEST, "no such path");
    };
    let path = path.trim_start_matches('/');
    match find(&site, path) {
        Some(page) => send(page, StatusCode::OK, &method, &headers),
        None if site.contains_key(&format!("{path}/{INDEX}")) => redirect(&uri),
        None => match site.get(NOT_FOUND) {
            Some(page) => send(page, StatusCode::NOT_FOUND, &method, &HeaderMap::new()),
            None => plain(StatusCode::NOT_FOUND, "not found"),
        },
    }
}

/// The page of a path: the file, the index of the folder, or the file without its `.html`.
fn find<'a>(site: &'a BTreeMap<String, Page>, path: &str) -> Option<&'a Page> {
    if path.is_empty() || path.ends_with('/') {
        return site.get(&format!("{path}{INDEX}"));
    }
    site.get(path).or_else(|| site.get(&format!("{path}.html")))
}

fn send(page: &Page, status: StatusCode, method: &Method, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let tag = page.tag.to_str().unwrap_or_default();
    let is_known =
        known.is_some_and(|tags| tags.split(',').any(|one| one.trim() == tag || one.trim() == "*"));
    let (status, content) = match is_known {
        true => (StatusCode::NOT_MODIFIED, Bytes::new()),
        false => (status, page.content.clone()),
    };
    let length = page.content.len();
    let body = if *method == Method::HEAD { Body::empty() } else { Body::from(content) };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::ETAG, page.tag.clone());
    // A browser may keep it and must ask whether it is still the one: the next release may differ.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.kind));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// To the same address with a slash, so that relative links in the folder's index work.
fn redirect(uri: &Uri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    // One slash at the front: two would name another host.
    let to = format!("/{}/{query}", uri.path().trim_matches('/'));
    let mut response = plain(StatusCode::PERMANENT_REDIRECT, "");
    if let Ok(to) = HeaderValue::from_str(&to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A path with its `%xx` as bytes; `None` when they are none, or no UTF-8.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

/// The media type by the ending of a name.
fn kind(path: &str) -> &'static str {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/vnd.microsoft.icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "xml" => "application/xml",
        "txt" | "md" => "text/plain; charset=utf-8",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
