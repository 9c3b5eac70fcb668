//! A place to listen at that can be closed and opened again without losing its port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Loopback, the port once it is known.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Somebody listens.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Nobody listens, but the port stays ours.
pub(super) struct Closed {
    reserved: Option<TcpSocket>,
}

impl Place {
    /// Any free port of the loopback address.
    pub(crate) fn any_port() -> Self {
        Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Listens; the first time a port is chosen, and the place then names it.
    pub(super) fn listen(&mut self) -> io::Result<Listener> {
        match self {
            Self::Tcp(address) => {
                let listener = socket_at(*address)?.listen(BACKLOG)?;
                *address = listener.local_addr()?;
                Ok(Listener::Tcp(listener))
            }
            Self::Unix(path) => {
                remove_if_there(path)?;
                Ok(Listener::Unix(UnixListener::bind(path)?))
            }
        }
    }

    /// Closes `listener`: whoever connects from now on is refused. A socket file stays, as after a kill.
    pub(super) fn close(&self, listener: Listener) -> io::Result<Closed> {
        // Before the listener goes, so that nobody else gets the port between the two.
        let reserved = match self {
            Self::Tcp(address) => Some(socket_at(*address)?),
            Self::Unix(_) => None,
        };
        drop(listener);
        Ok(Closed { reserved })
    }

    /// Listens again where [`Place::close`] ended.
    pub(super) fn reopen(&mut self, closed: Closed) -> io::Result<Listener> {
        match closed.reserved {
            Some(socket) => Ok(Listener::Tcp(socket.listen(BACKLOG)?)),
            None => self.listen(),
        }
    }

    /// Takes the socket file away.
    pub(super) fn remove(&self) {
        if let Self::Unix(path) = self {
            // Best effort at the end of a test; its temporary folder goes as a whole.
            let _ = remove_if_there(path);
        }
    }
}

fn socket_at(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    // A place that closes holds its port twice for a moment.
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

/// A connection of either kind.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A second hand on a connection that can make its close a reset.
pub(super) struct ResetHandle(Option<OwnedFd>);

impl Stream {
    pub(super) fn reset_handle(&self) -> io::Result<ResetHandle> {
        match self {
            Self::Tcp(stream) => Ok(ResetHandle(Some(stream.as_fd().try_clone_to_owned()?))),
            Self::Unix(_) => Ok(ResetHandle(None)),
        }
    }
}

impl ResetHandle {
    /// The connection ends with a TCP RST once all its descriptors are closed.
    pub(super) fn reset_on_close(self) {
        if let Some(descriptor) = &self.0 {
            rustix::net::sockopt::set_socket_linger(descriptor, Some(std::time::Duration::ZERO))
                .expect("a TCP socket lingers");
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
