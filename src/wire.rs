//! One HTTP exchange: sends a request, reads the answer under a limit, says how it failed.
//!
//! The only place that names the HTTP client. Redirects are never followed and no proxy is used unasked, because
//! either would hand a token to somebody else.

mod failure;
pub mod tls;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use rustls::pki_types::ServerName;
use zeroize::{Zeroize, Zeroizing};

pub use failure::Failure;
use tls::{TlsFileError, TlsMaterial};

/// To be connected within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a client connects to.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Plain HTTP or HTTPS on TCP.
    Tcp {
        /// True for `https`.
        tls: bool,
        /// Host name or IP address; an IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// Plain HTTP on a Unix socket.
    Unix(PathBuf),
}

/// A client of one origin; keeps its connections. Clones share them.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    host: Option<HeaderValue>,
    suspect: Option<Arc<Suspect>>,
}

/// A TLS server that has not answered yet. What it says against our certificate, or against our having none, comes after
/// the handshake, and the HTTP client keeps it to itself on HTTP/2; over HTTP/1.1 it tells.
#[derive(Debug)]
struct Suspect {
    http: reqwest::Client,
    cleared: AtomicBool,
}

/// One request. `body` is overwritten in memory after it was sent.
pub struct Exchange<'a> {
    /// The method as written.
    pub method: &'a str,
    /// Path and query, percent-encoded, with a slash in front.
    pub target: &'a str,
    /// Headers; mark secrets as sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Zeroizing<Vec<u8>>>,
    /// What may be read of the answer's body.
    pub allowance: &'a Allowance,
}

/// How many bytes of answers may be read in all, shared by exchanges that go on side by side.
#[derive(Debug)]
pub struct Allowance {
    total: usize,
    left: AtomicUsize,
}

impl Allowance {
    /// So many bytes.
    pub fn new(total: usize) -> Self {
        Self { total, left: AtomicUsize::new(total) }
    }

    /// Gives back what an answer took that is not kept.
    pub fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> Result<(), Failure> {
        let fewer = |left: usize| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        taken.map(|_| ()).map_err(|_| Failure::TooBig(self.total))
    }
}

/// A body that is being read; what it took is given back unless it is read to its end.
struct Reading<'a> {
    body: Zeroizing<Vec<u8>>,
    allowance: &'a Allowance,
    whole: bool,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if !self.whole {
            self.allowance.give_back(self.body.len());
        }
    }
}

/// What came back, whatever its status.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body; overwritten in memory when dropped.
    pub body: Zeroizing<Vec<u8>>,
}

impl Client {
    /// Builds a client. `server_name` is what the certificate must be for, in place of the host. `material` is read
    /// already, so that nothing here blocks but the loading of the system's authorities.
    pub fn build(
        origin: &Origin,
        material: &TlsMaterial,
        skip_verify: bool,
        server_name: Option<&str>,
        proxy: Option<&str>,
    ) -> Result<Self, TlsFileError> {
        let Origin::Tcp { tls: true, host, port } = origin else {
            let base = match origin {
                Origin::Unix(_) => "http://localhost".to_owned(),
                Origin::Tcp { host, port, .. } => format!("http://{}:{port}", bracketed(host)),
            };
            let http = http_client(origin, tls::never_used()?, None, proxy)?;
            return Ok(Self { http, base, host: None, suspect: None });
        };
        let name = server_name.filter(|name| *name != host);
        let address = name.and_then(|name| name.parse::<IpAddr>().ok());
        let config = material
            .client_config(skip_verify, address.map(|address| ServerName::IpAddress(address.into())))?;
        // A name stands in the URL, so that it is asked for in the handshake (SNI) and checked there; the connection goes
        // to the address's host, which the Host header names too.
        let name = name.filter(|_| address.is_none());
        let named = name.map(|_| host.as_str());
        let mut old = config.clone();
        old.alpn_protocols = vec![b"http/1.1".to_vec()];
        let suspect =
            Suspect { http: http_client(origin, old, named, proxy)?, cleared: AtomicBool::new(false) };
        Ok(Self {
            http: http_client(origin, config, named, proxy)?,
            base: format!("https://{}:{port}", name.map_or_else(|| bracketed(host), str::to_owned)),
            host: named.and_then(|host| HeaderValue::from_str(&format!("{}:{port}", bracketed(host))).ok()),
            suspect: Some(Arc::new(suspect)),
        })
    }

    /// Sends a request and reads the whole answer, within `timeout`.
    pub async fn send(&self, exchange: Exchange<'_>, timeout: Duration) -> Result<Reply, Failure> {
        let whole = async {
            match self.exchange(exchange).await {
                Err(failure @ Failure::Broken(_)) => Err(self.why_broken(failure).await),
                outcome => outcome,
            }
        };
        tokio::time::timeout(timeout, whole).await.unwrap_or(Err(Failure::TimedOut(timeout)))
    }

    /// The server's own word where it broke off before it ever answered: a request without token or body asks for it.
    async fn why_broken(&self, failure: Failure) -> Failure {
        let Some(suspect) = self.suspect.as_ref().filter(|suspect| !suspect.cleared.load(Ordering::Relaxed))
        else {
            return failure;
        };
        match suspect.http.get(format!("{}/", self.base)).send().await.map_err(|error| Failure::of(&error)) {
            Err(said @ Failure::Tls(_)) => said,
            _ => failure,
        }
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Reply, Failure> {
        let method = Method::from_bytes(exchange.method.as_bytes())
            .map_err(|_| Failure::Unsendable("the method".to_owned()))?;
        let url = format!("{}{}", self.base, exchange.target);
        let mut request = self.http.request(method, url).headers(exchange.headers);
        if let Some(host) = &self.host {
            request = request.header(http::header::HOST, host);
        }
        if let Some(body) = exchange.body {
            request = request.body(Bytes::from_owner(body));
        }
        let mut response = request.send().await.map_err(|error| Failure::of(&error))?;
        if let Some(suspect) = &self.suspect {
            suspect.cleared.store(true, Ordering::Relaxed);
        }
        let allowance = exchange.allowance;
        let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if announced > allowance.left.load(Ordering::Relaxed) {
            return Err(Failure::TooBig(allowance.total));
        }
        let mut reading =
            Reading { body: Zeroizing::new(Vec::with_capacity(announced)), allowance, whole: false };
        while let Some(chunk) = response.chunk().await.map_err(|error| Failure::of(&error))? {
            allowance.take(chunk.len())?;
            append(&mut reading.body, &chunk);
        }
        reading.whole = true;
        let body = std::mem::take(&mut reading.body);
        Ok(Reply {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }
}

impl Reply {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `Retry-After` in seconds, when it is given so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }
}

/// The HTTP client proper; `connect_to` is the host that every name leads to.
fn http_client(
    origin: &Origin,
    config: rustls::ClientConfig,
    connect_to: Option<&str>,
    proxy: Option<&str>,
) -> Result<reqwest::Client, TlsFileError> {
    let broken = |what: &str| TlsFileError::from(format!("{what} cannot be used"));
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("lockkeeper/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(config);
    if let Origin::Unix(path) = origin {
        builder = builder.unix_socket(path.clone());
    }
    if let Some(host) = connect_to {
        builder = builder.dns_resolver(Arc::new(FixedHost { host: host.to_owned() }));
    }
    if let Some(proxy) = proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|_| broken("the proxy"))?);
    }
    builder.build().map_err(|_| broken("this address"))
}

/// A header value that no formatting shows; `None` where it holds what a header cannot.
pub fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Appends and, when the buffer has to move, overwrites the old one.
fn append(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    if buffer.capacity() - buffer.len() < bytes.len() {
        let mut larger = Vec::with_capacity((buffer.len() + bytes.len()).max(buffer.capacity() * 2));
        larger.extend_from_slice(buffer);
        buffer.zeroize();
        **buffer = larger;
    }
    buffer.extend_from_slice(bytes);
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Resolves every name to one host's addresses.
struct FixedHost {
    host: String,
}

impl reqwest::dns::Resolve for FixedHost {
    fn resolve(&self, _name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let host = self.host.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}
