//! How one HTTP exchange can fail, said without a body, a header or a URL in the words.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::wire::tls::Rejected;

/// Why an exchange brought no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody listens: the request was certainly not executed.
    #[error("connection refused")]
    Refused,
    /// No connection for another reason: no route, no such name, no answer to the connect.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// No whole answer in the time of one attempt.
    #[error("no answer within {}", crate::words::span(*.0))]
    TimedOut(Duration),
    /// The connection broke before the answer was whole.
    #[error("connection broke: {0}")]
    Broken(String),
    /// TLS: their certificate, ours, or the protocol.
    #[error("TLS: {0}")]
    Tls(String),
    /// The answer is larger than we read.
    #[error("the answer is larger than {}", crate::words::size(*.0))]
    TooBig(usize),
    /// The request cannot be written down as HTTP.
    #[error("not a request: {0}")]
    Unsendable(String),
}

impl Failure {
    /// Reads a failure out of the client's error, by its causes and never by its text, which may hold a URL.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let mut deepest = String::new();
        let mut refused = false;
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(error) = cause {
            if let Some(tls) = tls_error(error) {
                return Self::Tls(tls_words(tls));
            }
            if let Some(io) = error.downcast_ref::<io::Error>() {
                refused |= matches!(io.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound);
            }
            deepest = error.to_string();
            cause = error.source();
        }
        match (error.is_connect(), refused) {
            (true, true) => Self::Refused,
            (true, false) => Self::Connect(deepest),
            _ if error.is_builder() => Self::Unsendable(deepest),
            _ => Self::Broken(deepest),
        }
    }
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    // An io::Error answers its inner error's source as its own, so the inner error itself is looked at here.
    let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
    let inner: &(dyn Error + 'static) = inner;
    tls_error(inner)
}

fn tls_words(error: &rustls::Error) -> String {
    use rustls::CertificateError::Other;
    match error {
        rustls::Error::InvalidCertificate(Other(other)) => match other.0.downcast_ref::<Rejected>() {
            Some(rejected) => rejected.to_string(),
            None => "the server's certificate is not accepted".to_owned(),
        },
        rustls::Error::AlertReceived(alert) => {
            format!("the server refused the handshake ({alert:?}); it may want a client certificate")
        }
        other => other.to_string(),
    }
}
