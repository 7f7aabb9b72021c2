//! Kubernetes manifests: what the API refuses, and what it takes without a word and never works.

mod delivery;
mod images;
mod links;
mod names;
mod placement;
mod probes;
mod resources;
mod values;

use super::Check;
use crate::Code;

pub(super) use images::moving_tag;

pub(super) const CHECKS: &[Check] = &[
    placement::syntax,
    links::selectors,
    links::services,
    links::ingresses,
    images::check,
    delivery::waits,
    delivery::tags,
    placement::namespaces,
    placement::versions,
    probes::check,
    resources::check,
    names::config_maps,
    names::mounts,
    names::autoscalers,
    names::commands,
    values::texts,
    values::secrets,
    values::refused,
];

pub(super) const CODES: &[Code] = &[
    links::SELECTOR,
    links::NO_PODS,
    links::WRONG_PORT,
    links::NO_SERVICE,
    images::MUTABLE,
    resources::ABSURD,
    probes::NO_READINESS,
    probes::WRONG_PORT,
    placement::OLD_API,
    placement::OTHER_NAMESPACE,
    placement::SYNTAX,
    delivery::NOT_WAITED_FOR,
    names::NO_CONFIG,
    names::NO_VOLUME,
    names::SCALES_NOTHING,
    names::NO_WORKLOAD,
    values::NO_TEXT,
    values::NOT_BASE64,
    values::REFUSED,
];
