//! What people may do.

/// One kind of thing that a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Push,
    Dispatch,
    Approve,
    Reject,
    Cancel,
    Rerun,
    Resolve,
    Rollback,
    Abort,
    Promote,
    Note,
    Secret,
    Terraform,
    Platform,
    Nonsense,
}

/// How many kinds there are.
pub(crate) const DEED_KINDS: usize = 15;

impl Deed {
    pub(crate) const ALL: [Self; DEED_KINDS] = [
        Self::Push,
        Self::Dispatch,
        Self::Approve,
        Self::Reject,
        Self::Cancel,
        Self::Rerun,
        Self::Resolve,
        Self::Rollback,
        Self::Abort,
        Self::Promote,
        Self::Note,
        Self::Secret,
        Self::Terraform,
        Self::Platform,
        Self::Nonsense,
    ];
}
