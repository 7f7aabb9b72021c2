//! The expressions of a scalar: `${{ }}` alone is an expression, text around it makes a call of `format`.

use std::ops::Range;

use super::grammar::Allowed;
use super::token::{Token, TokenKind};
use crate::expression::{SyntaxError, Vocabulary, parse as parse_expression};
use crate::template::{OPEN, Segment, segments};

/// What is wrong with the expressions of a scalar.
pub(super) struct ScalarError {
    pub(super) message: String,
    /// The offending stretch in bytes of the scalar, where there is one.
    pub(super) stretch: Option<Range<usize>>,
    pub(super) hint: Option<String>,
}

impl From<SyntaxError> for ScalarError {
    fn from(error: SyntaxError) -> Self {
        let stretch = Some(error.offset..error.offset + error.length);
        let hint = error.hint.map(|name| format!("did you mean `{name}`?"));
        Self { message: error.message, stretch, hint }
    }
}

/// Reads the expressions of a scalar, which may use what is `allowed`.
pub(super) fn parse(token: &Token, allowed: Allowed) -> Result<Token, ScalarError> {
    let Some(raw) = token.as_str().filter(|raw| raw.contains(OPEN)) else {
        return Ok(token.clone());
    };
    let parts = segments(raw)?;
    let is_alone = parts.len() == 1;
    let mut format = String::new();
    let mut arguments = String::new();
    let mut count = 0;
    for part in &parts {
        match part {
            Segment::Text(span) => format.push_str(&escaped(&raw[span.clone()])),
            Segment::Expression(span) => {
                let expression = &raw[span.clone()];
                if let Some(kind) = directive(expression, span, is_alone)? {
                    return Ok(with_raw(token, kind, raw));
                }
                check(expression, allowed).map_err(|error| {
                    ScalarError::from(SyntaxError { offset: error.offset + span.start, ..error })
                })?;
                format.push_str(&format!("{{{count}}}"));
                arguments.push_str(", ");
                arguments.push_str(expression);
                count += 1;
            }
        }
    }
    if let ([Segment::Expression(span)], true) = (parts.as_slice(), is_alone) {
        let expression = &raw[span.clone()];
        let kind = match literal(expression) {
            Some(text) => TokenKind::String(text),
            None => TokenKind::Expression(expression.to_owned()),
        };
        return Ok(with_raw(token, kind, raw));
    }
    let whole = format!("format('{format}'{arguments})");
    check(&whole, allowed).map_err(|error| ScalarError {
        message: error.message,
        stretch: None,
        hint: None,
    })?;
    Ok(with_raw(token, TokenKind::Expression(whole), raw))
}

/// Checks an expression by itself.
fn check(expression: &str, allowed: Allowed) -> Result<(), SyntaxError> {
    let (contexts, functions) = (allowed.contexts(), allowed.functions());
    let vocabulary = Vocabulary { contexts: &contexts, functions: &functions };
    parse_expression(expression, &vocabulary).map(drop)
}

fn with_raw(token: &Token, kind: TokenKind, raw: &str) -> Token {
    Token { kind, raw: Some(raw.into()), ..token.clone() }
}

/// `insert`, the only directive there is.
fn directive(
    expression: &str,
    span: &Range<usize>,
    is_alone: bool,
) -> Result<Option<TokenKind>, ScalarError> {
    const INSERT: &str = "insert";
    let Some(rest) = expression.strip_prefix(INSERT) else { return Ok(None) };
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return Ok(None);
    }
    let error =
        |message: String| Err(ScalarError { message, stretch: Some(span.clone()), hint: None });
    let count = parameters(rest);
    if count > 0 {
        return error(format!(
            "Exactly 0 parameter(s) were expected following the directive '{INSERT}'. Actual \
             parameter count: {count}"
        ));
    }
    if !is_alone {
        return error(format!(
            "The directive '{INSERT}' is not allowed in this context. Directives are not supported \
             for expressions that are embedded within a string. Directives are only supported when \
             the entire value is an expression."
        ));
    }
    Ok(Some(TokenKind::Insert))
}

/// How many words follow a directive; white space within quotes and parentheses does not part them.
fn parameters(text: &str) -> usize {
    let (mut count, mut is_in_word, mut is_in_string, mut depth) = (0, false, false, 0);
    for each in text.chars() {
        if each.is_whitespace() && !is_in_string && depth == 0 {
            is_in_word = false;
            continue;
        }
        match each {
            '\'' => is_in_string = !is_in_string,
            '(' if !is_in_string => depth += 1,
            ')' if !is_in_string => depth -= 1,
            _ => {}
        }
        count += usize::from(!is_in_word);
        is_in_word = true;
    }
    count
}

/// The text of an expression that is nothing but a string.
fn literal(expression: &str) -> Option<String> {
    let mut text = String::new();
    let mut is_in_string = false;
    for (at, each) in expression.char_indices() {
        if each == '\'' {
            is_in_string = !is_in_string;
            if is_in_string && at != 0 {
                text.push(each);
            }
        } else if is_in_string {
            text.push(each);
        } else {
            return None;
        }
    }
    Some(text)
}

/// A text within the quotes of a format string.
fn escaped(text: &str) -> String {
    text.replace('\'', "''").replace('{', "{{").replace('}', "}}")
}
