//! JSON as Go's `encoding/json` reads and writes it: number text kept, keys sorted by bytes, `<` as `\u003c`.
//!
//! File bytes and object versions must equal the Go provider's, so this is ours and not a library's: serde_json
//! refuses lone surrogates, which Go reads as U+FFFD, and escapes and orders otherwise. Values may be secrets: they
//! are overwritten when dropped and `Debug` shows their kind alone.

mod parse;
mod write;

use std::fmt;

use zeroize::Zeroizing;

pub use parse::{JsonError, MAX_DEPTH};

/// A JSON value. Text and numbers are overwritten in memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written: `1.50` stays `1.50`.
    Number(Zeroizing<String>),
    /// A string, decoded.
    String(Zeroizing<String>),
    /// A list, in its order.
    Array(Vec<Json>),
    /// A map, sorted by the bytes of its keys.
    Object(Object),
}

/// A JSON object: entries sorted by the bytes of their keys, each key once (of duplicates the last counts).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Object(Vec<(String, Json)>);

impl Json {
    /// Parses one JSON text, white space around it allowed. Nesting is limited to [`MAX_DEPTH`].
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        parse::parse(text)
    }

    /// A string value.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(Zeroizing::new(text.into()))
    }

    /// A whole number.
    pub fn integer(number: i64) -> Self {
        Self::Number(Zeroizing::new(number.to_string()))
    }

    /// The bytes of `json.Marshal`.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.size_hint()));
        self.write_to(&mut out);
        out
    }

    /// Appends the bytes of `json.Marshal`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write::value(self, out);
    }

    /// The value as an object, if it is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value as text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a whole number that is not negative, if it is one written without fraction and exponent.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// An upper guess of the written size, so that a secret is not left behind by a growing buffer.
    fn size_hint(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 5,
            Self::Number(text) => text.len(),
            Self::String(text) => write::string_size(text),
            Self::Array(items) => 2 + items.iter().map(|item| item.size_hint() + 1).sum::<usize>(),
            Self::Object(object) => {
                2 + object
                    .iter()
                    .map(|(key, value)| write::string_size(key) + value.size_hint() + 2)
                    .sum::<usize>()
            }
        }
    }
}

impl Object {
    /// An object of these entries; of duplicate keys the last counts.
    pub fn from_entries(mut entries: Vec<(String, Json)>) -> Self {
        // Stable, so that of equal keys the last written is the last here too.
        entries.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let mut kept: Vec<(String, Json)> = Vec::with_capacity(entries.len());
        for entry in entries {
            match kept.last_mut() {
                Some(last) if last.0 == entry.0 => *last = entry,
                _ => kept.push(entry),
            }
        }
        Self(kept)
    }

    /// The value of a key.
    pub fn field(&self, key: &str) -> Option<&Json> {
        let found = self.0.binary_search_by(|entry| entry.0.as_bytes().cmp(key.as_bytes()));
        found.ok().map(|index| &self.0[index].1)
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The keys, sorted by bytes.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// True when there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        let found = self.0.binary_search_by(|entry| entry.0.as_bytes().cmp(key.as_bytes()));
        found.ok().map(|index| self.0.remove(index).1)
    }
}

/// The kind alone: a value may be a secret.
impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool(_) => "bool [REDACTED]",
            Self::Number(_) => "number [REDACTED]",
            Self::String(_) => "string [REDACTED]",
            Self::Array(_) => "array [REDACTED]",
            Self::Object(_) => "object [REDACTED]",
        })
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("object [REDACTED]")
    }
}

/// Writes a string literal as Go does, quotes included.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    write::string(text, out);
}

#[cfg(test)]
mod tests;
