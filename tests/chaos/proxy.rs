//! A TCP proxy in front of a Vault that fails where HTTP does not reach: in the connect, in the TLS handshake, between
//! two bytes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// So few connections wait to be accepted that the next one's SYN goes unanswered.
const BACKLOG: u32 = 4;

/// What becomes of the bytes that come back from Vault; those of the old connections, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// They pass.
    Clear,
    /// Nobody accepts: after a few, the next connection is never made.
    Deaf,
    /// So many of each connection pass, then none until the mood changes.
    Stalls(usize),
    /// So many of each connection pass, then it ends.
    Cuts(usize),
    /// They come one by one.
    Trickles,
    /// They come as something else.
    Garbles,
}

/// A proxy that ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of the server at this port of the loopback address.
    pub fn start(port: u16) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let listener = socket.listen(BACKLOG).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (mood, mut seen) = watch::channel(Mood::Clear);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                if seen.wait_for(|mood| *mood != Mood::Deaf).await.is_err() {
                    return;
                }
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((client, _)) = accepted {
                            connections.spawn(pass(client, port, seen.clone()));
                        }
                    }
                    _ = seen.changed() => {}
                    Some(_) = connections.join_next(), if !connections.is_empty() => {}
                }
            }
        });
        Self { address, mood, accepting }
    }

    /// Its port of the loopback address.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the mood, of the connections there are, too.
    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(client: TcpStream, port: u16, mood: watch::Receiver<Mood>) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        // Whoever leaves first ends both ways.
        _ = copy(&mut from_client, &mut to_server) => {}
        () = pass_back(from_server, to_client, mood) => {}
    }
}

async fn pass_back(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    mut mood: watch::Receiver<Mood>,
) {
    let mut buffer = vec![0; 16 * 1024];
    let (mut current, mut passed) = (Mood::Clear, 0);
    while let Ok(length @ 1..) = server.read(&mut buffer).await {
        let mut bytes = &mut buffer[..length];
        while !bytes.is_empty() {
            let now = *mood.borrow_and_update();
            if now != current {
                (current, passed) = (now, 0);
            }
            let room = match now {
                Mood::Clear | Mood::Deaf | Mood::Garbles => bytes.len(),
                Mood::Trickles => 1,
                Mood::Stalls(most) | Mood::Cuts(most) => bytes.len().min(most.saturating_sub(passed)),
            };
            if room == 0 {
                if matches!(now, Mood::Cuts(_)) || mood.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let (head, rest) = bytes.split_at_mut(room);
            if now == Mood::Garbles {
                head.iter_mut().for_each(|byte| *byte = byte.rotate_left(3));
            }
            if client.write_all(head).await.is_err() {
                return;
            }
            passed += room;
            bytes = rest;
            if now == Mood::Trickles {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}
