//! Every query, once, in the dialect that SQLite and PostgreSQL share: `$1`, `ON CONFLICT`,
//! `UNION`. Only the schema differs between them.
//!
//! In each query the parameters first appear in the order of their numbers: SQLite takes `$1` for a
//! name and numbers parameters by first appearance.

pub(crate) const HEAD: &str = "SELECT stream, sequence, digest, seal FROM heads WHERE stream = $1";

pub(crate) const HEADS: &str = "SELECT stream, sequence, digest FROM heads";

pub(crate) const PUT_HEAD: &str = "
    INSERT INTO heads (stream, sequence, digest, seal) VALUES ($1, $2, $3, $4)
    ON CONFLICT (stream) DO UPDATE
    SET sequence = excluded.sequence, digest = excluded.digest, seal = excluded.seal";

/// All three tables are asked, so that a stream whose head somebody deleted is still seen. The two
/// large ones are skipped through, one look-up for each stream, and not read from end to end.
pub(crate) const STREAMS: &str = "
    WITH RECURSIVE
    live (stream) AS (
        SELECT min(stream) FROM entries
        UNION ALL
        SELECT (SELECT min(stream) FROM entries WHERE stream > live.stream)
        FROM live WHERE live.stream IS NOT NULL
    ),
    archived (stream) AS (
        SELECT min(stream) FROM segments
        UNION ALL
        SELECT (SELECT min(stream) FROM segments WHERE stream > archived.stream)
        FROM archived WHERE archived.stream IS NOT NULL
    )
    SELECT stream FROM heads
    UNION SELECT stream FROM live WHERE stream IS NOT NULL
    UNION SELECT stream FROM archived WHERE stream IS NOT NULL
    ORDER BY stream";

pub(crate) const APPEND: &str =
    "INSERT INTO entries (stream, sequence, line, seal) VALUES ($1, $2, $3, $4)";

/// Segments first: their columns give the types of the nulls. They are found by their ends, and `$4`
/// is where the last one that can matter has ended, so that no others are looked at.
pub(crate) const READ: &str = "
    SELECT first_sequence, last_sequence, content, seal, previous, digest FROM segments
    WHERE stream = $1 AND last_sequence >= $2 AND first_sequence <= $3 AND last_sequence < $4
    UNION ALL
    SELECT sequence, sequence, line, seal, NULL, NULL FROM entries
    WHERE stream = $1 AND sequence >= $2 AND sequence <= $3";

pub(crate) const OLDEST_LIVE: &str = "
    SELECT sequence, line, seal FROM entries
    WHERE stream = $1 AND sequence <= $2 ORDER BY sequence LIMIT $3";

pub(crate) const LAST_SEGMENT: &str = "
    SELECT last_sequence, digest FROM segments
    WHERE stream = $1 ORDER BY last_sequence DESC LIMIT 1";

pub(crate) const PUT_SEGMENT: &str = "
    INSERT INTO segments
        (stream, first_sequence, last_sequence, previous, digest, content, seal)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub(crate) const DELETE_LIVE: &str =
    "DELETE FROM entries WHERE stream = $1 AND sequence >= $2 AND sequence <= $3";

pub(crate) const APPEND_TEXT: &str =
    "INSERT INTO texts (stream, sequence, digest, sealed) VALUES ($1, $2, $3, $4)";

pub(crate) const TEXTS: &str = "
    SELECT sequence, digest, sealed FROM texts
    WHERE stream = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence, digest";

pub(crate) const COUNT_TEXTS: &str =
    "SELECT count(*), count(sealed) FROM texts WHERE stream = $1 AND digest = $2";

pub(crate) const ERASE_TEXT: &str =
    "UPDATE texts SET sealed = NULL WHERE stream = $1 AND digest = $2";

pub(crate) const SNAPSHOT: &str = "
    SELECT sequence, digest, state_version, generation, chunks FROM snapshots WHERE stream = $1";

pub(crate) const PUT_SNAPSHOT: &str = "
    INSERT INTO snapshots (stream, sequence, digest, state_version, generation, chunks)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (stream) DO UPDATE
    SET sequence = excluded.sequence, digest = excluded.digest,
        state_version = excluded.state_version, generation = excluded.generation,
        chunks = excluded.chunks
    WHERE snapshots.sequence <= excluded.sequence";

pub(crate) const DROP_SNAPSHOT: &str = "DELETE FROM snapshots WHERE stream = $1";

pub(crate) const LAST_GENERATION: &str =
    "SELECT generation FROM snapshot_chunks WHERE stream = $1 ORDER BY generation DESC LIMIT 1";

pub(crate) const PUT_CHUNK: &str =
    "INSERT INTO snapshot_chunks (stream, generation, chunk, sealed) VALUES ($1, $2, $3, $4)";

pub(crate) const CHUNK: &str = "
    SELECT sealed FROM snapshot_chunks WHERE stream = $1 AND generation = $2 AND chunk = $3";

pub(crate) const COUNT_CHUNKS: &str =
    "SELECT count(*) FROM snapshot_chunks WHERE stream = $1 AND generation = $2";

/// A chunk of a snapshot that is not in force.
pub(crate) const STALE_CHUNK: &str = "
    SELECT generation, chunk FROM snapshot_chunks
    WHERE stream = $1 AND generation NOT IN
        (SELECT generation FROM snapshots WHERE snapshots.stream = snapshot_chunks.stream)
    LIMIT 1";

pub(crate) const DROP_CHUNK: &str =
    "DELETE FROM snapshot_chunks WHERE stream = $1 AND generation = $2 AND chunk = $3";

pub(crate) const DROP_CHUNKS: &str = "DELETE FROM snapshot_chunks WHERE stream = $1";

pub(crate) const LEASE: &str =
    "SELECT stream, fence, holder, address, until FROM leases WHERE stream = $1";

pub(crate) const LEASES: &str =
    "SELECT stream, fence, holder, address, until FROM leases ORDER BY stream";

pub(crate) const PUT_LEASE: &str = "
    INSERT INTO leases (stream, fence, holder, address, until) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (stream) DO UPDATE
    SET fence = excluded.fence, holder = excluded.holder, address = excluded.address,
        until = excluded.until";

pub(crate) const KEY_FINGERPRINT: &str = "SELECT fingerprint FROM master_key";

pub(crate) const PUT_KEY_FINGERPRINT: &str = "INSERT INTO master_key (fingerprint) VALUES ($1)";
