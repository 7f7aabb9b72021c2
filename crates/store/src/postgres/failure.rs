//! PostgreSQL's errors, told apart by what somebody can do about them.

use crate::error::{Cause, Place, StoreError};
use std::io;
use std::sync::Arc;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Whether the connection is of no use any more.
pub(super) fn is_lost(error: &Error) -> bool {
    match error.as_db_error() {
        Some(told) => is_going_away(told.code()),
        None => true,
    }
}

/// The server says that it stops, starts, or ends this connection.
fn is_going_away(code: &SqlState) -> bool {
    // Class 08 is about connections; 57P is an operator's doing, such as stopping the server.
    code.code().starts_with("08")
        || code.code().starts_with("57P")
        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        || *code == SqlState::TOO_MANY_CONNECTIONS
}

pub(super) fn explain(place: Place, error: Error) -> StoreError {
    let Some(told) = error.as_db_error() else {
        return StoreError::Away { place, source: Arc::new(error) };
    };
    let (code, said) = (told.code().clone(), told.message().to_owned());
    let source: Cause = Arc::new(error);
    if is_going_away(&code) {
        return StoreError::Away { place, source };
    }
    match code {
        SqlState::DISK_FULL => StoreError::Full { place, source },
        SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::ReadOnly { place, source },
        SqlState::IO_ERROR => StoreError::Io { place, source },
        SqlState::LOCK_NOT_AVAILABLE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE => StoreError::Busy { place, source },
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => {
            StoreError::Corrupt { place, what: said, source: Some(source) }
        }
        _ => StoreError::Refused { place, said, source },
    }
}

/// The connection ended before, within the same transaction.
pub(super) fn gone(place: Place) -> StoreError {
    let source = io::Error::new(io::ErrorKind::NotConnected, "the connection was lost");
    StoreError::Away { place, source: Arc::new(source) }
}

/// The server accepted a question and is silent.
pub(super) fn silent(place: Place) -> StoreError {
    let source = io::Error::new(io::ErrorKind::TimedOut, "no answer came in time");
    StoreError::Away { place, source: Arc::new(source) }
}
