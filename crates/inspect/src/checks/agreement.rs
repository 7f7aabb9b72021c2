//! What several files say about one thing: names, paths, ports, placeholders.

mod health;
mod names;
mod placeholders;
mod ports;
mod readiness;

use super::Check;
use crate::Code;

pub(super) const CHECKS: &[Check] = &[
    placeholders::values,
    placeholders::templates,
    ports::check,
    health::check,
    names::environments,
    names::aliases,
    names::services,
    names::evidence,
    names::starts,
    readiness::check,
];

pub(super) const CODES: &[Code] = &[
    placeholders::LEFT_IN,
    placeholders::NOT_FILLED,
    ports::OTHER_PORT,
    health::OTHER_PATH,
    names::NO_ENVIRONMENT,
    names::TWO_NAMES,
    names::NO_SERVICE,
    names::NOT_IN_RELEASE,
    names::NEVER_RECORDED,
    names::NEVER_STARTS,
    readiness::ALWAYS,
];
