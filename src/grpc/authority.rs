//! Gives old drivers' calls an `:authority` that HTTP/2 servers accept.
//!
//! Drivers up to 1.5.6 send the path of the provider's socket there, and h2 answers such a call with RST_STREAM before
//! any handler sees it. The [`Rewriter`] stands in front of h2: it walks the frames (RFC 9113) that a driver sends, and
//! where a header block's `:authority` holds what h2 refuses, it puts a name of the *same decoded length* in its place, in
//! the same HPACK form (RFC 7541). So both sides' dynamic tables keep equal entries of equal sizes, they evict alike, and a
//! later call that points to the entry needs no mending. Everything else passes byte for byte.
//!
//! Pure: bytes in, bytes out. [`DriverStream`](super::stream::DriverStream) puts it on a socket.

mod block;
mod frame;
mod hpack;
mod huffman;

#[cfg(test)]
mod tests;

use frame::Head;
use hpack::Names;

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A header block is held back until its last byte is there; frame heads included, it may be this long. A driver's has
/// about 200 bytes.
pub const MOST_HELD: usize = 16 * 1024;

/// Why a connection cannot be followed any further and has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// Its first bytes are not HTTP/2's.
    #[error("the connection does not begin as HTTP/2 does")]
    NotHttp2,
    /// Another frame inside a header block.
    #[error("another frame came before the header block's last one")]
    Interrupted,
    /// A header block above [`MOST_HELD`].
    #[error("a header block of more than {MOST_HELD} bytes")]
    TooLong,
    /// A HEADERS frame with no room for what its flags announce.
    #[error("a HEADERS frame is shorter than its padding and priority")]
    Padding,
    /// A header block that ends within a field, or holds an integer that no block could need.
    #[error("a header block is no HPACK")]
    NotHpack,
    /// A Huffman-coded string with a code that is none.
    #[error("a header field is no Huffman code")]
    NotHuffman,
}

/// One connection's way from the driver to h2.
#[derive(Debug, Default)]
pub struct Rewriter {
    state: State,
    // The head of the frame that is coming in, as far as it is there.
    head: Vec<u8>,
    // The frames of a header block whose end is not there yet.
    held: Vec<u8>,
    // The stream of the held block; none when nothing is held.
    block: Option<u32>,
    names: Names,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// One of the preface, after so many.
    Preface(usize),
    /// One of a frame's head.
    Head,
    /// One of so many that pass as they are.
    Passing(usize),
    /// One of so many that belong to a header block; `last` when they end it.
    Holding { left: usize, last: bool },
    /// One that nobody reads.
    Ended(Nonsense),
}

impl Default for State {
    fn default() -> Self {
        Self::Preface(0)
    }
}

impl Rewriter {
    /// For a connection's first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many of the next bytes, `input` at most, pass as they are and are hereby walked over. A shortcut for the bulk of
    /// a DATA frame, which then needs no copy; [`Rewriter::push`] would put out the same bytes.
    pub fn pass(&mut self, input: &[u8]) -> usize {
        match &mut self.state {
            State::Passing(left) => {
                let passed = input.len().min(*left);
                *left -= passed;
                passed
            }
            _ => 0,
        }
    }

    /// The most bytes that [`Rewriter::push`] puts out for so many: they and what is held, with codes spelled out that are
    /// at least five bits a byte.
    pub fn most_output(&self, input: usize) -> usize {
        2 * (self.head.len() + self.held.len() + input)
    }

    /// Takes the next bytes from the driver, and appends what h2 is to read to `output`. How the bytes are cut into calls
    /// makes no difference.
    ///
    /// After an error the connection is to be closed; further calls answer the same error.
    pub fn push(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Result<(), Nonsense> {
        while !input.is_empty() {
            match self.step(input, output) {
                Ok(used) => input = input.get(used..).unwrap_or_default(),
                Err(nonsense) => {
                    *self = Self { state: State::Ended(nonsense), ..Self::default() };
                    return Err(nonsense);
                }
            }
        }
        Ok(())
    }

    /// Goes on by as many of the bytes as belong together, and answers how many; where it is none, the state has moved.
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Nonsense> {
        let up_to = |most: usize| input.split_at(most.min(input.len())).0;
        match self.state {
            State::Preface(seen) => {
                let expected = PREFACE.get(seen..).unwrap_or_default();
                let bytes = up_to(expected.len());
                let agreeing = bytes.iter().zip(expected).take_while(|(byte, other)| byte == other).count();
                output.extend_from_slice(&bytes[..agreeing]);
                if agreeing < bytes.len() {
                    return Err(Nonsense::NotHttp2);
                }
                let seen = seen + bytes.len();
                self.state = if seen == PREFACE.len() { State::Head } else { State::Preface(seen) };
                Ok(bytes.len())
            }
            State::Head => {
                let bytes = up_to(frame::HEAD_LENGTH - self.head.len());
                self.head.extend_from_slice(bytes);
                if let Some(head) = Head::parse(&self.head) {
                    self.begin_frame(head, output)?;
                    self.head.clear();
                }
                Ok(bytes.len())
            }
            State::Passing(0) => {
                self.state = State::Head;
                Ok(0)
            }
            State::Passing(left) => {
                let bytes = up_to(left);
                output.extend_from_slice(bytes);
                self.state = State::Passing(left - bytes.len());
                Ok(bytes.len())
            }
            State::Holding { left, last } => {
                let bytes = up_to(left);
                self.held.extend_from_slice(bytes);
                self.hold(left - bytes.len(), last, output)?;
                Ok(bytes.len())
            }
            State::Ended(nonsense) => Err(nonsense),
        }
    }

    fn begin_frame(&mut self, head: Head, output: &mut Vec<u8>) -> Result<(), Nonsense> {
        let in_block = match self.block {
            None => head.kind == frame::HEADERS,
            Some(stream) if head.kind == frame::CONTINUATION && head.stream == stream => true,
            Some(_) => return Err(Nonsense::Interrupted),
        };
        if !in_block {
            output.extend_from_slice(&self.head);
            self.state = State::Passing(head.length);
            return Ok(());
        }
        if self.held.len() + frame::HEAD_LENGTH + head.length > MOST_HELD {
            return Err(Nonsense::TooLong);
        }
        self.block = Some(head.stream);
        self.held.extend_from_slice(&self.head);
        self.hold(head.length, head.flags & frame::END_HEADERS != 0, output)
    }

    /// Goes on after a byte of a header block, of which `left` are still to come in this frame.
    fn hold(&mut self, left: usize, last: bool, output: &mut Vec<u8>) -> Result<(), Nonsense> {
        self.state = match (left, last) {
            (0, true) => {
                block::release(&self.held, &mut self.names, output)?;
                self.held.clear();
                self.block = None;
                State::Head
            }
            (0, false) => State::Head,
            _ => State::Holding { left, last },
        };
        Ok(())
    }
}
