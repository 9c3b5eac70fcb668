//! The driver's connection to a provider as grpc-go keeps it with the driver's service config: it waits for a provider,
//! repeats what one has not begun, and calls three times where one was lost.
//!
//! Read from `google.golang.org/grpc` v1.79.3 (`stream.go`, `clientconn.go`) and the driver's `provider_client.go`
//! (v1.6.0).

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request, StatusCode};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::Instant;
use tonic::{Code, Status};

/// `MaxAttempts` of the driver's service config.
const ATTEMPTS: u32 = 3;
/// `InitialBackoff`, which `BackoffMultiplier` lengthens.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const RETRY_FACTOR: f64 = 1.1;
/// grpc-go's own pauses between two tries to connect.
const CONNECT_PAUSE: Duration = Duration::from_secs(1);
const CONNECT_FACTOR: f64 = 1.6;

/// A connection that is made when it is first needed, and again; a clone is the same.
#[derive(Clone)]
pub struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    socket: PathBuf,
    state: tokio::sync::Mutex<State>,
    not_final: Mutex<Vec<Status>>,
    connections: AtomicU64,
    repeated: AtomicU64,
    lost: AtomicU64,
}

#[derive(Default)]
struct State {
    /// With its number.
    current: Option<(u64, SendRequest<Bytes>)>,
    failures: i32,
    next_try: Option<Instant>,
}

/// What a link has been through.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkCounts {
    /// Connections made.
    pub connections: u64,
    /// Calls sent again at once, because the provider said that it had not begun them.
    pub repeated: u64,
    /// Calls whose provider was gone before it answered; sent again after a pause, twice at most.
    pub lost: u64,
}

/// How one attempt ended, other than well.
enum Failure {
    /// The provider has not begun it.
    Unprocessed,
    /// The provider is gone.
    Lost(String),
    /// The provider said so.
    Status(Status),
}

impl Link {
    /// A link to the provider at this socket; it need not be there yet.
    pub fn new(socket: &Path) -> Self {
        let inner = Inner {
            socket: socket.to_owned(),
            state: tokio::sync::Mutex::default(),
            not_final: Mutex::default(),
            connections: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What it has been through.
    pub fn counts(&self) -> LinkCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkCounts {
            connections: of(&self.inner.connections),
            repeated: of(&self.inner.repeated),
            lost: of(&self.inner.lost),
        }
    }

    /// Every status that a *provider* sent after which kubelet keeps the volume's folder, whether a later attempt was
    /// better or not. A good provider sends none.
    pub fn not_final(&self) -> Vec<Status> {
        self.inner.not_final().clone()
    }

    /// One call of a method of `v1alpha1.CSIDriverProvider`, as often as the driver makes it.
    pub(super) async fn call<Answer: Message + Default>(
        &self,
        method: &str,
        headers: &HeaderMap,
        request: &impl Message,
    ) -> Result<Answer, Status> {
        let timeout = headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
        let timeout = timeout.and_then(lockkeeper::budget::parse_grpc_timeout);
        let calls = self.attempts(method, headers, framed(request));
        let answer = match timeout {
            None => calls.await?,
            Some(timeout) => tokio::time::timeout(timeout, calls)
                .await
                .map_err(|_| Status::deadline_exceeded("context deadline exceeded"))??,
        };
        unframed(answer)
    }

    async fn attempts(&self, method: &str, headers: &HeaderMap, message: Bytes) -> Result<Bytes, Status> {
        let (mut is_first, mut retries) = (true, 0);
        loop {
            let status = match self.attempt(method, headers, message.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Unprocessed) if is_first => {
                    self.inner.repeated.fetch_add(1, Ordering::Relaxed);
                    is_first = false;
                    continue;
                }
                Err(Failure::Unprocessed) => Status::unavailable("the stream is unprocessed once more"),
                Err(Failure::Lost(how)) => {
                    self.inner.lost.fetch_add(1, Ordering::Relaxed);
                    Status::unavailable(format!("error reading from server: {how}"))
                }
                Err(Failure::Status(status)) => {
                    if NOT_FINAL.contains(&status.code()) {
                        self.inner.not_final().push(status.clone());
                    }
                    status
                }
            };
            is_first = false;
            if status.code() != Code::Unavailable || retries + 1 >= ATTEMPTS {
                return Err(status);
            }
            tokio::time::sleep(spread(RETRY_PAUSE.mul_f64(RETRY_FACTOR.powi(retries as i32)))).await;
            retries += 1;
        }
    }

    async fn attempt(&self, method: &str, headers: &HeaderMap, message: Bytes) -> Result<Bytes, Failure> {
        let (response, mut body) = loop {
            let (number, sender) = self.connected().await;
            let Ok(mut sender) = sender.ready().await else {
                self.forget(number).await;
                continue;
            };
            // What was never sent is repeated without a count.
            match sender.send_request(head(method, headers), false) {
                Ok(sent) => break sent,
                Err(_) => self.forget(number).await,
            }
        };
        // A failure to send shows in the response.
        let _ = body.send_data(message, true);
        let (head, mut body) = response.await.map_err(|error| failure(&error))?.into_parts();
        if head.status != StatusCode::OK {
            return Err(Failure::Status(Status::unknown(format!("unexpected HTTP status {}", head.status))));
        }
        if let Some(status) = Status::from_header_map(&head.headers) {
            return Err(Failure::Status(status));
        }
        let mut answer = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(|error| failure(&error))?;
            // The connection may be gone by now; then the next read says so.
            let _ = body.flow_control().release_capacity(chunk.len());
            answer.extend_from_slice(&chunk);
        }
        let trailers = body.trailers().await.map_err(|error| failure(&error))?.unwrap_or_default();
        match Status::from_header_map(&trailers) {
            Some(status) if status.code() == Code::Ok => Ok(answer.freeze()),
            Some(status) => Err(Failure::Status(status)),
            None => {
                Err(Failure::Status(Status::internal("server closed the stream without sending trailers")))
            }
        }
    }

    /// The connection there is, or the next one: as long as it takes, with grpc-go's pauses.
    async fn connected(&self) -> (u64, SendRequest<Bytes>) {
        let mut state = self.inner.state.lock().await;
        loop {
            if let Some((number, sender)) = &state.current {
                return (*number, sender.clone());
            }
            if let Some(next_try) = state.next_try {
                tokio::time::sleep_until(next_try).await;
            }
            let begun = Instant::now();
            match connect(&self.inner.socket).await {
                Ok(sender) => {
                    let number = self.inner.connections.fetch_add(1, Ordering::Relaxed) + 1;
                    *state = State { current: Some((number, sender)), ..State::default() };
                }
                Err(_) => {
                    let pause = CONNECT_PAUSE.mul_f64(CONNECT_FACTOR.powi(state.failures));
                    state.next_try = Some(begun + spread(pause));
                    state.failures += 1;
                }
            }
        }
    }

    async fn forget(&self, number: u64) {
        let mut state = self.inner.state.lock().await;
        if state.current.as_ref().is_some_and(|(current, _)| *current == number) {
            state.current = None;
        }
    }
}

/// The codes after which kubelet keeps the volume's folder and calls again.
const NOT_FINAL: [Code; 5] =
    [Code::Cancelled, Code::DeadlineExceeded, Code::Unavailable, Code::ResourceExhausted, Code::Aborted];

impl Inner {
    fn not_final(&self) -> MutexGuard<'_, Vec<Status>> {
        self.not_final.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, and takes the connection for made when the server's settings have come, as grpc-go does.
async fn connect(socket: &Path) -> io::Result<SendRequest<Bytes>> {
    let stream = ReadToTheEnd(UnixStream::connect(socket).await?);
    let (sender, mut connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
    let mut ping = connection.ping_pong().ok_or_else(|| io::Error::other("no ping"))?;
    tokio::spawn(connection);
    // Answered by a server that is alive, after its settings.
    ping.ping(h2::Ping::opaque()).await.map_err(io::Error::other)?;
    Ok(sender)
}

/// A connection whose writes never fail. As in grpc-go it is the reader that learns of the end, after all that had come
/// before it: a provider that left may have closed the connection while a call was being sent, and its GOAWAY, which says
/// that the call was not begun, still waits to be read.
struct ReadToTheEnd(UnixStream);

impl AsyncRead for ReadToTheEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ReadToTheEnd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes).map(|written| Ok(written.unwrap_or(bytes.len())))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx).map(|_| Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx).map(|_| Ok(()))
    }
}

fn head(method: &str, headers: &HeaderMap) -> Request<()> {
    let mut request = Request::post(format!("http://localhost/v1alpha1.CSIDriverProvider/{method}"))
        .version(http::Version::HTTP_2)
        .body(())
        .expect("a method's name makes an address");
    request.headers_mut().extend(headers.clone());
    for (name, value) in
        [("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "grpc-go/1.79.3")]
    {
        request.headers_mut().insert(name, value.parse().expect("plain text"));
    }
    request
}

/// As grpc-go reads the end of a stream.
fn failure(error: &h2::Error) -> Failure {
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if error.is_remote() && (error.is_go_away() || error.is_reset() && refused) {
        return Failure::Unprocessed;
    }
    if !error.is_reset() {
        return Failure::Lost(error.to_string());
    }
    let said = format!("stream terminated by RST_STREAM: {error}");
    Failure::Status(match error.reason() {
        Some(h2::Reason::CANCEL) => Status::cancelled(said),
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Status::resource_exhausted(said),
        Some(h2::Reason::INADEQUATE_SECURITY) => Status::permission_denied(said),
        _ => Status::internal(said),
    })
}

fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(5 + length);
    frame.put_u8(0);
    frame.put_u32(length.try_into().expect("requests are small"));
    message.encode(&mut frame).expect("a buffer that grows has room");
    frame.freeze()
}

fn unframed<Answer: Message + Default>(mut frame: Bytes) -> Result<Answer, Status> {
    if frame.len() < 5 || frame.get_u8() != 0 || frame.get_u32() as usize != frame.len() {
        return Err(Status::internal("grpc: the answer is not one plain message"));
    }
    Answer::decode(frame).map_err(|error| Status::internal(format!("grpc: failed to unmarshal: {error}")))
}

/// Between 0.8 and 1.2 times as long.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * fastrand::f64())
}
