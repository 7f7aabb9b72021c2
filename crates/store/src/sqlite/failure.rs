//! SQLite's errors, told apart by what somebody can do about them.

use crate::error::{Cause, Place, StoreError};
use rusqlite::ErrorCode;
use std::path::Path;
use std::sync::Arc;

/// The error of the log at `path`.
pub(crate) fn explain(path: &Path, error: rusqlite::Error) -> StoreError {
    let place = Place::File(path.to_owned());
    let Some(failure) = error.sqlite_error().copied() else {
        let what = error.to_string();
        return StoreError::Corrupt { place, what, source: Some(Arc::new(error)) };
    };
    let folder_exists = path.parent().is_none_or(|folder| folder == "" || folder.exists());
    let source: Cause = Arc::new(error);
    match (failure.code, failure.extended_code) {
        (ErrorCode::DiskFull, _)
        // The index of the write-ahead log could not grow.
        | (_, rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => StoreError::Full { place, source },
        (ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => {
            StoreError::ReadOnly { place, source }
        }
        (ErrorCode::CannotOpen, _) if folder_exists => StoreError::ReadOnly { place, source },
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
            StoreError::Busy { place, source }
        }
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
            | ErrorCode::ConstraintViolation, _) => {
            let what = source.to_string();
            StoreError::Corrupt { place, what, source: Some(source) }
        }
        _ => StoreError::Io { place, source },
    }
}
