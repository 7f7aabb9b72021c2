//! How what is wrong is told: in GitHub's words and with its place, and for people with a hint.

use std::ops::Range;

use super::TokenReader;
use crate::Diagnostic;
use crate::language::grammar::{Body, Definition, MappingRule, TextRule};
use crate::language::problem::Problem;
use crate::language::token::{Token, TokenKind};
use crate::language::yaml::{Abort, Mark};
use crate::nearest::nearest;

/// The most problems of one file that are told; there are more than anybody reads.
const PROBLEMS_MAX: usize = 200;

impl TokenReader<'_, '_> {
    /// What would have been right in place of a scalar.
    pub(super) fn hint(&self, token: &Token, definition: &'static Definition) -> Option<String> {
        let mut texts = Vec::new();
        let mut kinds = Vec::new();
        for alternative in self.alternatives(definition) {
            match &alternative.body {
                Body::Text(TextRule::OneOf(known)) => {
                    texts.extend(known.iter().map(String::as_str));
                }
                Body::Text(TextRule::Filled) => kinds.push("a text"),
                Body::Text(_) | Body::Null => {}
                Body::Boolean => kinds.push("true or false"),
                Body::Number => kinds.push("a number"),
                Body::Sequence(_) => kinds.push("a list"),
                Body::Mapping(_) => kinds.push("a mapping"),
                Body::OneOf(_) => {}
            }
        }
        match nearest(&token.text(), texts.iter().copied()) {
            Some(nearest) => Some(format!("did you mean `{nearest}`?")),
            None if !texts.is_empty() => Some(format!("possible here: {}", texts.join(", "))),
            None if !kinds.is_empty() => Some(format!("{} is needed here", kinds.join(" or "))),
            None => None,
        }
    }

    pub(super) fn has_told_enough(&self) -> bool {
        self.problems.len() >= PROBLEMS_MAX
    }

    pub(super) fn report_unknown_key(
        &mut self,
        key: &Token,
        name: &str,
        rules: &[&'static MappingRule],
    ) {
        if self.has_told_enough() {
            return;
        }
        let known = rules.iter().flat_map(|rule| &rule.properties).map(|known| known.name.as_str());
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        known.dedup();
        let hint = match nearest(name, known.iter().copied()) {
            _ if name == "<<" => {
                "merge keys are not part of the workflow language; write the entries out".to_owned()
            }
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("possible here: {}", known.join(", ")),
        };
        self.report(key, format!("Unexpected value '{name}'"), Some(hint));
    }

    pub(super) fn report_recursion(&mut self, mark: &Mark<'_>) {
        let token = self.token(mark, TokenKind::Null);
        let hint = "this alias stands within what it stands for".to_owned();
        self.report(&token, "Maximum object depth exceeded", Some(hint));
    }

    pub(super) fn report(
        &mut self,
        token: &Token,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.report_at(token, token.span.clone(), message.into(), hint);
    }

    /// Reports a problem of a token at a stretch of it. GitHub names the place of the token.
    pub(super) fn report_at(
        &mut self,
        token: &Token,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) {
        if self.has_told_enough() {
            return;
        }
        let position = token.position();
        let on_github = format!(
            "{} (Line: {}, Col: {}): {message}",
            self.source.file, position.line, position.column
        );
        let diagnostic = self.source.diagnostic(span, message);
        self.problems.push(Problem { diagnostic: Diagnostic { hint, ..diagnostic }, on_github });
        self.repeat_at_alias();
    }

    /// A problem in what an alias stands for shows at the anchor; here it is told once.
    pub(super) fn repeat_at_alias(&mut self) {
        if self.events.alias().is_some()
            && let Some((last, before)) = self.problems.split_last()
            && before.iter().any(|problem| problem.diagnostic == last.diagnostic)
        {
            self.problems.pop();
        }
    }

    pub(super) fn report_abort(&mut self, abort: Abort) {
        let Abort { message, span, hint, is_placed } = abort;
        let diagnostic = self.source.diagnostic(span, message);
        let on_github = match is_placed {
            true => format!(
                "{} (Line: {}, Col: {}): {}",
                self.source.file, diagnostic.line, diagnostic.column, diagnostic.message
            ),
            false => format!("{}: {}", self.source.file, diagnostic.message),
        };
        self.problems.push(Problem { diagnostic: Diagnostic { hint, ..diagnostic }, on_github });
    }
}
