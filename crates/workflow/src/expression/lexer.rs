//! Text to tokens. Which token may follow which is decided here, as in GitHub's own lexer, so that
//! the same place is named in an error.

use std::ops::Range;

use crate::Value;
use crate::value::parse_number;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    Literal(Value),
    /// The name after a dot.
    Property(String),
    /// A name that stands for a context.
    Name(String),
    /// A name that is followed by a parenthesis.
    Function(String),
    Operator(Operator),
    Dot,
    /// The star of `.*`.
    Star,
    /// The star of `[*]`.
    StarIndex,
    Comma,
    /// A parenthesis that groups.
    OpenGroup,
    CloseGroup,
    /// A parenthesis around arguments.
    OpenArguments,
    CloseArguments,
    OpenIndex,
    CloseIndex,
    /// A text that is no token at all, or none that may stand here.
    Unexpected,
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

impl TokenKind {
    /// Whether a value may begin after this token.
    fn awaits_operand(&self) -> bool {
        matches!(
            self,
            Self::Operator(_)
                | Self::Comma
                | Self::OpenGroup
                | Self::OpenArguments
                | Self::OpenIndex
        )
    }

    /// Whether this token ends something that can be indexed.
    fn ends_target(&self) -> bool {
        matches!(
            self,
            Self::CloseGroup
                | Self::CloseArguments
                | Self::CloseIndex
                | Self::Star
                | Self::Property(_)
                | Self::Name(_)
        )
    }

    /// Whether this token ends a value.
    fn ends_operand(&self) -> bool {
        self.ends_target() || matches!(self, Self::Literal(_))
    }
}

pub(crate) struct Lexer<'a> {
    source: &'a str,
    at: usize,
    last: Option<TokenKind>,
    /// The brackets that are still open, innermost last.
    open: Vec<TokenKind>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self { source, at: 0, last: None, open: Vec::new() }
    }

    pub(crate) fn has_open_brackets(&self) -> bool {
        !self.open.is_empty()
    }

    pub(crate) fn next_token(&mut self) -> Option<Token> {
        self.skip(char::is_whitespace);
        let start = self.at;
        let kind = self.read(self.peek()?);
        let kind = if self.is_legal(&kind) { kind } else { TokenKind::Unexpected };
        match &kind {
            TokenKind::OpenGroup | TokenKind::OpenArguments | TokenKind::OpenIndex => {
                self.open.push(kind.clone());
            }
            TokenKind::CloseGroup | TokenKind::CloseArguments | TokenKind::CloseIndex => {
                self.open.pop();
            }
            _ => {}
        }
        self.last = Some(kind.clone());
        Some(Token { kind, span: start..self.at })
    }

    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn skip(&mut self, skips: impl Fn(char) -> bool) {
        let rest = &self.source[self.at..];
        self.at += rest.find(|character| !skips(character)).unwrap_or(rest.len());
    }

    fn single(&mut self, kind: TokenKind) -> TokenKind {
        self.at += 1;
        kind
    }

    fn read(&mut self, first: char) -> TokenKind {
        match first {
            '(' if matches!(self.last, Some(TokenKind::Function(_))) => {
                self.single(TokenKind::OpenArguments)
            }
            '(' => self.single(TokenKind::OpenGroup),
            ')' if self.open.last() == Some(&TokenKind::OpenArguments) => {
                self.single(TokenKind::CloseArguments)
            }
            ')' => self.single(TokenKind::CloseGroup),
            '[' => self.single(TokenKind::OpenIndex),
            ']' => self.single(TokenKind::CloseIndex),
            ',' => self.single(TokenKind::Comma),
            '*' if self.last == Some(TokenKind::OpenIndex) => self.single(TokenKind::StarIndex),
            '*' => self.single(TokenKind::Star),
            '\'' => self.read_string(),
            '!' | '<' | '>' | '=' | '&' | '|' => self.read_operator(),
            '.' if self.last.as_ref().is_some_and(|last| !last.awaits_operand()) => {
                self.single(TokenKind::Dot)
            }
            '.' | '+' | '-' | '0'..='9' => self.read_number(),
            _ => self.read_name(),
        }
    }

    /// Reads on to the next character that ends a word, and returns what was read since `start`.
    fn read_word(&mut self, start: usize, also: &[char]) -> &'a str {
        self.skip(|character| also.contains(&character) || !is_boundary(character));
        &self.source[start..self.at]
    }

    fn read_string(&mut self) -> TokenKind {
        let start = self.at + 1;
        let mut from = start;
        loop {
            let Some(length) = self.source[from..].find('\'') else {
                self.at = self.source.len();
                return TokenKind::Unexpected;
            };
            self.at = from + length + 1;
            if self.peek() != Some('\'') {
                let content = &self.source[start..self.at - 1];
                return TokenKind::Literal(Value::String(content.replace("''", "'")));
            }
            from = self.at + 1;
        }
    }

    fn read_operator(&mut self) -> TokenKind {
        let start = self.at;
        let rest = &self.source[start..];
        let spellings = [
            ("!=", Operator::NotEqual),
            (">=", Operator::GreaterOrEqual),
            ("<=", Operator::LessOrEqual),
            ("==", Operator::Equal),
            ("&&", Operator::And),
            ("||", Operator::Or),
            ("!", Operator::Not),
            (">", Operator::Greater),
            ("<", Operator::Less),
        ];
        for (spelling, operator) in spellings {
            if rest.starts_with(spelling) {
                self.at += spelling.len();
                return TokenKind::Operator(operator);
            }
        }
        self.at += 1;
        self.read_word(start, &[]);
        TokenKind::Unexpected
    }

    fn read_number(&mut self) -> TokenKind {
        let start = self.at;
        self.at += 1;
        let number = parse_number(self.read_word(start, &['.']));
        if number.is_nan() {
            TokenKind::Unexpected
        } else {
            TokenKind::Literal(Value::Number(number))
        }
    }

    fn read_name(&mut self) -> TokenKind {
        let start = self.at;
        self.at += self.peek().map_or(0, char::len_utf8);
        let name = self.read_word(start, &[]);
        if !is_name(name) {
            return TokenKind::Unexpected;
        }
        if self.last == Some(TokenKind::Dot) {
            return TokenKind::Property(name.to_owned());
        }
        match name {
            "null" => TokenKind::Literal(Value::Null),
            "true" => TokenKind::Literal(Value::Bool(true)),
            "false" => TokenKind::Literal(Value::Bool(false)),
            "NaN" => TokenKind::Literal(Value::Number(f64::NAN)),
            "Infinity" => TokenKind::Literal(Value::Number(f64::INFINITY)),
            _ if self.source[self.at..].trim_start().starts_with('(') => {
                TokenKind::Function(name.to_owned())
            }
            _ => TokenKind::Name(name.to_owned()),
        }
    }

    /// Whether the token may follow the last one and fits the innermost open bracket.
    fn is_legal(&self, kind: &TokenKind) -> bool {
        let last = self.last.as_ref();
        let starts_operand = last.is_none_or(TokenKind::awaits_operand);
        let follows_operand = last.is_some_and(TokenKind::ends_operand);
        let inside = self.open.last();
        match kind {
            TokenKind::Literal(_)
            | TokenKind::Name(_)
            | TokenKind::Function(_)
            | TokenKind::OpenGroup
            | TokenKind::Operator(Operator::Not) => starts_operand,
            TokenKind::Operator(_) => follows_operand,
            TokenKind::Property(_) => last == Some(&TokenKind::Dot),
            TokenKind::Dot | TokenKind::OpenIndex => last.is_some_and(TokenKind::ends_target),
            TokenKind::Star => last == Some(&TokenKind::Dot),
            TokenKind::StarIndex => last == Some(&TokenKind::OpenIndex),
            TokenKind::OpenArguments => matches!(last, Some(TokenKind::Function(_))),
            TokenKind::Comma => follows_operand && inside == Some(&TokenKind::OpenArguments),
            TokenKind::CloseGroup => follows_operand && inside == Some(&TokenKind::OpenGroup),
            TokenKind::CloseIndex => {
                (follows_operand || last == Some(&TokenKind::StarIndex))
                    && inside == Some(&TokenKind::OpenIndex)
            }
            TokenKind::CloseArguments => follows_operand || last == Some(&TokenKind::OpenArguments),
            TokenKind::Unexpected => true,
        }
    }
}

/// Whether the character ends a word.
fn is_boundary(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '(' | ')' | '[' | ']' | ',' | '.' | '!' | '<' | '>' | '=' | '&' | '|'
        )
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && word.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '_' | '-'))
}
