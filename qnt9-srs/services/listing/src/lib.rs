//! Listed companies in memory: which there are, how they are identified and found, and what is generated
//! about them (prices, recommendations).
//!
//! Pure: no I/O, no clock, no randomness. Prices and fundamentals are invented, always the same for the same
//! symbol and day; they are no market data.

pub mod calendar;
pub mod company;
pub mod fake;
pub mod identifier;
pub mod index;
pub mod prices;
pub mod ranking;
pub mod recommendation;
mod seed;
pub mod trigram;
