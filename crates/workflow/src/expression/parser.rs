//! Tokens to a tree: operator precedence with an explicit stack, so that no input is too deep for it.

use std::ops::Range;

use super::ast::{Comparison, Function, Node, NodeKind};
use super::lexer::{Bracket, Operator, Token, TokenKind, tokens};
use super::{EXPRESSION_DEPTH_MAX, EXPRESSION_LENGTH_MAX, ErrorKind, SyntaxError, Vocabulary};
use crate::nearest::nearest;

/// Parses an expression; `None` when there is nothing but white space.
pub(crate) fn parse<'s>(
    source: &'s str,
    vocabulary: &Vocabulary<'_>,
) -> Result<Option<Node<'s>>, SyntaxError> {
    // A text has at most as many UTF-16 code units as bytes.
    if source.len() > EXPRESSION_LENGTH_MAX && source.encode_utf16().count() > EXPRESSION_LENGTH_MAX
    {
        let message = format!("Exceeded max expression length {EXPRESSION_LENGTH_MAX}");
        return Err(SyntaxError::of_all(ErrorKind::Lexing, message, source));
    }
    let (tokens, has_open_brackets) = tokens(source)?;
    let Some(last) = tokens.last().cloned() else { return Ok(None) };
    let mut parser = Parser {
        source,
        vocabulary,
        operands: Vec::with_capacity(4),
        pending: Vec::with_capacity(4),
        is_too_deep: false,
    };
    for token in tokens {
        parser.push(token)?;
    }
    if has_open_brackets || awaits_more(&last.kind) {
        return Err(parser.located("Unexpected end of expression", &last.span));
    }
    parser.reduce(WEAKEST);
    if parser.is_too_deep {
        let message = format!("Exceeded max expression depth {EXPRESSION_DEPTH_MAX}");
        return Err(SyntaxError::of_all(ErrorKind::Parsing, message, source));
    }
    Ok(parser.operands.pop())
}

fn awaits_more(kind: &TokenKind<'_>) -> bool {
    matches!(
        kind,
        TokenKind::Operator(_) | TokenKind::Dot | TokenKind::Comma | TokenKind::Function(_)
    )
}

struct Parser<'s, 'v> {
    source: &'s str,
    vocabulary: &'v Vocabulary<'v>,
    operands: Vec<Node<'s>>,
    pending: Vec<Pending>,
    /// Reported last, because every other error comes first on GitHub.
    is_too_deep: bool,
}

/// What waits for operands to its right.
enum Pending {
    Binary(Binary),
    Not {
        start: usize,
    },
    Dot,
    Index,
    /// A `[*]` whose star has been read.
    StarIndex,
    Group {
        start: usize,
    },
    /// A call whose arguments are the operands from `first` on.
    Call {
        function: Function,
        name: Range<usize>,
        first: usize,
    },
}

impl<'s> Parser<'s, '_> {
    fn push(&mut self, token: Token<'s>) -> Result<(), SyntaxError> {
        let span = token.span;
        let Range { start, end } = span;
        match token.kind {
            TokenKind::Misplaced => return Err(self.located("Unexpected symbol", &span)),
            TokenKind::Null => self.push_node(NodeKind::Null, span, 0),
            TokenKind::Bool(value) => self.push_node(NodeKind::Bool(value), span, 0),
            TokenKind::Number(value) => self.push_node(NodeKind::Number(value), span, 0),
            TokenKind::Text(value) => self.push_node(NodeKind::Text(value), span, 0),
            TokenKind::Name(name) => {
                self.check_context(name, &span)?;
                self.push_node(NodeKind::Context(name), span, 0);
            }
            TokenKind::Property(name) => {
                self.pending.pop();
                self.push_node(NodeKind::Text(name.into()), span, 0);
                self.index(end);
            }
            TokenKind::Star => {
                self.pending.pop();
                self.filter(end);
            }
            TokenKind::StarIndex => {
                self.pending.pop();
                self.filter(end);
                self.pending.push(Pending::StarIndex);
            }
            TokenKind::Function(name) => {
                let function = self.function_named(name, &span)?;
                let first = self.operands.len();
                self.pending.push(Pending::Call { function, name: span, first });
            }
            TokenKind::Operator(Operator::Not) => self.pending.push(Pending::Not { start }),
            TokenKind::Operator(operator) => {
                let operator = binary(operator);
                self.reduce(strength(operator));
                self.pending.push(Pending::Binary(operator));
            }
            TokenKind::Dot => self.pending.push(Pending::Dot),
            TokenKind::Open(Bracket::Index) => self.pending.push(Pending::Index),
            TokenKind::Open(Bracket::Group) => self.pending.push(Pending::Group { start }),
            // The call itself is pending since its name.
            TokenKind::Open(Bracket::Arguments) => {}
            TokenKind::Comma => self.reduce(WEAKEST),
            TokenKind::Close(_) => {
                self.reduce(WEAKEST);
                self.close(end)?;
            }
        }
        Ok(())
    }

    /// Finishes what the bracket that ends at `end` closes.
    fn close(&mut self, end: usize) -> Result<(), SyntaxError> {
        match self.pending.pop() {
            Some(Pending::Group { start }) => self.operand_mut().span = start..end,
            Some(Pending::StarIndex) => self.operand_mut().span.end = end,
            Some(Pending::Index) => self.index(end),
            Some(Pending::Call { function, name, first }) => {
                let arguments = self.operands.split_off(first);
                self.check_arguments(function, arguments.len(), &name)?;
                let depth = arguments.iter().map(|argument| argument.depth).max().unwrap_or(0);
                self.push_node(NodeKind::Call { function, arguments }, name.start..end, depth);
            }
            Some(Pending::Binary(_) | Pending::Not { .. } | Pending::Dot) | None => {
                unreachable!("the lexer lets a bracket close only what is open")
            }
        }
        Ok(())
    }

    /// Builds the nodes of the pending operators that bind at least as strongly.
    fn reduce(&mut self, strength_min: u8) {
        while let Some(Pending::Binary(_) | Pending::Not { .. }) = self.pending.last() {
            match self.pending.last() {
                Some(Pending::Binary(operator)) if strength(*operator) < strength_min => return,
                _ => {}
            }
            match self.pending.pop() {
                Some(Pending::Binary(operator)) => self.binary(operator),
                Some(Pending::Not { start }) => {
                    let operand = self.operand();
                    let (end, depth) = (operand.span.end, operand.depth);
                    self.push_node(NodeKind::Not(Box::new(operand)), start..end, depth);
                }
                _ => unreachable!("the loop looked at it"),
            }
        }
    }

    fn binary(&mut self, operator: Binary) {
        let right = self.operand();
        let left = self.operand();
        let span = left.span.start..right.span.end;
        let depth = left.depth.max(right.depth);
        match operator {
            Binary::Compare(operator) => {
                let (left, right) = (Box::new(left), Box::new(right));
                self.push_node(NodeKind::Compare { operator, left, right }, span, depth);
            }
            Binary::And | Binary::Or => {
                let (mut operands, left_depth) = chained(operator, left);
                let (more, right_depth) = chained(operator, right);
                operands.extend(more);
                let depth = left_depth.max(right_depth);
                let kind = match operator {
                    Binary::And => NodeKind::And(operands),
                    _ => NodeKind::Or(operands),
                };
                self.push_node(kind, span, depth);
            }
        }
    }

    fn index(&mut self, end: usize) {
        let index = Box::new(self.operand());
        let target = Box::new(self.operand());
        let span = target.span.start..end;
        let depth = index.depth.max(target.depth);
        self.push_node(NodeKind::Index { target, index }, span, depth);
    }

    fn filter(&mut self, end: usize) {
        let target = Box::new(self.operand());
        let (span, depth) = (target.span.start..end, target.depth);
        self.push_node(NodeKind::Filter { target }, span, depth);
    }

    fn operand(&mut self) -> Node<'s> {
        self.operands.pop().expect("the lexer lets an operator stand only where operands are")
    }

    fn operand_mut(&mut self) -> &mut Node<'s> {
        self.operands.last_mut().expect("the lexer lets a bracket close only after an operand")
    }

    /// `depth` is that of the deepest child.
    fn push_node(&mut self, kind: NodeKind<'s>, span: Range<usize>, depth: usize) {
        let mut node = Node { kind, span, depth: depth + 1 };
        if node.depth > EXPRESSION_DEPTH_MAX {
            // Nothing is kept of it: the parse fails in the end, and must not overflow until then.
            self.is_too_deep = true;
            node.kind = NodeKind::Null;
            node.depth = 1;
        }
        self.operands.push(node);
    }

    fn check_context(&self, name: &str, place: &Range<usize>) -> Result<(), SyntaxError> {
        if self.vocabulary.contexts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        let error = self.located("Unrecognized named-value", place);
        Err(SyntaxError { hint: nearest(name, self.vocabulary.contexts.iter().copied()), ..error })
    }

    fn function_named(&self, name: &str, place: &Range<usize>) -> Result<Function, SyntaxError> {
        let known = self.vocabulary.functions;
        match Function::named(name) {
            Some(function) if function.is_everywhere() || known.contains(&function) => Ok(function),
            _ => {
                let names = Function::ALL
                    .iter()
                    .filter(|function| function.is_everywhere() || known.contains(function))
                    .map(|function| function.name());
                let error = self.located("Unrecognized function", place);
                Err(SyntaxError { hint: nearest(name, names), ..error })
            }
        }
    }

    fn check_arguments(
        &self,
        function: Function,
        count: usize,
        place: &Range<usize>,
    ) -> Result<(), SyntaxError> {
        let (least, most) = function.arity();
        if count < least {
            return Err(self.located("Too few parameters supplied", place));
        }
        if function.takes_jobs() && self.vocabulary.is_of_job() {
            return Ok(());
        }
        if count > most {
            return Err(self.located("Too many parameters supplied", place));
        }
        if function == Function::Case && count.is_multiple_of(2) {
            return Err(self.located(
                "Even number of parameters supplied, requires an odd number of parameters",
                place,
            ));
        }
        Ok(())
    }

    fn located(&self, problem: &str, place: &Range<usize>) -> SyntaxError {
        SyntaxError::located(ErrorKind::Parsing, problem, self.source, place.clone())
    }
}

/// What an operand adds to a chain of the operator, and the depth of the deepest of it. A chain in a
/// chain becomes one node with it, so that a long one is not a deep one.
fn chained(operator: Binary, node: Node<'_>) -> (Vec<Node<'_>>, usize) {
    match (operator, node.kind) {
        (Binary::And, NodeKind::And(operands)) | (Binary::Or, NodeKind::Or(operands)) => {
            (operands, node.depth - 1)
        }
        (_, kind) => (vec![Node { kind, ..node }], node.depth),
    }
}

#[derive(Clone, Copy)]
enum Binary {
    Compare(Comparison),
    And,
    Or,
}

fn binary(operator: Operator) -> Binary {
    match operator {
        Operator::Equal => Binary::Compare(Comparison::Equal),
        Operator::NotEqual => Binary::Compare(Comparison::NotEqual),
        Operator::Less => Binary::Compare(Comparison::Less),
        Operator::LessOrEqual => Binary::Compare(Comparison::LessOrEqual),
        Operator::Greater => Binary::Compare(Comparison::Greater),
        Operator::GreaterOrEqual => Binary::Compare(Comparison::GreaterOrEqual),
        Operator::And => Binary::And,
        Operator::Or => Binary::Or,
        Operator::Not => unreachable!("`!` has one operand and is handled before"),
    }
}

const WEAKEST: u8 = 0;

/// How strongly an operator binds; `!` binds more strongly than any of them.
fn strength(operator: Binary) -> u8 {
    match operator {
        Binary::Or => 1,
        Binary::And => 2,
        Binary::Compare(Comparison::Equal | Comparison::NotEqual) => 3,
        Binary::Compare(_) => 4,
    }
}
