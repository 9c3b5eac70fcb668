//! The connections of one socket, whichever listener holds it at the time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::Stream;

use crate::grpc::stream::DriverStream;

/// After a failure to accept (out of file descriptors, for one) the next try comes this much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepted connections. A failure to accept is logged and waited out; it never ends the provider.
#[derive(Debug)]
pub struct Incoming {
    // The newest last; the one before it may hold connections that are not accepted yet.
    listeners: Vec<UnixListener>,
    fresh: mpsc::UnboundedReceiver<UnixListener>,
    keeper: JoinHandle<()>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Incoming {
    /// Connections of `listener` and of those that come `fresh` after it; `keeper` ends with them.
    pub(super) fn new(
        listener: UnixListener,
        fresh: mpsc::UnboundedReceiver<UnixListener>,
        keeper: JoinHandle<()>,
    ) -> Self {
        Self { listeners: vec![listener], fresh, keeper, pause: None }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Stream for Incoming {
    type Item = io::Result<DriverStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while let Poll::Ready(Some(listener)) = self.fresh.poll_recv(cx) {
            self.listeners.push(listener);
            if self.listeners.len() > 2 {
                self.listeners.remove(0);
            }
        }
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let accepted = self.listeners.iter().find_map(|listener| match listener.poll_accept(cx) {
                Poll::Ready(accepted) => Some(accepted),
                Poll::Pending => None,
            });
            match accepted {
                None => return Poll::Pending,
                Some(Ok((socket, _))) => return Poll::Ready(Some(Ok(DriverStream::new(socket)))),
                Some(Err(error)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}
