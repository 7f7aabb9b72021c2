//! GitHub Actions workflow files and expressions in, a plan or exact diagnostics out.
//!
//! - [`language`] reads files to tokens by a grammar; [`plan`] makes of them what GitHub makes of them, and
//!   refuses what GitHub refuses, in its words.
//! - [`parse`] makes a [`Workflow`] of a file to be run here, or says what is wrong with it or not carried
//!   out yet, and where.
//! - [`lint`] finds what is wrong beyond the grammar; [`forecast`] says what an event would start, and
//!   [`difference`] what a change of files changes.
//! - [`Workflow::triggered_by`] and [`Workflow::dispatch_inputs`] say whether and with what it starts.
//! - [`Condition::evaluate`], [`Template::interpolate`] and [`Strategy::legs`] evaluate its parts
//!   against a [`Scope`]; a condition also tells by a [`Trace`] how it came to its verdict.
//!
//! What it reads means exactly what it means on GitHub. Not all that it reads can be run yet:
//! containers, services, reusable workflows, background steps and most events are refused by [`parse`]
//! by their names. It never runs anything, and reads neither files nor the clock.

mod condition;
pub mod conformance;
mod cron;
mod diagnostic;
pub mod difference;
mod expression;
pub mod forecast;
mod inputs;
pub mod language;
pub mod lint;
mod matrix;
mod nearest;
mod pattern;
pub mod plan;
mod reader;
mod source;
mod template;
mod trigger;
mod value;
mod workflow;
mod zone;

pub use condition::{Condition, Trace, Verdict};
pub use cron::{Cron, CronError};
pub use diagnostic::Diagnostic;
pub use expression::{
    EXPRESSION_DEPTH_MAX, EXPRESSION_LENGTH_MAX, EXPRESSION_MEMORY_BYTES_MAX, ErrorKind,
    EvaluationError, HashFiles, Scope, Status, SyntaxError, evaluate,
};
pub use inputs::{Input, InputError, InputKind};
pub use matrix::{
    LEG_LABEL_CHARS_MAX, Leg, MATRIX_COMBINATIONS_MAX, MATRIX_LEGS_MAX, Matrix, MatrixError, Tree,
};
pub use reader::parse;
pub use template::{Position, Template};
pub use trigger::{Event, Filter, Occurrence, Schedule, Trigger, Triggered};
pub use value::{JSON_DEPTH_MAX, JsonError, Object, Value};
pub use workflow::{
    Access, Concurrency, Defaults, EnvironmentRef, Job, Permissions, Queue, RunsOn, Step,
    StepAction, Strategy, Workflow,
};
pub use zone::Zone;

/// The longest stretch of somebody's text that is repeated in a message, in characters.
const EXCERPT_CHARS_MAX: usize = 200;

/// The text as it is repeated in a message: cut when long.
fn excerpt(text: &str) -> String {
    if text.chars().count() <= EXCERPT_CHARS_MAX {
        return text.to_owned();
    }
    let cut: String = text.chars().take(EXCERPT_CHARS_MAX - 1).collect();
    format!("{cut}…")
}
