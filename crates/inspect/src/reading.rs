//! Everything of a repository that checks look at, read once.

use crate::Repository;
use crate::dockerfile::{Dockerfile, dockerfiles};
use crate::flow::Flow;
use crate::kubernetes::{Object, objects};
use crate::rules::Rules;
use crate::terraform::Module;

/// A month, as in 2026-11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    pub year: u16,
    /// From 1.
    pub month: u8,
}

pub(crate) struct Reading<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) today: Month,
    pub(crate) flows: Vec<Flow>,
    pub(crate) modules: Vec<Module<'a>>,
    pub(crate) objects: Vec<Object>,
    pub(crate) images: Vec<(&'a str, Dockerfile)>,
    pub(crate) rules: Option<Rules>,
}

impl<'a> Reading<'a> {
    pub(crate) fn of(repository: &'a Repository, today: Month) -> Self {
        Self {
            repository,
            today,
            flows: Flow::all(repository),
            modules: Module::all(repository),
            objects: objects(repository),
            images: dockerfiles(repository).collect(),
            rules: Rules::of(repository),
        }
    }
}
