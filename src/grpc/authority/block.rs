//! Takes a whole header block out of its frames, and puts a mended one into new ones.

use std::borrow::Cow;

use super::Nonsense;
use super::frame::{self, Head};
use super::hpack::Names;

/// Appends a block, given as the frames it came in, to `output`: as it came where its `:authority` is good, else with
/// another. A mended block is without padding and has as few frames as it needs.
pub(super) fn release(held: &[u8], names: &mut Names, output: &mut Vec<u8>) -> Result<(), Nonsense> {
    let opening = Opening::parse(held)?;
    match names.mend(&opening.block)? {
        None => output.extend_from_slice(held),
        Some(mended) => opening.write_with(&mended, output),
    }
    Ok(())
}

/// What a block's frames say.
struct Opening<'a> {
    /// Of the HEADERS frame.
    head: Head,
    /// Its priority, five bytes or none.
    priority: &'a [u8],
    /// The block, joined.
    block: Cow<'a, [u8]>,
}

impl<'a> Opening<'a> {
    /// Takes whole frames: HEADERS first, then CONTINUATION.
    fn parse(held: &'a [u8]) -> Result<Self, Nonsense> {
        let (head, mut payload, mut rest) = split_frame(held).ok_or(Nonsense::Interrupted)?;
        if head.flags & frame::PADDED != 0 {
            let (padding, padded) = payload.split_first().ok_or(Nonsense::Padding)?;
            let end = padded.len().checked_sub(usize::from(*padding)).ok_or(Nonsense::Padding)?;
            payload = &padded[..end];
        }
        let mut priority: &[u8] = &[];
        if head.flags & frame::PRIORITY != 0 {
            (priority, payload) = payload.split_at_checked(5).ok_or(Nonsense::Padding)?;
        }
        let mut block = Cow::Borrowed(payload);
        while let Some((_, payload, next)) = split_frame(rest) {
            block.to_mut().extend_from_slice(payload);
            rest = next;
        }
        Ok(Self { head, priority, block })
    }

    /// Writes the frames of another block in place of this one.
    fn write_with(&self, block: &[u8], output: &mut Vec<u8>) {
        let kept = self.head.flags & (frame::END_STREAM | frame::PRIORITY);
        let fits = frame::MOST_PAYLOAD - self.priority.len();
        let (first, mut rest) = block.split_at(fits.min(block.len()));
        let head = Head {
            length: self.priority.len() + first.len(),
            flags: kept | end_headers(rest.is_empty()),
            ..self.head
        };
        head.write_to(output);
        output.extend_from_slice(self.priority);
        output.extend_from_slice(first);
        while !rest.is_empty() {
            let next;
            (next, rest) = rest.split_at(frame::MOST_PAYLOAD.min(rest.len()));
            let (length, flags) = (next.len(), end_headers(rest.is_empty()));
            Head { length, kind: frame::CONTINUATION, flags, ..self.head }.write_to(output);
            output.extend_from_slice(next);
        }
    }
}

fn end_headers(last: bool) -> u8 {
    if last { frame::END_HEADERS } else { 0 }
}

/// The first frame's head and payload, and what follows; none when it is not whole.
fn split_frame(bytes: &[u8]) -> Option<(Head, &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(frame::HEAD_LENGTH)?;
    let head = Head::parse(head)?;
    let (payload, rest) = rest.split_at_checked(head.length)?;
    Some((head, payload, rest))
}
