//! The stock service: search listed companies, their details, generated prices and scores, and keep
//! watchlists, over HTTP, on PostgreSQL.
//!
//! It knows no passwords: who somebody is, an access token of the auth service says.

pub mod catalog;
pub mod check;
pub mod config;
pub mod data;
pub mod home;
pub mod http;
pub mod search;
pub mod watchlist;
