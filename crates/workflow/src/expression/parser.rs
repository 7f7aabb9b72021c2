//! Tokens to a tree: operator precedence with an explicit stack, so that no input is too deep for it.

use std::ops::Range;

use super::ast::{Comparison, Function, Node, NodeKind};
use super::lexer::{Lexer, Operator, Token, TokenKind};
use super::{EXPRESSION_DEPTH_MAX, EXPRESSION_LENGTH_MAX, SyntaxError, Vocabulary};
use crate::Value;
use crate::nearest::nearest;

/// Parses an expression; `None` when there is nothing but white space.
pub(crate) fn parse(
    source: &str,
    vocabulary: &Vocabulary<'_>,
) -> Result<Option<Node>, SyntaxError> {
    if source.encode_utf16().count() > EXPRESSION_LENGTH_MAX {
        return Err(SyntaxError {
            message: format!("Exceeded max expression length {EXPRESSION_LENGTH_MAX}"),
            offset: 0,
            length: source.len(),
            hint: None,
        });
    }
    let mut parser = Parser {
        source,
        vocabulary,
        operands: Vec::new(),
        pending: Vec::new(),
        is_too_deep: false,
    };
    let mut lexer = Lexer::new(source);
    let mut last = None;
    while let Some(token) = lexer.next_token() {
        parser.push(&token)?;
        last = Some(token);
    }
    let Some(last) = last else { return Ok(None) };
    if lexer.has_open_brackets() || awaits_more(&last.kind) {
        return Err(parser.located("Unexpected end of expression", &last));
    }
    parser.reduce(WEAKEST);
    if parser.is_too_deep {
        return Err(SyntaxError {
            message: format!("Exceeded max expression depth {EXPRESSION_DEPTH_MAX}"),
            offset: 0,
            length: source.len(),
            hint: None,
        });
    }
    Ok(parser.operands.pop())
}

fn awaits_more(kind: &TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Operator(_) | TokenKind::Dot | TokenKind::Comma | TokenKind::Function(_)
    )
}

struct Parser<'a> {
    source: &'a str,
    vocabulary: &'a Vocabulary<'a>,
    operands: Vec<Node>,
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
        name: Token,
        first: usize,
    },
}

impl Parser<'_> {
    fn push(&mut self, token: &Token) -> Result<(), SyntaxError> {
        let Range { start, end } = token.span;
        match &token.kind {
            TokenKind::Unexpected => return Err(self.located("Unexpected symbol", token)),
            TokenKind::Literal(value) => {
                self.push_node(NodeKind::Literal(value.clone()), token.span.clone());
            }
            TokenKind::Name(name) => {
                self.check_context(name, token)?;
                self.push_node(NodeKind::Context(name.clone()), token.span.clone());
            }
            TokenKind::Property(name) => {
                self.pending.pop();
                let name = NodeKind::Literal(Value::String(name.clone()));
                self.push_node(name, token.span.clone());
                self.index(end);
            }
            TokenKind::Star | TokenKind::StarIndex => {
                self.pending.pop();
                self.filter(end);
                if token.kind == TokenKind::StarIndex {
                    self.pending.push(Pending::StarIndex);
                }
            }
            TokenKind::Function(name) => {
                let function = self.function_named(name, token)?;
                let first = self.operands.len();
                self.pending.push(Pending::Call { function, name: token.clone(), first });
            }
            TokenKind::Operator(Operator::Not) => self.pending.push(Pending::Not { start }),
            TokenKind::Operator(operator) => {
                let operator = binary(*operator);
                self.reduce(strength(operator));
                self.pending.push(Pending::Binary(operator));
            }
            TokenKind::Dot => self.pending.push(Pending::Dot),
            TokenKind::OpenIndex => self.pending.push(Pending::Index),
            TokenKind::OpenGroup => self.pending.push(Pending::Group { start }),
            // The call itself is pending since its name.
            TokenKind::OpenArguments => {}
            TokenKind::Comma => self.reduce(WEAKEST),
            TokenKind::CloseGroup | TokenKind::CloseIndex | TokenKind::CloseArguments => {
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
                self.push_node(NodeKind::Call { function, arguments }, name.span.start..end);
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
                    let end = operand.span.end;
                    self.push_node(NodeKind::Not(Box::new(operand)), start..end);
                }
                _ => unreachable!("the loop looked at it"),
            }
        }
    }

    fn binary(&mut self, operator: Binary) {
        let right = self.operand();
        let left = self.operand();
        let span = left.span.start..right.span.end;
        let kind = match operator {
            Binary::Compare(operator) => {
                NodeKind::Compare { operator, left: Box::new(left), right: Box::new(right) }
            }
            // Chains become one node, so that a long one is not a deep one.
            Binary::And => match left.kind {
                NodeKind::And(operands) => NodeKind::And(appended(operands, right)),
                _ => NodeKind::And(vec![left, right]),
            },
            Binary::Or => match left.kind {
                NodeKind::Or(operands) => NodeKind::Or(appended(operands, right)),
                _ => NodeKind::Or(vec![left, right]),
            },
        };
        self.push_node(kind, span);
    }

    fn index(&mut self, end: usize) {
        let index = Box::new(self.operand());
        let target = Box::new(self.operand());
        let span = target.span.start..end;
        self.push_node(NodeKind::Index { target, index }, span);
    }

    fn filter(&mut self, end: usize) {
        let target = Box::new(self.operand());
        let span = target.span.start..end;
        self.push_node(NodeKind::Filter { target }, span);
    }

    fn operand(&mut self) -> Node {
        self.operands.pop().expect("the lexer lets an operator stand only where operands are")
    }

    fn operand_mut(&mut self) -> &mut Node {
        self.operands.last_mut().expect("the lexer lets a bracket close only after an operand")
    }

    fn push_node(&mut self, kind: NodeKind, span: Range<usize>) {
        let mut node = Node { kind, span, depth: 1 };
        node.depth += node.children().map(|child| child.depth).max().unwrap_or(0);
        if node.depth > EXPRESSION_DEPTH_MAX {
            // Nothing is kept of it: the parse fails in the end, and must not overflow until then.
            self.is_too_deep = true;
            node.kind = NodeKind::Literal(Value::Null);
            node.depth = 1;
        }
        self.operands.push(node);
    }

    fn check_context(&self, name: &str, token: &Token) -> Result<(), SyntaxError> {
        let known = self.vocabulary.contexts;
        if known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        let error = self.located("Unrecognized named-value", token);
        Err(SyntaxError { hint: nearest(name, known.iter().copied()), ..error })
    }

    fn function_named(&self, name: &str, token: &Token) -> Result<Function, SyntaxError> {
        let known = self.vocabulary.functions;
        match Function::named(name) {
            Some(function) if function.is_everywhere() || known.contains(&function) => Ok(function),
            _ => {
                let names = Function::ALL
                    .iter()
                    .filter(|function| function.is_everywhere() || known.contains(function))
                    .map(|function| function.name());
                let error = self.located("Unrecognized function", token);
                Err(SyntaxError { hint: nearest(name, names), ..error })
            }
        }
    }

    fn check_arguments(
        &self,
        function: Function,
        count: usize,
        token: &Token,
    ) -> Result<(), SyntaxError> {
        let (least, most) = function.arity();
        if count < least {
            return Err(self.located("Too few parameters supplied", token));
        }
        if count > most && function.is_status() {
            let name = function.name();
            return Err(SyntaxError {
                message: format!("`{name}` with the names of jobs is not supported yet"),
                ..self.located("", token)
            });
        }
        if count > most {
            return Err(self.located("Too many parameters supplied", token));
        }
        if function == Function::Case && count.is_multiple_of(2) {
            return Err(self.located(
                "Even number of parameters supplied, requires an odd number of parameters",
                token,
            ));
        }
        Ok(())
    }

    fn located(&self, problem: &str, token: &Token) -> SyntaxError {
        let Range { start, end } = token.span;
        let text = &self.source[start..end];
        let position = self.source[..start].encode_utf16().count() + 1;
        SyntaxError {
            message: format!(
                "{problem}: '{text}'. Located at position {position} within expression: {}",
                self.source
            ),
            offset: start,
            length: end - start,
            hint: None,
        }
    }
}

fn appended(mut operands: Vec<Node>, operand: Node) -> Vec<Node> {
    operands.push(operand);
    operands
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
