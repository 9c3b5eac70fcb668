//! The Huffman code of HPACK strings (RFC 7541, appendix B), decoded.
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, and those of the next
//! length follow them. So the lengths say it all.

use super::Nonsense;

/// The length in bits of each byte's code.
#[rustfmt::skip]
pub(super) const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The longest code.
const LONGEST: usize = 30;

/// How many codes there are of each length. The 30 bits of the code that is left over mean the end of a string (EOS) and
/// must not occur.
const COUNTS: [u32; LONGEST + 1] = {
    let mut counts = [0; LONGEST + 1];
    let mut symbol = 0;
    while symbol < 256 {
        counts[LENGTHS[symbol] as usize] += 1;
        symbol += 1;
    }
    counts
};

/// The bytes by the length of their code, then by value.
const SYMBOLS: [u8; 256] = {
    let mut symbols = [0; 256];
    let mut filled = 0;
    let mut length = 0;
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                symbols[filled] = symbol as u8;
                filled += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    symbols
};

/// The bytes behind a code: at most eight for each five of it.
pub(super) fn decode(code: &[u8]) -> Result<Vec<u8>, Nonsense> {
    let mut decoded = Vec::with_capacity(code.len() * 8 / 5);
    let mut symbol = Partial::default();
    for bit in code.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1)) {
        if let Some(byte) = symbol.add(bit)? {
            decoded.push(byte);
            symbol = Partial::default();
        }
    }
    if symbol.is_padding() { Ok(decoded) } else { Err(Nonsense::NotHuffman) }
}

/// The first bits of a symbol's code.
#[derive(Default)]
struct Partial {
    bits: u32,
    length: usize,
    /// The first code of this length.
    first: u32,
    /// The place of its byte.
    place: u32,
}

impl Partial {
    /// Adds a bit; answers the symbol if it was the last one.
    fn add(&mut self, bit: u8) -> Result<Option<u8>, Nonsense> {
        // Codes of the length so far come before the longer ones.
        self.place += COUNTS[self.length];
        self.first = (self.first + COUNTS[self.length]) << 1;
        self.bits = self.bits << 1 | u32::from(bit);
        self.length += 1;
        // Never below `first`: then it would have been a shorter code.
        let above = self.bits - self.first;
        if above < COUNTS[self.length] {
            return Ok(SYMBOLS.get((self.place + above) as usize).copied());
        }
        if self.length == LONGEST { Err(Nonsense::NotHuffman) } else { Ok(None) }
    }

    /// True where a string may end: after a symbol, or in less than a byte of ones.
    fn is_padding(&self) -> bool {
        self.length < 8 && self.bits + 1 == 1 << self.length
    }
}
