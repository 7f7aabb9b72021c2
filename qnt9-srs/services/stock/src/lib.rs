//! The stock service: search listed companies by symbol or name, over HTTP, on PostgreSQL.
//!
//! It holds reference data only (symbol, name, country, indices): no prices, and nothing about users.

pub mod check;
pub mod client;
pub mod company;
pub mod config;
pub mod database;
pub mod fake;
pub mod home;
pub mod http;
pub mod log;
pub mod ranking;
pub mod schema;
pub mod search;
pub mod serve;
