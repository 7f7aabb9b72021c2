//! A value on its way through an expression. Collections of a context are borrowed and so keep their
//! identity, because arrays and objects are equal only to themselves.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::Value;
use crate::value::{compare_ignoring_case, equals_ignoring_case, format_number, parse_number};

#[derive(Clone, Debug)]
pub(super) enum Operand<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// An array or object of a context.
    Known(&'a Value),
    /// An array or object that a function made, and which nothing else is.
    Made(Value),
    /// What `.*` yields: further indexes apply to each item.
    Filtered(Vec<Self>),
}

/// What an index selects with: of an object a property by name, of an array an item by position.
pub(super) struct Selector<'a> {
    name: Option<Cow<'a, str>>,
    position: Option<usize>,
}

impl<'a> Operand<'a> {
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(value) => *value != 0.0 && !value.is_nan(),
            Self::Text(value) => !value.is_empty(),
            Self::Known(_) | Self::Made(_) | Self::Filtered(_) => true,
        }
    }

    /// Whether it is neither an array nor an object.
    pub(super) fn is_primitive(&self) -> bool {
        !matches!(self, Self::Known(_) | Self::Made(_) | Self::Filtered(_))
    }

    /// The text that stands for it within a text. Arrays and objects show only what they are.
    pub(super) fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Number(value) => Cow::Owned(format_number(*value)),
            Self::Text(value) => Cow::Borrowed(value),
            Self::Known(Value::Object(_)) | Self::Made(Value::Object(_)) => Cow::Borrowed("Object"),
            Self::Known(_) | Self::Made(_) | Self::Filtered(_) => Cow::Borrowed("Array"),
        }
    }

    /// The name of its kind.
    pub(super) fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => Value::Null.kind_name(),
            Self::Bool(value) => Value::Bool(*value).kind_name(),
            Self::Number(value) => Value::Number(*value).kind_name(),
            Self::Text(_) => "String",
            Self::Known(value) => value.kind_name(),
            Self::Made(value) => value.kind_name(),
            Self::Filtered(_) => "Array",
        }
    }

    fn to_number(&self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Bool(value) => f64::from(u8::from(*value)),
            Self::Number(value) => *value,
            Self::Text(value) => parse_number(value),
            Self::Known(_) | Self::Made(_) | Self::Filtered(_) => f64::NAN,
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(value) => Value::Number(value),
            Self::Text(value) => Value::String(value.into_owned()),
            Self::Known(value) => value.clone(),
            Self::Made(value) => value,
            Self::Filtered(items) => {
                Value::Array(items.into_iter().map(Self::into_value).collect())
            }
        }
    }

    /// The items of an array; `None` for anything else.
    pub(super) fn into_items(self) -> Option<Vec<Self>> {
        match self {
            Self::Filtered(items) => Some(items),
            Self::Known(Value::Array(items)) => Some(items.iter().map(Self::from).collect()),
            Self::Made(Value::Array(items)) => Some(items.into_iter().map(Self::from).collect()),
            _ => None,
        }
    }

    /// What `.*` makes of it: the items of an array, the values of an object, nothing of anything else.
    pub(super) fn filtered(self) -> Self {
        match self {
            Self::Filtered(items) => {
                Self::Filtered(items.into_iter().flat_map(Self::into_elements).collect())
            }
            other => Self::Filtered(other.into_elements()),
        }
    }

    fn into_elements(self) -> Vec<Self> {
        match self {
            Self::Known(Value::Object(object)) => object.values().map(Self::from).collect(),
            Self::Made(Value::Object(object)) => {
                object.into_iter().map(|(_, value)| Self::from(value)).collect()
            }
            other => other.into_items().unwrap_or_default(),
        }
    }

    /// What the index selects; of a filtered array, what it selects of each of its items.
    pub(super) fn selected(self, selector: &Selector<'_>) -> Self {
        match self {
            Self::Filtered(items) => Self::Filtered(
                items.into_iter().filter_map(|item| item.into_element(selector)).collect(),
            ),
            other => other.into_element(selector).unwrap_or(Self::Null),
        }
    }

    /// The element that the selector names, if there is one.
    fn into_element(self, selector: &Selector<'_>) -> Option<Self> {
        match self {
            Self::Known(Value::Object(object)) => {
                object.get(selector.name.as_ref()?).map(Self::from)
            }
            Self::Made(Value::Object(mut object)) => {
                object.remove(selector.name.as_ref()?).map(Self::from)
            }
            Self::Known(Value::Array(items)) => items.get(selector.position?).map(Self::from),
            Self::Made(Value::Array(items)) => {
                items.into_iter().nth(selector.position?).map(Self::from)
            }
            // Items of a filtered array are values, never filtered arrays themselves.
            _ => None,
        }
    }

    pub(super) fn selector(&self) -> Selector<'_> {
        let floor = self.to_number().floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let position = (0.0..=f64::from(i32::MAX)).contains(&floor).then_some(floor as usize);
        Selector { name: self.is_primitive().then(|| self.to_text()), position }
    }

    /// Equality with coercion: `null == 0`, `'1' == true`, but an array only equals itself.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => equals_ignoring_case(left, right),
            (Self::Null, Self::Null) => true,
            (Self::Known(left), Self::Known(right)) => std::ptr::eq(*left, *right),
            // Arrays and objects are `NaN` as numbers, which nothing equals.
            (left, right) => left.to_number() == right.to_number(),
        }
    }

    /// The order after coercion; `None` where there is none (arrays, objects, `NaN`).
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => Some(compare_ignoring_case(left, right)),
            // Two nulls are equal, but neither is less.
            (left, right) => left.to_number().partial_cmp(&right.to_number()),
        }
    }

    /// The value as a person would write it, for a trace.
    pub(super) fn to_literal(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(value) => format!("'{}'", value.replace('\'', "''")),
            other => other.to_text().into_owned(),
        }
    }
}

impl<'a> From<&'a Value> for Operand<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(value) => Self::Number(*value),
            Value::String(value) => Self::Text(Cow::Borrowed(value)),
            Value::Array(_) | Value::Object(_) => Self::Known(value),
        }
    }
}

impl From<Value> for Operand<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(value) => Self::Number(value),
            Value::String(value) => Self::Text(Cow::Owned(value)),
            Value::Array(_) | Value::Object(_) => Self::Made(value),
        }
    }
}
