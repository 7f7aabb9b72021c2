//! The inputs of a run that is started by hand.

use serde::{Deserialize, Serialize};

use crate::nearest::nearest;
use crate::value::{equals_ignoring_case, parse_number};
use crate::{Trigger, Value, Workflow};

/// One entry of `workflow_dispatch.inputs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    pub name: String,
    pub description: Option<String>,
    pub kind: InputKind,
    pub is_required: bool,
    pub default: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputKind {
    String,
    Boolean,
    Number,
    /// One of the options.
    Choice(Vec<String>),
    /// The name of an environment; whether there is one of that name is for the caller to say.
    Environment,
}

/// Why a workflow cannot be started with the inputs that were given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("the workflow {0} has no `workflow_dispatch` trigger, so it cannot be started by hand")]
    NotDispatchable(String),
    #[error("the workflow has no input `{name}`{}", meant(.nearest.as_deref()))]
    Unknown { name: String, nearest: Option<String> },
    #[error("the input `{0}` is given twice")]
    Twice(String),
    #[error("the input `{0}` is required and not given")]
    Missing(String),
    #[error("the input `{name}` is `{value}`, but must be {expected}")]
    Invalid { name: String, value: String, expected: String },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl Workflow {
    /// The value of every input of the workflow, typed, for a start by hand: as given, or else its
    /// default, or else the empty value of its kind.
    pub fn dispatch_inputs(
        &self,
        given: &[(String, String)],
    ) -> Result<Vec<(String, Value)>, InputError> {
        let inputs = self
            .on
            .iter()
            .find_map(|trigger| match trigger {
                Trigger::WorkflowDispatch { inputs } => Some(inputs),
                _ => None,
            })
            .ok_or_else(|| InputError::NotDispatchable(self.path.clone()))?;
        values(inputs, given)
    }
}

/// The value of every input, typed: as given, or else its default, or else the empty value of its kind.
pub(crate) fn values(
    inputs: &[Input],
    given: &[(String, String)],
) -> Result<Vec<(String, Value)>, InputError> {
    for (at, (name, _)) in given.iter().enumerate() {
        if !inputs.iter().any(|input| equals_ignoring_case(&input.name, name)) {
            let names = inputs.iter().map(|input| input.name.as_str());
            let nearest = nearest(name, names);
            return Err(InputError::Unknown { name: name.clone(), nearest });
        }
        if given[..at].iter().any(|(earlier, _)| equals_ignoring_case(earlier, name)) {
            return Err(InputError::Twice(name.clone()));
        }
    }
    inputs
        .iter()
        .map(|input| {
            let text = given
                .iter()
                .find(|(name, _)| equals_ignoring_case(name, &input.name))
                .map(|(_, text)| text.as_str());
            Ok((input.name.clone(), input.value(text)?))
        })
        .collect()
}

impl Input {
    fn value(&self, given: Option<&str>) -> Result<Value, InputError> {
        // An empty text counts as not given, as in GitHub's form.
        let given = given.filter(|text| !text.is_empty()).or(self.default.as_deref());
        match given {
            Some(text) => self.kind.read(text).map_err(|expected| InputError::Invalid {
                name: self.name.clone(),
                value: text.to_owned(),
                expected,
            }),
            None if self.is_required => Err(InputError::Missing(self.name.clone())),
            None => Ok(self.kind.empty()),
        }
    }
}

impl InputKind {
    /// The value that a text stands for, or what it must be instead.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::String | Self::Environment => Ok(Value::from(text)),
            Self::Boolean => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err("true or false".to_owned()),
            },
            Self::Number => {
                let number = parse_number(text);
                if number.is_finite() {
                    Ok(Value::Number(number))
                } else {
                    Err("a number".to_owned())
                }
            }
            Self::Choice(options) if options.iter().any(|option| option == text) => {
                Ok(Value::from(text))
            }
            Self::Choice(options) => Err(format!("one of: {}", options.join(", "))),
        }
    }

    fn empty(&self) -> Value {
        match self {
            Self::Boolean => Value::Bool(false),
            Self::Number => Value::Number(0.0),
            Self::String | Self::Choice(_) | Self::Environment => Value::from(""),
        }
    }
}

#[cfg(test)]
mod tests;
