//! Text to tokens. A text that is no token is an error of its own kind, wherever it stands; a token
//! where none may follow ends the list, so that the parser names it.

use std::borrow::Cow;
use std::ops::Range;

use super::{ErrorKind, SyntaxError};
use crate::value::parse_number;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token<'s> {
    pub(crate) kind: TokenKind<'s>,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind<'s> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'s, str>),
    /// The name after a dot.
    Property(&'s str),
    /// A name that stands for a context.
    Name(&'s str),
    /// A name that is followed by a parenthesis.
    Function(&'s str),
    Operator(Operator),
    Dot,
    /// The star of `.*`.
    Star,
    /// The star of `[*]`.
    StarIndex,
    Comma,
    /// A bracket that opens.
    Open(Bracket),
    /// A bracket that closes.
    Close(Bracket),
    /// A token that may not stand here.
    Misplaced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bracket {
    /// Parentheses that group.
    Group,
    /// Parentheses around arguments.
    Arguments,
    /// Square brackets.
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Not,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

/// Every token of an expression, up to the first that is misplaced; and whether a bracket is still
/// open at the end.
pub(crate) fn tokens(source: &str) -> Result<(Vec<Token<'_>>, bool), SyntaxError> {
    let mut lexer = Lexer { source, at: 0, last: Last::Nothing, open: Vec::new() };
    let mut tokens: Vec<Token<'_>> = Vec::with_capacity(source.len() / 8 + 4);
    let mut is_misplaced = false;
    while let Some((kind, span)) = lexer.next_token()? {
        if is_misplaced {
            continue;
        }
        let last = tokens.last().map(|token| &token.kind);
        is_misplaced = !lexer.is_legal(&kind, last);
        lexer.track(&kind);
        let kind = if is_misplaced { TokenKind::Misplaced } else { kind };
        tokens.push(Token { kind, span });
    }
    Ok((tokens, !lexer.open.is_empty()))
}

impl TokenKind<'_> {
    /// Whether a value may begin after this token.
    fn awaits_operand(&self) -> bool {
        matches!(self, Self::Operator(_) | Self::Comma | Self::Open(_))
    }

    /// Whether this token ends something that can be indexed.
    fn ends_target(&self) -> bool {
        matches!(self, Self::Close(_) | Self::Star | Self::Property(_) | Self::Name(_))
    }

    /// Whether this token ends a value.
    fn ends_operand(&self) -> bool {
        self.ends_target()
            || matches!(self, Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_))
    }
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    last: Last,
    /// The brackets that are still open, innermost last.
    open: Vec<Bracket>,
}

/// What the token before means for how the next characters are read, well placed or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Dot,
    OpenIndex,
    FunctionName,
    /// A name, a closing bracket or a star: a dot after it is not the start of a number.
    Target,
    Other,
}

impl<'s> Lexer<'s> {
    fn next_token(&mut self) -> Result<Option<(TokenKind<'s>, Range<usize>)>, SyntaxError> {
        self.skip_space();
        let start = self.at;
        let Some(first) = self.peek() else { return Ok(None) };
        let Some(kind) = self.read(first) else {
            return Err(SyntaxError::located(
                ErrorKind::Lexing,
                "Unexpected symbol",
                self.source,
                start..self.at,
            ));
        };
        self.last = match &kind {
            TokenKind::Dot => Last::Dot,
            TokenKind::Open(Bracket::Index) => Last::OpenIndex,
            TokenKind::Function(_) => Last::FunctionName,
            TokenKind::StarIndex => Last::Target,
            kind if kind.ends_target() => Last::Target,
            _ => Last::Other,
        };
        Ok(Some((kind, start..self.at)))
    }

    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn skip_space(&mut self) {
        let rest = &self.source[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn single(&mut self, kind: TokenKind<'s>) -> Option<TokenKind<'s>> {
        self.at += 1;
        Some(kind)
    }

    /// Reads one token; `None` when what was read is none.
    fn read(&mut self, first: char) -> Option<TokenKind<'s>> {
        match first {
            '(' if self.last == Last::FunctionName => {
                self.single(TokenKind::Open(Bracket::Arguments))
            }
            '(' => self.single(TokenKind::Open(Bracket::Group)),
            ')' if self.open.last() == Some(&Bracket::Arguments) => {
                self.single(TokenKind::Close(Bracket::Arguments))
            }
            ')' => self.single(TokenKind::Close(Bracket::Group)),
            '[' => self.single(TokenKind::Open(Bracket::Index)),
            ']' => self.single(TokenKind::Close(Bracket::Index)),
            ',' => self.single(TokenKind::Comma),
            '*' if self.last == Last::OpenIndex => self.single(TokenKind::StarIndex),
            '*' => self.single(TokenKind::Star),
            '\'' => self.read_text(),
            '!' | '<' | '>' | '=' | '&' | '|' => self.read_operator(),
            '.' if self.last == Last::Target => self.single(TokenKind::Dot),
            '.' | '+' | '-' | '0'..='9' => self.read_number(),
            _ => self.read_name(),
        }
    }

    /// Reads on to the next character that ends a word, and returns what was read since `start`.
    fn read_word(&mut self, start: usize, with_dots: bool) -> &'s str {
        let rest = &self.source[self.at..];
        let end = rest.find(|each| is_boundary(each) && !(with_dots && each == '.'));
        self.at += end.unwrap_or(rest.len());
        &self.source[start..self.at]
    }

    fn read_text(&mut self) -> Option<TokenKind<'s>> {
        let start = self.at + 1;
        let mut from = start;
        let mut has_quotes = false;
        loop {
            let Some(length) = self.source[from..].find('\'') else {
                self.at = self.source.len();
                return None;
            };
            self.at = from + length + 1;
            if self.peek() != Some('\'') {
                break;
            }
            has_quotes = true;
            from = self.at + 1;
        }
        let content = &self.source[start..self.at - 1];
        Some(TokenKind::Text(if has_quotes {
            Cow::Owned(content.replace("''", "'"))
        } else {
            Cow::Borrowed(content)
        }))
    }

    fn read_operator(&mut self) -> Option<TokenKind<'s>> {
        let start = self.at;
        let bytes = &self.source.as_bytes()[start..];
        let (operator, length) = match (bytes[0], bytes.get(1)) {
            (b'!', Some(b'=')) => (Operator::NotEqual, 2),
            (b'>', Some(b'=')) => (Operator::GreaterOrEqual, 2),
            (b'<', Some(b'=')) => (Operator::LessOrEqual, 2),
            (b'=', Some(b'=')) => (Operator::Equal, 2),
            (b'&', Some(b'&')) => (Operator::And, 2),
            (b'|', Some(b'|')) => (Operator::Or, 2),
            (b'!', _) => (Operator::Not, 1),
            (b'>', _) => (Operator::Greater, 1),
            (b'<', _) => (Operator::Less, 1),
            _ => {
                self.at += 1;
                self.read_word(start, false);
                return None;
            }
        };
        self.at += length;
        Some(TokenKind::Operator(operator))
    }

    fn read_number(&mut self) -> Option<TokenKind<'s>> {
        let start = self.at;
        self.at += 1;
        let number = parse_number(self.read_word(start, true));
        (!number.is_nan()).then_some(TokenKind::Number(number))
    }

    fn read_name(&mut self) -> Option<TokenKind<'s>> {
        let start = self.at;
        self.at += self.peek().map_or(0, char::len_utf8);
        let name = self.read_word(start, false);
        if !is_name(name) {
            return None;
        }
        if self.last == Last::Dot {
            return Some(TokenKind::Property(name));
        }
        Some(match name {
            "null" => TokenKind::Null,
            "true" => TokenKind::Bool(true),
            "false" => TokenKind::Bool(false),
            "NaN" => TokenKind::Number(f64::NAN),
            "Infinity" => TokenKind::Number(f64::INFINITY),
            _ if self.source[self.at..].trim_start().starts_with('(') => TokenKind::Function(name),
            _ => TokenKind::Name(name),
        })
    }

    /// Whether the token may follow the last one and fits the innermost open bracket.
    fn is_legal(&self, kind: &TokenKind<'_>, last: Option<&TokenKind<'_>>) -> bool {
        let starts_operand = last.is_none_or(TokenKind::awaits_operand);
        let follows_operand = last.is_some_and(TokenKind::ends_operand);
        let inside = self.open.last().copied();
        match kind {
            TokenKind::Null
            | TokenKind::Bool(_)
            | TokenKind::Number(_)
            | TokenKind::Text(_)
            | TokenKind::Name(_)
            | TokenKind::Function(_)
            | TokenKind::Open(Bracket::Group)
            | TokenKind::Operator(Operator::Not) => starts_operand,
            TokenKind::Operator(_) => follows_operand,
            TokenKind::Property(_) | TokenKind::Star => last == Some(&TokenKind::Dot),
            TokenKind::Dot | TokenKind::Open(Bracket::Index) => {
                last.is_some_and(TokenKind::ends_target)
            }
            TokenKind::StarIndex => last == Some(&TokenKind::Open(Bracket::Index)),
            TokenKind::Open(Bracket::Arguments) => matches!(last, Some(TokenKind::Function(_))),
            TokenKind::Comma => follows_operand && inside == Some(Bracket::Arguments),
            TokenKind::Close(Bracket::Group) => follows_operand && inside == Some(Bracket::Group),
            TokenKind::Close(Bracket::Index) => {
                (follows_operand || last == Some(&TokenKind::StarIndex))
                    && inside == Some(Bracket::Index)
            }
            TokenKind::Close(Bracket::Arguments) => {
                follows_operand || last == Some(&TokenKind::Open(Bracket::Arguments))
            }
            TokenKind::Misplaced => false,
        }
    }

    fn track(&mut self, kind: &TokenKind<'_>) {
        match kind {
            TokenKind::Open(bracket) => self.open.push(*bracket),
            TokenKind::Close(_) => drop(self.open.pop()),
            _ => {}
        }
    }
}

/// Whether the character ends a word.
fn is_boundary(character: char) -> bool {
    matches!(character, '(' | ')' | '[' | ']' | ',' | '.' | '!' | '<' | '>' | '=' | '&' | '|')
        || character.is_whitespace()
}

fn is_name(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && bytes.iter().all(|each| each.is_ascii_alphanumeric() || matches!(each, b'_' | b'-'))
}
