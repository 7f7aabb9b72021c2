//! The dashboard: HTML and pictures from the engine's state.
//!
//! Every page is a function from a [`View`] (the state, the project, the moment, the visitor) to
//! markup; pictures are drawn here too, as SVG from the same figures as the table beside them. What
//! has to be read from elsewhere (log lines, audit entries, summaries) comes in as arguments.
//!
//! It does no I/O, knows no HTTP, checks no session and decides nothing: the server serves these
//! pages and asks the machine for what their forms post.

pub mod assets;
pub mod board;
mod facts;
mod find;
pub mod form;
mod frame;
pub mod graph;
pub mod log;
mod lost;
pub mod markdown;
pub mod pages;
pub mod past;
pub mod paths;
mod standing;
mod status;
pub mod text;
pub mod time;
mod timing;
mod traffic;
pub mod view;
pub mod waiting;
mod why;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use facts::describe;
pub use maud::Markup;
pub use view::{SignedIn, View, Visitor};
pub use why::commands;
