//! The chassis: what every service of the system does alike. Settings, the shape of answers, probes, metrics,
//! database connections, access tokens, rate limits, and the life of the process from start to SIGTERM.
//!
//! It knows no service: no path of an API, no table except those of the schema crate.

pub mod answer;
pub mod client;
pub mod config;
pub mod database;
pub mod limit;
pub mod log;
pub mod metrics;
pub mod prepare;
pub mod serve;
pub mod service;
pub mod signers;
pub mod suite;
pub mod token;
