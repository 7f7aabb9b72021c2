//! A load generator for a fixed scenario, its measurements and its verdict.
//!
//! - [`Scenario`] is read from TOML: which requests, how often each, and the [`Thresholds`].
//! - [`run`] is the closed loop of a load test: so many users, each sending its next request when the
//!   last one is answered.
//! - [`Steady`] is the open loop of a service in use: so many requests a second, whatever becomes of
//!   them, with counters that can be read meanwhile.
//! - [`judge`] says whether a measurement holds the thresholds; [`write_reports`] and [`text_summary`]
//!   say it to machines and people.
//!
//! It speaks HTTP/1.1 in the clear, only to the [`Target`] it is given: it follows no redirects, and a
//! scenario cannot name another host. It runs no scripts. It prints nothing and reads no environment.

mod client;
mod generator;
mod measure;
mod pick;
mod report;
mod scenario;
mod steady;
mod target;
mod verdict;

pub use generator::{Plan, Progress, run};
pub use measure::{Measured, NameStats, Second, Times};
pub use report::{Report, ReportError, text_summary, write_reports};
pub use scenario::{RequestTemplate, Scenario, ScenarioError, Thresholds};
pub use steady::{Connections, Counts, Steady, SteadyPlan};
pub use target::{Target, TargetError};
pub use verdict::{Held, Threshold, Verdict, judge};
