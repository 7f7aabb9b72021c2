//! The value of a tree, and the trace of how a condition came to its value.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::ast::{Comparison, Node, NodeKind};
use super::memory::{Exceeded, Memory};
use super::operand::Operand;
use super::{EvaluationError, Scope, functions};
use crate::Value;
use crate::condition::Trace;

/// The value of a tree. `source` is the text that it was parsed from.
pub(crate) fn evaluate_node(
    node: &Node<'_>,
    source: &str,
    scope: &Scope<'_>,
) -> Result<Value, EvaluationError> {
    Evaluator::new(source, scope, None).value(node, 0).map(Operand::into_value)
}

/// The truth of a tree, with the trace of its parts.
pub(crate) fn evaluate_condition(
    node: &Node<'_>,
    source: &str,
    scope: &Scope<'_>,
) -> Result<(bool, Trace), EvaluationError> {
    let mut evaluator = Evaluator::new(source, scope, Some(Seen::new()));
    let holds = evaluator.value(node, 0)?.is_truthy();
    Ok((holds, trace(node, source, &evaluator.seen.unwrap_or_default())))
}

/// The values of the nodes that were looked at, by where the nodes stand in the text.
type Seen = BTreeMap<(usize, usize), String>;

pub(super) struct Evaluator<'a> {
    pub(super) scope: &'a Scope<'a>,
    source: &'a str,
    memory: Memory,
    /// Kept where somebody asks how the value came about.
    seen: Option<Seen>,
}

impl<'a> Evaluator<'a> {
    fn new(source: &'a str, scope: &'a Scope<'a>, seen: Option<Seen>) -> Self {
        Self { scope, source, memory: Memory::new(), seen }
    }

    /// The value of a node at a level of the tree, from 0.
    pub(super) fn value(
        &mut self,
        node: &'a Node<'a>,
        level: usize,
    ) -> Result<Operand<'a>, EvaluationError> {
        let value = self.compute(node, level)?;
        self.memory.hold(level, &value).map_err(|Exceeded| self.exceeded())?;
        if let Some(seen) = &mut self.seen {
            seen.insert((node.span.start, node.span.end), value.to_literal());
        }
        Ok(value)
    }

    pub(super) fn exceeded(&self) -> EvaluationError {
        EvaluationError::Memory { expression: crate::excerpt(self.source) }
    }

    fn compute(
        &mut self,
        node: &'a Node<'a>,
        level: usize,
    ) -> Result<Operand<'a>, EvaluationError> {
        let below = level + 1;
        Ok(match &node.kind {
            NodeKind::Null => Operand::Null,
            NodeKind::Bool(value) => Operand::Bool(*value),
            NodeKind::Number(value) => Operand::Number(*value),
            NodeKind::Text(value) => Operand::Text(Cow::Borrowed(value)),
            NodeKind::Context(name) => {
                self.scope.contexts.get(name).map_or(Operand::Null, Operand::from)
            }
            NodeKind::Call { function, arguments } => {
                functions::call(self, *function, arguments, level)?
            }
            NodeKind::Index { target, index } => match self.value(target, below)? {
                // Of what has no elements the index is not even looked at.
                target if target.is_primitive() => Operand::Null,
                target => target.selected(&self.value(index, below)?.selector()),
            },
            NodeKind::Filter { target } => self.value(target, below)?.filtered(),
            NodeKind::Not(operand) => Operand::Bool(!self.value(operand, below)?.is_truthy()),
            NodeKind::Compare { operator, left, right } => {
                let left = self.value(left, below)?;
                let right = self.value(right, below)?;
                Operand::Bool(compare(*operator, &left, &right))
            }
            NodeKind::And(operands) => self.first(operands, false, below)?,
            NodeKind::Or(operands) => self.first(operands, true, below)?,
        })
    }

    /// The first operand of the given truth, or the last one; the rest is not evaluated.
    fn first(
        &mut self,
        operands: &'a [Node<'a>],
        truth: bool,
        level: usize,
    ) -> Result<Operand<'a>, EvaluationError> {
        let mut result = Operand::Null;
        for operand in operands {
            result = self.value(operand, level)?;
            if result.is_truthy() == truth {
                break;
            }
        }
        Ok(result)
    }
}

/// How the logical parts of a tree came to their values; those that were not looked at have none.
fn trace(node: &Node<'_>, source: &str, seen: &Seen) -> Trace {
    let value = seen.get(&(node.span.start, node.span.end)).cloned();
    let parts = match &node.kind {
        _ if value.is_none() => Vec::new(),
        NodeKind::And(_)
        | NodeKind::Or(_)
        | NodeKind::Not(_)
        | NodeKind::Compare { .. }
        | NodeKind::Call { .. } => {
            let parts = node.children().map(|child| trace(child, source, seen));
            // A literal explains itself.
            parts.filter(|part| part.value.as_ref() != Some(&part.source)).collect()
        }
        _ => Vec::new(),
    };
    Trace::new(&source[node.span.clone()], value, parts)
}

fn compare(operator: Comparison, left: &Operand<'_>, right: &Operand<'_>) -> bool {
    match operator {
        Comparison::Equal => left.equals(right),
        Comparison::NotEqual => !left.equals(right),
        Comparison::Less => left.order(right) == Some(Ordering::Less),
        Comparison::LessOrEqual => left.equals(right) || left.order(right) == Some(Ordering::Less),
        Comparison::Greater => left.order(right) == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => {
            left.equals(right) || left.order(right) == Some(Ordering::Greater)
        }
    }
}
