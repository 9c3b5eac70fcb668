//! What went wrong with a real server, in words for the person who reads the test's output.

use std::fmt;

/// The result of anything that is asked of a real server.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure to start, reach or use a real server. Its `Debug` is the message itself, so that `unwrap` prints it readably.
#[derive(Clone)]
pub struct Error {
    message: String,
    status: Option<u16>,
}

impl Error {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: None }
    }

    /// An error that is an HTTP answer with `status`.
    pub(super) fn answer(status: u16, message: String) -> Self {
        Self { message, status: Some(status) }
    }

    /// The HTTP status, where the server answered at all.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The same error with what was being done in front.
    #[must_use]
    pub(super) fn while_doing(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// The causes of an error, joined: most HTTP errors say little by themselves.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

macro_rules! from {
    ($($kind:ty),+ $(,)?) => {
        $(impl From<$kind> for Error {
            fn from(error: $kind) -> Self {
                Self::new(chain(&error))
            }
        })+
    };
}

from!(std::io::Error, reqwest::Error, serde_json::Error, rcgen::Error, tonic::transport::Error);
