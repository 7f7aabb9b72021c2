//! People, tokens, and which projects there are.

use std::collections::BTreeMap;

use qnt9_model::Person;
use serde::{Deserialize, Serialize};

/// People, tokens, and which projects there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// The last entry's sequence number.
    pub sequence: u64,
    /// People by name.
    pub people: BTreeMap<String, Person>,
    /// Tokens by sha256.
    pub tokens: BTreeMap<String, Token>,
}

impl Platform {
    /// The person whose commits carry this address.
    #[must_use]
    pub fn person_by_email(&self, email: &str) -> Option<&Person> {
        self.people.values().find(|person| person.email.eq_ignore_ascii_case(email))
    }
}

/// A personal token, known by its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Whose.
    pub person: String,
    /// What for.
    pub label: String,
}
