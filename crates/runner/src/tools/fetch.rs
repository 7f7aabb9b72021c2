use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};
use tokio::io::AsyncWriteExt as _;

use crate::causes::with_causes;
use crate::http;

/// No pinned archive is larger.
const ARCHIVE_BYTES_MAX: u64 = 256 * 1024 * 1024;
const STALL: Duration = Duration::from_secs(30);

/// Something that never changes at an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pinned {
    pub(super) url: &'static str,
    pub(super) digest: Digest,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Digest {
    /// Hexadecimal.
    Sha256(&'static str),
    /// Base64, as npm writes it.
    Sha512(&'static str),
}

/// Fetches `pinned` into `file`, which holds nothing but what the digest stands for when this
/// succeeds. The error is a sentence.
pub(super) async fn fetch(pinned: &Pinned, file: &Path) -> Result<(), String> {
    let url = pinned.url;
    let failed =
        |error: reqwest::Error| format!("{url} cannot be fetched: {}.", with_causes(&error));
    let client = http::download_client().map_err(failed)?;
    let mut response = client.get(url).send().await.map_err(failed)?;
    response.error_for_status_ref().map_err(|error| format!("{error}."))?;
    let at = |error: std::io::Error| format!("{} cannot be written: {error}.", file.display());
    let mut target = tokio::fs::File::create(file).await.map_err(at)?;
    let (mut sha256, mut sha512, mut bytes) = (Sha256::new(), Sha512::new(), 0);
    loop {
        let chunk = tokio::time::timeout(STALL, response.chunk())
            .await
            .map_err(|_| format!("{url} stopped sending after {bytes} bytes."))?
            .map_err(failed)?;
        let Some(chunk) = chunk else { break };
        bytes += chunk.len() as u64;
        if bytes > ARCHIVE_BYTES_MAX {
            return Err(format!("{url} sends more than {ARCHIVE_BYTES_MAX} bytes."));
        }
        match pinned.digest {
            Digest::Sha256(_) => sha256.update(&chunk),
            Digest::Sha512(_) => sha512.update(&chunk),
        }
        target.write_all(&chunk).await.map_err(at)?;
    }
    target.flush().await.map_err(at)?;
    let (found, wanted) = match pinned.digest {
        Digest::Sha256(wanted) => (hex::encode(sha256.finalize()), wanted),
        Digest::Sha512(wanted) => (STANDARD.encode(sha512.finalize()), wanted),
    };
    if found == wanted {
        return Ok(());
    }
    // What is not what was asked for must not be found later.
    tokio::fs::remove_file(file).await.map_err(at)?;
    Err(format!("{url} sends something else than it should: checksum {found}, not {wanted}."))
}
