//! The tree of an expression.

use std::ops::Range;

use crate::Value;

/// One part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// Where its text stands in the expression, in bytes, enclosing parentheses included.
    pub(crate) span: Range<usize>,
    /// How many levels of nodes it has, itself included.
    pub(crate) depth: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeKind {
    Literal(Value),
    /// The name of a context.
    Context(String),
    Call {
        function: Function,
        arguments: Vec<Node>,
    },
    /// `target[index]`, and `target.name` with a literal index.
    Index {
        target: Box<Node>,
        index: Box<Node>,
    },
    /// `target.*` and `target[*]`.
    Filter {
        target: Box<Node>,
    },
    Not(Box<Node>),
    Compare {
        operator: Comparison,
        left: Box<Node>,
        right: Box<Node>,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
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

    /// Whether it may be used wherever expressions may.
    pub(crate) fn is_everywhere(self) -> bool {
        !self.is_status() && self != Self::HashFiles
    }
}

impl Node {
    /// Whether a status function is called anywhere in the tree.
    pub(crate) fn asks_for_status(&self) -> bool {
        match &self.kind {
            NodeKind::Call { function, .. } if function.is_status() => true,
            _ => self.children().any(Self::asks_for_status),
        }
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = &Self> {
        let children: Vec<&Self> = match &self.kind {
            NodeKind::Literal(_) | NodeKind::Context(_) => Vec::new(),
            NodeKind::Call { arguments, .. } => arguments.iter().collect(),
            NodeKind::Index { target, index } => vec![target, index],
            NodeKind::Filter { target } => vec![target],
            NodeKind::Not(operand) => vec![operand],
            NodeKind::Compare { left, right, .. } => vec![left, right],
            NodeKind::And(operands) | NodeKind::Or(operands) => operands.iter().collect(),
        };
        children.into_iter()
    }
}
