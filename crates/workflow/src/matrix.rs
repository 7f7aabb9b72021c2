//! The legs of a matrix: every combination of its vectors, minus `exclude`, plus `include`.

use serde::{Deserialize, Serialize};

use crate::language::{Token, TokenKind};
use crate::workflow::Strategy;
use crate::{EvaluationError, Object, Scope, Template, Value};

/// The most legs that one job may have.
pub const MATRIX_LEGS_MAX: usize = 256;
/// The most combinations that are looked at before `exclude` has thinned them out.
pub const MATRIX_COMBINATIONS_MAX: usize = 65_536;
/// The longest label, in characters.
pub const LEG_LABEL_CHARS_MAX: usize = 100;

/// `strategy.matrix`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Matrix {
    /// The whole matrix is the value of an expression.
    Computed(Template),
    Written {
        vectors: Vec<(String, Tree)>,
        include: Option<Tree>,
        exclude: Option<Tree>,
    },
}

/// A value as written in the file, with expressions at any depth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Tree {
    Null,
    Bool(bool),
    /// A number by its digits, because the stored form has no `NaN` or infinity.
    Number(String),
    Text(Template),
    Sequence(Vec<Self>),
    Mapping(Vec<(String, Self)>),
}

impl Matrix {
    /// What stands after `matrix:`.
    pub(crate) fn of(token: &Token) -> Self {
        if !token.is_mapping() {
            return Self::Computed(Template::new(token.source(), token.position()));
        }
        let part = |name: &str| token.get(name).map(Tree::of);
        let vectors = token.entries().iter().filter_map(|(key, value)| {
            let name = key.as_str().filter(|name| !matches!(*name, "include" | "exclude"))?;
            Some((name.to_owned(), Tree::of(value)))
        });
        Self::Written {
            vectors: vectors.collect(),
            include: part("include"),
            exclude: part("exclude"),
        }
    }
}

impl Tree {
    /// A value as it is written.
    pub(crate) fn of(token: &Token) -> Self {
        match &token.kind {
            TokenKind::Null | TokenKind::Insert => Self::Null,
            TokenKind::Boolean(value) => Self::Bool(*value),
            TokenKind::Number(value) => Self::Number(value.to_string()),
            TokenKind::String(_) | TokenKind::Expression(_) => {
                Self::Text(Template::new(token.source(), token.position()))
            }
            TokenKind::Sequence(items) => Self::Sequence(items.iter().map(Self::of).collect()),
            TokenKind::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.text(), Self::of(value)));
                Self::Mapping(entries.collect())
            }
        }
    }

    pub fn value(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(digits) => Value::Number(digits.parse().unwrap_or(f64::NAN)),
            Self::Text(template) => template.value(scope)?,
            Self::Sequence(items) => {
                Value::Array(items.iter().map(|item| item.value(scope)).collect::<Result<_, _>>()?)
            }
            Self::Mapping(entries) => {
                let mut object = Object::new();
                for (key, tree) in entries {
                    object.insert(key.as_str(), tree.value(scope)?);
                }
                Value::Object(object)
            }
        })
    }
}

/// One job of a matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Its place among the legs, from 0.
    pub index: usize,
    /// The `matrix` context.
    pub values: Object,
    /// The values that tell it from its siblings, such as `stable, default`.
    pub label: String,
}

/// Why a matrix has no legs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatrixError {
    #[error("the matrix is {0}, but must be a mapping of lists")]
    NotAMapping(&'static str),
    #[error("Matrix vector '{0}' does not contain any values")]
    EmptyVector(String),
    #[error("Matrix must define at least one vector")]
    NoVectors,
    #[error("the matrix vector `{name}` is {found}, but must be a list")]
    NotAList { name: String, found: &'static str },
    #[error("an entry of `{key}` is {found}, but must be a mapping")]
    NotAnEntry { key: &'static str, found: &'static str },
    #[error("Matrix exclude key '{0}' does not match any key within the matrix")]
    UnknownExcludeKey(String),
    #[error("`exclude` leaves no combination of the matrix")]
    NothingLeft,
    #[error("the matrix has more than {MATRIX_LEGS_MAX} combinations")]
    TooManyLegs,
}

impl Strategy {
    /// The legs of the job, at least one, in GitHub's order: the last vector varies fastest, and
    /// what `include` adds comes last. Without a matrix it is one leg without values.
    pub fn legs(&self, scope: &Scope<'_>) -> Result<Vec<Leg>, EvaluationError> {
        let Some(matrix) = &self.matrix else {
            return Ok(vec![Leg { index: 0, values: Object::new(), label: String::new() }]);
        };
        Ok(Parts::of(matrix, scope)?.legs()?)
    }

    /// Whether one failed leg cancels the others; true unless said otherwise.
    pub fn fails_fast(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        self.fail_fast.as_ref().map_or(Ok(true), |template| template.boolean(scope))
    }

    /// How many legs may run at once; `None` is no limit.
    pub fn parallel_max(&self, scope: &Scope<'_>) -> Result<Option<u32>, EvaluationError> {
        let Some(template) = &self.max_parallel else { return Ok(None) };
        let number = template.number(scope)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let limit = number as u32;
        // GitHub takes nothing below 1 as a limit.
        Ok((limit >= 1).then_some(limit))
    }

    /// The `strategy` context of one of `total` legs.
    pub fn context(
        &self,
        index: usize,
        total: usize,
        scope: &Scope<'_>,
    ) -> Result<Object, EvaluationError> {
        let total_number = count(total);
        let max_parallel = self.parallel_max(scope)?.map_or(total_number, f64::from);
        Ok(Object::from_iter([
            ("fail-fast", Value::Bool(self.fails_fast(scope)?)),
            ("job-index", Value::Number(count(index))),
            ("job-total", Value::Number(total_number)),
            ("max-parallel", Value::Number(max_parallel)),
        ]))
    }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

/// A matrix whose expressions have their values.
struct Parts {
    vectors: Vec<(String, Vec<Value>)>,
    include: Vec<Object>,
    exclude: Vec<Object>,
}

/// A leg in the making: the combination itself, and what `include` has added to it.
struct Combination {
    chosen: Object,
    added: Object,
}

impl Parts {
    fn of(matrix: &Matrix, scope: &Scope<'_>) -> Result<Self, EvaluationError> {
        let mut written = match matrix {
            Matrix::Computed(template) => match template.value(scope)? {
                Value::Object(object) => object,
                other => return Err(MatrixError::NotAMapping(kind(&other)).into()),
            },
            Matrix::Written { vectors, include, exclude } => {
                let mut object = Object::new();
                let lists = [("include", include), ("exclude", exclude)];
                let lists = lists.iter().filter_map(|(key, tree)| Some((*key, tree.as_ref()?)));
                for (key, tree) in
                    vectors.iter().map(|(key, tree)| (key.as_str(), tree)).chain(lists)
                {
                    object.insert(key, tree.value(scope)?);
                }
                object
            }
        };
        let include = entries("include", written.remove("include"))?;
        let exclude = entries("exclude", written.remove("exclude"))?;
        let mut vectors = Vec::new();
        for (name, value) in written {
            match value {
                Value::Array(items) if items.is_empty() => {
                    return Err(MatrixError::EmptyVector(name).into());
                }
                Value::Array(items) => vectors.push((name, items)),
                other => {
                    return Err(MatrixError::NotAList { name, found: kind(&other) }.into());
                }
            }
        }
        Ok(Self { vectors, include, exclude })
    }

    fn is_vector(&self, key: &str) -> bool {
        self.vectors.iter().any(|(name, _)| name.eq_ignore_ascii_case(key))
    }

    fn legs(&self) -> Result<Vec<Leg>, MatrixError> {
        if self.vectors.is_empty() && self.include.is_empty() {
            return Err(MatrixError::NoVectors);
        }
        let mut combinations = self.combinations()?;
        let mut alone = Vec::new();
        for entry in &self.include {
            if !self.add(entry, &mut combinations) {
                alone.push(entry.clone());
            }
        }
        let total = combinations.len() + alone.len();
        if total > MATRIX_LEGS_MAX {
            return Err(MatrixError::TooManyLegs);
        }
        if total == 0 {
            return Err(MatrixError::NothingLeft);
        }
        let combined = combinations.into_iter().map(|Combination { chosen, added }| {
            let label = label(&chosen);
            (chosen.into_iter().chain(added).collect(), label)
        });
        let alone = alone.into_iter().map(|entry| {
            let label = label(&entry);
            (entry, label)
        });
        let legs = combined.chain(alone).enumerate();
        Ok(legs.map(|(index, (values, label))| Leg { index, values, label }).collect())
    }

    /// Every combination of the vectors that `exclude` leaves.
    fn combinations(&self) -> Result<Vec<Combination>, MatrixError> {
        for key in self.exclude.iter().flat_map(Object::iter).map(|(key, _)| key) {
            if !self.is_vector(key) {
                return Err(MatrixError::UnknownExcludeKey(key.to_owned()));
            }
        }
        if self.vectors.is_empty() {
            return Ok(Vec::new());
        }
        let total =
            self.vectors.iter().map(|(_, items)| items.len()).try_fold(1, usize::checked_mul);
        let total = total
            .filter(|total| *total <= MATRIX_COMBINATIONS_MAX)
            .ok_or(MatrixError::TooManyLegs)?;
        let combinations = (0..total).map(|at| self.combination(at));
        let kept = combinations
            .filter(|chosen| !self.exclude.iter().any(|entry| is_part_of(entry, chosen)));
        // One more than allowed is enough to know that there are too many.
        let kept = kept.take(MATRIX_LEGS_MAX + 1);
        Ok(kept.map(|chosen| Combination { chosen, added: Object::new() }).collect())
    }

    /// The combination at a place, where the last vector varies fastest.
    fn combination(&self, mut at: usize) -> Object {
        let mut chosen = Vec::new();
        for (name, items) in self.vectors.iter().rev() {
            chosen.push((name.as_str(), items[at % items.len()].clone()));
            at /= items.len();
        }
        chosen.into_iter().rev().collect()
    }

    /// Adds an entry of `include` to every combination whose original values it does not
    /// contradict; false if there is none.
    fn add(&self, entry: &Object, combinations: &mut [Combination]) -> bool {
        let (conditions, additions): (Vec<_>, Vec<_>) =
            entry.iter().partition(|(key, _)| self.is_vector(key));
        let conditions: Object =
            conditions.into_iter().map(|(key, value)| (key, value.clone())).collect();
        let mut is_added = false;
        for combination in combinations {
            if is_part_of(&conditions, &combination.chosen) {
                is_added = true;
                for (key, value) in &additions {
                    combination.added.insert(*key, (*value).clone());
                }
            }
        }
        is_added
    }
}

/// Whether every value of `part` is the one that `whole` has under the same key, nested
/// mappings likewise in part.
fn is_part_of(part: &Object, whole: &Object) -> bool {
    part.iter().all(|(key, value)| match (value, whole.get(key)) {
        (Value::Object(part), Some(Value::Object(whole))) => is_part_of(part, whole),
        (value, Some(other)) => value == other,
        (_, None) => false,
    })
}

fn entries(key: &'static str, value: Option<Value>) -> Result<Vec<Object>, MatrixError> {
    let items = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            return Err(MatrixError::NotAList { name: key.to_owned(), found: kind(&other) });
        }
    };
    items
        .into_iter()
        .map(|item| match item {
            Value::Object(entry) => Ok(entry),
            other => Err(MatrixError::NotAnEntry { key, found: kind(&other) }),
        })
        .collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// All plain values, nested ones included, in their order.
fn label(values: &Object) -> String {
    fn collect(value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
            Value::Object(object) => object.values().for_each(|value| collect(value, texts)),
            plain => texts.push(plain.to_text()),
        }
    }
    let mut texts = Vec::new();
    values.values().for_each(|value| collect(value, &mut texts));
    texts.retain(|text| !text.is_empty());
    let label = texts.join(", ");
    if label.chars().count() <= LEG_LABEL_CHARS_MAX {
        return label;
    }
    let cut: String = label.chars().take(LEG_LABEL_CHARS_MAX - 1).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests;
