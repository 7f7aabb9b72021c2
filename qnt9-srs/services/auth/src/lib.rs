//! The auth service: accounts, passwords, sessions, and access tokens that other services check by
//! themselves with the published keys.
//!
//! It sends no mail and knows no permissions beyond the tier of an account.

pub mod account;
pub mod check;
pub mod fake;
pub mod http;
pub mod keys;
pub mod password;
pub mod session;
