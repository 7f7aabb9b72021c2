//! YAML to a tree in which everything knows its place: YAML 1.2 with the core schema, as GitHub
//! reads it. `on` and `yes` are texts, a key may occur once, anchors may be used, `<<` may not.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::source::Source;
use crate::value::{equals_ignoring_case, format_number, parse_number};
use crate::{Diagnostic, Position};

/// The largest workflow file.
pub const WORKFLOW_BYTES_MAX: usize = 1024 * 1024;
/// The largest workflow once its aliases are replaced by what they stand for.
pub const EXPANDED_BYTES_MAX: usize = 10 * 1024 * 1024;
/// The deepest nesting of lists and mappings.
pub const YAML_DEPTH_MAX: usize = 50;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// In bytes of the file. A list or mapping ends where its last item does.
    pub(crate) span: Range<usize>,
    pub(crate) position: Position,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    /// The keys are scalars.
    Mapping(Vec<(Node, Node)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// The text as written, without quotes and indentation.
    pub(crate) raw: String,
    pub(crate) kind: ScalarKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ScalarKind {
    Null,
    Bool(bool),
    Number(f64),
    Text,
}

impl Scalar {
    /// The text where a text is needed: other kinds in their canonical form, so `3.10` is `3.1`.
    pub(crate) fn text(&self) -> String {
        match self.kind {
            ScalarKind::Null => String::new(),
            ScalarKind::Bool(value) => value.to_string(),
            ScalarKind::Number(value) => format_number(value),
            ScalarKind::Text => self.raw.clone(),
        }
    }

    fn plain(raw: &str) -> Self {
        let kind = match raw {
            "" | "null" | "Null" | "NULL" | "~" => ScalarKind::Null,
            "true" | "True" | "TRUE" => ScalarKind::Bool(true),
            "false" | "False" | "FALSE" => ScalarKind::Bool(false),
            _ => number(raw).map_or(ScalarKind::Text, ScalarKind::Number),
        };
        Self { raw: raw.to_owned(), kind }
    }
}

/// The number that the core schema sees in a plain scalar.
fn number(raw: &str) -> Option<f64> {
    match raw.trim_start_matches(['+', '-']) {
        ".inf" | ".Inf" | ".INF" => {
            return Some(if raw.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        _ => {}
    }
    if matches!(raw, ".nan" | ".NaN" | ".NAN") {
        return Some(f64::NAN);
    }
    let starts_like_one = raw
        .trim_start_matches(['+', '-'])
        .trim_start_matches('.')
        .starts_with(|first: char| first.is_ascii_digit());
    Some(parse_number(raw)).filter(|number| starts_like_one && !number.is_nan())
}

/// Reads the one document of a file.
pub(crate) fn read(source: &Source<'_>) -> Result<Node, Diagnostic> {
    if source.text.len() > WORKFLOW_BYTES_MAX {
        let message = format!(
            "the file has {} bytes, and a workflow may have {WORKFLOW_BYTES_MAX}",
            source.text.len()
        );
        return Err(source.diagnostic(0..0, message));
    }
    let mut builder = Builder {
        source,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        expanded_bytes: source.text.len(),
        root: None,
    };
    for event in Parser::new_from_str(source.text) {
        let (event, span) = event.map_err(|error| {
            let at = source.offset(error.marker().index());
            source.diagnostic(at..at, format!("this is not YAML: {}", error.info()))
        })?;
        builder.take(event, span)?;
    }
    builder.root.ok_or_else(|| source.diagnostic(0..0, "the file is empty"))
}

struct Builder<'a> {
    source: &'a Source<'a>,
    /// The lists and mappings that are being read, innermost last.
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    expanded_bytes: usize,
    root: Option<Node>,
}

struct Open {
    node: Node,
    /// The key whose value comes next.
    key: Option<Node>,
    anchor: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        let bytes = self.source.offset(span.start.index())..self.source.offset(span.end.index());
        let position = position(&span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = self.scalar(&text, style, tag.as_deref(), &bytes)?;
                self.finish(Node { kind: NodeKind::Scalar(scalar), span: bytes, position }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                let kind = NodeKind::Sequence(Vec::new());
                self.open(Node { kind, span: bytes, position }, anchor, tag.as_deref())
            }
            Event::MappingStart(anchor, tag) => {
                let kind = NodeKind::Mapping(Vec::new());
                self.open(Node { kind, span: bytes, position }, anchor, tag.as_deref())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { mut node, anchor, .. } =
                    self.open.pop().expect("the parser ends only what it has started");
                // A closing bracket belongs to what it closes; indentation closes with nothing.
                if matches!(&self.source.text[bytes.clone()], "]" | "}") {
                    node.span.end = bytes.end;
                }
                self.finish(node, anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, bytes),
            Event::DocumentStart(_) if self.root.is_some() => Err(self
                .source
                .diagnostic(bytes, "a workflow file holds one document, and here starts another")),
            _ => Ok(()),
        }
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: &Range<usize>,
    ) -> Result<Scalar, Diagnostic> {
        let plain = Scalar::plain(text);
        let Some(tag) = tag else {
            let is_plain = style == ScalarStyle::Plain;
            let kind = if is_plain { plain.kind } else { ScalarKind::Text };
            return Ok(Scalar { kind, ..plain });
        };
        let name = core_name(tag);
        let is_fitting = match (name, plain.kind) {
            ("str", _) => return Ok(Scalar { kind: ScalarKind::Text, ..plain }),
            ("null", kind) => kind == ScalarKind::Null,
            ("bool", kind) => matches!(kind, ScalarKind::Bool(_)),
            ("int" | "float", kind) => matches!(kind, ScalarKind::Number(_)),
            _ => {
                let message = format!("the tag `{tag}` has no meaning in a workflow");
                return Err(self.source.diagnostic(span.clone(), message));
            }
        };
        if is_fitting {
            return Ok(plain);
        }
        let message = format!("`{text}` is not what its tag `!!{name}` says");
        Err(self.source.diagnostic(span.clone(), message))
    }

    fn open(&mut self, node: Node, anchor: usize, tag: Option<&Tag>) -> Result<(), Diagnostic> {
        let span = node.span.clone();
        let expected = if matches!(node.kind, NodeKind::Sequence(_)) { "seq" } else { "map" };
        if let Some(tag) = tag.filter(|tag| core_name(tag) != expected) {
            let message = format!("the tag `{tag}` has no meaning in a workflow");
            return Err(self.source.diagnostic(span, message));
        }
        if self.open.len() >= YAML_DEPTH_MAX {
            let message = format!("this is nested deeper than {YAML_DEPTH_MAX} levels");
            return Err(self.source.diagnostic(span, message));
        }
        self.open.push(Open { node, key: None, anchor });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Range<usize>) -> Result<(), Diagnostic> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self
                .source
                .diagnostic(span, "this alias stands within what it stands for"));
        };
        self.expanded_bytes += weight(node);
        if self.expanded_bytes > EXPANDED_BYTES_MAX {
            let message =
                format!("with its aliases the workflow exceeds {EXPANDED_BYTES_MAX} bytes");
            return Err(self.source.diagnostic(span, message));
        }
        if self.open.len() + depth(node) > YAML_DEPTH_MAX {
            let message = format!("this is nested deeper than {YAML_DEPTH_MAX} levels");
            return Err(self.source.diagnostic(span, message));
        }
        let node = node.clone();
        self.finish(node, 0)
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let end = parent.node.span.end.max(node.span.end);
        parent.node.span.end = end;
        match (&mut parent.node.kind, parent.key.take()) {
            (NodeKind::Sequence(items), _) => items.push(node),
            (NodeKind::Mapping(entries), Some(key)) => entries.push((key, node)),
            (NodeKind::Mapping(entries), None) => {
                check_key(self.source, &node, entries)?;
                parent.key = Some(node);
            }
            (NodeKind::Scalar(_), _) => unreachable!("only lists and mappings are open"),
        }
        Ok(())
    }
}

/// What a tag of the core schema says, such as `str`; empty for other tags.
fn core_name(tag: &Tag) -> &str {
    const CORE: &str = "tag:yaml.org,2002:";
    if tag.handle == CORE { &tag.suffix } else { tag.suffix.strip_prefix(CORE).unwrap_or("") }
}

fn position(span: &Span) -> Position {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Position { line: number(span.start.line()), column: number(span.start.col() + 1) }
}

fn check_key(source: &Source<'_>, key: &Node, entries: &[(Node, Node)]) -> Result<(), Diagnostic> {
    let NodeKind::Scalar(scalar) = &key.kind else {
        return Err(source.diagnostic(key.span.clone(), "a key must be a plain text"));
    };
    if scalar.raw == "<<" {
        let diagnostic = source.diagnostic(key.span.clone(), "Unexpected value '<<'");
        let hint = "merge keys are not part of the workflow language; write the entries out";
        return Err(Diagnostic { hint: Some(hint.to_owned()), ..diagnostic });
    }
    let name = scalar.text();
    let is_same = |other: &Node| match &other.kind {
        NodeKind::Scalar(other) => equals_ignoring_case(&other.text(), &name),
        _ => false,
    };
    match entries.iter().find(|(other, _)| is_same(other)) {
        None => Ok(()),
        Some((first, _)) => {
            let diagnostic =
                source.diagnostic(key.span.clone(), format!("'{name}' is already defined"));
            let hint = format!("first defined in line {}", first.position.line);
            Err(Diagnostic { hint: Some(hint), ..diagnostic })
        }
    }
}

/// What a copy of the node costs, roughly, in bytes.
fn weight(node: &Node) -> usize {
    const NODE_BYTES: usize = 8;
    NODE_BYTES
        + match &node.kind {
            NodeKind::Scalar(scalar) => scalar.raw.len(),
            NodeKind::Sequence(items) => items.iter().map(weight).sum(),
            NodeKind::Mapping(entries) => {
                entries.iter().map(|(key, value)| weight(key) + weight(value)).sum()
            }
        }
}

fn depth(node: &Node) -> usize {
    match &node.kind {
        NodeKind::Scalar(_) => 0,
        NodeKind::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        NodeKind::Mapping(entries) => {
            1 + entries.iter().map(|(_, value)| depth(value)).max().unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests;
