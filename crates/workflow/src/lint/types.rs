//! What kind of value an expression has, as far as it can be told without running anything.

use std::rc::Rc;

use crate::value::equals_ignoring_case;

/// The kind of a value. Copies share their properties: every use of a context makes one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    /// Nothing is known.
    Any,
    Null,
    Bool,
    Number,
    Text,
    Array {
        item: Rc<Self>,
        /// Whether it comes of `.*`, so that a property of it is that of every item.
        is_filtered: bool,
    },
    Object(ObjectType),
}

/// The properties of an object.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ObjectType {
    pub(crate) properties: Rc<Vec<(String, Type)>>,
    /// What all other properties are; without it there are no others.
    pub(crate) rest: Option<Rc<Type>>,
}

impl Type {
    pub(crate) fn array(item: Self) -> Self {
        Self::Array { item: Rc::new(item), is_filtered: false }
    }

    pub(crate) fn filtered(item: Self) -> Self {
        Self::Array { item: Rc::new(item), is_filtered: true }
    }

    /// An object with these properties and no others.
    pub(crate) fn strict<N: Into<String>>(properties: impl IntoIterator<Item = (N, Self)>) -> Self {
        let properties = properties.into_iter().map(|(name, kind)| (name.into(), kind));
        Self::Object(ObjectType { properties: Rc::new(properties.collect()), rest: None })
    }

    /// An object with any properties, all of one kind.
    pub(crate) fn map(rest: Self) -> Self {
        Self::Object(ObjectType { rest: Some(Rc::new(rest)), ..ObjectType::default() })
    }

    /// An object with these properties and any others.
    pub(crate) fn loose<N: Into<String>>(properties: impl IntoIterator<Item = (N, Self)>) -> Self {
        match Self::strict(properties) {
            Self::Object(object) => {
                Self::Object(ObjectType { rest: Some(Rc::new(Self::Any)), ..object })
            }
            other => other,
        }
    }

    /// The kind of what is either of two kinds.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (left, right) if left == right => left,
            (Self::Array { item: left, is_filtered }, Self::Array { item: right, .. }) => {
                let item = Rc::unwrap_or_clone(left).or(Rc::unwrap_or_clone(right));
                Self::Array { item: Rc::new(item), is_filtered }
            }
            (Self::Object(left), Self::Object(right)) => Self::Object(left.or(right)),
            _ => Self::Any,
        }
    }

    /// Whether a text can be made of it without losing what it is.
    pub(crate) fn is_textual(&self) -> bool {
        !matches!(self, Self::Array { .. } | Self::Object(_) | Self::Null)
    }

    pub(crate) fn is_collection(&self) -> bool {
        matches!(self, Self::Array { .. } | Self::Object(_))
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Array { .. } => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The kind of a JSON value.
    pub(crate) fn of_json(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::Null,
            Json::Bool(_) => Self::Bool,
            Json::Number(_) => Self::Number,
            Json::String(_) => Self::Text,
            Json::Array(items) => Self::array(Self::of_all(items.iter().map(Self::of_json))),
            Json::Object(entries) => Self::strict(
                entries.iter().map(|(name, value)| (name.as_str(), Self::of_json(value))),
            ),
        }
    }

    /// The kind of any of these; nothing is known of none.
    pub(crate) fn of_all(kinds: impl IntoIterator<Item = Self>) -> Self {
        kinds.into_iter().reduce(Self::or).unwrap_or(Self::Any)
    }
}

impl ObjectType {
    /// The kind of a property; `None` when there is none of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Type> {
        let known = self.properties.iter().find(|(known, _)| equals_ignoring_case(known, name));
        known.map(|(_, kind)| kind.clone()).or_else(|| self.rest.as_deref().cloned())
    }

    /// The kind of whatever property.
    pub(crate) fn any_property(&self) -> Type {
        let kinds = self.properties.iter().map(|(_, kind)| kind.clone());
        Type::of_all(kinds.chain(self.rest.as_deref().cloned()))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.properties.iter().map(|(name, _)| name.as_str())
    }

    /// Takes in a property, which may be there already with another kind.
    pub(crate) fn insert(&mut self, name: &str, kind: Type) {
        let properties = Rc::make_mut(&mut self.properties);
        match properties.iter_mut().find(|(known, _)| equals_ignoring_case(known, name)) {
            Some((_, known)) => *known = std::mem::replace(known, Type::Any).or(kind),
            None => properties.push((name.to_owned(), kind)),
        }
    }

    fn or(mut self, other: Self) -> Self {
        for (name, kind) in other.properties.iter() {
            self.insert(name, kind.clone());
        }
        self.rest = match (self.rest, other.rest) {
            (Some(left), Some(right)) => {
                Some(Rc::new(Rc::unwrap_or_clone(left).or(Rc::unwrap_or_clone(right))))
            }
            (left, right) => left.or(right),
        };
        self
    }
}
