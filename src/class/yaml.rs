//! Reads YAML as Go's yaml.v3 does, in bounded time: the first document becomes a small tree of our own.
//!
//! The events come from saphyr-parser, what a plain `0644` means is decided here: a class that the Go provider
//! reads must not mean anything else with us. Limits keep hostile texts from costing more than milliseconds.

mod mend;
mod node;
mod number;
mod resolve;
mod timestamp;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use mend::Mended;

pub(super) use node::Node;

/// The longest text that is read. Kubernetes keeps no larger class.
const MAX_BYTES: usize = 1 << 20;
/// How deep lists and maps may nest, aliases followed.
const MAX_DEPTH: usize = 100;
/// How many nodes a text may have, and how many may be visited, aliases followed.
const MAX_NODES: usize = 100_000;

/// What is wrong with a YAML text, and where. Never quotes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Line and column, from 1; none when it is about the whole text.
    place: Option<(usize, usize)>,
    message: Cow<'static, str>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// The first document of a YAML text: its nodes, and what following aliases has cost so far.
pub(super) struct Document {
    entries: Vec<Entry>,
    visited_nodes: Cell<usize>,
    visited_bytes: Cell<usize>,
}

struct Entry {
    content: Content,
    /// Line and column, from 1.
    place: (usize, usize),
}

enum Content {
    Scalar {
        text: String,
        plain: bool,
        /// `!!int`, `!local`; `None` also for the non-specific `!`.
        tag: Option<String>,
    },
    List(Vec<usize>),
    Map(Vec<(usize, usize)>),
    /// Another node, by its index.
    Alias(usize),
}

impl Document {
    /// Parses the first document; a text of comments alone has no root.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_BYTES {
            return Err(whole_text(format!("is longer than {MAX_BYTES} bytes; split the class")));
        }
        refuse_controls(text)?;
        let mut text = Mended::new(text);
        loop {
            match Builder::build(&text) {
                Ok(entries) => {
                    return Ok(Self { entries, visited_nodes: Cell::new(0), visited_bytes: Cell::new(0) });
                }
                Err(Fault::Scan(error)) if text.mend(&error) => {}
                Err(Fault::Scan(error)) => {
                    let message = format!("broken YAML: {}", error.info()).into();
                    return Err(Problem { place: Some(text.place(*error.marker())), message });
                }
                Err(Fault::Limit(problem)) => return Err(problem),
            }
        }
    }

    /// The document's outermost node.
    pub(super) fn root(&self) -> Option<Node<'_>> {
        (!self.entries.is_empty()).then(|| Node::new(self, 0))
    }

    /// Counts one node of so many bytes; ends what aliases blow up.
    fn spend(&self, bytes: usize) -> Result<(), Problem> {
        self.visited_nodes.set(self.visited_nodes.get() + 1);
        self.visited_bytes.set(self.visited_bytes.get() + bytes);
        if self.visited_nodes.get() > MAX_NODES || self.visited_bytes.get() > 2 * MAX_BYTES {
            return Err(whole_text(format!(
                "aliases expand to over {MAX_NODES} values or 2 MiB; write less of them"
            )));
        }
        Ok(())
    }
}

/// Refuses the characters that yaml.v3 refuses.
fn refuse_controls(text: &str) -> Result<(), Problem> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let allowed = |character: char| match character {
        '\t' | '\n' | '\r' | '\u{85}' => true,
        '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}' => false,
        other => !other.is_control(),
    };
    let Some((at, _)) = text.char_indices().find(|(_, character)| !allowed(*character)) else {
        return Ok(());
    };
    let lines = text[..at].split('\n');
    let column = lines.clone().next_back().unwrap_or_default().chars().count() + 1;
    Err(Problem { place: Some((lines.count(), column)), message: "a control character; remove it".into() })
}

fn whole_text(message: String) -> Problem {
    Problem { place: None, message: message.into() }
}

/// Why a text does not become a document.
enum Fault {
    Scan(ScanError),
    Limit(Problem),
}

/// Makes entries of events.
#[derive(Default)]
struct Builder {
    entries: Vec<Entry>,
    /// Lists and maps that are not closed, each map with the key that waits for its value.
    open: Vec<(usize, Option<usize>)>,
    /// Entries by the parser's anchor numbers.
    anchors: HashMap<usize, usize>,
}

impl Builder {
    fn build(text: &Mended<'_>) -> Result<Vec<Entry>, Fault> {
        let mut builder = Self::default();
        let mut parser = Parser::new_from_str(text.as_str());
        while let Some(next) = parser.next_event() {
            let (mut event, span) = next.map_err(Fault::Scan)?;
            match &mut event {
                Event::DocumentEnd | Event::StreamEnd => break,
                // Go adds no line break to a last line that has none.
                Event::Scalar(scalar, ScalarStyle::Literal | ScalarStyle::Folded, ..)
                    if Some(span.end.index()) == text.open_end() && scalar.ends_with('\n') =>
                {
                    scalar.to_mut().pop();
                }
                _ => {}
            }
            builder.take(event, text.place(span.start)).map_err(Fault::Limit)?;
        }
        Ok(builder.entries)
    }

    fn take(&mut self, event: Event<'_>, place: (usize, usize)) -> Result<(), Problem> {
        let wrong = |message: String| Problem { place: Some(place), message: message.into() };
        let (content, anchor, opens) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                (Content::Scalar { text: text.into_owned(), plain, tag: short_tag(tag) }, anchor, false)
            }
            Event::SequenceStart(anchor, _) => (Content::List(Vec::new()), anchor, true),
            Event::MappingStart(anchor, _) => (Content::Map(Vec::new()), anchor, true),
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied();
                (
                    Content::Alias(target.ok_or_else(|| wrong("an alias without its anchor".to_owned()))?),
                    0,
                    false,
                )
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                return Ok(());
            }
            _ => return Ok(()),
        };
        if self.entries.len() == MAX_NODES {
            return Err(wrong(format!("over {MAX_NODES} values; split the class")));
        }
        if opens && self.open.len() == MAX_DEPTH {
            return Err(wrong(format!("nested deeper than {MAX_DEPTH} levels; write it flatter")));
        }
        let index = self.entries.len();
        self.entries.push(Entry { content, place });
        if anchor != 0 {
            self.anchors.insert(anchor, index);
        }
        self.attach(index);
        if opens {
            self.open.push((index, None));
        }
        Ok(())
    }

    fn attach(&mut self, index: usize) {
        let Some((parent, waiting)) = self.open.last_mut() else {
            return;
        };
        match (&mut self.entries[*parent].content, waiting.take()) {
            (Content::List(items), _) => items.push(index),
            (Content::Map(pairs), Some(key)) => pairs.push((key, index)),
            _ => *waiting = Some(index),
        }
    }
}

/// `!!int` for the standard tags, else the tag as a whole.
fn short_tag(tag: Option<Cow<'_, Tag>>) -> Option<String> {
    let tag = tag?;
    let whole = format!("{}{}", tag.handle, tag.suffix);
    match whole.strip_prefix("tag:yaml.org,2002:") {
        Some(name) => Some(format!("!!{name}")),
        None if whole == "!" => None,
        None => Some(whole),
    }
}

#[cfg(test)]
mod tests;
