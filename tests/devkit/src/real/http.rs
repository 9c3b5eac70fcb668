//! One HTTP call to a real server, JSON in and out.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::{Error, Result};

/// Any one call's bound.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server's address with what each call to it carries.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
}

impl Api {
    /// The API at `base`, with one header on each call; over HTTPS only certificates of `ca` (PEM) are taken.
    pub(super) fn new(base: String, header: (HeaderName, HeaderValue), ca: Option<&str>) -> Result<Self> {
        // Another one may have been first: that is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let roots = ca.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes())).transpose()?;
        let client = reqwest::Client::builder()
            .tls_certs_only(roots)
            .default_headers(HeaderMap::from_iter([header]))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            // Each test has a runtime of its own, and a connection does not outlive the one that opened it.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client, base })
    }

    /// Where the API is.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Sends `body` as JSON and returns the answer's, `null` when there is none.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(|value| ("application/json", value.to_string()));
        self.send(method, path, body).await
    }

    /// Sends a body of any type and returns the answer's JSON: `null` when there is none, a string when it is plain text.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<Value> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        if let Some((content_type, text)) = body {
            request = request.header(http::header::CONTENT_TYPE, content_type).body(text);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| Error::from(error).while_doing(format_args!("{method} {path}")))?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            return Err(Error::answer(
                status.as_u16(),
                format!("{method} {path}: {status}: {}", text.trim()),
            ));
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}
