//! The nine bytes that each HTTP/2 frame begins with (RFC 9113, section 4.1).

/// The length of a frame's head.
pub(super) const HEAD_LENGTH: usize = 9;
/// The longest payload that a peer may send unless it was told otherwise, which h2's server does not.
pub(super) const MOST_PAYLOAD: usize = 16 * 1024;

/// A frame that opens a header block.
pub(super) const HEADERS: u8 = 0x1;
/// A frame that goes on with one.
pub(super) const CONTINUATION: u8 = 0x9;

/// The stream's last frame but for CONTINUATION.
pub(super) const END_STREAM: u8 = 0x1;
/// The header block's last frame.
pub(super) const END_HEADERS: u8 = 0x4;
/// The payload begins with the length of the padding at its end.
pub(super) const PADDED: u8 = 0x8;
/// The header block comes after five bytes of priority.
pub(super) const PRIORITY: u8 = 0x20;

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The length of the payload.
    pub(super) length: usize,
    /// The type.
    pub(super) kind: u8,
    /// The flags; what they mean depends on the type.
    pub(super) flags: u8,
    /// The stream; its reserved bit is not part of it.
    pub(super) stream: u32,
}

impl Head {
    /// The head of a frame, once all of it is there.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = bytes.first_chunk::<HEAD_LENGTH>()?;
        Some(Self {
            length: usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c),
            kind: *kind,
            flags: *flags,
            stream: u32::from_be_bytes(*stream) & (u32::MAX >> 1),
        })
    }

    /// Appends the nine bytes. The length is below 2^24.
    pub(super) fn write_to(self, output: &mut Vec<u8>) {
        let [.., a, b, c] = self.length.to_be_bytes();
        output.extend_from_slice(&[a, b, c, self.kind, self.flags]);
        output.extend_from_slice(&self.stream.to_be_bytes());
    }
}
