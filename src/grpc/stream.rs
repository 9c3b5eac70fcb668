//! The connection to a driver: the one stream type that the gRPC server sees.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::transport::server::{Connected, UdsConnectInfo};
use zeroize::Zeroize;

use crate::grpc::authority::Rewriter;

/// A driver's connection. What has to be mended in the bytes of old drivers is mended here, in front of HTTP/2.
#[derive(Debug)]
pub struct DriverStream {
    socket: UnixStream,
    rewriter: Rewriter,
    // What the rewriter put out and nobody has read yet, from `read` on.
    ready: Vec<u8>,
    read: usize,
}

impl DriverStream {
    /// Wraps an accepted connection.
    pub fn new(socket: UnixStream) -> Self {
        Self { socket, rewriter: Rewriter::new(), ready: Vec::new(), read: 0 }
    }

    /// Hands out what is ready, as far as there is room.
    fn take_ready(&mut self, buffer: &mut ReadBuf<'_>) {
        let rest = self.ready.get(self.read..).unwrap_or_default();
        let (bytes, _) = rest.split_at(rest.len().min(buffer.remaining()));
        buffer.put_slice(bytes);
        self.read += bytes.len();
        if self.read == self.ready.len() && self.read > 0 {
            // What came with a header block may be a pod's token.
            self.ready.zeroize();
            self.read = 0;
        }
    }
}

impl Connected for DriverStream {
    type ConnectInfo = UdsConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.socket.connect_info()
    }
}

impl AsyncRead for DriverStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        // Until there is a byte to hand out: none would mean the end.
        loop {
            this.take_ready(buffer);
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut this.socket).poll_read(cx, buffer))?;
            // Read into the reader's own buffer: what passes stays there, the rest goes through the rewriter.
            let fresh = buffer.filled().get(before..).unwrap_or_default();
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let passed = this.rewriter.pass(fresh);
            let (_, rest) = fresh.split_at(passed);
            // In one go, so that no half-filled buffer is left behind when it grows.
            this.ready.reserve(this.rewriter.most_output(rest.len()));
            let outcome = this.rewriter.push(rest, &mut this.ready);
            buffer.set_filled(before + passed);
            if let Err(nonsense) = outcome {
                // An error comes without bytes.
                buffer.set_filled(before);
                tracing::warn!("a connection to the driver's socket was ended: {nonsense}");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, nonsense)));
            }
        }
    }
}

impl AsyncWrite for DriverStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_reader_of_any_appetite_gets_the_same_bytes() {
        let sent = include_bytes!("../../fuzz/corpus/authority/grpc-go-1.56");
        let mut expected = Vec::new();
        Rewriter::new().push(sent, &mut expected).expect("a driver's connection");
        assert_ne!(expected, sent);
        for appetite in [1, 2, 7, 100, 10_000] {
            let (mut client, server) = UnixStream::pair().expect("sockets");
            let mut stream = DriverStream::new(server);
            client.write_all(sent).await.expect("written");
            drop(client);
            let (mut read, mut buffer) = (Vec::new(), vec![0; appetite]);
            loop {
                let count = stream.read(&mut buffer).await.expect("readable");
                if count == 0 {
                    break;
                }
                read.extend_from_slice(&buffer[..count]);
            }
            assert!(read == expected, "with {appetite} bytes of room");
        }
    }

    #[tokio::test]
    async fn what_is_no_http2_is_an_error() {
        let (mut client, server) = UnixStream::pair().expect("sockets");
        client.write_all(b"PRI * HTTP/1").await.expect("written");
        let error = DriverStream::new(server).read_to_end(&mut Vec::new()).await.expect_err("nonsense");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(error.to_string(), "the connection does not begin as HTTP/2 does");
    }
}
