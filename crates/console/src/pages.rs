//! The pages, one per file.

mod again;
mod approvals;
mod audit;
mod deployment;
mod difference;
mod environments;
mod find;
mod home;
mod job_log;
mod notifications;
mod past;
mod problem;
mod releases;
mod run;
mod runs;
mod sign_in;
mod steps;

pub use approvals::approvals;
pub use audit::{AuditEntry, AuditFilter, AuditPage, audit};
pub use deployment::deployment;
pub use difference::{Compared, difference};
pub use environments::environments;
pub use find::find;
pub use home::home;
pub use job_log::{JobLog, Search, fragment, job_log};
pub use notifications::notifications;
pub use past::past;
pub use problem::{no_project, not_found, refused, trouble};
pub use releases::releases;
pub use run::{RunExtras, chosen, run};
pub use runs::{RunsFilter, runs};
pub use sign_in::{SignIn, sign_in};
pub use steps::{Chosen, LiveStep, Summary, step_rows};
