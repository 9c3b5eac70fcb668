//! The driver's connection, byte for byte as its Go client writes it where that matters: up to 1.5.6, `:authority` is the
//! path of the socket, which no Rust client sends.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::transport::Endpoint;

/// The preface's length.
const PREFACE: usize = 24;
/// The length of a frame's head.
const HEAD: usize = 9;
/// The type of the frame that a call begins with.
const HEADERS: u8 = 1;
/// "Literal with incremental indexing, name as entry 1 of the static table", which is `:authority`.
const AUTHORITY: u8 = 0x41;

/// What a client is told to send in place of the path of this socket; [`Wire`] puts the path there. It is of the same
/// length, so that the client's table of what it has sent has the right size.
pub(super) fn placeholder(socket: &Path) -> Endpoint {
    let name = "a".repeat(socket.as_os_str().len());
    Endpoint::from_shared(format!("http://{name}")).expect("letters are a host")
}

/// A connection to a provider.
pub(super) struct Wire {
    socket: UnixStream,
    /// The path to send, where the release sends one.
    path: Option<Vec<u8>>,
    greeted: bool,
    /// The beginning of a frame whose end the client has not written yet.
    begun: Vec<u8>,
    /// What the socket has not taken yet.
    waiting: Vec<u8>,
}

impl Wire {
    pub(super) fn new(socket: UnixStream, path: Option<Vec<u8>>) -> Self {
        Self { socket, path, greeted: false, begun: Vec::new(), waiting: Vec::new() }
    }

    /// Moves whole frames from the client to the socket's queue.
    fn queue(&mut self, path: &[u8], bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
        loop {
            let length = if self.greeted { frame_length(&self.begun) } else { Some(PREFACE) };
            let Some(length) = length.filter(|length| self.begun.len() >= *length) else { return };
            let rest = self.begun.split_off(length);
            let frame = std::mem::replace(&mut self.begun, rest);
            if self.greeted && frame[3] == HEADERS {
                self.waiting.extend(with_path(&frame, path));
            } else {
                self.waiting.extend(frame);
            }
            self.greeted = true;
        }
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.waiting))?;
            self.waiting.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

fn frame_length(bytes: &[u8]) -> Option<usize> {
    let [a, b, c, ..] = bytes.first_chunk::<HEAD>()?;
    Some(HEAD + (usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c)))
}

/// The frame with the path as its `:authority`, or as it is where it points to an earlier one.
fn with_path(frame: &[u8], path: &[u8]) -> Vec<u8> {
    let (head, block) = frame.split_at(HEAD);
    // The client writes method and scheme by index, one byte each, and then the authority.
    let Some(at) = block.iter().position(|byte| byte & 0x80 == 0).filter(|at| block[*at] == AUTHORITY) else {
        return frame.to_vec();
    };
    let (before, rest) = block.split_at(at + 1);
    // Both lengths are below 127: a socket's path is.
    let after = &rest[1 + usize::from(rest[0] & 0x7f)..];
    let block = [before, &go_string(path), after].concat();
    let length = (block.len() as u32).to_be_bytes();
    [&length[1..], &head[3..], &block].concat()
}

/// A string as Go's HPACK writes it: in Huffman code where that is shorter.
fn go_string(text: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).ok().filter(|length| *length < 0x7f);
    let plain = || [vec![length(text).expect("a socket's path is short")], text.to_vec()].concat();
    match huffman(text).filter(|code| code.len() < text.len()) {
        Some(code) => [vec![0x80 | length(&code).expect("shorter than the path")], code].concat(),
        None => plain(),
    }
}

/// The Huffman code of RFC 7541 for what paths are made of: its bytes by the length of their code, with the first one's.
fn huffman(text: &[u8]) -> Option<Vec<u8>> {
    const CODES: [(usize, usize, &[u8]); 4] = [
        (5, 0x00, b"012aceiost"),
        (6, 0x14, b" %-./3456789=A_bdfghlmnpru"),
        (7, 0x5c, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
        (8, 0xf8, b"&*,;XZ"),
    ];
    let code = |byte: &u8| {
        CODES.iter().find_map(|(width, first, bytes)| {
            let place = bytes.iter().position(|other| other == byte)?;
            Some(format!("{:0width$b}", first + place))
        })
    };
    let bits: String = text.iter().map(code).collect::<Option<_>>()?;
    let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | (bit & 1));
    let padded = format!("{bits:1<width$}", width = bits.len().next_multiple_of(8));
    Some(padded.as_bytes().chunks(8).map(byte).collect())
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(path) = self.path.clone() else {
            return Pin::new(&mut self.socket).poll_write(cx, bytes);
        };
        ready!(self.poll_waiting(cx))?;
        self.queue(&path, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_written_as_by_gos_client() {
        // From RFC 7541, C.4.1: what Go writes is Huffman-coded, for it is shorter.
        let coded = [0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(go_string(b"www.example.com"), coded);
        assert_eq!(go_string(b"{~}"), b"\x03{~}");
    }

    #[test]
    fn only_the_authority_of_a_call_is_put_in() {
        let sent = [&[0x83, 0x86, AUTHORITY, 6][..], b"aaaaaa", &[0x04, 1, b'/']].concat();
        let wanted = [0x83, 0x86, AUTHORITY, 0x85, 0x62, 0xcb, 0x6a, 0x61, 0x1f, 0x04, 1, b'/'];
        let frame = |block: &[u8]| [&[0, 0, block.len() as u8, HEADERS, 4, 0, 0, 0, 1], block].concat();
        assert_eq!(with_path(&frame(&sent), b"/run/s"), frame(&wanted));
        let later = frame(&[0x83, 0x86, 0xbe, 0x04, 1, b'/']);
        assert_eq!(with_path(&later, b"/run/s"), later);
    }
}
