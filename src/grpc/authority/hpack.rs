//! Walks the fields of a header block (RFC 7541, section 6), and spells out another `:authority` where h2 would refuse
//! the one that is there.

use std::borrow::Cow;

use http::uri::Authority;

use super::{Nonsense, huffman};

const AUTHORITY: &[u8] = b":authority";
/// Its place in the static table.
const STATIC_AUTHORITY: usize = 1;
/// The place of the newest entry of the dynamic table.
const NEWEST: usize = 62;

/// Which entries of the sender's dynamic table are called `:authority`: one bit each, the newest last.
///
/// Entries are counted from the newest, and evicted from the oldest on, so it does no harm to remember those that are gone:
/// no valid index reaches them. And no more than 128 fit a table of 4,096 bytes, the size that h2's server allows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names(u128);

impl Names {
    /// Walks one block, and keeps what it adds to the dynamic table in mind. Answers the mended block; none when nothing
    /// needs mending.
    pub(super) fn mend(&mut self, block: &[u8]) -> Result<Option<Vec<u8>>, Nonsense> {
        let mut mended: Option<Vec<u8>> = None;
        let mut copied = 0;
        let mut fields = Reader { block, at: 0 };
        while let Some(first) = fields.peek() {
            let (prefix, is_added) = match first {
                // Indexed: name and value are in a table, and if they came from here they are good.
                0x80.. => {
                    fields.integer(7)?;
                    continue;
                }
                // With incremental indexing.
                0x40.. => (6, true),
                // A size update of the dynamic table.
                0x20.. => {
                    fields.integer(5)?;
                    continue;
                }
                // Never indexed, or without indexing.
                _ => (4, false),
            };
            let is_authority = match fields.integer(prefix)? {
                0 => *fields.string()?.decoded()? == *AUTHORITY,
                index => self.is_authority(index),
            };
            if is_added {
                self.0 = self.0 << 1 | u128::from(is_authority);
            }
            let value_at = fields.at;
            let value = fields.string()?;
            if is_authority && let Some(length) = value.unusable_length()? {
                let mended = mended.get_or_insert_default();
                mended.extend_from_slice(&block[copied..value_at]);
                write_name(length, mended);
                copied = fields.at;
            }
        }
        if let Some(mended) = &mut mended {
            mended.extend_from_slice(&block[copied..]);
        }
        Ok(mended)
    }

    fn is_authority(self, index: usize) -> bool {
        let bit = |age: usize| u32::try_from(age).ok().and_then(|age| self.0.checked_shr(age));
        index == STATIC_AUTHORITY || index.checked_sub(NEWEST).and_then(bit).is_some_and(|bits| bits & 1 == 1)
    }
}

/// Appends a string literal of so many bytes (not 0) that is a valid authority.
fn write_name(length: usize, output: &mut Vec<u8>) {
    write_integer(length, output);
    output.extend(b"localhost".iter().chain(std::iter::repeat(&b'-')).take(length));
}

/// Appends a string literal's length, the Huffman bit unset (RFC 7541, section 5.1).
fn write_integer(value: usize, output: &mut Vec<u8>) {
    const PREFIX: u8 = 0x7f;
    match u8::try_from(value) {
        Ok(byte) if byte < PREFIX => output.push(byte),
        _ => {
            output.push(PREFIX);
            let mut rest = value - usize::from(PREFIX);
            while rest > 0x7f {
                output.push(rest.to_le_bytes()[0] | 0x80);
                rest >>= 7;
            }
            output.push(rest.to_le_bytes()[0]);
        }
    }
}

/// Reads a block's parts.
struct Reader<'a> {
    block: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.block.get(self.at).copied()
    }

    fn byte(&mut self) -> Result<u8, Nonsense> {
        let byte = self.peek().ok_or(Nonsense::NotHpack)?;
        self.at += 1;
        Ok(byte)
    }

    /// An integer whose first byte has so many bits for it (RFC 7541, section 5.1), in five bytes at most, as in h2.
    fn integer(&mut self, prefix: u32) -> Result<usize, Nonsense> {
        let mask = u8::MAX >> (8 - prefix);
        let first = self.byte()? & mask;
        let mut value = usize::from(first);
        if first < mask {
            return Ok(value);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Nonsense::NotHpack)
    }

    fn string(&mut self) -> Result<Text<'a>, Nonsense> {
        let is_huffman = self.peek().is_some_and(|first| first & 0x80 != 0);
        let length = self.integer(7)?;
        let rest = self.block.get(self.at..).unwrap_or_default();
        let (bytes, _) = rest.split_at_checked(length).ok_or(Nonsense::NotHpack)?;
        self.at += length;
        Ok(Text { bytes, is_huffman })
    }
}

/// A string literal.
struct Text<'a> {
    bytes: &'a [u8],
    is_huffman: bool,
}

impl<'a> Text<'a> {
    fn decoded(&self) -> Result<Cow<'a, [u8]>, Nonsense> {
        if self.is_huffman {
            huffman::decode(self.bytes).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(self.bytes))
        }
    }

    /// The decoded length of an authority that h2 refuses. An empty one it refuses too, but there is no good one as long.
    fn unusable_length(&self) -> Result<Option<usize>, Nonsense> {
        let decoded = self.decoded()?;
        // The very check that h2 makes.
        let is_unusable = !decoded.is_empty() && Authority::try_from(&*decoded).is_err();
        Ok(is_unusable.then_some(decoded.len()))
    }
}
