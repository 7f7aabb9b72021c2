//! What can be wrong with a release.

use std::io;
use std::path::{Path, PathBuf};

/// A release could not be built, read or unpacked. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A path that could leave its folder, or that no file system takes.
    #[error("`{path}` cannot be a path in a release: {reason}")]
    Path {
        /// The path as it was given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two files claim one path.
    #[error("`{path}` is in the release twice, or is a file and a folder at once")]
    Twice {
        /// The path.
        path: String,
    },
    /// A release without files does nothing.
    #[error("the release has no files")]
    Empty,
    /// Neither a file, a folder nor a link that stays inside.
    #[error("`{path}` is {kind}, which a release cannot hold")]
    Kind {
        /// The path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A stream without end, or one made to fill the disk.
    #[error("the release is too large: more than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// The bytes are not those that the name promises.
    #[error("{what} is damaged: it should have the digest {expected}, and has {found}")]
    Digest {
        /// Which part.
        what: String,
        /// What the name says.
        expected: String,
        /// What the bytes say.
        found: String,
    },
    /// The length is not the one that the descriptor gives.
    #[error("{what} is damaged: it should have {expected} bytes, and has {found}")]
    Size {
        /// Which part.
        what: String,
        /// What the descriptor says.
        expected: u64,
        /// What was found.
        found: u64,
    },
    /// A part that is not there.
    #[error("the release lacks {what}")]
    Lacks {
        /// Which part.
        what: String,
    },
    /// Something that does not belong there.
    #[error("the upload holds `{path}`, which belongs to no release")]
    Unexpected {
        /// Its path.
        path: String,
    },
    /// A document of another shape, or one this program cannot use.
    #[error("{what} is not what a release of qnt9 has: {reason}")]
    Document {
        /// Which document.
        what: String,
        /// What does not fit.
        reason: String,
    },
    /// The stream of an upload or a layer cannot be read.
    #[error("the stream of {what} cannot be read")]
    Stream {
        /// Of what.
        what: &'static str,
        /// What the reader says.
        #[source]
        source: io::Error,
    },
    /// The file system refused.
    #[error("{path} cannot be read or written")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
}

impl RegistryError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn document(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Document { what: what.into(), reason: format!("{reason}") }
    }
}
