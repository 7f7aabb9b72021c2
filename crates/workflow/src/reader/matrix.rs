//! `strategy.matrix`

use super::{Reader, places};
use crate::Diagnostic;
use crate::matrix::{Matrix, MatrixError, Tree};
use crate::nearest::nearest;
use crate::yaml::{Node, NodeKind, ScalarKind};

impl Reader<'_> {
    pub(super) fn matrix(&mut self, node: &Node) -> Option<Matrix> {
        if self.is_computed(node) {
            return Some(Matrix::Computed(self.template(node, &places::STRATEGY)?));
        }
        let mut vectors = Vec::new();
        let mut include = None;
        let mut exclude = None;
        for (key, value) in self.mapping(node)? {
            let Some(name) = self.key(key) else { continue };
            if !self.is_computed(value) {
                let Some(items) = self.sequence(value) else { continue };
                let is_filter = matches!(name.as_str(), "include" | "exclude");
                if is_filter {
                    self.check_filter(items);
                } else if items.is_empty() {
                    let message = format!("Matrix vector '{name}' does not contain any values");
                    self.report(value.span.clone(), message);
                }
            }
            let Some(tree) = self.tree(value) else { continue };
            match name.as_str() {
                "include" => include = Some(tree),
                "exclude" => exclude = Some(tree),
                _ => vectors.push((name, tree)),
            }
        }
        if vectors.is_empty() && include.is_none() {
            self.report(node.span.clone(), "Matrix must define at least one vector");
        }
        self.check_exclude(node, &vectors);
        Some(Matrix::Written { vectors, include, exclude })
    }

    fn check_filter(&mut self, items: &[Node]) {
        for item in items {
            if !self.is_computed(item) {
                self.mapping(item);
            }
        }
    }

    /// Reports keys of `exclude` that are no vectors; an `exclude` that is computed is checked when
    /// it has its value.
    fn check_exclude(&mut self, matrix: &Node, vectors: &[(String, Tree)]) {
        let NodeKind::Mapping(entries) = &matrix.kind else { return };
        let is_exclude =
            |key: &Node| matches!(&key.kind, NodeKind::Scalar(key) if key.raw == "exclude");
        let items = entries.iter().find(|(key, _)| is_exclude(key)).map(|(_, value)| &value.kind);
        let Some(NodeKind::Sequence(items)) = items else { return };
        for item in items {
            let NodeKind::Mapping(entries) = &item.kind else { continue };
            for (key, _) in entries {
                let NodeKind::Scalar(scalar) = &key.kind else { continue };
                let name = scalar.text();
                if !vectors.iter().any(|(vector, _)| vector.eq_ignore_ascii_case(&name)) {
                    let message = MatrixError::UnknownExcludeKey(name.clone()).to_string();
                    let known = vectors.iter().map(|(vector, _)| vector.as_str());
                    let hint = nearest(&name, known).map(|name| format!("did you mean `{name}`?"));
                    let diagnostic = self.source.diagnostic(key.span.clone(), message);
                    self.diagnostics.push(Diagnostic { hint, ..diagnostic });
                }
            }
        }
    }

    /// Whether the value is left to an expression.
    fn is_computed(&self, node: &Node) -> bool {
        matches!(&node.kind, NodeKind::Scalar(scalar) if scalar.raw.contains(crate::template::OPEN))
    }

    fn tree(&mut self, node: &Node) -> Option<Tree> {
        Some(match &node.kind {
            NodeKind::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => Tree::Null,
                ScalarKind::Bool(value) => Tree::Bool(value),
                ScalarKind::Number(value) => Tree::Number(value.to_string()),
                ScalarKind::Text => Tree::Text(self.template(node, &places::STRATEGY)?),
            },
            NodeKind::Sequence(items) => {
                Tree::Sequence(items.iter().filter_map(|item| self.tree(item)).collect())
            }
            NodeKind::Mapping(entries) => {
                let entries = entries.iter().filter_map(|(key, value)| {
                    let key = self.key(key);
                    let tree = self.tree(value);
                    Some((key?, tree?))
                });
                Tree::Mapping(entries.collect())
            }
        })
    }
}
