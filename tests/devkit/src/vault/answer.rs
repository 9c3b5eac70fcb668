//! The shapes of Vault's answers.

use serde_json::{Value, json};

use super::Flavour;
use crate::http::Answer;
use crate::pod::new_uid;

/// What varies in a successful answer.
#[derive(Default)]
pub(super) struct Envelope {
    pub(super) lease_id: String,
    pub(super) renewable: bool,
    pub(super) lease_duration: u64,
    pub(super) data: Value,
    pub(super) warnings: Vec<String>,
    pub(super) auth: Value,
    pub(super) mount_type: &'static str,
}

impl Envelope {
    pub(super) fn data(mount_type: &'static str, data: Value) -> Self {
        Self { data, mount_type, ..Self::default() }
    }

    pub(super) fn answer(self, flavour: Flavour, status: u16) -> Answer {
        let warnings = if self.warnings.is_empty() { Value::Null } else { json!(self.warnings) };
        let mut body = json!({
            "request_id": new_uid(),
            "lease_id": self.lease_id,
            "renewable": self.renewable,
            "lease_duration": self.lease_duration,
            "data": self.data,
            "wrap_info": null,
            "warnings": warnings,
            "auth": self.auth,
        });
        if flavour == Flavour::Vault {
            body["mount_type"] = json!(self.mount_type);
        }
        Answer::json(status, &body).header("cache-control", "no-store")
    }
}

/// An error answer; `messages` may be empty, as for a secret that is not there.
pub(super) fn errors(status: u16, messages: &[&str]) -> Answer {
    Answer::json(status, &json!({ "errors": messages })).header("cache-control", "no-store")
}

/// Several errors the way Vault's library joins them into one text.
pub(super) fn joined(status: u16, messages: &[&str]) -> Answer {
    let plural = if messages.len() == 1 { "error" } else { "errors" };
    let lines: String = messages.iter().map(|message| format!("\t* {message}\n")).collect();
    errors(status, &[&format!("{} {plural} occurred:\n{lines}\n", messages.len())])
}

/// A policy says no, or there is no such mount.
pub(super) fn denied() -> Answer {
    joined(403, &["permission denied"])
}

/// No token, or a login where no auth mount is.
pub(super) fn bare_denied() -> Answer {
    errors(403, &["permission denied"])
}

/// A token that is unknown, revoked or expired.
pub(super) fn invalid_token(flavour: Flavour) -> Answer {
    match flavour {
        Flavour::Vault => joined(403, &["permission denied", "invalid token"]),
        Flavour::OpenBao => bare_denied(),
    }
}

/// A method that the path does not know.
pub(super) fn unsupported_operation() -> Answer {
    joined(405, &["unsupported operation"])
}

/// A token's or a role's random part.
pub(super) fn random_text(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}
