//! The value of a tree, and the trace of how a condition came to its value.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ast::{Comparison, Node, NodeKind};
use super::{EvaluationError, Scope, functions};
use crate::Value;
use crate::condition::Trace;
use crate::value::{compare_ignoring_case, equals_ignoring_case};

/// A value on its way. Borrowed values keep their identity, because arrays and objects are equal
/// only to themselves.
#[derive(Clone, Debug)]
pub(super) enum Operand<'a> {
    Value(Cow<'a, Value>),
    /// What `.*` yields: further indexes apply to each item.
    Filtered(Vec<Self>),
}

impl<'a> Operand<'a> {
    const NULL: Self = Self::Value(Cow::Borrowed(Value::NULL));

    fn borrowed(value: &'a Value) -> Self {
        Self::Value(Cow::Borrowed(value))
    }

    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Value(value) => value.is_truthy(),
            Self::Filtered(_) => true,
        }
    }

    /// The value if it is neither array nor object.
    pub(super) fn primitive(&self) -> Option<&Value> {
        match self {
            Self::Value(value) if value.is_primitive() => Some(value),
            _ => None,
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Value(value) => value.to_text(),
            Self::Filtered(_) => "Array".to_owned(),
        }
    }

    fn to_number(&self) -> f64 {
        match self {
            Self::Value(value) => value.to_number(),
            Self::Filtered(_) => f64::NAN,
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value.into_owned(),
            Self::Filtered(items) => {
                Value::Array(items.into_iter().map(Self::into_value).collect())
            }
        }
    }

    /// The items of an array; `None` for anything else.
    pub(super) fn into_items(self) -> Option<Vec<Self>> {
        match self {
            Self::Filtered(items) => Some(items),
            Self::Value(Cow::Borrowed(Value::Array(items))) => {
                Some(items.iter().map(Self::borrowed).collect())
            }
            Self::Value(Cow::Owned(Value::Array(items))) => {
                Some(items.into_iter().map(Self::from).collect())
            }
            Self::Value(_) => None,
        }
    }

    /// The items of an array or the values of an object; nothing of anything else.
    fn into_elements(self) -> Vec<Self> {
        match self {
            Self::Value(Cow::Borrowed(Value::Object(object))) => {
                object.values().map(Self::borrowed).collect()
            }
            Self::Value(Cow::Owned(Value::Object(object))) => {
                object.into_iter().map(|(_, value)| Self::from(value)).collect()
            }
            other => other.into_items().unwrap_or_default(),
        }
    }

    /// The element that an index selects, if there is one.
    fn into_element(self, index: &Self) -> Option<Self> {
        match self {
            Self::Value(Cow::Borrowed(Value::Object(object))) => {
                object.get(&index.primitive()?.to_text()).map(Self::borrowed)
            }
            Self::Value(Cow::Owned(Value::Object(mut object))) => {
                object.remove(&index.primitive()?.to_text()).map(Self::from)
            }
            other => {
                let position = array_position(index.to_number())?;
                other.into_items()?.into_iter().nth(position)
            }
        }
    }

    /// Equality with coercion: `null == 0`, `'1' == true`, but an array only equals itself.
    pub(super) fn equals(&self, other: &Self) -> bool {
        let (Some(left), Some(right)) = (self.primitive(), other.primitive()) else {
            return self.is_same(other);
        };
        match (left, right) {
            (Value::String(left), Value::String(right)) => equals_ignoring_case(left, right),
            (Value::Null, Value::Null) => true,
            _ => left.to_number() == right.to_number(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(Cow::Borrowed(left)), Self::Value(Cow::Borrowed(right))) => {
                !left.is_primitive() && std::ptr::eq(*left, *right)
            }
            _ => false,
        }
    }

    /// The order after coercion; `None` where there is none (arrays, objects, `NaN`).
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self.primitive()?, other.primitive()?) {
            (Value::String(left), Value::String(right)) => Some(compare_ignoring_case(left, right)),
            (left, right) => left.to_number().partial_cmp(&right.to_number()),
        }
    }

    /// The value as a person would write it, for a trace.
    fn to_literal(&self) -> String {
        match self {
            Self::Value(value) => value.to_literal(),
            Self::Filtered(_) => "Array".to_owned(),
        }
    }
}

impl From<Value> for Operand<'_> {
    fn from(value: Value) -> Self {
        Self::Value(Cow::Owned(value))
    }
}

fn array_position(number: f64) -> Option<usize> {
    let floor = number.floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range is checked")]
    (0.0..=f64::from(i32::MAX)).contains(&floor).then_some(floor as usize)
}

/// The value of a tree.
pub(crate) fn evaluate_node(node: &Node, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
    Evaluator { scope }.value(node).map(Operand::into_value)
}

/// The truth of a tree, with the trace of its parts.
pub(crate) fn evaluate_condition(
    node: &Node,
    source: &str,
    scope: &Scope<'_>,
) -> Result<(bool, Trace), EvaluationError> {
    let evaluator = Evaluator { scope };
    let (operand, trace) = evaluator.traced(node, source)?;
    Ok((operand.is_truthy(), trace))
}

pub(super) struct Evaluator<'a> {
    pub(super) scope: &'a Scope<'a>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn value(&self, node: &Node) -> Result<Operand<'a>, EvaluationError> {
        Ok(match &node.kind {
            NodeKind::Literal(value) => value.clone().into(),
            NodeKind::Context(name) => {
                self.scope.contexts.get(name).map_or(Operand::NULL, Operand::borrowed)
            }
            NodeKind::Call { function, arguments } => functions::call(self, *function, arguments)?,
            NodeKind::Index { target, index } => {
                let target = self.value(target)?;
                let index = self.value(index)?;
                match target {
                    Operand::Filtered(items) => Operand::Filtered(
                        items.into_iter().filter_map(|item| item.into_element(&index)).collect(),
                    ),
                    target => target.into_element(&index).unwrap_or(Operand::NULL),
                }
            }
            NodeKind::Filter { target } => match self.value(target)? {
                Operand::Filtered(items) => {
                    Operand::Filtered(items.into_iter().flat_map(Operand::into_elements).collect())
                }
                target => Operand::Filtered(target.into_elements()),
            },
            NodeKind::Not(operand) => Value::Bool(!self.value(operand)?.is_truthy()).into(),
            NodeKind::Compare { operator, left, right } => {
                Value::Bool(compare(*operator, &self.value(left)?, &self.value(right)?)).into()
            }
            NodeKind::And(operands) => self.first(operands, false)?,
            NodeKind::Or(operands) => self.first(operands, true)?,
        })
    }

    /// The first operand of the given truth, or the last one; the rest is not evaluated.
    fn first(&self, operands: &[Node], truth: bool) -> Result<Operand<'a>, EvaluationError> {
        let mut result = Operand::NULL;
        for operand in operands {
            result = self.value(operand)?;
            if result.is_truthy() == truth {
                break;
            }
        }
        Ok(result)
    }

    /// The value with the trace of the logical parts that led to it.
    fn traced(&self, node: &Node, source: &str) -> Result<(Operand<'a>, Trace), EvaluationError> {
        let mut parts = Vec::new();
        let operand = match &node.kind {
            NodeKind::And(operands) => self.first_traced(operands, false, source, &mut parts)?,
            NodeKind::Or(operands) => self.first_traced(operands, true, source, &mut parts)?,
            NodeKind::Not(inner) => {
                let (operand, trace) = self.traced(inner, source)?;
                parts.push(trace);
                Value::Bool(!operand.is_truthy()).into()
            }
            NodeKind::Compare { operator, left, right } => {
                let (left, left_trace) = self.traced(left, source)?;
                let (right, right_trace) = self.traced(right, source)?;
                parts.extend([left_trace, right_trace]);
                Value::Bool(compare(*operator, &left, &right)).into()
            }
            NodeKind::Call { arguments, .. } => {
                let value = self.value(node)?;
                // A function need not look at every argument, so one without a value is no error.
                let traced = arguments.iter().filter_map(|node| self.traced(node, source).ok());
                parts.extend(traced.map(|(_, trace)| trace));
                value
            }
            _ => self.value(node)?,
        };
        // A literal explains itself.
        parts.retain(|part| part.value.as_ref() != Some(&part.source));
        let trace = Trace::new(&source[node.span.clone()], Some(operand.to_literal()), parts);
        Ok((operand, trace))
    }

    fn first_traced(
        &self,
        operands: &[Node],
        truth: bool,
        source: &str,
        parts: &mut Vec<Trace>,
    ) -> Result<Operand<'a>, EvaluationError> {
        let mut operands = operands.iter();
        let mut result = Operand::NULL;
        for operand in operands.by_ref() {
            let (value, trace) = self.traced(operand, source)?;
            parts.push(trace);
            result = value;
            if result.is_truthy() == truth {
                break;
            }
        }
        parts.extend(operands.map(|rest| Trace::new(&source[rest.span.clone()], None, Vec::new())));
        Ok(result)
    }
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
