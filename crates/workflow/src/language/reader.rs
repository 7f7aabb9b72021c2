//! YAML events to tokens, as the grammar says. Whatever it does not say is an error, and the reading
//! goes on behind it.

mod reports;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use super::grammar::{
    Allowed, Body, Definition, DefinitionId, Feature, GRAMMAR, Grammar, MappingRule,
};
use super::memory::{Exceeded, Limits, Memory};
use super::problem::Problem;
use super::scalars;
use super::token::{Place, Token, TokenKind};
use super::yaml::{Abort, Anchor, Events, Mark, YamlEvent};
use crate::source::Source;
use crate::value::fold_case;

/// One file that has been read as far as it could be.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// `None` when the reading ended before the file did.
    pub(crate) token: Option<Token>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) anchors: Vec<Anchor>,
    /// The mappings that have keys of two kinds, such as a step with `run` and `uses`.
    pub(crate) mixed: Vec<Token>,
}

/// Reads a file as `definition` of the grammar.
pub(crate) fn read(
    source: &Source<'_>,
    file: usize,
    definition: &str,
    features: &[Feature],
    anchors: Anchors,
    limits: &Limits,
    memory: &mut Memory,
) -> Reading {
    memory.surface();
    let mut reader = TokenReader {
        events: Events::new(source, anchors == Anchors::Allowed),
        source,
        file,
        grammar: &GRAMMAR,
        features,
        limits,
        memory,
        problems: Vec::new(),
        mixed: Vec::new(),
        key: None,
    };
    let place = At { definition: reader.grammar.named(definition), allowed: Allowed::default() };
    let token = match reader.document(place) {
        Ok(token) => Some(token),
        Err(abort) => {
            reader.report_abort(abort);
            None
        }
    };
    let TokenReader { problems, events, mixed, .. } = reader;
    Reading { token, problems, anchors: events.into_anchors(), mixed }
}

/// Whether a file may name parts of it and repeat them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchors {
    Allowed,
    Refused,
}

struct TokenReader<'a, 'm> {
    events: Events<'a>,
    source: &'a Source<'a>,
    file: usize,
    grammar: &'static Grammar,
    features: &'a [Feature],
    limits: &'a Limits,
    memory: &'m mut Memory,
    problems: Vec<Problem>,
    mixed: Vec<Token>,
    /// The key whose value comes next.
    key: Option<Range<usize>>,
}

/// What may stand at a place, and what expressions may use there.
#[derive(Clone, Copy)]
struct At {
    definition: DefinitionId,
    allowed: Allowed,
}

impl<'a> TokenReader<'a, '_> {
    fn document(&mut self, place: At) -> Result<Token, Abort> {
        let first = self.events.peek()?;
        if matches!(first.event, YamlEvent::Other) {
            return Err(Abort {
                message: "the file is empty".to_owned(),
                span: 0..0,
                hint: Some("a workflow needs `on` and `jobs`".to_owned()),
                is_placed: true,
            });
        }
        let token = self.value(place)?;
        // The end of the document, and then the end of the file.
        self.events.advance()?;
        let rest = self.events.peek()?;
        if matches!(rest.event, YamlEvent::Other)
            && rest.span.start >= self.source.text.trim_end().len()
        {
            return Ok(token);
        }
        Err(Abort {
            message: "Expected stream end parse event".to_owned(),
            span: rest.span,
            hint: Some("a workflow file holds one document".to_owned()),
            is_placed: true,
        })
    }

    fn value(&mut self, at: At) -> Result<Token, Abort> {
        self.count_event()?;
        let mark = self.events.peek()?;
        let (definition, allowed) = self.definition(at);
        match &mark.event {
            YamlEvent::Scalar(scalar) => {
                let token = self.token(&mark, scalar.kind(&mark)?);
                self.events.advance()?;
                let token = self.parse_scalar(token, allowed);
                let token = self.validate(token, definition, allowed);
                self.add(&token)?;
                self.key = None;
                Ok(token)
            }
            YamlEvent::SequenceStart => self.sequence(&mark, definition, allowed),
            YamlEvent::MappingStart => self.mapping(&mark, definition, allowed),
            YamlEvent::Recursion => {
                self.report_recursion(&mark);
                self.events.advance()?;
                Ok(self.token(&mark, TokenKind::Null))
            }
            YamlEvent::SequenceEnd | YamlEvent::MappingEnd | YamlEvent::Other => Err(Abort {
                message: "Expected a scalar value, a sequence, or a mapping".to_owned(),
                span: mark.span,
                hint: None,
                is_placed: true,
            }),
        }
    }

    fn definition(&self, at: At) -> (&'static Definition, Allowed) {
        let definition = self.grammar.get(at.definition);
        (definition, at.allowed.and(definition.allowed))
    }

    fn sequence(
        &mut self,
        mark: &Mark<'a>,
        definition: &'static Definition,
        allowed: Allowed,
    ) -> Result<Token, Abort> {
        let mut token = self.open(mark, TokenKind::Sequence(Vec::new()))?;
        self.key = None;
        let alternatives = self.alternatives(definition);
        let item = alternatives.iter().find_map(|alternative| match &alternative.body {
            Body::Sequence(item) => Some(*item),
            _ => None,
        });
        let mut items = Vec::new();
        match item {
            Some(definition) => {
                while !self.ends(&YamlEvent::SequenceEnd, &mut token.span)? {
                    items.push(self.value(At { definition, allowed })?);
                }
            }
            None => {
                self.report(&token, "A sequence was not expected", None);
                while !self.ends(&YamlEvent::SequenceEnd, &mut token.span)? {
                    self.skip()?;
                }
            }
        }
        self.memory.leave();
        token.span.end = end_of(&token.span, items.last());
        token.kind = TokenKind::Sequence(items);
        Ok(token)
    }

    fn mapping(
        &mut self,
        mark: &Mark<'a>,
        definition: &'static Definition,
        allowed: Allowed,
    ) -> Result<Token, Abort> {
        let mut token = self.open(mark, TokenKind::Mapping(Vec::new()))?;
        let rules: Vec<&'static MappingRule> = self
            .alternatives(definition)
            .into_iter()
            .filter_map(|alternative| match &alternative.body {
                Body::Mapping(rule) => Some(rule),
                _ => None,
            })
            .collect();
        let mut entries = Vec::new();
        if rules.is_empty() {
            self.report(&token, "A mapping was not expected", None);
            while !self.ends(&YamlEvent::MappingEnd, &mut token.span)? {
                self.skip()?;
                self.skip()?;
            }
        } else {
            self.entries(&mut token, rules, allowed, &mut entries)?;
        }
        self.memory.leave();
        token.span.end = end_of(&token.span, entries.last().map(|(_, value)| value));
        token.kind = TokenKind::Mapping(entries);
        Ok(token)
    }

    fn entries(
        &mut self,
        owner: &mut Token,
        mut rules: Vec<&'static MappingRule>,
        allowed: Allowed,
        entries: &mut Vec<(Token, Token)>,
    ) -> Result<(), Abort> {
        let own_key = self.key.take();
        let loose = rules[0].loose;
        let all = rules.clone();
        let mut has_expression_key = false;
        // Keys that differ only in the case of their letters are the same.
        let mut keys: BTreeMap<String, u32> = BTreeMap::new();
        while !self.ends(&YamlEvent::MappingEnd, &mut owner.span)? {
            let key = self.key(allowed)?;
            if key.is_expression() {
                has_expression_key = true;
                if allowed.is_empty() {
                    self.report(&key, EXPRESSION_NOT_ALLOWED, None);
                    self.skip()?;
                    continue;
                }
                self.add(&key)?;
                let any = match loose {
                    Some((_, values)) if rules.len() == 1 && rules[0].properties.is_empty() => {
                        values
                    }
                    _ => self.grammar.named("any"),
                };
                entries.push((key, self.value(At { definition: any, allowed })?));
                continue;
            }
            let name = key.text();
            let key = key.with_kind(TokenKind::String(name.clone()));
            match keys.entry(fold_case(&name)) {
                Entry::Vacant(free) => free.insert(key.position().line),
                Entry::Occupied(first) => {
                    let hint = Some(format!("first defined in line {}", first.get()));
                    self.report(&key, format!("'{name}' is already defined"), hint);
                    self.skip()?;
                    continue;
                }
            };
            let definition = match (self.match_key(&mut rules, &name), loose) {
                (Some(known), _) => known,
                (None, Some((key_rule, value))) => {
                    let (rule, _) = self.definition(At { definition: key_rule, allowed });
                    self.validate(key.clone(), rule, Allowed::default());
                    value
                }
                (None, None) => {
                    self.report_unknown_key(&key, &name, &rules);
                    if self.match_key(&mut all.clone(), &name).is_some() {
                        self.mixed.push(owner.clone());
                    }
                    self.skip()?;
                    continue;
                }
            };
            self.add(&key)?;
            self.key = Some(key.span.clone());
            let value = self.value(At { definition, allowed })?;
            entries.push((key, value));
        }
        self.check_complete(owner, own_key.as_ref(), &rules, &keys, has_expression_key);
        Ok(())
    }

    /// The definition of a key's value. Rules of which the key is no part are ruled out from then on.
    fn match_key(&self, rules: &mut Vec<&'static MappingRule>, name: &str) -> Option<DefinitionId> {
        let property = |rule: &MappingRule| {
            let is_on = |on: &Option<Feature>| on.is_none_or(|on| self.features.contains(&on));
            rule.properties
                .iter()
                .find(|property| property.name == name && is_on(&property.feature))
                .map(|property| property.value)
        };
        let value = rules.iter().find_map(|rule| property(rule))?;
        rules.retain(|rule| property(rule).is_some());
        Some(value)
    }

    /// Reports what a mapping lacks. GitHub names the place where the mapping begins; people look for
    /// it at the key that it belongs to.
    fn check_complete(
        &mut self,
        owner: &Token,
        key: Option<&Range<usize>>,
        rules: &[&'static MappingRule],
        keys: &BTreeMap<String, u32>,
        has_expression_key: bool,
    ) {
        if let [rule] = rules {
            if has_expression_key {
                return;
            }
            for property in rule.properties.iter().filter(|property| property.is_required) {
                if !keys.contains_key(&fold_case(&property.name)) {
                    let name = &property.name;
                    let message = format!("Required property is missing: {name}");
                    let span = key.cloned().unwrap_or(owner.span.start..owner.span.start);
                    self.report_at(owner, span, message, None);
                }
            }
            return;
        }
        // Which kind of mapping it is to be shows in a key that only one kind has.
        let all = || rules.iter().flat_map(|rule| &rule.properties);
        let mut telling: Vec<&str> = all()
            .map(|property| property.name.as_str())
            .filter(|name| all().filter(|property| property.name == *name).count() == 1)
            .collect();
        telling.sort_unstable();
        let telling = telling.join(", ");
        self.report(
            owner,
            format!(
                "There's not enough info to determine what you meant. Add one of these properties: \
                 {telling}"
            ),
            None,
        );
    }

    /// A key with its expressions read. A key that is no scalar ends the reading, as on GitHub.
    fn key(&mut self, allowed: Allowed) -> Result<Token, Abort> {
        let mark = self.events.peek()?;
        let YamlEvent::Scalar(scalar) = &mark.event else {
            return Err(Abort {
                message: "Expected mapping end".to_owned(),
                span: mark.span,
                hint: Some("a key must be a plain text".to_owned()),
                is_placed: false,
            });
        };
        let token = self.token(&mark, scalar.kind(&mark)?);
        self.events.advance()?;
        Ok(self.parse_scalar(token, allowed))
    }

    /// Whether the next event ends the list or mapping, which it then does.
    fn ends(&mut self, end: &YamlEvent<'_>, span: &mut Range<usize>) -> Result<bool, Abort> {
        let mark = self.events.peek()?;
        let is_end = std::mem::discriminant(&mark.event) == std::mem::discriminant(end);
        if is_end {
            // A closing bracket belongs to what it closes; indentation closes with nothing.
            if matches!(self.source.text.get(mark.span.clone()), Some("]" | "}")) {
                span.end = mark.span.end;
            }
            self.events.advance()?;
        }
        Ok(is_end)
    }

    fn skip(&mut self) -> Result<(), Abort> {
        self.count_event()?;
        let mark = self.events.peek()?;
        let end = match mark.event {
            YamlEvent::Scalar(_) | YamlEvent::Recursion => return self.events.advance(),
            YamlEvent::SequenceStart => YamlEvent::SequenceEnd,
            YamlEvent::MappingStart => YamlEvent::MappingEnd,
            _ => return self.key(Allowed::default()).map(drop),
        };
        self.enter(&mark)?;
        self.events.advance()?;
        while !self.ends(&end, &mut (0..0))? {
            self.skip()?;
        }
        self.memory.leave();
        Ok(())
    }

    fn open(&mut self, mark: &Mark<'a>, kind: TokenKind) -> Result<Token, Abort> {
        self.enter(mark)?;
        let token = self.token(mark, kind);
        self.add(&token)?;
        self.events.advance()?;
        Ok(token)
    }

    fn alternatives(&self, definition: &'static Definition) -> Vec<&'static Definition> {
        self.grammar.alternatives(definition, self.features)
    }

    fn token(&self, mark: &Mark<'_>, kind: TokenKind) -> Token {
        let place = Place { file: self.file, position: mark.position };
        Token { kind, place: Some(place), span: mark.span.clone(), raw: None }
    }

    /// Takes the expressions out of a text; a text in which they are wrong stays a text.
    fn parse_scalar(&mut self, token: Token, allowed: Allowed) -> Token {
        match scalars::parse(&token, allowed) {
            Ok(token) => token,
            Err(error) => {
                let span = match (&error.stretch, token.as_str()) {
                    (Some(stretch), Some(text)) => {
                        self.source.locate(&token.span, text, stretch.clone())
                    }
                    _ => token.span.clone(),
                };
                self.report_at(&token, span, error.message, error.hint);
                token
            }
        }
    }

    fn validate(
        &mut self,
        token: Token,
        definition: &'static Definition,
        allowed: Allowed,
    ) -> Token {
        let kind = match &token.kind {
            TokenKind::Expression(_) => {
                if allowed.is_empty() {
                    self.report(&token, EXPRESSION_NOT_ALLOWED, None);
                }
                return token;
            }
            TokenKind::Insert => {
                self.report(&token, format!("Unexpected value '{}'", token.text()), None);
                return token;
            }
            kind => kind,
        };
        let mut is_text_possible = false;
        for alternative in self.alternatives(definition) {
            let (is_match, as_text) = match (&alternative.body, kind) {
                (Body::Null, TokenKind::Null)
                | (Body::Boolean, TokenKind::Boolean(_))
                | (Body::Number, TokenKind::Number(_)) => (true, false),
                (Body::Text(rule), TokenKind::String(text)) => (rule.admits(text), false),
                (Body::Text(rule), _) => (false, rule.admits(&token.text())),
                _ => (false, false),
            };
            if is_match {
                return token;
            }
            is_text_possible |= as_text;
        }
        if is_text_possible {
            return token.with_kind(TokenKind::String(token.text()));
        }
        let hint = self.hint(&token, definition);
        self.report(&token, format!("Unexpected value '{}'", token.text()), hint);
        token
    }

    fn count_event(&mut self) -> Result<(), Abort> {
        self.memory.count_event().map_err(|exceeded| exceeded_at(exceeded, 0..0))
    }

    fn enter(&mut self, mark: &Mark<'_>) -> Result<(), Abort> {
        self.memory.enter(self.limits).map_err(|it| exceeded_at(it, mark.span.clone()))
    }

    fn add(&mut self, token: &Token) -> Result<(), Abort> {
        self.memory
            .add_token(token, self.limits)
            .map_err(|exceeded| exceeded_at(exceeded, token.span.clone()))
    }
}

const EXPRESSION_NOT_ALLOWED: &str = "A template expression is not allowed in this context";

fn exceeded_at(exceeded: Exceeded, span: Range<usize>) -> Abort {
    Abort { message: exceeded.to_owned(), span, hint: None, is_placed: false }
}

fn end_of(span: &Range<usize>, last: Option<&Token>) -> usize {
    last.map_or(span.end, |last| span.end.max(last.span.end))
}
