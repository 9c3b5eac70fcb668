//! White space that yaml.v3 does not ask for and saphyr-parser does, put in where it asks.
//!
//! Classes that the Go provider reads close a flow collection at its parent's indentation, or write `key:<tab>value`.
//! The parser tells the place; a blank there changes no meaning. It is tried anew then, within bounds.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Marker, ScanError};

/// How often one text is mended.
const MAX_MENDS: usize = 200;
/// How many bytes are parsed again in all: a large text is not worth many attempts.
const MAX_AGAIN: usize = 1 << 20;
/// Blanks before a line inside a flow collection: more than any block is indented.
const INDENT: &str = match std::str::from_utf8(&[b' '; 256]) {
    Ok(blanks) => blanks,
    Err(_) => "",
};

/// A YAML text, mended as often as needed.
pub(super) struct Mended<'t> {
    text: Cow<'t, str>,
    /// Blanks put in, by line.
    put_in: HashMap<usize, usize>,
    mends: usize,
    parsed_again: usize,
}

impl<'t> Mended<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // Blanks after the last line break are no line to Go.
        let blank_end = text.trim_end_matches(' ');
        let text = if blank_end.ends_with(['\n', '\r']) { blank_end } else { text };
        Self { text: Cow::Borrowed(text), put_in: HashMap::new(), mends: 0, parsed_again: 0 }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the text ends, in characters, if its last line has no line break.
    pub(super) fn open_end(&self) -> Option<usize> {
        (!self.text.ends_with(['\n', '\r'])).then(|| self.text.chars().count())
    }

    /// The line and column in the text as it was, from 1.
    pub(super) fn place(&self, marker: Marker) -> (usize, usize) {
        let put_in = self.put_in.get(&marker.line()).copied().unwrap_or(0);
        (marker.line(), marker.col().saturating_sub(put_in) + 1)
    }

    /// Mends what the parser complains of; false when that is no matter of white space, or was too often.
    pub(super) fn mend(&mut self, error: &ScanError) -> bool {
        let marker = *error.marker();
        let line_start = marker.index().saturating_sub(marker.col());
        let (at, blanks) = match error.info() {
            "invalid indentation" | "invalid indentation in flow construct" => (line_start, INDENT),
            "comments must be separated from other tokens by whitespace" => (marker.index(), " "),
            "':' must be followed by a valid YAML whitespace" => (marker.index(), ""),
            _ => return false,
        };
        self.mends += 1;
        self.parsed_again += self.text.len();
        if self.mends > MAX_MENDS || self.parsed_again > MAX_AGAIN {
            return false;
        }
        let at = self.text.char_indices().nth(at).map_or(self.text.len(), |(at, _)| at);
        let text = self.text.to_mut();
        if blanks.is_empty() {
            // Tabs between the colon and the value.
            let before = text[..at].trim_end_matches(['\t', ' ']).len();
            text.replace_range(before..at, &" ".repeat(at - before));
        } else {
            text.insert_str(at, blanks);
            *self.put_in.entry(marker.line()).or_default() += blanks.len();
        }
        true
    }
}
