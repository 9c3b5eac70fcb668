//! Faults in Vault's own words.

use std::time::Duration;

use serde_json::json;

use super::answer::{denied, errors};
use crate::http::{Answer, Fault};

impl Fault {
    /// 403 as a policy's no.
    pub fn vault_forbidden() -> Self {
        Self::answer(denied())
    }

    /// 412, as from a standby that has not caught up.
    pub fn vault_not_caught_up() -> Self {
        Self::answer(errors(412, &["required index state not present"]))
    }

    /// 429 as from a rate limit quota, which has no Retry-After; one is added when given.
    pub fn vault_quota(retry_after: Option<Duration>) -> Self {
        let plain = errors(429, &["request path \"secret/\": rate limit quota exceeded"]);
        Self::answer(match retry_after {
            None => plain,
            Some(duration) => plain.header("retry-after", &duration.as_secs().to_string()),
        })
    }

    /// 500 with an error of the server's own.
    pub fn vault_internal_error() -> Self {
        Self::answer(errors(500, &["internal error"]))
    }

    /// 501, not initialized.
    pub fn vault_not_initialized() -> Self {
        Self::answer(errors(501, &["Vault is not initialized"]))
    }

    /// 503, sealed.
    pub fn vault_sealed() -> Self {
        Self::answer(errors(503, &["Vault is sealed"]))
    }

    /// 502 from a proxy between, as HTML.
    pub fn bad_gateway() -> Self {
        let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\n";
        Self::answer(Answer::new(502, page).header("content-type", "text/html"))
    }

    /// 200 with a page of HTML, as from a portal that wants a login.
    pub fn html_page() -> Self {
        let page = "<!doctype html><title>Sign in</title><form action=/login></form>\n";
        Self::answer(Answer::new(200, page).header("content-type", "text/html"))
    }

    /// 200 with nothing but opening brackets.
    pub fn brackets(count: usize) -> Self {
        Self::answer(Answer::new(200, vec![b'['; count]).header("content-type", "application/json"))
    }

    /// 200 with `auth` null where a login's token should be.
    pub fn login_without_auth() -> Self {
        Self::answer(Answer::json(200, &json!({ "request_id": "r", "auth": null, "data": null })))
    }

    /// 204 without a body.
    pub fn no_content() -> Self {
        Self::answer(Answer::new(204, ""))
    }

    /// 200 with `data` null and, when given, a warning.
    pub fn data_null(warning: Option<&str>) -> Self {
        let warnings = warning.map(|warning| vec![warning]);
        Self::answer(Answer::json(200, &json!({ "request_id": "r", "data": null, "warnings": warnings })))
    }

    /// 301, 302, 307 or another status with this `Location`.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::answer(Answer::new(status, "").header("location", location))
    }
}
