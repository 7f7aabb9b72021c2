//! Expressions that can be read and yet cannot mean what they say: unknown properties, kinds that do not
//! go together, formats that do not fit their arguments.

use std::ops::Range;

use super::codes;
use super::types::Type;
use super::{Code, untrusted};
use crate::expression::{Comparison, Function, Node, NodeKind};
use crate::nearest::nearest;
use crate::value::equals_ignoring_case;

/// The kinds of the contexts at a place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contexts(pub(crate) Vec<(&'static str, Type)>);

impl Contexts {
    pub(crate) fn get(&self, name: &str) -> Type {
        let known = self.0.iter().find(|(known, _)| equals_ignoring_case(known, name));
        known.map_or(Type::Any, |(_, kind)| kind.clone())
    }

    /// These contexts and another one, in place of one of its name.
    pub(crate) fn with(&self, name: &'static str, kind: Type) -> Self {
        let mut contexts = self.clone();
        contexts.0.retain(|(known, _)| *known != name);
        contexts.0.push((name, kind));
        contexts
    }
}

/// Something wrong in an expression.
#[derive(Debug)]
pub(crate) struct Remark {
    pub(crate) code: &'static Code,
    /// In bytes of the expression.
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The kind of an expression, and what is wrong in it.
pub(crate) fn check(source: &str, node: &Node<'_>, contexts: &Contexts) -> (Type, Vec<Remark>) {
    let mut checker = Checker { source, contexts, remarks: Vec::new() };
    let kind = checker.kind(node);
    (kind, checker.remarks)
}

/// The untrusted texts that an expression puts where they stand.
pub(crate) fn injections(node: &Node<'_>) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    collect_injections(node, &mut found);
    found
}

struct Checker<'a> {
    source: &'a str,
    contexts: &'a Contexts,
    remarks: Vec<Remark>,
}

impl Checker<'_> {
    fn kind(&mut self, node: &Node<'_>) -> Type {
        match &node.kind {
            NodeKind::Null => Type::Null,
            NodeKind::Bool(_) => Type::Bool,
            NodeKind::Number(_) => Type::Number,
            NodeKind::Text(_) => Type::Text,
            NodeKind::Context(name) => self.contexts.get(name),
            NodeKind::Call { function, arguments } => self.call(node, *function, arguments),
            NodeKind::Index { target, index } => self.index(node, target, index),
            NodeKind::Filter { target } => self.filter(target),
            NodeKind::Not(operand) => {
                self.kind(operand);
                Type::Bool
            }
            NodeKind::Compare { operator, left, right } => {
                self.compare(node, *operator, left, right);
                Type::Bool
            }
            NodeKind::And(operands) | NodeKind::Or(operands) => {
                let kinds: Vec<Type> = operands.iter().map(|operand| self.kind(operand)).collect();
                Type::of_all(kinds)
            }
        }
    }

    fn index(&mut self, node: &Node<'_>, target: &Node<'_>, index: &Node<'_>) -> Type {
        let owner = self.kind(target);
        if let NodeKind::Text(name) = &index.kind {
            return self.property(node, target, &owner, name);
        }
        let by = self.kind(index);
        match (&owner, &by) {
            (Type::Array { item, .. }, Type::Number | Type::Any) => (**item).clone(),
            (Type::Array { .. }, _) => Type::Any,
            (Type::Object(_), Type::Bool | Type::Number | Type::Null) => {
                let message = format!(
                    "`{}` is {}, and the properties of an object are named by texts",
                    self.text(&index.span),
                    by.name()
                );
                self.remark(&codes::INDEX_KIND, index.span.clone(), message, None);
                Type::Any
            }
            (Type::Object(object), _) => object.any_property(),
            (Type::Any, _) => Type::Any,
            (other, _) => {
                self.remark_no_object(target, other);
                Type::Any
            }
        }
    }

    fn property(&mut self, node: &Node<'_>, target: &Node<'_>, owner: &Type, name: &str) -> Type {
        match owner {
            Type::Any | Type::Null => Type::Any,
            Type::Object(object) => match object.get(name) {
                Some(kind) => kind,
                None => {
                    let whole = self.text(&target.span);
                    let message = format!("`{whole}` has no `{name}`, so this is always empty");
                    let names: Vec<&str> = object.names().collect();
                    let hint = match nearest(name, names.iter().copied()) {
                        Some(known) => format!("did you mean `{known}`?"),
                        None if names.is_empty() => format!("`{whole}` has nothing here"),
                        None => format!("it has: {}", names.join(", ")),
                    };
                    let code = codes::of_undefined(whole);
                    self.remark(code, node.span.clone(), message, Some(hint));
                    Type::Any
                }
            },
            Type::Array { item, is_filtered: true } => {
                let item = self.property(node, target, item, name);
                Type::filtered(item)
            }
            other => {
                self.remark_no_object(target, other);
                Type::Any
            }
        }
    }

    fn filter(&mut self, target: &Node<'_>) -> Type {
        match self.kind(target) {
            Type::Any | Type::Null => Type::filtered(Type::Any),
            Type::Array { item, is_filtered } => match &*item {
                Type::Array { item, .. } if is_filtered => Type::filtered((**item).clone()),
                Type::Object(object) if is_filtered => Type::filtered(object.any_property()),
                item => Type::filtered(item.clone()),
            },
            Type::Object(object) => Type::filtered(object.any_property()),
            other => {
                self.remark_no_object(target, &other);
                Type::filtered(Type::Any)
            }
        }
    }

    fn call(&mut self, node: &Node<'_>, function: Function, arguments: &[Node<'_>]) -> Type {
        let kinds: Vec<Type> = arguments.iter().map(|argument| self.kind(argument)).collect();
        match function {
            Function::Contains => {
                if let Type::Object(_) = kinds[0] {
                    self.remark_argument(function, &arguments[0], &kinds[0], "a list or a text");
                }
                Type::Bool
            }
            Function::StartsWith | Function::EndsWith => {
                for (argument, kind) in arguments.iter().zip(&kinds) {
                    if kind.is_collection() {
                        self.remark_argument(function, argument, kind, "a text");
                    }
                }
                Type::Bool
            }
            Function::Format => {
                self.format(arguments);
                Type::Text
            }
            Function::Join => {
                if let Type::Object(_) = kinds[0] {
                    self.remark_argument(function, &arguments[0], &kinds[0], "a list");
                }
                Type::Text
            }
            Function::ToJson | Function::HashFiles => Type::Text,
            Function::FromJson => self.json(node, arguments),
            Function::Case => {
                // Every other one is a condition, and the last is the value of no condition.
                let values = kinds.iter().enumerate();
                let values = values.filter(|(at, _)| at % 2 == 1 || at + 1 == kinds.len());
                Type::of_all(values.map(|(_, kind)| kind.clone()).collect::<Vec<_>>())
            }
            Function::Success | Function::Failure | Function::Cancelled | Function::Always => {
                Type::Bool
            }
        }
    }

    fn json(&mut self, node: &Node<'_>, arguments: &[Node<'_>]) -> Type {
        let Some(NodeKind::Text(text)) = arguments.first().map(|argument| &argument.kind) else {
            return Type::Any;
        };
        match serde_json::from_str(text) {
            Ok(value) => Type::of_json(&value),
            Err(error) => {
                let message = format!("this is not JSON: {error}");
                let span = arguments.first().map_or(node.span.clone(), |text| text.span.clone());
                self.remark(&codes::BROKEN_JSON, span, message, None);
                Type::Any
            }
        }
    }

    fn format(&mut self, arguments: &[Node<'_>]) {
        let Some(NodeKind::Text(format)) = arguments.first().map(|argument| &argument.kind) else {
            return;
        };
        let Some(used) = placeholders(format) else { return };
        let span = &arguments[0].span;
        let given = arguments.len() - 1;
        for missing in used.iter().filter(|number| **number >= given) {
            let message =
                format!("the format asks for `{{{missing}}}`, and {given} values follow it");
            self.remark(&codes::FORMAT, span.clone(), message, None);
        }
        for (number, argument) in arguments.iter().skip(1).enumerate() {
            if !used.contains(&number) {
                let message =
                    format!("nothing in the format stands for this value, `{{{number}}}`");
                self.remark(&codes::FORMAT, argument.span.clone(), message, None);
            }
        }
    }

    fn compare(
        &mut self,
        node: &Node<'_>,
        operator: Comparison,
        left: &Node<'_>,
        right: &Node<'_>,
    ) {
        let kinds = (self.kind(left), self.kind(right));
        let sides = [(&kinds.0, left, &kinds.1, right), (&kinds.1, right, &kinds.0, left)];
        let is_order = !matches!(operator, Comparison::Equal | Comparison::NotEqual);
        for (kind, side, other, other_side) in sides {
            let is_mixed = match kind {
                Type::Bool if is_order => true,
                Type::Array { .. } | Type::Object(_) if is_order => true,
                Type::Array { .. } | Type::Object(_) => {
                    !matches!(other, Type::Any | Type::Null) && !other.is_collection()
                }
                _ => false,
            };
            if is_mixed {
                let message = format!(
                    "`{}` is {}, and comparing it with {} never tells anything",
                    self.text(&side.span),
                    kind.name(),
                    other.name()
                );
                self.remark(&codes::COMPARISON, node.span.clone(), message, None);
                return;
            }
            if let (Type::Bool, NodeKind::Text(text)) = (kind, &other_side.kind)
                && !is_order
                && text.parse::<f64>().is_err()
            {
                let side = self.text(&side.span).to_owned();
                let message =
                    format!("`{side}` is a boolean, which never equals the text '{text}'");
                let hint = match text.as_ref() {
                    "true" => format!("write `{side}`"),
                    "false" => format!("write `!{side}`"),
                    _ => format!("compare `{side}` with true or false"),
                };
                self.remark(&codes::BOOLEAN_AS_TEXT, node.span.clone(), message, Some(hint));
                return;
            }
            if let (Type::Text, NodeKind::Bool(value)) = (kind, &other_side.kind)
                && !is_order
                && self.text(&side.span).to_ascii_lowercase().contains("event.inputs")
            {
                let side = self.text(&side.span).to_owned();
                let message = format!("`{side}` is a text, which never equals the boolean {value}");
                let hint = "`inputs` has the values in their types".to_owned();
                self.remark(&codes::BOOLEAN_AS_TEXT, node.span.clone(), message, Some(hint));
                return;
            }
        }
    }

    fn remark_argument(
        &mut self,
        function: Function,
        argument: &Node<'_>,
        kind: &Type,
        wanted: &str,
    ) {
        let message =
            format!("`{}` needs {wanted} here, and this is {}", function.name(), kind.name());
        self.remark(&codes::ARGUMENT_KIND, argument.span.clone(), message, None);
    }

    fn remark_no_object(&mut self, target: &Node<'_>, kind: &Type) {
        let message =
            format!("`{}` is {}, which has no properties", self.text(&target.span), kind.name());
        self.remark(&codes::NO_OBJECT, target.span.clone(), message, None);
    }

    fn remark(
        &mut self,
        code: &'static Code,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) {
        self.remarks.push(Remark { code, span, message, hint });
    }

    fn text(&self, span: &Range<usize>) -> &str {
        &self.source[span.clone()]
    }
}

/// The numbers in the braces of a format; `None` when it is not a format at all.
fn placeholders(format: &str) -> Option<Vec<usize>> {
    let plain = format.replace("{{", "").replace("}}", "");
    let mut numbers = Vec::new();
    let mut rest = plain.as_str();
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}')?;
        numbers.push(rest[open + 1..open + close].parse().ok()?);
        rest = &rest[open + close + 1..];
    }
    Some(numbers)
}

fn collect_injections(node: &Node<'_>, found: &mut Vec<(Range<usize>, String)>) {
    match &node.kind {
        NodeKind::Index { .. } | NodeKind::Filter { .. } => {
            if let Some(path) = path(node)
                && untrusted::is_untrusted(&path)
            {
                found.push((node.span.clone(), path));
            }
            // What an index names is put nowhere, but it may stand in for it.
            for child in node.children() {
                if !matches!(child.kind, NodeKind::Context(_) | NodeKind::Text(_)) {
                    collect_injections(child, found);
                }
            }
        }
        // What these answer is a word of their own.
        NodeKind::Compare { .. } | NodeKind::Not(_) => {}
        NodeKind::Call {
            function:
                Function::Contains | Function::StartsWith | Function::EndsWith | Function::HashFiles,
            ..
        } => {}
        _ => node.children().for_each(|child| collect_injections(child, found)),
    }
}

/// `github.event.commits.*.message`: the properties on the way, `*` for any.
fn path(node: &Node<'_>) -> Option<String> {
    match &node.kind {
        NodeKind::Context(name) => Some(name.to_ascii_lowercase()),
        NodeKind::Index { target, index } => {
            let path = path(target)?;
            Some(match &index.kind {
                NodeKind::Text(name) => format!("{path}.{}", name.to_ascii_lowercase()),
                _ => format!("{path}.*"),
            })
        }
        NodeKind::Filter { target } => Some(format!("{}.*", path(target)?)),
        _ => None,
    }
}
