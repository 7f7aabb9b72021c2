//! Workflow files: what GitHub, or an action, will refuse or quietly do otherwise.

mod actions;
mod artifacts;
mod identity;
mod needs;
mod paths;
mod preparation;
mod runners;
mod scripts;
mod triggers;

use super::Check;
use crate::Code;

pub(super) use triggers::never;

pub(super) const CHECKS: &[Check] = &[
    actions::check,
    artifacts::check,
    identity::check,
    needs::check,
    paths::check,
    preparation::check,
    runners::check,
    scripts::check,
    triggers::branches,
    triggers::schedules,
];

pub(super) const CODES: &[Code] = &[
    actions::GONE,
    actions::OLD_RUNTIME,
    scripts::SWITCHED_OFF,
    scripts::DEPRECATED,
    identity::NO_ID_TOKEN,
    artifacts::SAME_NAME,
    needs::SKIPPED_NEED,
    triggers::NO_SUCH_BRANCH,
    triggers::NEVER,
    runners::NO_SUCH_RUNNER,
    paths::NO_SUCH_PATH,
    preparation::NO_LOCK_FILE,
    preparation::NO_CHECKOUT,
];
