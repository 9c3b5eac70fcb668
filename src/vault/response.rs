//! What came back from Vault: every field of the answer, numbers untouched.

use crate::clock::Instant;
use crate::json::{Json, Object};
use crate::retry::Trouble;

/// An answer of Vault's, with its lease fields and the time its read began.
#[derive(Debug, Clone)]
pub struct VaultResponse {
    /// `request_id`, another one with each answer.
    pub request_id: String,
    /// `lease_id`; a lease is a non-empty one, nothing else.
    pub lease_id: String,
    /// `lease_duration` in seconds, as it was written.
    pub lease_duration: Json,
    /// `renewable`.
    pub renewable: bool,
    /// `data`; `None` when it is absent or null.
    pub data: Option<Object>,
    /// `warnings`, null or a list of strings.
    pub warnings: Json,
    /// `auth`, null when absent.
    pub auth: Json,
    /// `wrap_info`, null when absent.
    pub wrap_info: Json,
    /// `mount_type`, empty when absent (OpenBao).
    pub mount_type: String,
    /// When the attempt that brought it began: it is no older than that.
    pub started: Instant,
}

impl VaultResponse {
    /// Reads an answer's body. An empty body (204) is an answer without data.
    pub fn parse(body: &[u8], started: Instant) -> Result<Self, Trouble> {
        let mut fields = if body.is_empty() {
            Object::default()
        } else {
            match Json::parse(body) {
                Ok(Json::Object(fields)) => fields,
                Ok(_) => return Err(not_vault("a JSON value that is no object")),
                Err(error) => return Err(not_vault(&format!("no JSON: {error}"))),
            }
        };
        let mut take = |name: &str| fields.remove(name).unwrap_or(Json::Null);
        let data = match take("data") {
            Json::Null => None,
            Json::Object(data) => Some(data),
            _ => return Err(not_vault("`data` is no object")),
        };
        let lease_duration = match take("lease_duration") {
            Json::Null => Json::integer(0),
            number @ Json::Number(_) if number.as_u64().is_some() => number,
            _ => return Err(not_vault("`lease_duration` is no whole number")),
        };
        let renewable = match take("renewable") {
            Json::Null => false,
            Json::Bool(renewable) => renewable,
            _ => return Err(not_vault("`renewable` is no boolean")),
        };
        let warnings = match take("warnings") {
            Json::Null => Json::Null,
            Json::Array(items) if items.iter().all(|item| item.as_str().is_some()) => Json::Array(items),
            _ => return Err(not_vault("`warnings` is no list of strings")),
        };
        let mut object_or_null = |name: &str| match take(name) {
            value @ (Json::Null | Json::Object(_)) => Ok(value),
            _ => Err(not_vault(&format!("`{name}` is no object"))),
        };
        let (auth, wrap_info) = (object_or_null("auth")?, object_or_null("wrap_info")?);
        let mut text = |name: &str| match take(name) {
            Json::Null => Ok(String::new()),
            Json::String(text) => Ok(text.to_string()),
            _ => Err(not_vault(&format!("`{name}` is no string"))),
        };
        Ok(Self {
            request_id: text("request_id")?,
            lease_id: text("lease_id")?,
            mount_type: text("mount_type")?,
            lease_duration,
            renewable,
            data,
            warnings,
            auth,
            wrap_info,
            started,
        })
    }

    /// True when the answer carries a lease.
    pub fn is_leased(&self) -> bool {
        !self.lease_id.is_empty()
    }

    /// True for a database static role's answer: `last_vault_rotation`, a number `ttl`, and a period or a schedule.
    pub fn is_static_role(&self) -> bool {
        let Some(data) = &self.data else { return false };
        let has = |name: &str| data.field(name).is_some_and(|value| !value.is_null());
        has("last_vault_rotation")
            && matches!(data.field("ttl"), Some(Json::Number(_)))
            && (has("rotation_period") || has("rotation_schedule"))
    }

    /// The warnings as texts.
    pub fn warning_texts(&self) -> Vec<&str> {
        match &self.warnings {
            Json::Array(items) => items.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

fn not_vault(what: &str) -> Trouble {
    Trouble::Malformed(format!(
        "this is no answer of Vault's ({what}); check that the address is Vault's and not a proxy's or another server's"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<VaultResponse, Trouble> {
        VaultResponse::parse(body.as_bytes(), Instant::now())
    }

    #[test]
    fn every_field_is_kept_as_it_was_written() {
        let answer = parse(r#"{"request_id":"r","lease_id":"database/creds/a/1","renewable":true,"lease_duration":3600,"data":{"n":1.50},"warnings":["w"],"auth":null,"mount_type":"database","new":1}"#).expect("an answer");
        assert!(answer.is_leased() && answer.renewable);
        assert_eq!(answer.lease_duration, Json::integer(3_600));
        assert_eq!(answer.mount_type, "database");
        assert_eq!(answer.warning_texts(), ["w"]);
        assert_eq!(Json::Object(answer.data.expect("data")).to_bytes().as_slice(), br#"{"n":1.50}"#);
    }

    #[test]
    fn an_empty_body_and_a_null_are_an_answer_without_data() {
        for body in ["", "{}", r#"{"data":null,"warnings":null,"auth":null}"#] {
            assert!(parse(body).expect(body).data.is_none(), "{body}");
        }
    }

    #[test]
    fn what_is_no_answer_of_vaults_is_said_to_be_none_and_not_quoted() {
        for body in [
            "<html>canary</html>",
            "[\"canary\"]",
            "\"canary\"",
            r#"{"data":{"k":"canary""#,
            r#"{"data":["canary"]}"#,
            r#"{"lease_duration":"canary"}"#,
            r#"{"lease_duration":1.5,"x":"canary"}"#,
            r#"{"renewable":"canary"}"#,
            r#"{"lease_id":7,"x":"canary"}"#,
            r#"{"warnings":"canary"}"#,
            r#"{"warnings":[1],"x":"canary"}"#,
            r#"{"auth":"canary"}"#,
            &"[".repeat(3 << 20),
        ] {
            let text = parse(body).expect_err("refused").to_string();
            assert!(text.contains("no answer of Vault's") && !text.contains("canary"), "{text}");
        }
    }
}
