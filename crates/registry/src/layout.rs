//! A release on disk: `oci-layout`, `index.json` and `blobs/sha256/`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use qnt9_model::ReleaseDigest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::RegistryError;
use crate::checked::{Hashing, digest_of, sync_folder};
use crate::image::Image;
use crate::layer;

pub(crate) const LAYOUT_FILE: &str = "oci-layout";
pub(crate) const INDEX_FILE: &str = "index.json";
pub(crate) const BLOBS: &str = "blobs/sha256";
const LAYOUT_TEXT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
/// Manifests and configurations are small; a larger one was made to hurt.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 1024 * 1024;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const REVISION: &str = "org.opencontainers.image.revision";
const TITLE: &str = "org.opencontainers.image.title";
const CONFIGURATION: &str = "dev.qnt9.configuration.";

/// A release as its layout describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The digest of its manifest: its name.
    pub digest: ReleaseDigest,
    /// The service it is a release of.
    pub service: String,
    /// The commit it was built from.
    pub commit: String,
    /// The program, relative to the top of the release, and its arguments.
    pub entrypoint: Vec<String>,
    /// Digests of configuration that belongs to it, by name.
    pub configuration: BTreeMap<String, String>,
    /// Size of its compressed layer in bytes.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    /// Optional by the specification; skopeo leaves it out.
    #[serde(default)]
    media_type: String,
    manifests: Vec<Descriptor>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Config {
    architecture: String,
    os: String,
    config: Execution,
    rootfs: RootFs,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    entrypoint: Vec<String>,
    working_dir: String,
    labels: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<String>,
}

/// The verified parts of a layout.
pub(crate) struct Parts {
    pub(crate) release: Release,
    pub(crate) manifest: Descriptor,
    pub(crate) config: Descriptor,
    pub(crate) layer: Descriptor,
    /// sha256 of the layer before compression, `sha256:` in front.
    pub(crate) diff_id: String,
}

impl Descriptor {
    /// The digest without its algorithm: also the name of the blob's file.
    pub(crate) fn hex(&self) -> Result<&str, RegistryError> {
        let hex = self.digest.strip_prefix("sha256:").unwrap_or_default();
        let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() == 64 && hex.bytes().all(lower) {
            return Ok(hex);
        }
        let reason = "only `sha256:` and 64 lower-case hexadecimal digits are known";
        Err(RegistryError::document(format!("the digest `{}`", self.digest), reason))
    }

    pub(crate) fn path(&self, layout: &Path) -> Result<PathBuf, RegistryError> {
        Ok(layout.join(BLOBS).join(self.hex()?))
    }
}

/// Writes all of a release into an empty folder.
pub(crate) fn write(image: &Image, folder: &Path) -> Result<Release, RegistryError> {
    let blobs = folder.join(BLOBS);
    fs::create_dir_all(&blobs).map_err(RegistryError::io(&blobs))?;
    let draft = folder.join("layer");
    let layer = layer::write(image, &draft)?;
    let place = blobs.join(&layer.digest);
    fs::rename(&draft, &place).map_err(RegistryError::io(&place))?;

    let config = put(&blobs, CONFIG, &config_of(image, &layer.diff_id))?;
    let layer = descriptor(LAYER, &layer.digest, layer.bytes);
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        config,
        layers: vec![layer],
        annotations: annotations(image),
    };
    let manifest = put(&blobs, MANIFEST, &manifest)?;
    let index =
        Index { schema_version: 2, media_type: INDEX.to_owned(), manifests: vec![manifest] };
    write_file(&folder.join(INDEX_FILE), &to_json(&index))?;
    write_file(&folder.join(LAYOUT_FILE), LAYOUT_TEXT.as_bytes())?;
    sync_folder(&blobs)?;
    sync_folder(folder)?;
    read(folder)
}

fn config_of(image: &Image, diff_id: &str) -> Config {
    Config {
        architecture: image.architecture.clone(),
        os: "linux".to_owned(),
        config: Execution {
            entrypoint: image.entrypoint.clone(),
            working_dir: "/".to_owned(),
            labels: annotations(image),
        },
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![format!("sha256:{diff_id}")] },
    }
}

fn annotations(image: &Image) -> BTreeMap<String, String> {
    let configuration = image.configuration.iter();
    let named =
        configuration.map(|(name, digest)| (format!("{CONFIGURATION}{name}"), digest.clone()));
    let own = [(REVISION, &image.commit), (TITLE, &image.service)];
    named.chain(own.map(|(key, value)| (key.to_owned(), value.clone()))).collect()
}

fn put<T: Serialize>(blobs: &Path, kind: &str, document: &T) -> Result<Descriptor, RegistryError> {
    let json = to_json(document);
    let digest = digest_of(&json);
    write_file(&blobs.join(&digest), &json)?;
    Ok(descriptor(kind, &digest, json.len() as u64))
}

fn descriptor(kind: &str, hex: &str, size: u64) -> Descriptor {
    Descriptor { media_type: kind.to_owned(), digest: format!("sha256:{hex}"), size }
}

fn to_json<T: Serialize>(document: &T) -> Vec<u8> {
    serde_json::to_vec(document).expect("an OCI document is plain data")
}

fn write_file(path: &Path, content: &[u8]) -> Result<(), RegistryError> {
    let write = || {
        let mut file = File::create_new(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(RegistryError::io(path))
}

/// Reads the release in a layout; its documents are verified, its layer is not.
///
/// # Errors
/// What is missing, damaged or of another shape.
pub fn read(layout: &Path) -> Result<Release, RegistryError> {
    read_parts(layout).map(|parts| parts.release)
}

pub(crate) fn read_parts(layout: &Path) -> Result<Parts, RegistryError> {
    let text = read_small(&layout.join(LAYOUT_FILE), LAYOUT_FILE)?;
    let version: BTreeMap<String, serde_json::Value> = parse(&text, LAYOUT_FILE)?;
    if version.get("imageLayoutVersion").and_then(|version| version.as_str()) != Some("1.0.0") {
        return Err(RegistryError::document(LAYOUT_FILE, "only image layout 1.0.0 is known"));
    }
    let index: Index = parse(&read_small(&layout.join(INDEX_FILE), INDEX_FILE)?, INDEX_FILE)?;
    let manifest_at = only(&index.manifests, INDEX_FILE, MANIFEST)?;
    let manifest: Manifest = read_document(layout, &manifest_at, "the manifest")?;
    let layer = only(&manifest.layers, "the manifest", LAYER)?;
    check_kind(&manifest.config, "the manifest", CONFIG)?;
    let config: Config = read_document(layout, &manifest.config, "the image configuration")?;
    let [diff_id] = config.rootfs.diff_ids.as_slice() else {
        return Err(RegistryError::document("the image configuration", "it has not one layer"));
    };
    let annotation = |key: &str| {
        let lacks = || RegistryError::Lacks { what: format!("the annotation `{key}`") };
        manifest.annotations.get(key).cloned().ok_or_else(lacks)
    };
    let configuration = manifest.annotations.iter().filter_map(|(key, digest)| {
        key.strip_prefix(CONFIGURATION).map(|name| (name.to_owned(), digest.clone()))
    });
    let release = Release {
        digest: ReleaseDigest(manifest_at.digest.clone()),
        service: annotation(TITLE)?,
        commit: annotation(REVISION)?,
        entrypoint: config.config.entrypoint,
        configuration: configuration.collect(),
        bytes: layer.size,
    };
    let diff_id = diff_id.clone();
    Ok(Parts { release, manifest: manifest_at, config: manifest.config, layer, diff_id })
}

/// The one descriptor of a list, of the wanted kind.
fn only(list: &[Descriptor], what: &str, kind: &str) -> Result<Descriptor, RegistryError> {
    let [one] = list else {
        let reason = format!("it names {} parts where one is expected", list.len());
        return Err(RegistryError::document(what, reason));
    };
    check_kind(one, what, kind)?;
    Ok(one.clone())
}

fn check_kind(one: &Descriptor, what: &str, kind: &str) -> Result<(), RegistryError> {
    if one.media_type == kind {
        return Ok(());
    }
    let reason = format!("it names a part of type `{}`, not `{kind}`", one.media_type);
    Err(RegistryError::document(what, reason))
}

fn read_document<T: DeserializeOwned>(
    layout: &Path,
    at: &Descriptor,
    what: &str,
) -> Result<T, RegistryError> {
    let text = read_small(&at.path(layout)?, what)?;
    check_blob(at, &digest_of(&text), text.len() as u64, what)?;
    parse(&text, what)
}

/// Compares bytes with what their descriptor promises.
pub(crate) fn check_blob(
    at: &Descriptor,
    hex: &str,
    bytes: u64,
    what: &str,
) -> Result<(), RegistryError> {
    let what = what.to_owned();
    if bytes != at.size {
        return Err(RegistryError::Size { what, expected: at.size, found: bytes });
    }
    if hex != at.hex()? {
        let (expected, found) = (at.digest.clone(), format!("sha256:{hex}"));
        return Err(RegistryError::Digest { what, expected, found });
    }
    Ok(())
}

/// Reads a blob to its end and compares it with its descriptor.
pub(crate) fn verify_blob(layout: &Path, at: &Descriptor, what: &str) -> Result<(), RegistryError> {
    let path = at.path(layout)?;
    let mut file = Hashing::new(open(&path, what)?);
    io::copy(&mut file, &mut io::sink()).map_err(RegistryError::io(&path))?;
    let (_, hex, bytes) = file.finish();
    check_blob(at, &hex, bytes, what)
}

pub(crate) fn open(path: &Path, what: &str) -> Result<File, RegistryError> {
    File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => RegistryError::Lacks { what: what.to_owned() },
        _ => RegistryError::Io { path: path.to_owned(), source },
    })
}

fn read_small(path: &Path, what: &str) -> Result<Vec<u8>, RegistryError> {
    let mut text = Vec::new();
    let mut limited = io::Read::take(open(path, what)?, DOCUMENT_BYTES_MAX + 1);
    io::Read::read_to_end(&mut limited, &mut text).map_err(RegistryError::io(path))?;
    if text.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(RegistryError::TooLarge { limit: DOCUMENT_BYTES_MAX, unit: "bytes" });
    }
    Ok(text)
}

fn parse<T: DeserializeOwned>(text: &[u8], what: &str) -> Result<T, RegistryError> {
    serde_json::from_slice(text).map_err(|error| RegistryError::document(what, error))
}
