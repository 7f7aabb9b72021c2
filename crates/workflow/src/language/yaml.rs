//! YAML as GitHub reads it, one event after the other: the core schema of YAML 1.2, in which `on` and
//! `yes` are texts; anchors are replayed where they are used.

mod core_schema;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::Position;
use crate::source::Source;

/// The most events of one file, those of an anchor counted each time it is used.
const YAML_NODES_MAX: usize = 50_000;

/// What the rest of a file cannot be read after.
#[derive(Debug)]
pub(super) struct Abort {
    pub(super) message: String,
    pub(super) span: Range<usize>,
    pub(super) hint: Option<String>,
    /// Whether GitHub's own message names the place.
    pub(super) is_placed: bool,
}

/// The text without the comments that YAML forbids and GitHub reads: those right behind a bracket.
/// Every other character keeps its place.
pub(crate) fn readable(text: &str) -> Cow<'_, str> {
    if !text.contains("]#") && !text.contains("}#") {
        return Cow::Borrowed(text);
    }
    /// The most such comments that are looked for, since each takes a reading of its own.
    const COMMENTS_MAX: usize = 32;
    let mut text = text.to_owned();
    for _ in 0..COMMENTS_MAX {
        let source = Source::new("", &text);
        let Some(Err(error)) = Parser::new_from_str(&text).find(Result::is_err) else { break };
        let at = source.offset(error.marker().index());
        let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
        let bracket = text[line..end].find("]#").or_else(|| text[line..end].find("}#"));
        let Some(bracket) = bracket.filter(|_| error.info().contains("comment")) else { break };
        let start = line + bracket + 1;
        let blank = " ".repeat(end - start);
        text.replace_range(start..end, &blank);
    }
    Cow::Owned(text)
}

/// One event with its place.
#[derive(Clone, Debug)]
pub(super) struct Mark<'a> {
    pub(super) event: YamlEvent<'a>,
    pub(super) span: Range<usize>,
    pub(super) position: Position,
}

#[derive(Clone, Debug)]
pub(super) enum YamlEvent<'a> {
    Scalar(Scalar<'a>),
    SequenceStart,
    SequenceEnd,
    MappingStart,
    MappingEnd,
    /// An alias that stands within what it stands for.
    Recursion,
    /// The end of the document, and everything around it.
    Other,
}

#[derive(Clone, Debug)]
pub(super) struct Scalar<'a> {
    text: Cow<'a, str>,
    style: ScalarStyle,
    tag: Option<Tag>,
}

/// An anchor of a file.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
    pub(crate) is_used: bool,
}

/// The events of a file with a place among them.
pub(super) struct Events<'a> {
    source: &'a Source<'a>,
    events: Vec<(Event<'a>, Span)>,
    at: usize,
    /// Anchors by number: the events of what they name.
    nodes: BTreeMap<usize, Range<usize>>,
    /// The aliases that are being replayed: the next event and the open brackets of each.
    replays: Vec<Replay>,
    seen: usize,
    broken: Option<Abort>,
    are_anchors_allowed: bool,
    anchors: BTreeMap<usize, Anchor>,
}

struct Replay {
    at: usize,
    depth: usize,
    alias: (Range<usize>, Position),
    anchor: usize,
}

impl<'a> Events<'a> {
    pub(super) fn new(source: &'a Source<'a>, are_anchors_allowed: bool) -> Self {
        let mut events = Vec::new();
        let mut broken = None;
        for event in Parser::new_from_str(source.text) {
            match event {
                Ok((Event::StreamStart | Event::DocumentStart(_), _)) if events.is_empty() => {}
                Ok(_) if events.len() > YAML_NODES_MAX => {
                    broken = Some(too_many_nodes());
                    break;
                }
                Ok(event) => events.push(event),
                Err(error) => {
                    let at = source.offset(error.marker().index());
                    broken = Some(Abort {
                        message: format!("this is not YAML: {}", error.info()),
                        span: at..at,
                        hint: None,
                        is_placed: true,
                    });
                    break;
                }
            }
        }
        Self {
            source,
            events,
            at: 0,
            nodes: BTreeMap::new(),
            replays: Vec::new(),
            seen: 0,
            broken,
            are_anchors_allowed,
            anchors: BTreeMap::new(),
        }
    }

    /// The anchors met so far.
    pub(super) fn into_anchors(self) -> Vec<Anchor> {
        self.anchors.into_values().collect()
    }

    /// The next event, without going on to the one after it.
    pub(super) fn peek(&mut self) -> Result<Mark<'a>, Abort> {
        let at = self.replays.last().map_or(self.at, |replay| replay.at);
        let Some((event, span)) = self.events.get(at) else {
            return Err(self.broken.take().unwrap_or_else(|| {
                let end = self.source.text.len();
                Abort {
                    message: "the file ends too early".to_owned(),
                    span: end..end,
                    hint: None,
                    is_placed: true,
                }
            }));
        };
        let (event, span) = (event.clone(), *span);
        let mut range =
            self.source.offset(span.start.index())..self.source.offset(span.end.index());
        let mut position = position(&span);
        let plain = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.note_anchor(anchor, at, &range)?;
                if text.is_empty() && range.is_empty() {
                    (range, position) = self.place_of_nothing(at, range);
                }
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    (range, position) = self.place_of_block(range);
                }
                let tag = tag.map(Cow::into_owned);
                let text = self.without_made_up_end(text, style, &range);
                YamlEvent::Scalar(Scalar { text, style, tag })
            }
            Event::SequenceStart(anchor, _) => {
                self.note_anchor(anchor, at, &range)?;
                YamlEvent::SequenceStart
            }
            Event::MappingStart(anchor, _) => {
                self.note_anchor(anchor, at, &range)?;
                YamlEvent::MappingStart
            }
            Event::SequenceEnd => YamlEvent::SequenceEnd,
            Event::MappingEnd => YamlEvent::MappingEnd,
            Event::Alias(anchor) => return self.enter(anchor, range, position),
            _ => YamlEvent::Other,
        };
        Ok(Mark { event: plain, span: range, position })
    }

    /// Goes on behind the event that `peek` has shown.
    pub(super) fn advance(&mut self) -> Result<(), Abort> {
        self.seen += 1;
        if self.seen > YAML_NODES_MAX {
            return Err(too_many_nodes());
        }
        let Some(replay) = self.replays.last_mut() else {
            self.at += 1;
            return Ok(());
        };
        match self.events.get(replay.at) {
            Some((Event::SequenceStart(..) | Event::MappingStart(..), _)) => replay.depth += 1,
            Some((Event::SequenceEnd | Event::MappingEnd, _)) => replay.depth -= 1,
            _ => {}
        }
        replay.at += 1;
        if replay.depth == 0 {
            self.leave();
        }
        Ok(())
    }

    /// Follows an alias to what it stands for.
    fn enter(
        &mut self,
        anchor: usize,
        span: Range<usize>,
        position: Position,
    ) -> Result<Mark<'a>, Abort> {
        if let Some(anchor) = self.anchors.get_mut(&anchor) {
            anchor.is_used = true;
        }
        let at = self.replays.last().map_or(self.at, |replay| replay.at);
        let node = self.nodes.get(&anchor).cloned();
        let is_open = self.replays.iter().any(|replay| replay.anchor == anchor)
            || node.as_ref().is_some_and(|node| node.start < at && at < node.end);
        match node {
            Some(Range { start, .. }) if !is_open => {
                let alias = (span, position);
                self.replays.push(Replay { at: start, depth: 0, alias, anchor });
                self.peek()
            }
            _ => Ok(Mark { event: YamlEvent::Recursion, span, position }),
        }
    }

    /// Goes on behind the alias whose replay is over.
    fn leave(&mut self) {
        self.replays.pop();
        match self.replays.last_mut() {
            None => self.at += 1,
            Some(replay) => {
                replay.at += 1;
                if replay.depth == 0 {
                    self.leave();
                }
            }
        }
    }

    /// Where the alias that is being replayed stands, outermost first.
    pub(super) fn alias(&self) -> Option<&(Range<usize>, Position)> {
        self.replays.first().map(|replay| &replay.alias)
    }

    /// The number of the event behind the node that begins with an event.
    fn end_of(&self, start: usize) -> usize {
        let mut depth = 0;
        for (at, (event, _)) in self.events.iter().enumerate().skip(start) {
            match event {
                Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
                Event::SequenceEnd | Event::MappingEnd => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return at + 1;
            }
        }
        self.events.len()
    }

    fn note_anchor(&mut self, id: usize, at: usize, span: &Range<usize>) -> Result<(), Abort> {
        if id == 0 || self.nodes.get(&id).is_some_and(|node| node.start == at) {
            return Ok(());
        }
        self.nodes.insert(id, at..self.end_of(at));
        // The mark begins behind the anchor, which stands right before it.
        let text = self.source.text;
        let sign = match text[span.start..].starts_with('&') {
            true => span.start,
            false => text[..span.start].rfind('&').unwrap_or(span.start),
        };
        let name: String = text[sign..]
            .chars()
            .skip(1)
            .take_while(|each| !each.is_whitespace() && !"[]{},".contains(*each))
            .collect();
        let span = sign..sign + 1 + name.len();
        if !self.are_anchors_allowed {
            return Err(Abort {
                message: format!("Anchors are not currently supported. Remove the anchor '{name}'"),
                span,
                hint: None,
                is_placed: false,
            });
        }
        self.anchors.insert(id, Anchor { name, span, is_used: false });
        Ok(())
    }

    /// A block begins at its `|` or `>`, above its first line.
    fn place_of_block(&self, range: Range<usize>) -> (Range<usize>, Position) {
        let text = self.source.text;
        let start = match text[range.start..].starts_with(['|', '>']) {
            true => range.start,
            false => text[..range.start].rfind(['|', '>']).unwrap_or(range.start),
        };
        (start..range.end, self.source.position(start))
    }

    /// A block whose last line the file does not end has no newline at its end.
    fn without_made_up_end(
        &self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        range: &Range<usize>,
    ) -> Cow<'a, str> {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let file = self.source.text;
        if is_block && range.end >= file.len() && !file.ends_with('\n') {
            let end = text.strip_suffix('\n').map(str::to_owned);
            return end.map_or(text, Cow::Owned);
        }
        text
    }

    /// GitHub sees a value that is not there right behind the colon or dash that it belongs to.
    fn place_of_nothing(&self, at: usize, range: Range<usize>) -> (Range<usize>, Position) {
        let text = self.source.text;
        let behind = match at.checked_sub(1).map(|before| &self.events[before]) {
            Some((_, span)) => self.source.offset(span.end.index()),
            None => range.start,
        };
        let between = text.get(behind..=range.start).or_else(|| text.get(behind..range.start));
        let sign = between.and_then(|between| between.find([':', '-']));
        let start = sign.map_or(range.start, |sign| behind + sign + 1);
        (start..start, self.source.position(start))
    }
}

fn too_many_nodes() -> Abort {
    Abort {
        message: "Maximum YAML nodes exceeded".to_owned(),
        span: 0..0,
        hint: Some(format!(
            "a workflow may have {YAML_NODES_MAX}, those of anchors counted each time"
        )),
        is_placed: false,
    }
}

fn position(span: &Span) -> Position {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Position { line: number(span.start.line()), column: number(span.start.col() + 1) }
}
