//! The company: its people, what they write into their repositories, and what they do all day.

mod deeds;
mod repository;
mod rules;
mod staff;
mod workflows;

pub(crate) use deeds::{DEED_KINDS, Deed};
pub(crate) use repository::{Repository, Written};
pub(crate) use rules::{Strictness, rules};
pub(crate) use staff::staff;
pub(crate) use workflows::{JobKind, Workflows, job_kind};
