//! Writes HTTP/2 by hand.

use super::super::huffman;
use super::PREFACE;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

/// The forms of a literal field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Indexing,
    NoIndexing,
    NeverIndexed,
}

pub(super) const FORMS: [Form; 3] = [Form::Indexing, Form::NoIndexing, Form::NeverIndexed];

/// The forms of a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// By its place in the static or the dynamic table.
    At(usize),
    Plain(&'a str),
    Huffman(&'a str),
}

/// `:authority` in the static table.
pub(super) const AUTHORITY: Name<'_> = Name::At(1);

/// An integer behind the bits of its first byte.
pub(super) fn integer(bits: u8, prefix: u32, value: usize) -> Vec<u8> {
    let most = (1 << prefix) - 1;
    if value < most {
        return vec![bits | value as u8];
    }
    let mut bytes = vec![bits | most as u8];
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes
}

pub(super) fn plain(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [integer(0, 7, text.len()), text.to_vec()].concat()
}

pub(super) fn huffman(text: impl AsRef<[u8]>) -> Vec<u8> {
    let code = huffman_code(text.as_ref());
    [integer(0x80, 7, code.len()), code].concat()
}

/// The Huffman code of a text, ones at its end.
pub(super) fn huffman_code(text: &[u8]) -> Vec<u8> {
    let bits: String = text.iter().map(|byte| code_of(*byte)).collect();
    let bits = format!("{bits}{}", "1".repeat(bits.len().next_multiple_of(8) - bits.len()));
    bits.as_bytes()
        .chunks(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

fn code_of(byte: u8) -> String {
    let length = huffman::LENGTHS[usize::from(byte)];
    // The sum of what all codes before it take of the whole.
    let before = (0..=255_u8).filter(|other| {
        let other_length = huffman::LENGTHS[usize::from(*other)];
        (other_length, *other) < (length, byte)
    });
    let code: u64 = before.map(|other| 1_u64 << (30 - huffman::LENGTHS[usize::from(other)])).sum();
    let width = usize::from(length);
    format!("{:0width$b}", code >> (30 - length))
}

/// A literal field; `value` is a string literal.
pub(super) fn literal(form: Form, name: Name<'_>, value: &[u8]) -> Vec<u8> {
    let (bits, prefix) = match form {
        Form::Indexing => (0x40, 6),
        Form::NoIndexing => (0, 4),
        Form::NeverIndexed => (0x10, 4),
    };
    let name = match name {
        Name::At(index) => integer(bits, prefix, index),
        Name::Plain(text) => [vec![bits], plain(text)].concat(),
        Name::Huffman(text) => [vec![bits], huffman(text)].concat(),
    };
    [&name, value].concat()
}

/// A field that is in a table.
pub(super) fn indexed(index: usize) -> Vec<u8> {
    integer(0x80, 7, index)
}

/// A driver's call: method and scheme by index, this `:authority`, and what else gRPC needs.
pub(super) fn call(authority: &[u8]) -> Vec<u8> {
    let mut block = [indexed(3), indexed(6), authority.to_vec()].concat();
    block.extend(literal(Form::NoIndexing, Name::At(4), &huffman("/v1alpha1.CSIDriverProvider/Version")));
    block.extend(literal(Form::NoIndexing, Name::At(31), &plain("application/grpc")));
    block.extend(literal(Form::NoIndexing, Name::Huffman("te"), &plain("trailers")));
    block
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A HEADERS frame that is a whole block and the whole request.
pub(super) fn headers(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(1, END_STREAM | END_HEADERS, stream, block)
}

/// A block in a HEADERS frame and CONTINUATION frames.
pub(super) fn split_headers(stream: u32, parts: &[&[u8]]) -> Vec<u8> {
    let (first, rest) = parts.split_first().unwrap();
    let mut frames = frame(1, END_STREAM, stream, first);
    for (number, part) in rest.iter().enumerate() {
        let last = number + 1 == rest.len();
        frames.extend(frame(9, if last { END_HEADERS } else { 0 }, stream, part));
    }
    frames
}

/// A connection: the preface, empty settings, and these frames.
pub(super) fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE.to_vec(), frame(4, 0, 0, b""), frames.concat()].concat()
}
