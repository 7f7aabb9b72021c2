//! The tree of an expression.

use std::borrow::Cow;
use std::ops::Range;

/// One part of an expression, borrowing from its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node<'s> {
    pub(crate) kind: NodeKind<'s>,
    /// Where its text stands in the expression, in bytes, enclosing parentheses included.
    pub(crate) span: Range<usize>,
    /// How many levels of nodes it has, itself included.
    pub(crate) depth: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeKind<'s> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'s, str>),
    /// The name of a context.
    Context(&'s str),
    Call {
        function: Function,
        arguments: Vec<Node<'s>>,
    },
    /// `target[index]`, and `target.name` with a literal index.
    Index {
        target: Box<Node<'s>>,
        index: Box<Node<'s>>,
    },
    /// `target.*` and `target[*]`.
    Filter {
        target: Box<Node<'s>>,
    },
    Not(Box<Node<'s>>),
    Compare {
        operator: Comparison,
        left: Box<Node<'s>>,
        right: Box<Node<'s>>,
    },
    And(Vec<Node<'s>>),
    Or(Vec<Node<'s>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Contains,
    StartsWith,
    EndsWith,
    Format,
    Join,
    ToJson,
    FromJson,
    Case,
    HashFiles,
    Success,
    Failure,
    Cancelled,
    Always,
}

impl Function {
    pub(crate) const ALL: &'static [Self] = &[
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Format,
        Self::Join,
        Self::ToJson,
        Self::FromJson,
        Self::Case,
        Self::HashFiles,
        Self::Success,
        Self::Failure,
        Self::Cancelled,
        Self::Always,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Format => "format",
            Self::Join => "join",
            Self::ToJson => "toJSON",
            Self::FromJson => "fromJSON",
            Self::Case => "case",
            Self::HashFiles => "hashFiles",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Always => "always",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name().eq_ignore_ascii_case(name))
    }

    /// The least and the greatest number of arguments.
    pub(crate) fn arity(self) -> (usize, usize) {
        const ANY: usize = 255;
        match self {
            Self::Contains | Self::StartsWith | Self::EndsWith => (2, 2),
            Self::Format | Self::HashFiles => (1, ANY),
            Self::Join => (1, 2),
            Self::ToJson | Self::FromJson => (1, 1),
            Self::Case => (3, ANY),
            Self::Success | Self::Failure | Self::Cancelled | Self::Always => (0, 0),
        }
    }

    /// Whether it asks how things went so far, which switches the implicit `success()` off.
    pub(crate) fn is_status(self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Cancelled | Self::Always)
    }

    /// Whether it may be asked of certain jobs by name, in the `if:` of a job.
    pub(crate) fn takes_jobs(self) -> bool {
        matches!(self, Self::Success | Self::Failure)
    }

    /// Whether it may be used wherever expressions may.
    pub(crate) fn is_everywhere(self) -> bool {
        !self.is_status() && self != Self::HashFiles
    }
}

impl Node<'_> {
    /// Whether a status function is called anywhere in the tree.
    pub(crate) fn asks_for_status(&self) -> bool {
        matches!(&self.kind, NodeKind::Call { function, .. } if function.is_status())
            || self.children().any(Self::asks_for_status)
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = &Self> {
        let (boxed, listed): ([Option<&Self>; 2], &[Self]) = match &self.kind {
            NodeKind::Null
            | NodeKind::Bool(_)
            | NodeKind::Number(_)
            | NodeKind::Text(_)
            | NodeKind::Context(_) => ([None, None], &[]),
            NodeKind::Index { target, index } => ([Some(target), Some(index)], &[]),
            NodeKind::Filter { target: operand } | NodeKind::Not(operand) => {
                ([Some(operand), None], &[])
            }
            NodeKind::Compare { left, right, .. } => ([Some(left), Some(right)], &[]),
            NodeKind::Call { arguments: nodes, .. }
            | NodeKind::And(nodes)
            | NodeKind::Or(nodes) => ([None, None], nodes),
        };
        boxed.into_iter().flatten().chain(listed)
    }
}
