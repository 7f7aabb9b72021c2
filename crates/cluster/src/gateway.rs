//! The gateway: it takes a place's traffic and shares it out between releases.
//!
//! It is a process of its own, so that traffic goes on while the server is away. The server replaces
//! a file ([`write_config`]) and says so over a unix socket ([`Control`]); every second the gateway
//! appends to a [`journal`] what each arm was asked and how it answered. Its directory holds
//! `config.json`, `gateway.sock`, `gateway.lock` and `journal/`.
//!
//! Clients speak HTTP/1.1 or HTTP/2 in the clear, backends HTTP/1.1. There is no TLS, and a request
//! that wants to become another protocol (WebSocket, CONNECT) is answered 501.

mod config;
mod control;
mod entrance;
mod headers;
pub mod journal;
mod proxy;
mod route;
mod run;
mod shares;
mod sketch;
mod upstream;

pub use config::{
    Arm, CONFIG_FILE, Config, ConfigError, Listener, WEIGHT_MAX, read_config, write_config,
};
pub use control::{
    Applied, ArmStatus, BackendStatus, Control, ControlError, ListenerStatus, PROTOCOL, Status,
    Unbound,
};
pub use run::{GatewayError, holder, run, run_blocking};
pub use sketch::Sketch;
