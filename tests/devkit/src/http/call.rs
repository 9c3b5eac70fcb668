//! One HTTP request as a handler sees it, and its answer.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

/// A request, its body read.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method, as sent.
    pub method: Method,
    /// The path without the server's base path, as sent (percent signs kept), for example `/v1/secret/data/app`.
    pub path: String,
    /// The query as sent, empty when there is none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Call {
    /// The value of a header, when it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON; `None` when it is empty or no JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A member of the body's JSON object, as text; empty when it is not there.
    pub fn text(&self, member: &str) -> String {
        self.json()
            .and_then(|body| body.get(member).and_then(Value::as_str).map(str::to_owned))
            .unwrap_or_default()
    }

    /// The query's pairs, each key with all its values, percent-decoding left out.
    pub fn query_pairs(&self) -> BTreeMap<String, Vec<String>> {
        let mut pairs = BTreeMap::<String, Vec<String>>::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        pairs
    }
}

/// What a handler answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers beside Content-Length and Date.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// An answer with these bytes and no headers.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.push((name, HeaderValue::from_str(value).expect("a header value")));
        self
    }
}
