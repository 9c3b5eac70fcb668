//! Listens in between a driver and a provider, to count the connections.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncWriteExt as _, copy};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// A socket that leads to a provider's; closed when dropped.
pub struct Tap {
    connections: Arc<AtomicUsize>,
    // Ends with this handle, and its connections with it.
    _accepting: JoinSet<()>,
}

impl Tap {
    /// Listens on `socket`, and connects each connection there with a new one to `provider`.
    ///
    /// # Panics
    /// When it cannot listen there.
    pub fn new(socket: &Path, provider: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket can be made there");
        let connections = Arc::new(AtomicUsize::new(0));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, provider.to_owned(), Arc::clone(&connections)));
        Self { connections, _accepting: accepting }
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn accept(listener: UnixListener, provider: PathBuf, counter: Arc<AtomicUsize>) {
    let mut open = JoinSet::new();
    while let Ok((driver, _)) = listener.accept().await {
        counter.fetch_add(1, Ordering::SeqCst);
        let provider = provider.clone();
        open.spawn(async move {
            // Either side may hang up as it likes.
            let _ = join(driver, &provider).await;
        });
    }
}

async fn join(driver: UnixStream, provider: &Path) -> io::Result<()> {
    let provider = UnixStream::connect(provider).await?;
    let ((mut calls, mut answered), (mut answers, mut called)) = (driver.into_split(), provider.into_split());
    let there = async {
        copy(&mut calls, &mut called).await?;
        called.shutdown().await
    };
    let back = async {
        copy(&mut answers, &mut answered).await?;
        answered.shutdown().await
    };
    tokio::try_join!(there, back).map(drop)
}
