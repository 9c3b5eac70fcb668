//! Reads JSON as Go's `json.Unmarshal` does with `UseNumber`.

use zeroize::Zeroizing;

use super::{Json, Object};

/// How deep arrays and objects may nest. Go allows 10,000; a secret needs none of it, a stack does.
pub const MAX_DEPTH: usize = 512;

/// Why a text is not JSON, and at which byte. Never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// A byte that cannot stand there.
    #[error("unexpected byte at offset {0}")]
    Unexpected(usize),
    /// The text ends in the middle of a value.
    #[error("the text ends early, after {0} bytes")]
    Truncated(usize),
    /// Arrays and objects nest deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels at offset {0}")]
    TooDeep(usize),
}

pub(super) fn parse(text: &[u8]) -> Result<Json, JsonError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    if reader.at < text.len() { Err(JsonError::Unexpected(reader.at)) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Json, JsonError> {
        match self.peek()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => Ok(Json::String(self.string()?)),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", Json::Bool(true)),
            b'f' => self.word(b"false", Json::Bool(false)),
            b'n' => self.word(b"null", Json::Null),
            _ => Err(JsonError::Unexpected(self.at)),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json, JsonError>) -> Result<Json, JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(JsonError::TooDeep(self.at));
        }
        self.depth += 1;
        self.at += 1;
        self.skip_space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Json, JsonError> {
        let mut entries = Vec::new();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(Json::Object(Object::default()));
        }
        loop {
            if self.peek()? != b'"' {
                return Err(JsonError::Unexpected(self.at));
            }
            let key = std::mem::take(&mut *self.string()?);
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            entries.push((key, self.value()?));
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(JsonError::Unexpected(self.at)),
            }
            self.skip_space();
        }
        self.at += 1;
        Ok(Json::Object(Object::from_entries(entries)))
    }

    fn array(&mut self) -> Result<Json, JsonError> {
        let mut items = Vec::new();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(JsonError::Unexpected(self.at)),
            }
            self.skip_space();
        }
        self.at += 1;
        Ok(Json::Array(items))
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return Err(JsonError::Unexpected(self.at)),
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        let digits = self.text[start..self.at].iter().map(|byte| char::from(*byte)).collect();
        Ok(Json::Number(Zeroizing::new(digits)))
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), JsonError> {
        if !self.peek()?.is_ascii_digit() {
            return Err(JsonError::Unexpected(self.at));
        }
        self.digits();
        Ok(())
    }

    fn string(&mut self) -> Result<Zeroizing<String>, JsonError> {
        self.at += 1;
        let start = self.at;
        let length = self.string_length()?;
        // The decoded text is at most three times the raw one (a byte that is no UTF-8 becomes U+FFFD): one buffer,
        // never moved, so that no copy of a secret stays behind.
        let raw = &self.text[start..start + length];
        let mut out =
            Zeroizing::new(Vec::with_capacity(if raw.is_ascii() { raw.len() } else { raw.len() * 3 }));
        let mut index = 0;
        while index < raw.len() {
            match raw[index] {
                b'\\' => index += self.escape(raw, index, start, &mut out)?,
                byte if byte < 0x20 => return Err(JsonError::Unexpected(start + index)),
                byte if byte < 0x80 => {
                    out.push(byte);
                    index += 1;
                }
                _ => index += copy_utf8(&raw[index..], &mut out),
            }
        }
        self.at = start + length + 1;
        let bytes = std::mem::take(&mut *out);
        // Every byte pushed above is part of valid UTF-8; a fault here would be ours, so replace rather than panic.
        Ok(Zeroizing::new(String::from_utf8(bytes).unwrap_or_default()))
    }

    /// Bytes up to the closing quote.
    fn string_length(&self) -> Result<usize, JsonError> {
        let mut index = self.at;
        loop {
            match self.text.get(index) {
                None => return Err(JsonError::Truncated(self.text.len())),
                Some(b'"') => return Ok(index - self.at),
                Some(b'\\') => index += 2,
                Some(_) => index += 1,
            }
        }
    }

    /// Decodes the escape at `index`; answers how many raw bytes it took.
    fn escape(&self, raw: &[u8], index: usize, start: usize, out: &mut Vec<u8>) -> Result<usize, JsonError> {
        let wrong = JsonError::Unexpected(start + index);
        let byte = match raw.get(index + 1) {
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0C,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let unit = hex4(&raw[index + 2..]).ok_or(wrong)?;
                let (text, taken) = match unit {
                    0xD800..=0xDBFF => match low_surrogate(&raw[index + 6..]) {
                        Some(low) => {
                            let code =
                                0x10000 + ((u32::from(unit) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
                            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
                        }
                        None => (char::REPLACEMENT_CHARACTER, 6),
                    },
                    _ => (char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
                };
                out.extend_from_slice(text.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(taken);
            }
            _ => return Err(wrong),
        };
        out.push(byte);
        Ok(2)
    }

    fn word(&mut self, word: &[u8], value: Json) -> Result<Json, JsonError> {
        let rest = &self.text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        if word.starts_with(rest) {
            Err(JsonError::Truncated(self.text.len()))
        } else {
            Err(JsonError::Unexpected(self.at))
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek()? != byte {
            return Err(JsonError::Unexpected(self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Result<u8, JsonError> {
        self.text.get(self.at).copied().ok_or(JsonError::Truncated(self.text.len()))
    }

    fn skip_space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
}

fn hex4(raw: &[u8]) -> Option<u16> {
    let digits = raw.get(..4)?;
    digits
        .iter()
        .try_fold(0u16, |sum, byte| Some(sum << 4 | u16::try_from(char::from(*byte).to_digit(16)?).ok()?))
}

fn low_surrogate(raw: &[u8]) -> Option<u16> {
    raw.strip_prefix(b"\\u").and_then(hex4).filter(|unit| (0xDC00..=0xDFFF).contains(unit))
}

/// Copies one character, or U+FFFD for one byte that is not UTF-8 (as Go's decoder); answers how many bytes it took.
fn copy_utf8(raw: &[u8], out: &mut Vec<u8>) -> usize {
    let width = match raw[0] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    match raw.get(..width) {
        Some(bytes) if width > 1 && std::str::from_utf8(bytes).is_ok() => {
            out.extend_from_slice(bytes);
            width
        }
        _ => {
            out.extend_from_slice("\u{FFFD}".as_bytes());
            1
        }
    }
}
