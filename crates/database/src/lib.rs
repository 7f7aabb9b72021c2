//! Copies, masks, scans, backs up and verifies environments' PostgreSQL databases.
//!
//! A masked copy is made by the classes that a file gives to every column, in a scratch database that
//! takes the target's place in one switch, and only after a scan has found none of the production's
//! personal values in it. A backup counts as verified once it was restored into a scratch database
//! whose every table has the rows and the checksum that the dump's snapshot had.
//!
//! It starts no process, reads no environment and prints nothing: addresses, keys and files are handed
//! in. It decides nothing about deliveries: what came of it is recorded as evidence by the caller.

mod agreement;
mod backup;
mod catalog;
mod classes;
mod connection;
mod copy;
mod error;
mod index;
mod replace;
mod rows;
mod scan;
mod scratch;
mod structure;
mod values;

pub use backup::{DumpTools, Manifest, TableFigures, Verified, back_up, verify};
pub use classes::{Class, Classes, Classified, Problem, Problems};
pub use copy::{CopiedTable, CopyReport, CopyRequest, Progress, Seconds, check_classes, copy};
pub use error::DatabaseError;
pub use replace::MaskingKey;
pub use scan::{Hit, PublicColumn, ScanReport};
