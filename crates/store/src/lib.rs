//! The log of facts and the blobs, durable before acknowledged: memory, SQLite or PostgreSQL.
//!
//! A fact is one line of canonical JSON made by somebody else; here it is opaque bytes. Of a line
//! only `stream`, `sequence` and `previous` are read, because they make the hash chain. Beside the
//! lines lie the *texts*: what users put in, encrypted, named by a salted digest inside the line,
//! and erasable without breaking the chain. Blobs are files named by the digest of their content.
//!
//! What this crate does not do: it decides nothing, it knows no kind of fact, it has no clock, and
//! it never serves a network. Access from outside goes through the one process that holds the lock
//! of the data folder.
//!
//! | file        | idea                                                                |
//! |-------------|---------------------------------------------------------------------|
//! | [`log`]     | what a log is: heads, snapshots, erasure, and its two traits        |
//! | [`entry`]   | one line that says where it belongs, and the texts beside it        |
//! | [`group`]   | which batches may be stored: the rules of the chain and of fences   |
//! | [`lease`]   | which of several servers may append to a stream                     |
//! | [`memory`]  | a log that forgets, for simulation and tests                        |
//! | [`sqlite`]  | a log in one file                                                   |
//! | [`postgres`]| a log in a database, for several servers                            |
//! | `sql`       | what both do, written once                                          |
//! | [`writer`]  | a thread of its own that commits everything queued in one go        |
//! | [`verify`]  | is the chain whole, and if not, which entry is the first bad one    |
//! | [`export`]  | the chain as JSON Lines that verify without this store              |
//! | [`key`]     | the master key outside the data folder, and what is derived from it |
//! | [`blobs`]   | content-addressed files                                             |
//! | [`folder`]  | the data folder: its lock and its layout                            |

pub mod blobs;
pub mod digest;
pub mod entry;
pub mod error;
pub mod export;
pub mod folder;
pub mod group;
pub mod key;
pub mod lease;
pub mod log;
pub mod memory;
pub mod postgres;
mod sealing;
mod segment;
mod sql;
pub mod sqlite;
pub mod verify;
pub mod writer;

pub use blobs::{BlobError, Blobs};
pub use digest::Digest;
pub use entry::{BadEntry, NewEntry, StoredEntry, StoredText, Text};
pub use error::{Conflict, Place, StoreError};
pub use export::{export, verify_export};
pub use folder::{DataFolder, FolderError};
pub use group::Batch;
pub use key::{KeyError, MasterKey, Unsealable};
pub use lease::{Fence, Lease, LeaseHolder, Leases, Renewal, TakenLease};
pub use log::{Erasure, Head, Log, LogRead, NewSnapshot, SealedHead, Snapshot};
pub use memory::Memory;
pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use verify::{Reason, Tampered, Verified, VerifyError, verify, verify_stream};
pub use writer::{LogHandle, Writer};

#[cfg(test)]
mod contract;
#[cfg(test)]
mod sample;
