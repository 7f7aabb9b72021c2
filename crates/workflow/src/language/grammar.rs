//! The grammar of workflow files, read from the compact notation of `workflow.grammar`.
//!
//! ```text
//! # a remark
//! @set  = name name @other-set                 a set of contexts and functions
//! NAME [contexts and functions] = BODY         what may stand at a place
//! BODY  = ALTERNATIVE | ALTERNATIVE …
//! ALTERNATIVE =
//!   string filled boolean number null any sequence condition      (`filled` is a text that is not empty)
//!   'text'  choice a b c  choices a b c        one text; one of some; one or a list of them
//!   [BODY]                                     a list
//!   { key: BODY, required!: BODY, *KEYS: BODY }  a mapping; `*` stands for all other keys
//!   NAME                                       what another definition says
//! ```
//! `name(feature)` after a key or an alternative makes it part of the language only with a feature.
//! What contexts an expression may use is the sum of the definitions on the way to its place.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::expression::Function;

/// The grammar that this version was built with.
pub(crate) static GRAMMAR: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::read(include_str!("workflow.grammar")));

#[derive(Debug)]
pub(crate) struct Grammar {
    definitions: Vec<Definition>,
    names: BTreeMap<String, DefinitionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DefinitionId(usize);

/// What may stand at a place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definition {
    /// What it adds to what expressions may use.
    pub(crate) allowed: Allowed,
    pub(crate) body: Body,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Body {
    #[default]
    Null,
    Boolean,
    Number,
    Text(TextRule),
    Sequence(DefinitionId),
    Mapping(MappingRule),
    OneOf(Vec<Alternative>),
}

#[derive(Clone, Debug)]
pub(crate) enum TextRule {
    Any,
    Filled,
    /// The body of an `if:`.
    Condition,
    OneOf(Vec<String>),
}

impl TextRule {
    pub(crate) fn admits(&self, text: &str) -> bool {
        match self {
            Self::Any | Self::Condition => true,
            Self::Filled => !text.is_empty(),
            Self::OneOf(texts) => texts.iter().any(|known| known == text),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MappingRule {
    pub(crate) properties: Vec<Property>,
    /// What all other keys and their values must be; without it there are no others.
    pub(crate) loose: Option<(DefinitionId, DefinitionId)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) value: DefinitionId,
    pub(crate) is_required: bool,
    pub(crate) feature: Option<Feature>,
}

#[derive(Clone, Debug)]
pub(crate) struct Alternative {
    pub(crate) definition: DefinitionId,
    pub(crate) feature: Option<Feature>,
}

/// A part of the language that GitHub switches on for some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Steps that go on while the next ones start: `background`, `wait`, `wait-all`, `cancel`.
    BackgroundSteps,
    /// `environment.deployment`
    DeploymentChoice,
}

impl Feature {
    fn named(name: &str) -> Self {
        match name {
            "background" => Self::BackgroundSteps,
            "deployment" => Self::DeploymentChoice,
            _ => unreachable!("the grammar names no other feature"),
        }
    }
}

/// The contexts and functions that an expression may use, beyond the functions of every place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    contexts: u16,
    functions: u8,
}

const CONTEXTS: [&str; 12] = [
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job", "runner",
    "env", "jobs",
];
const FUNCTIONS: [Function; 5] = [
    Function::Always,
    Function::Success,
    Function::Failure,
    Function::Cancelled,
    Function::HashFiles,
];

impl Allowed {
    /// Whether no expression may stand there at all.
    pub(crate) fn is_empty(self) -> bool {
        self.contexts == 0 && self.functions == 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            contexts: self.contexts | other.contexts,
            functions: self.functions | other.functions,
        }
    }

    pub(crate) fn contexts(self) -> Vec<&'static str> {
        let bits = CONTEXTS.iter().enumerate();
        bits.filter(|(at, _)| self.contexts & (1 << at) != 0).map(|(_, name)| *name).collect()
    }

    pub(crate) fn functions(self) -> Vec<Function> {
        let bits = FUNCTIONS.iter().enumerate();
        bits.filter(|(at, _)| self.functions & (1 << at) != 0)
            .map(|(_, function)| *function)
            .collect()
    }

    fn named(name: &str) -> Self {
        let bit = |at: usize| 1 << at;
        if let Some(at) = CONTEXTS.iter().position(|context| *context == name) {
            return Self { contexts: bit(at), ..Self::default() };
        }
        let at = FUNCTIONS
            .iter()
            .position(|function| function.name() == name)
            .expect("the grammar names only contexts and functions there are");
        Self { functions: 1 << at, ..Self::default() }
    }
}

impl Grammar {
    /// The definition of a name that the grammar has.
    pub(crate) fn named(&self, name: &str) -> DefinitionId {
        *self.names.get(name).expect("only names that the grammar defines are asked for")
    }

    pub(crate) fn get(&self, id: DefinitionId) -> &Definition {
        &self.definitions[id.0]
    }

    /// The definition itself, or else the alternatives that it consists of.
    pub(crate) fn alternatives<'g>(
        &'g self,
        definition: &'g Definition,
        features: &[Feature],
    ) -> Vec<&'g Definition> {
        let Body::OneOf(alternatives) = &definition.body else { return vec![definition] };
        let is_on = |feature: &Option<Feature>| feature.is_none_or(|on| features.contains(&on));
        let on = alternatives.iter().filter(|alternative| is_on(&alternative.feature));
        on.map(|alternative| self.get(alternative.definition)).collect()
    }

    fn read(text: &str) -> Self {
        let mut reader = GrammarReader {
            words: words(text),
            at: 0,
            sets: BTreeMap::new(),
            grammar: Self { definitions: Vec::new(), names: BTreeMap::new() },
        };
        reader.built_in();
        while reader.at < reader.words.len() {
            reader.line();
        }
        reader.grammar
    }
}

/// The words of the notation; its text is part of the program, so what is wrong with it is a panic
/// that the first test meets.
struct GrammarReader<'a> {
    words: Vec<&'a str>,
    at: usize,
    sets: BTreeMap<&'a str, Allowed>,
    grammar: Grammar,
}

impl<'a> GrammarReader<'a> {
    fn built_in(&mut self) {
        let text = |rule| Definition { body: Body::Text(rule), ..Definition::default() };
        let plain = |body| Definition { body, ..Definition::default() };
        for (name, definition) in [
            ("null", plain(Body::Null)),
            ("boolean", plain(Body::Boolean)),
            ("number", plain(Body::Number)),
            ("string", text(TextRule::Any)),
            ("filled", text(TextRule::Filled)),
            ("condition", text(TextRule::Condition)),
        ] {
            let id = self.id(name);
            self.grammar.definitions[id.0] = definition;
        }
        let any = self.id("any");
        let string = self.id("string");
        let sequence = self.id("sequence");
        let mapping = self.id("mapping");
        self.grammar.definitions[sequence.0] = plain(Body::Sequence(any));
        let loose = MappingRule { properties: Vec::new(), loose: Some((string, any)) };
        self.grammar.definitions[mapping.0] = plain(Body::Mapping(loose));
        let kinds = ["null", "boolean", "number", "string", "sequence", "mapping"];
        let kinds = kinds.map(|kind| Alternative { definition: self.id(kind), feature: None });
        self.grammar.definitions[any.0] = plain(Body::OneOf(kinds.to_vec()));
    }

    /// The number of a name, whether it has been defined yet or not.
    fn id(&mut self, name: &str) -> DefinitionId {
        if let Some(id) = self.grammar.names.get(name) {
            return *id;
        }
        let id = self.add(Definition::default());
        self.grammar.names.insert(name.to_owned(), id);
        id
    }

    fn add(&mut self, definition: Definition) -> DefinitionId {
        self.grammar.definitions.push(definition);
        DefinitionId(self.grammar.definitions.len() - 1)
    }

    fn line(&mut self) {
        let name = self.word();
        if name.starts_with('@') {
            self.expect("=");
            // A set ends where the next line begins, which words do not show: at the next name
            // that is followed by `=` or `[`.
            let mut allowed = Allowed::default();
            while !matches!(self.words.get(self.at + 1), None | Some(&"=" | &"[")) {
                allowed = allowed.and(self.allowed());
            }
            if self.words.get(self.at + 1).is_none() {
                allowed = allowed.and(self.allowed());
            }
            self.sets.insert(name, allowed);
            return;
        }
        let mut allowed = Allowed::default();
        if self.take("[") {
            while !self.take("]") {
                allowed = allowed.and(self.allowed());
            }
        }
        self.expect("=");
        let body = self.body();
        let id = self.id(name);
        let body = match body {
            Ok(body) => body,
            // `name = string` says the same of another place.
            Err(other) => self.grammar.get(other).body.clone(),
        };
        self.grammar.definitions[id.0] = Definition { allowed, body };
    }

    fn allowed(&mut self) -> Allowed {
        let name = self.word();
        match name.starts_with('@') {
            true => *self.sets.get(name).expect("a set stands before its use"),
            false => Allowed::named(name),
        }
    }

    /// A body of its own, or the definition that it merely names.
    fn body(&mut self) -> Result<Body, DefinitionId> {
        let mut alternatives = vec![self.alternative()];
        while self.take("|") {
            alternatives.push(self.alternative());
        }
        if alternatives.len() > 1 {
            let alternatives = alternatives.into_iter().map(|(body, feature)| {
                let definition = match body {
                    Ok(body) => self.add(Definition { body, ..Definition::default() }),
                    Err(id) => id,
                };
                Alternative { definition, feature }
            });
            return Ok(Body::OneOf(alternatives.collect()));
        }
        alternatives.pop().expect("one alternative at least").0
    }

    fn definition(&mut self) -> DefinitionId {
        match self.body() {
            Ok(body) => self.add(Definition { body, ..Definition::default() }),
            Err(id) => id,
        }
    }

    fn alternative(&mut self) -> (Result<Body, DefinitionId>, Option<Feature>) {
        let body = match self.word() {
            "{" => Ok(Body::Mapping(self.mapping())),
            "[" => {
                let item = self.definition();
                self.expect("]");
                Ok(Body::Sequence(item))
            }
            "choice" => Ok(Body::Text(TextRule::OneOf(self.texts()))),
            "choices" => {
                let rule = TextRule::OneOf(self.texts());
                let one = self.add(Definition { body: Body::Text(rule), ..Definition::default() });
                let many = Definition { body: Body::Sequence(one), ..Definition::default() };
                let many = self.add(many);
                let either =
                    [one, many].map(|definition| Alternative { definition, feature: None });
                Ok(Body::OneOf(either.to_vec()))
            }
            word => match word.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
                Some(text) => Ok(Body::Text(TextRule::OneOf(vec![text.to_owned()]))),
                None => {
                    let (name, feature) = split_feature(word);
                    return (Err(self.id(name)), feature);
                }
            },
        };
        (body, None)
    }

    /// The texts of a choice: up to what ends it.
    fn texts(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(word) = self.words.get(self.at)
            && !matches!(*word, "," | "}" | "]" | "|")
            && !matches!(self.words.get(self.at + 1), Some(&"=" | &"["))
        {
            texts.push((*word).to_owned());
            self.at += 1;
        }
        texts
    }

    fn mapping(&mut self) -> MappingRule {
        let mut rule = MappingRule::default();
        while !self.take("}") {
            let key = self.word();
            self.expect(":");
            if let Some(keys) = key.strip_prefix('*') {
                rule.loose = Some((self.id(keys), self.definition()));
            } else {
                let (key, feature) = split_feature(key);
                let is_required = key.ends_with('!');
                let name = key.trim_end_matches('!').to_owned();
                let value = self.definition();
                rule.properties.push(Property { name, value, is_required, feature });
            }
            self.take(",");
        }
        rule
    }

    fn word(&mut self) -> &'a str {
        let word = self.words[self.at];
        self.at += 1;
        word
    }

    fn take(&mut self, word: &str) -> bool {
        let is_there = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, word: &str) {
        assert!(self.take(word), "the grammar has `{}` in place of `{word}`", self.words[self.at]);
    }
}

fn split_feature(word: &str) -> (&str, Option<Feature>) {
    match word.strip_suffix(')').and_then(|word| word.split_once('(')) {
        Some((word, feature)) => (word, Some(Feature::named(feature))),
        None => (word, None),
    }
}

/// The words of the notation; brackets, commas, colons, bars and equals signs are words of their own.
fn words(text: &str) -> Vec<&str> {
    const SIGNS: [char; 8] = ['{', '}', '[', ']', ',', ':', '|', '='];
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut words = Vec::new();
    for mut rest in lines.flat_map(str::split_whitespace) {
        while let Some(at) = rest.find(SIGNS) {
            if at > 0 {
                words.push(&rest[..at]);
            }
            words.push(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            words.push(rest);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_used_is_defined() {
        let text = include_str!("workflow.grammar");
        for name in GRAMMAR.names.keys() {
            let is_defined = |line: &str| {
                line.split([' ', '=']).next().is_some_and(|word| word == name.as_str())
            };
            let built_in = [
                "null",
                "boolean",
                "number",
                "string",
                "filled",
                "condition",
                "any",
                "sequence",
                "mapping",
            ];
            assert!(text.lines().any(is_defined) || built_in.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn contexts_add_up() {
        let step = GRAMMAR.get(GRAMMAR.named("step-if")).allowed;
        assert!(step.contexts().contains(&"runner") && !step.contexts().contains(&"secrets"));
        assert_eq!(step.functions().len(), 5);
        assert!(GRAMMAR.get(GRAMMAR.named("permissions")).allowed.is_empty());
    }
}
