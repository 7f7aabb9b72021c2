//! The functions of the language. An argument that cannot matter any more is not evaluated.

use super::ast::{Function, Node};
use super::evaluator::Evaluator;
use super::memory::LimitedText;
use super::operand::Operand;
use super::{EvaluationError, Status};
use crate::Value;
use crate::value::{End, contains_ignoring_case, has_at_ignoring_case, write_json};

pub(super) fn call<'a>(
    evaluator: &mut Evaluator<'a>,
    function: Function,
    arguments: &'a [Node<'a>],
    level: usize,
) -> Result<Operand<'a>, EvaluationError> {
    let mut call = Call { evaluator, arguments, level: level + 1 };
    let status = call.evaluator.scope.status;
    Ok(match function {
        Function::Contains => Operand::Bool(call.contains()?),
        Function::StartsWith => Operand::Bool(call.has_at(End::Front)?),
        Function::EndsWith => Operand::Bool(call.has_at(End::Back)?),
        Function::Format => Operand::Text(call.format()?.into()),
        Function::Join => Operand::Text(call.join()?.into()),
        Function::ToJson => Operand::Text(call.json_text()?.into()),
        Function::FromJson => call.json_value()?,
        Function::Case => call.case()?,
        Function::HashFiles => Operand::Text(call.hash_files()?.into()),
        Function::Success if arguments.is_empty() => Operand::Bool(status == Status::Success),
        Function::Success => {
            Operand::Bool(call.results()?.iter().all(|result| result == "success"))
        }
        Function::Failure if arguments.is_empty() => Operand::Bool(status == Status::Failure),
        Function::Failure => {
            Operand::Bool(call.results()?.iter().any(|result| result == "failure"))
        }
        Function::Cancelled => Operand::Bool(status == Status::Cancelled),
        Function::Always => Operand::Bool(true),
    })
}

struct Call<'e, 'a> {
    evaluator: &'e mut Evaluator<'a>,
    arguments: &'a [Node<'a>],
    /// The level of the arguments.
    level: usize,
}

impl<'a> Call<'_, 'a> {
    fn argument(&mut self, at: usize) -> Result<Operand<'a>, EvaluationError> {
        self.evaluator.value(&self.arguments[at], self.level)
    }

    fn contains(&mut self) -> Result<bool, EvaluationError> {
        let haystack = self.argument(0)?;
        if haystack.is_primitive() {
            let needle = self.argument(1)?;
            return Ok(needle.is_primitive()
                && contains_ignoring_case(&haystack.to_text(), &needle.to_text()));
        }
        match haystack.into_items() {
            Some(items) if !items.is_empty() => {
                let needle = self.argument(1)?;
                Ok(items.iter().any(|item| item.equals(&needle)))
            }
            _ => Ok(false),
        }
    }

    /// Whether the first text begins or ends with the second; arrays and objects never do.
    fn has_at(&mut self, end: End) -> Result<bool, EvaluationError> {
        let text = self.argument(0)?;
        if !text.is_primitive() {
            return Ok(false);
        }
        let part = self.argument(1)?;
        Ok(part.is_primitive() && has_at_ignoring_case(&text.to_text(), &part.to_text(), end))
    }

    /// Replaces `{0}`, `{1}`, ... by the arguments; two braces stand for one.
    fn format(&mut self) -> Result<String, EvaluationError> {
        let template = self.argument(0)?;
        let template = template.to_text().into_owned();
        let invalid = || EvaluationError::FormatInvalid(template.clone());
        let mut pieces = Vec::new();
        let mut rest = template.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(at);
            let (brace, after) = from_brace.split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                pieces.push(Piece::Text(&rest[..=at]));
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(invalid());
            }
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            // .NET counts the arguments in one byte.
            let index = usize::from(after[..digits].parse::<u8>().map_err(|_| invalid())?);
            let (specifiers, after) = specifiers(&after[digits..]).ok_or_else(invalid)?;
            if index + 1 >= self.arguments.len() {
                return Err(EvaluationError::FormatArgumentMissing(template));
            }
            pieces.extend([Piece::Text(before), Piece::Argument { index, specifiers }]);
            rest = after;
        }
        pieces.push(Piece::Text(rest));
        self.assembled(&pieces)
    }

    /// The text of the pieces of a format. An argument is evaluated once, however often it stands there.
    fn assembled(&mut self, pieces: &[Piece<'_>]) -> Result<String, EvaluationError> {
        let mut values: Vec<Option<Operand<'a>>> = vec![None; self.arguments.len() - 1];
        let mut text = LimitedText::default();
        for piece in pieces {
            let pushed = match piece {
                Piece::Text(piece) => text.push(piece),
                Piece::Argument { index, specifiers } => {
                    if values[*index].is_none() {
                        values[*index] = Some(self.argument(index + 1)?);
                    }
                    let value = values[*index].as_ref().unwrap_or(&Operand::Null);
                    if !specifiers.is_empty() {
                        let specifiers = crate::excerpt(specifiers);
                        let kind = value.kind_name();
                        return Err(EvaluationError::FormatSpecifiers { specifiers, kind });
                    }
                    text.push(&value.to_text())
                }
            };
            pushed.map_err(|_| self.evaluator.exceeded())?;
        }
        Ok(text.into_text())
    }

    fn join(&mut self) -> Result<String, EvaluationError> {
        const SEPARATOR_DEFAULT: &str = ",";
        let items = self.argument(0)?;
        if items.is_primitive() {
            return Ok(items.to_text().into_owned());
        }
        let items = items.into_items().unwrap_or_default();
        let separator = match items.len() {
            0 | 1 => Operand::Null,
            _ if self.arguments.len() > 1 => self.argument(1)?,
            _ => Operand::Text(SEPARATOR_DEFAULT.into()),
        };
        let separator =
            if separator.is_primitive() { separator.to_text() } else { SEPARATOR_DEFAULT.into() };
        let mut text = LimitedText::default();
        for (at, item) in items.iter().enumerate() {
            let pushed = if at > 0 { text.push(&separator) } else { Ok(()) }
                .and_then(|()| text.push(&item.to_text()));
            pushed.map_err(|_| self.evaluator.exceeded())?;
        }
        Ok(text.into_text())
    }

    fn json_text(&mut self) -> Result<String, EvaluationError> {
        let value = self.argument(0)?;
        let mut text = LimitedText::default();
        let written = match &value {
            Operand::Known(value) => write_json(value, 0, &mut text),
            _ => write_json(&value.into_value(), 0, &mut text),
        };
        written.map_err(|_| self.evaluator.exceeded())?;
        Ok(text.into_text())
    }

    fn json_value(&mut self) -> Result<Operand<'a>, EvaluationError> {
        let json = self.argument(0)?;
        let json = json.to_text();
        match Value::from_json_text(&json) {
            Ok(value) => Ok(value.into()),
            Err(error) => Err(EvaluationError::Json { reason: error, text: crate::excerpt(&json) }),
        }
    }

    /// The value after the first condition that is true, or the last argument.
    fn case(&mut self) -> Result<Operand<'a>, EvaluationError> {
        let last = self.arguments.len() - 1;
        for at in (0..last).step_by(2) {
            match self.argument(at)? {
                Operand::Bool(true) => return self.argument(at + 1),
                Operand::Bool(false) => {}
                _ => return Err(EvaluationError::CasePredicate),
            }
        }
        self.argument(last)
    }

    /// The results of the jobs that are named, of which the job at hand needs each; empty where it
    /// does not.
    fn results(&mut self) -> Result<Vec<String>, EvaluationError> {
        let needs = self.evaluator.scope.contexts.get("needs").unwrap_or(Value::NULL);
        let mut results = Vec::with_capacity(self.arguments.len());
        for at in 0..self.arguments.len() {
            let job = self.argument(at)?;
            results.push(needs.get(&job.to_text()).get("result").to_text());
        }
        Ok(results)
    }

    fn hash_files(&mut self) -> Result<String, EvaluationError> {
        let hash = self.evaluator.scope.hash_files.ok_or(EvaluationError::NoWorkspace)?;
        let mut patterns = Vec::with_capacity(self.arguments.len());
        for at in 0..self.arguments.len() {
            patterns.push(self.argument(at)?.to_text().into_owned());
        }
        hash(&patterns).map_err(EvaluationError::HashFiles)
    }
}

/// A stretch of a format.
enum Piece<'t> {
    Text(&'t str),
    Argument { index: usize, specifiers: String },
}

/// Reads what may stand between the number of an argument and the closing brace: nothing, or a colon
/// and specifiers, of which none is valid for any value. Returns also what follows the brace.
fn specifiers(text: &str) -> Option<(String, &str)> {
    if let Some(after) = text.strip_prefix('}') {
        return Some((String::new(), after));
    }
    let mut rest = text.strip_prefix(':')?;
    let mut specifiers = String::new();
    loop {
        let at = rest.find('}')?;
        specifiers.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('}') {
            Some(after) => {
                specifiers.push('}');
                rest = after;
            }
            None => return Some((specifiers, rest)),
        }
    }
}
