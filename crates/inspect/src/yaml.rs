//! YAML to trees in which everything knows its line. More lenient than the reader of workflows: several
//! documents, merge keys as they stand, keys twice, tags of any kind.

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::finding::{Place, number};

/// Deeper nesting is not read.
const DEPTH_MAX: usize = 100;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar { text: String, style: Style },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    /// `|` and `>`; its place is where the text begins.
    Block,
}

impl Node {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The value at the end of a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The text at the end of a path of keys.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.text()
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Self, &Self)> {
        let entries: &[(Self, Self)] = match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        };
        entries.iter().map(|(key, value)| (key, value))
    }

    /// One scalar, or those of a list.
    pub(crate) fn texts(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Scalar { .. } => vec![self],
            Kind::List(items) => items.iter().filter(|item| item.text().is_some()).collect(),
            Kind::Map(_) => Vec::new(),
        }
    }

    /// The lines of a scalar, each with its own line of the file.
    pub(crate) fn lines(&self) -> Vec<(u32, &str)> {
        let Kind::Scalar { text, .. } = &self.kind else { return Vec::new() };
        text.lines().enumerate().map(|(at, line)| (self.place.line + number(at), line)).collect()
    }

    /// Every scalar below, with the key it stands under.
    pub(crate) fn scalars<'a>(&'a self, key: &'a str, found: &mut Vec<(&'a str, &'a Self)>) {
        match &self.kind {
            Kind::Scalar { .. } => found.push((key, self)),
            Kind::List(items) => items.iter().for_each(|item| item.scalars(key, found)),
            Kind::Map(entries) => {
                for (name, value) in entries {
                    value.scalars(name.text().unwrap_or_default(), found);
                }
            }
        }
    }
}

/// What is no YAML.
#[derive(Clone, Debug)]
pub(crate) struct NotYaml {
    pub(crate) place: Place,
    pub(crate) message: String,
}

struct Open {
    node: Node,
    key: Option<Node>,
    anchor: usize,
}

/// The documents of a file that hold something.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, NotYaml> {
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: Vec<(usize, Node)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| NotYaml {
            place: place(error.marker()),
            message: error.info().to_owned(),
        })?;
        let place = place(&span.start);
        let (finished, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                    _ => Style::Quoted,
                };
                let kind = Kind::Scalar { text: text.into_owned(), style };
                (Node { kind, place }, anchor)
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if open.len() >= DEPTH_MAX {
                    let message = format!("this is nested deeper than {DEPTH_MAX} levels");
                    return Err(NotYaml { place, message });
                }
                let is_list = matches!(event, Event::SequenceStart(..));
                let kind = if is_list { Kind::List(Vec::new()) } else { Kind::Map(Vec::new()) };
                open.push(Open { node: Node { kind, place }, key: None, anchor });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { node, anchor, .. }) = open.pop() else { continue };
                (node, anchor)
            }
            Event::Alias(anchor) => {
                let known = anchors.iter().rev().find(|(known, _)| *known == anchor);
                // What an alias stands for is seen where it was defined.
                let kind = known.map_or(Kind::List(Vec::new()), |(_, node)| shallow(&node.kind));
                (Node { kind, place }, 0)
            }
            _ => continue,
        };
        if anchor > 0 {
            anchors.push((anchor, finished.clone()));
        }
        put(&mut open, &mut documents, finished);
    }
    Ok(documents)
}

/// A scalar as it is; of lists and mappings one level, so that aliases of aliases cannot grow.
fn shallow(kind: &Kind) -> Kind {
    let scalar = |node: &Node| matches!(node.kind, Kind::Scalar { .. });
    match kind {
        Kind::Scalar { .. } => kind.clone(),
        Kind::List(items) => {
            Kind::List(items.iter().filter(|item| scalar(item)).cloned().collect())
        }
        Kind::Map(entries) => {
            Kind::Map(entries.iter().filter(|(_, value)| scalar(value)).cloned().collect())
        }
    }
}

fn put(open: &mut [Open], documents: &mut Vec<Node>, node: Node) {
    let Some(parent) = open.last_mut() else {
        documents.push(node);
        return;
    };
    match (&mut parent.node.kind, parent.key.take()) {
        (Kind::List(items), _) => items.push(node),
        (Kind::Map(entries), Some(key)) => entries.push((key, node)),
        (Kind::Map(_), None) => parent.key = Some(node),
        (Kind::Scalar { .. }, _) => {}
    }
}

fn place(marker: &saphyr_parser::Marker) -> Place {
    Place { line: number(marker.line()), column: number(marker.col() + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_knows_its_line() {
        let text = "a: 1\nrun: |\n  first\n  second\n---\n- &x {k: v}\n- *x\n";
        let documents = documents(text).unwrap();
        let run = documents[0].get("run").unwrap();
        assert_eq!(run.lines(), [(3, "first"), (4, "second")]);
        assert_eq!(documents[1].items()[1].text_at(&["k"]), Some("v"));
        assert_eq!(documents[1].items()[1].place, Place { line: 7, column: 3 });
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        assert_eq!(documents("a: [1\nb: 2\n").unwrap_err().place.line, 2);
        let deep = "[".repeat(200);
        assert!(documents(&deep).unwrap_err().message.contains("nested deeper"));
    }
}
