//! OCI's language: content-addressed image layouts and the releases made of them.
//!
//! A release is one image: a layer with its files, a configuration, and a manifest whose digest is
//! the release's name. The same files, modes, commit and configuration digests always give the same
//! digest. Source of the formats: OCI Image Format Specification 1.1 (image layout, manifest,
//! configuration, layer).
//!
//! | module      | idea                                                                    |
//! |-------------|-------------------------------------------------------------------------|
//! | [`image`]   | what goes into a release, and building it                               |
//! | [`layout`]  | a release on disk: the documents, reading and verifying them            |
//! | [`upload`]  | a layout as one stream, and taking one in from somebody not trusted     |
//! | [`extract`] | the files of a release, unpacked where nothing can leave the folder     |
//! | [`tree`]    | the digest of a folder of configuration                                 |
//!
//! What this crate does not do: it neither speaks the distribution protocol (push and pull over
//! HTTP) nor runs anything, and who may build which release is decided elsewhere.

mod checked;
mod error;
pub mod extract;
pub mod image;
mod layer;
pub mod layout;
pub mod tree;
pub mod upload;

pub use error::RegistryError;
pub use extract::extract;
pub use image::{Content, Image, ImageFile, build, native_architecture};
pub use layout::{Release, read};
pub use tree::tree_digest;
pub use upload::{pack, unpack_upload};

#[cfg(test)]
mod tests;
