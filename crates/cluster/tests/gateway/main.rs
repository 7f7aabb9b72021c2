//! The gateway as its clients, its backends and the server meet it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../examples/switch_proof/backend.rs"]
mod backend;
#[path = "../../examples/switch_proof/client.rs"]
mod client;
mod house;
#[path = "../../examples/switch_proof/rollout.rs"]
mod rollout;

mod configuration;
mod failing;
mod journaling;
mod process;
mod sharing;
mod switching;
