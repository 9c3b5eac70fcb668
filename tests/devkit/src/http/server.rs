//! One HTTP server on a real socket: accepts, logs, applies faults, asks its handler.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::body::{Step, SteppedBody};
use super::call::{Answer, Call};
use super::fault::{Effect, Faults};
use super::listen::{Listener, Place, Stream};
use super::log::{CallLog, UnderWay};

/// What answers a call.
pub(crate) type Handler = Arc<dyn Fn(&Call) -> Answer + Send + Sync>;

/// How a server is made.
pub(crate) struct ServerOptions {
    pub(crate) place: Place,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// A path before all others, without a slash at its end; calls elsewhere are answered 404.
    pub(crate) base_path: String,
    /// Cut off a path before it is compared with a fault's prefix.
    pub(crate) fault_path_strips: &'static str,
}

/// A running server; it ends when it is dropped.
pub struct HttpServer {
    place: Place,
    faults: Faults,
    log: CallLog,
    orders: mpsc::UnboundedSender<(Order, oneshot::Sender<()>)>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy)]
enum Order {
    Refuse,
    Accept,
    Disconnect,
}

struct Shared {
    handler: Handler,
    faults: Faults,
    log: CallLog,
    tls: Option<TlsAcceptor>,
    base_path: String,
    fault_path_strips: &'static str,
}

impl HttpServer {
    /// Starts a server; it listens when this returns.
    pub(crate) fn start(options: ServerOptions, handler: Handler) -> io::Result<Self> {
        let ServerOptions { mut place, tls, base_path, fault_path_strips } = options;
        let (faults, log) = (Faults::default(), CallLog::default());
        let listener = place.listen()?;
        let shared = Arc::new(Shared {
            handler,
            faults: faults.clone(),
            log: log.clone(),
            tls: tls.map(TlsAcceptor::from),
            base_path,
            fault_path_strips,
        });
        let (orders, inbox) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(accept(place.clone(), listener, inbox, shared));
        Ok(Self { place, faults, log, orders, accepting })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The faults to switch on.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The log of calls.
    pub fn log(&self) -> &CallLog {
        &self.log
    }

    /// From now on connections are refused, and those there were are closed.
    pub async fn refuse(&self) {
        self.order(Order::Refuse).await;
    }

    /// Connections are accepted again, at the same address.
    pub async fn accept(&self) {
        self.order(Order::Accept).await;
    }

    /// Closes the connections there are; new ones are welcome.
    pub async fn disconnect(&self) {
        self.order(Order::Disconnect).await;
    }

    async fn order(&self, order: Order) {
        let (done, wait) = oneshot::channel();
        self.orders.send((order, done)).expect("the server runs as long as its handle");
        wait.await.expect("the server carries every order out");
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
        self.place.remove();
    }
}

async fn accept(
    mut place: Place,
    listener: Listener,
    mut inbox: mpsc::UnboundedReceiver<(Order, oneshot::Sender<()>)>,
    shared: Arc<Shared>,
) {
    let mut door = Ok(listener);
    let mut connections = JoinSet::new();
    loop {
        let order = tokio::select! {
            Some(order) = inbox.recv() => order,
            stream = async { door.as_ref().ok().expect("guarded").accept().await }, if door.is_ok() => {
                if let Ok(stream) = stream {
                    connections.spawn(connection(stream, shared.log.connected(), shared.clone()));
                }
                continue;
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let (order, done) = order;
        door = match (order, door) {
            (Order::Refuse, Ok(listener)) => Err(place.close(listener).expect("the port stays ours")),
            (Order::Accept, Err(closed)) => Ok(place.reopen(closed).expect("the port is still ours")),
            (_, door) => door,
        };
        if !matches!(order, Order::Accept) {
            connections.shutdown().await;
        }
        // The test that ordered may be gone.
        let _ = done.send(());
    }
}

async fn connection(stream: Stream, number: u64, shared: Arc<Shared>) {
    let Ok(reset) = stream.reset_handle() else { return };
    let cut = Arc::new(Notify::new());
    let was_cut = match shared.tls.clone() {
        None => serve(stream, number, &shared, &cut).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => serve(stream, number, &shared, &cut).await,
            Err(_) => {
                shared.log.handshake_failed();
                false
            }
        },
    };
    if was_cut {
        reset.reset_on_close();
    }
}

/// Serves one connection to its end; true when it is to end with a reset.
async fn serve<S>(stream: S, number: u64, shared: &Arc<Shared>, cut: &Arc<Notify>) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let (shared, cut) = (shared.clone(), cut.clone());
        async move { Ok::<_, Infallible>(respond(request, number, &shared, &cut).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        // A client that goes away is its own business.
        _ = builder.serve_connection(TokioIo::new(stream), service) => false,
        () = cut.notified() => true,
    }
}

async fn respond(
    request: Request<Incoming>,
    connection: u64,
    shared: &Shared,
    cut: &Arc<Notify>,
) -> Response<SteppedBody> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let path = head.uri.path();
    let inside = path.strip_prefix(shared.base_path.as_str());
    let call = Call {
        method: head.method,
        path: inside.unwrap_or(path).to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    };
    let under_way = shared.log.begin(&call, connection);
    let fault_path = call.path.strip_prefix(shared.fault_path_strips).unwrap_or(&call.path);
    let effects = shared.faults.take(&call, fault_path);
    for effect in &effects {
        match effect {
            Effect::Delay(duration) => tokio::time::sleep(*duration).await,
            Effect::Hold(gate) => gate.pass().await,
            Effect::Hang => std::future::pending().await,
            Effect::Reset => {
                cut.notify_one();
                std::future::pending::<()>().await;
            }
            Effect::Answer(answer) => return write(answer, &[], under_way, cut),
            Effect::Endless => {
                let more = Bytes::from(vec![b'a'; 64 * 1024]);
                let steps = [Step::Bytes(Bytes::from_static(b"{\"data\":{\"k\":\"")), Step::Endless(more)];
                return response(&Answer::new(200, ""), None, steps, under_way);
            }
            _ => {}
        }
    }
    let answer =
        if inside.is_some() { (shared.handler)(&call) } else { Answer::new(404, "404 page not found\n") };
    for effect in &effects {
        match effect {
            Effect::LateAnswer(duration) => tokio::time::sleep(*duration).await,
            Effect::HoldAnswer(gate) => gate.pass().await,
            _ => {}
        }
    }
    write(&answer, &effects, under_way, cut)
}

/// The answer's way out, with what goes wrong on it.
fn write(
    answer: &Answer,
    effects: &[Effect],
    under_way: UnderWay,
    cut: &Arc<Notify>,
) -> Response<SteppedBody> {
    /// Long enough for what was written before it to leave the socket.
    const FLUSH: Step = Step::Pause(std::time::Duration::from_millis(20));

    let body = answer.body.clone();
    let mut length = i64::try_from(body.len()).expect("bodies are small");
    let half = body.slice(..body.len() / 2);
    let mut steps = vec![Step::Bytes(body.clone())];
    for effect in effects {
        match effect {
            Effect::ResetMidAnswer => {
                steps = vec![Step::Bytes(half.clone()), FLUSH, Step::Reset(cut.clone())];
            }
            Effect::HangMidAnswer => steps = vec![Step::Bytes(half.clone()), Step::Hang],
            Effect::CutMidAnswer => steps = vec![Step::Bytes(half.clone()), FLUSH],
            Effect::Dribble { bytes, every } => {
                steps = body
                    .chunks(*bytes)
                    .flat_map(|chunk| [Step::Bytes(body.slice_ref(chunk)), Step::Pause(*every)])
                    .collect();
            }
            Effect::ContentLength { more } => length = (length + more).max(0),
            _ => {}
        }
    }
    response(answer, Some(length), steps, under_way)
}

fn response(
    answer: &Answer,
    length: Option<i64>,
    steps: impl IntoIterator<Item = Step>,
    mut under_way: UnderWay,
) -> Response<SteppedBody> {
    under_way.answered(answer.status);
    let mut response = Response::new(SteppedBody::new(steps, under_way));
    *response.status_mut() = answer.status.try_into().expect("a status of three digits");
    for (name, value) in &answer.headers {
        response.headers_mut().insert(name, value.clone());
    }
    if let Some(length) = length.filter(|_| answer.status != 204) {
        response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}
