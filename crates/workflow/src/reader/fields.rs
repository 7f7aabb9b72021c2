//! What the parts of a workflow are read with: mappings with known keys, lists, texts, templates.

use std::ops::Range;

use super::Reader;
use crate::expression::{SyntaxError, Vocabulary};
use crate::nearest::nearest;
use crate::template::{OPEN, check};
use crate::yaml::{Node, NodeKind, Scalar, ScalarKind};
use crate::{Condition, Diagnostic, Template};

/// The entries of a mapping whose keys are all known.
pub(super) struct Fields<'n> {
    pub(super) owner: &'n Node,
    pub(super) entries: Vec<(String, &'n Node, &'n Node)>,
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(name, ..)| name == key).map(|(.., value)| *value)
    }

    pub(super) fn key(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(name, ..)| name == key).map(|(_, key, _)| *key)
    }
}

impl Reader<'_> {
    pub(super) fn report(&mut self, span: Range<usize>, message: impl Into<String>) {
        let diagnostic = self.source.diagnostic(span, message);
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn report_with_hint(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: String,
    ) {
        let diagnostic = self.source.diagnostic(span, message);
        self.diagnostics.push(Diagnostic { hint: Some(hint), ..diagnostic });
    }

    /// Reports a value that is not among the known ones.
    pub(super) fn report_unknown(&mut self, node: &Node, found: &str, known: &[&str]) {
        let hint = match nearest(found, known.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("possible here: {}", known.join(", ")),
        };
        self.report_with_hint(node.span.clone(), format!("Unexpected value '{found}'"), hint);
    }

    /// Reports something that GitHub knows and this version does not carry out.
    pub(super) fn report_unsupported(&mut self, node: &Node, what: &str) {
        self.report(node.span.clone(), format!("`{what}` is not supported yet"));
    }

    /// The entries of a mapping. Other keys than the known are reported; those that GitHub knows and
    /// this version does not carry out are `unsupported`.
    pub(super) fn fields<'n>(
        &mut self,
        node: &'n Node,
        known: &[&str],
        unsupported: &[&str],
    ) -> Option<Fields<'n>> {
        let mut entries = Vec::new();
        for (key, value) in self.mapping(node)? {
            let Some(name) = self.text(key) else { continue };
            if known.contains(&name.as_str()) {
                entries.push((name, key, value));
            } else if unsupported.contains(&name.as_str()) {
                self.report_unsupported(key, &name);
            } else {
                self.report_unknown(key, &name, known);
            }
        }
        Some(Fields { owner: node, entries })
    }

    pub(super) fn required<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<&'n Node> {
        let value = fields.get(key);
        if value.is_none() {
            let start = fields.owner.span.start;
            self.report(start..start, format!("Required property is missing: {key}"));
        }
        value
    }

    pub(super) fn mapping<'n>(&mut self, node: &'n Node) -> Option<&'n [(Node, Node)]> {
        match &node.kind {
            NodeKind::Mapping(entries) => Some(entries),
            NodeKind::Sequence(_) => {
                self.report(node.span.clone(), "A sequence was not expected");
                None
            }
            NodeKind::Scalar(scalar) if scalar.raw.contains(OPEN) => {
                self.report(
                    node.span.clone(),
                    "`${{ }}` in place of a mapping is not supported yet",
                );
                None
            }
            NodeKind::Scalar(scalar) => {
                let message = format!("Unexpected value '{}'", crate::excerpt(&scalar.text()));
                let hint = "a mapping of keys to values is needed here".to_owned();
                self.report_with_hint(node.span.clone(), message, hint);
                None
            }
        }
    }

    pub(super) fn sequence<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        match &node.kind {
            NodeKind::Sequence(items) => Some(items),
            NodeKind::Mapping(_) => {
                self.report(node.span.clone(), "A mapping was not expected");
                None
            }
            NodeKind::Scalar(scalar) if scalar.raw.contains(OPEN) => {
                self.report(node.span.clone(), "`${{ }}` in place of a list is not supported yet");
                None
            }
            NodeKind::Scalar(scalar) => {
                let message = format!("Unexpected value '{}'", crate::excerpt(&scalar.text()));
                let hint = "a list is needed here".to_owned();
                self.report_with_hint(node.span.clone(), message, hint);
                None
            }
        }
    }

    pub(super) fn scalar<'n>(&mut self, node: &'n Node) -> Option<&'n Scalar> {
        match &node.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            NodeKind::Sequence(_) => {
                self.report(node.span.clone(), "A sequence was not expected");
                None
            }
            NodeKind::Mapping(_) => {
                self.report(node.span.clone(), "A mapping was not expected");
                None
            }
        }
    }

    /// A text in which no expression may occur.
    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        let text = self.scalar(node)?.text();
        if text.contains(OPEN) {
            self.report_expressions_forbidden(node);
            return None;
        }
        Some(text)
    }

    /// A key that the author is free to choose.
    pub(super) fn key(&mut self, node: &Node) -> Option<String> {
        match &node.kind {
            NodeKind::Scalar(scalar) if scalar.raw.contains(OPEN) => {
                self.report(node.span.clone(), "`${{ }}` in a key is not supported yet");
                None
            }
            _ => self.filled_text(node),
        }
    }

    pub(super) fn report_expressions_forbidden(&mut self, node: &Node) {
        let hint = "`${{ }}` cannot be used at this place".to_owned();
        let message = "A template expression is not allowed in this context";
        self.report_with_hint(node.span.clone(), message, hint);
    }

    /// A text that is not empty, and in which no expression may occur.
    pub(super) fn filled_text(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if text.is_empty() {
            self.report_empty(node);
            return None;
        }
        Some(text)
    }

    pub(super) fn report_empty(&mut self, node: &Node) {
        self.report_with_hint(
            node.span.clone(),
            "Unexpected value ''",
            "a value is needed here".to_owned(),
        );
    }

    /// One text, or a list of them.
    pub(super) fn texts(&mut self, node: &Node) -> Vec<(String, Range<usize>)> {
        let items = match &node.kind {
            NodeKind::Sequence(items) => items.iter().collect(),
            _ => vec![node],
        };
        items
            .into_iter()
            .filter_map(|item| Some((self.filled_text(item)?, item.span.clone())))
            .collect()
    }

    /// One of a few texts, each of which stands for a value.
    pub(super) fn one_of<'k, T>(
        &mut self,
        node: &Node,
        values: impl IntoIterator<Item = (&'k str, T)>,
    ) -> Option<T> {
        let found = self.text(node)?;
        let mut known = Vec::new();
        for (name, value) in values {
            if name == found {
                return Some(value);
            }
            known.push(name);
        }
        self.report_unknown(node, &found, &known);
        None
    }

    /// A text in which the expressions of the place may occur.
    pub(super) fn template(&mut self, node: &Node, place: &Vocabulary<'_>) -> Option<Template> {
        let source = self.scalar(node)?.text();
        if place.contexts.is_empty() && source.contains(OPEN) {
            self.report_expressions_forbidden(node);
            return None;
        }
        self.report_syntax(node, &source, check(&source, place));
        Some(Template::new(source, node.position))
    }

    /// A template that is not empty.
    pub(super) fn filled_template(
        &mut self,
        node: &Node,
        place: &Vocabulary<'_>,
    ) -> Option<Template> {
        let template = self.template(node, place)?;
        if template.source.is_empty() {
            self.report_empty(node);
            return None;
        }
        Some(template)
    }

    pub(super) fn boolean(&mut self, node: &Node, place: &Vocabulary<'_>) -> Option<Template> {
        self.typed(node, place, "true or false", |kind| matches!(kind, ScalarKind::Bool(_)))
    }

    pub(super) fn number(&mut self, node: &Node, place: &Vocabulary<'_>) -> Option<Template> {
        self.typed(node, place, "a number", |kind| matches!(kind, ScalarKind::Number(_)))
    }

    /// A scalar of some kind, or an expression that will have to yield one.
    pub(super) fn typed(
        &mut self,
        node: &Node,
        place: &Vocabulary<'_>,
        wanted: &str,
        is_kind: impl Fn(ScalarKind) -> bool,
    ) -> Option<Template> {
        let scalar = self.scalar(node)?;
        if !scalar.raw.contains(OPEN) && !is_kind(scalar.kind) {
            let message = format!("Unexpected value '{}'", crate::excerpt(&scalar.text()));
            self.report_with_hint(node.span.clone(), message, format!("{wanted} is needed here"));
            return None;
        }
        self.template(node, place)
    }

    /// A mapping of names to templates, as under `env:` and `with:`.
    pub(super) fn templates(
        &mut self,
        node: &Node,
        place: &Vocabulary<'_>,
    ) -> Vec<(String, Template)> {
        let entries = self.mapping(node).unwrap_or_default();
        entries
            .iter()
            .filter_map(|(key, value)| {
                let name = self.key(key);
                let template = self.template(value, place);
                Some((name?, template?))
            })
            .collect()
    }

    /// What stands after `if:`; nothing at all is no condition.
    pub(super) fn condition(&mut self, node: &Node, place: &Vocabulary<'_>) -> Option<Condition> {
        let source = self.scalar(node)?.text();
        if source.trim().is_empty() {
            return None;
        }
        self.report_syntax(node, &source, Condition::check(&source, place));
        Some(Condition::new(source, node.position))
    }

    pub(super) fn shell(&mut self, node: &Node, place: &Vocabulary<'_>) -> Option<Template> {
        const BUILT_IN: [&str; 2] = ["bash", "sh"];
        const UNSUPPORTED: [(&str, &str); 2] =
            [("python", "python {0}"), ("pwsh", "pwsh -command \". '{0}'\"")];
        const WINDOWS: [&str; 2] = ["cmd", "powershell"];
        let shell = self.filled_template(node, place)?;
        let name = shell.source.as_str();
        if BUILT_IN.iter().any(|known| known.eq_ignore_ascii_case(name))
            || name.contains("{0}")
            || shell.has_expressions()
        {
            return Some(shell);
        }
        let span = node.span.clone();
        if let Some((_, custom)) =
            UNSUPPORTED.iter().find(|(shell, _)| shell.eq_ignore_ascii_case(name))
        {
            let message = format!("the shell `{name}` is not supported yet by its name");
            self.report_with_hint(span, message, format!("write `{custom}` instead"));
        } else if WINDOWS.iter().any(|shell| shell.eq_ignore_ascii_case(name)) {
            self.report(span, format!("the shell `{name}` needs Windows, which is not supported"));
        } else {
            let message = format!("`{name}` is no shell");
            let hint = "use `bash`, `sh`, or a command in which `{0}` stands for the script's path";
            self.report_with_hint(span, message, hint.to_owned());
        }
        None
    }

    /// Reports errors of expressions within a scalar at their own places in the file.
    pub(super) fn report_syntax(&mut self, node: &Node, scalar: &str, errors: Vec<SyntaxError>) {
        for error in errors {
            let span = self.locate(node, scalar, error.offset..error.offset + error.length);
            let hint = error.hint.map(|name| format!("did you mean `{name}`?"));
            let diagnostic = self.source.diagnostic(span, error.message);
            self.diagnostics.push(Diagnostic { hint, ..diagnostic });
        }
    }

    /// Where a stretch of a scalar stands in the file: at the same occurrence of its first line
    /// there, or, when quoting has changed it, at the start of the scalar.
    pub(super) fn locate(&self, node: &Node, scalar: &str, stretch: Range<usize>) -> Range<usize> {
        let Some(part) = scalar[stretch.clone()].lines().next().filter(|part| !part.is_empty())
        else {
            return node.span.clone();
        };
        let before = scalar[..stretch.start].matches(part).count();
        let written = &self.source.text[node.span.clone()];
        match written.match_indices(part).nth(before) {
            Some((at, _)) => {
                let start = node.span.start + at;
                start..start + part.len()
            }
            None => node.span.clone(),
        }
    }
}
