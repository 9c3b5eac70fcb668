//! What a scalar means, by the rules of yaml.v3: a plain `0644` is a number, a plain date a point in time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{number, timestamp};
use crate::json::Json;

/// What a scalar means; its text is with the node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `false`; not `yes` or `on`.
    Bool(bool),
    /// From `i64::MIN` to `u64::MAX`.
    Integer(i128),
    /// May be infinite or no number at all.
    Float(f64),
    /// A date or a point in time, as Go writes it into JSON; `None` when Go cannot.
    Time(Option<String>),
    /// The decoded text of a `!!binary`.
    Binary(String),
    /// A plain `<<`.
    Merge,
    /// Its text.
    Text,
}

impl Scalar {
    /// The value as Go's `json.Marshal` writes it; `None` for what JSON cannot hold.
    pub(super) fn into_json(self, text: &str) -> Option<Json> {
        Some(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Integer(number) => Json::Number(Zeroizing::new(number.to_string())),
            Self::Float(number) => Json::Number(Zeroizing::new(number::go_float(number)?)),
            Self::Time(time) => Json::string(time?),
            Self::Binary(text) => Json::string(text),
            Self::Merge | Self::Text => Json::string(text),
        })
    }

    /// The standard tag of what it is.
    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Integer(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Time(_) => "!!timestamp",
            Self::Binary(_) => "!!binary",
            Self::Merge => "!!merge",
            Self::Text => "!!str",
        }
    }
}

/// Resolves a scalar. The error is the tag that it does not fit.
pub(super) fn resolve(text: &str, plain: bool, tag: Option<&str>) -> Result<Scalar, String> {
    let found = match tag {
        None if !plain => return Ok(Scalar::Text),
        None => return Ok(untagged(text)),
        Some("!!str") => return Ok(Scalar::Text),
        Some("!!binary") => return binary(text).map(Scalar::Binary).ok_or_else(|| "!!binary".to_owned()),
        Some("!!merge") if text == "<<" => return Ok(Scalar::Merge),
        Some("!!timestamp") => timestamp::parse(text).map_or(Scalar::Text, Scalar::Time),
        Some("!!int" | "!!float" | "!!bool" | "!!null") => untimed(text),
        // A tag that nobody knows makes it a text.
        Some(_) => return Ok(Scalar::Text),
    };
    match (tag, found) {
        (Some("!!float"), Scalar::Integer(number)) => Ok(Scalar::Float(number::to_float(number))),
        (Some(tag), found) if found.tag() != tag => Err(tag.to_owned()),
        (_, found) => Ok(found),
    }
}

fn untagged(text: &str) -> Scalar {
    if text == "<<" {
        return Scalar::Merge;
    }
    timestamp::parse(text).map_or_else(|| untimed(text), Scalar::Time)
}

/// Of a text that is no point in time.
fn untimed(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => number::parse(text).unwrap_or(Scalar::Text),
    }
}

/// Standard base64, line breaks allowed; bytes that are no UTF-8 become U+FFFD, each of them, as in Go's JSON.
fn binary(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    let bytes = STANDARD.decode(text).ok()?;
    let mut decoded = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        decoded.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Some(decoded)
}
