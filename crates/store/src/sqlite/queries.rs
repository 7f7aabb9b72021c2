//! Every query, once, in the dialect that SQLite and PostgreSQL share: `$1`, `ON CONFLICT`,
//! `RETURNING`. Only the schema differs between them.
//!
//! In each query the parameters first appear in the order of their numbers: SQLite takes `$1` for a
//! name and numbers parameters by first appearance.

pub(crate) const HEAD: &str = "SELECT sequence, digest, seal FROM heads WHERE stream = $1";

pub(crate) const PUT_HEAD: &str = "
    INSERT INTO heads (stream, sequence, digest, seal) VALUES ($1, $2, $3, $4)
    ON CONFLICT (stream) DO UPDATE
    SET sequence = excluded.sequence, digest = excluded.digest, seal = excluded.seal";

/// Both tables are asked, so that a stream whose head somebody deleted is still seen.
pub(crate) const STREAMS: &str =
    "SELECT stream FROM heads UNION SELECT DISTINCT stream FROM entries ORDER BY stream";

pub(crate) const APPEND: &str =
    "INSERT INTO entries (stream, sequence, line, seal) VALUES ($1, $2, $3, $4)";

pub(crate) const READ: &str = "
    SELECT sequence, line, seal FROM entries
    WHERE stream = $1 AND sequence >= $2 ORDER BY sequence LIMIT $3";

pub(crate) const APPEND_TEXT: &str =
    "INSERT INTO texts (stream, sequence, digest, sealed) VALUES ($1, $2, $3, $4)";

pub(crate) const TEXTS: &str = "
    SELECT sequence, digest, sealed FROM texts
    WHERE stream = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence, digest";

pub(crate) const COUNT_TEXTS: &str =
    "SELECT count(*), count(sealed) FROM texts WHERE stream = $1 AND digest = $2";

pub(crate) const ERASE_TEXT: &str =
    "UPDATE texts SET sealed = NULL WHERE stream = $1 AND digest = $2";

pub(crate) const SNAPSHOT: &str = "SELECT sequence, sealed FROM snapshots WHERE stream = $1";

pub(crate) const PUT_SNAPSHOT: &str = "
    INSERT INTO snapshots (stream, sequence, sealed) VALUES ($1, $2, $3)
    ON CONFLICT (stream) DO UPDATE
    SET sequence = excluded.sequence, sealed = excluded.sealed
    WHERE snapshots.sequence <= excluded.sequence";

pub(crate) const DROP_SNAPSHOT: &str = "DELETE FROM snapshots WHERE stream = $1";

pub(crate) const KEY_FINGERPRINT: &str = "SELECT fingerprint FROM master_key";

pub(crate) const PUT_KEY_FINGERPRINT: &str = "INSERT INTO master_key (fingerprint) VALUES ($1)";
