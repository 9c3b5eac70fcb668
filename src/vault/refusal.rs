//! Reads what Vault says with a status that is not success, and tidies it for people.

use crate::json::Json;
use crate::retry::Trouble;
use crate::wire::Reply;
use crate::words;

/// At most so many of its errors and warnings are shown.
const MOST_SAID: usize = 5;

/// Reads what Vault says with a status that is not success.
pub(super) fn refused(reply: &Reply) -> Trouble {
    let body = Json::parse(&reply.body).ok();
    let fields = body.as_ref().and_then(Json::as_object);
    let texts = |name: &str| match fields.and_then(|fields| fields.field(name)) {
        Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).take(MOST_SAID).map(tidy).collect(),
        _ => Vec::new(),
    };
    let (errors, warnings): (Vec<String>, Vec<String>) = (texts("errors"), texts("warnings"));
    let data = fields.and_then(|fields| fields.field("data")).and_then(Json::as_object);
    let metadata = data.and_then(|data| data.field("metadata")).and_then(Json::as_object);
    let deleted = metadata.and_then(|metadata| metadata.field("deletion_time")).and_then(Json::as_str);
    let destroyed = metadata.and_then(|metadata| metadata.field("destroyed")) == Some(&Json::Bool(true));
    let mut hints: Vec<String> = warnings;
    if destroyed {
        hints.push("this version was destroyed".to_owned());
    } else if let Some(time) = deleted.filter(|time| !time.is_empty()) {
        hints.push(format!("this version was deleted at {}", words::one_line(time)));
    }
    Trouble::Status {
        status: reply.status,
        sealed: reply.status == 503 && errors.iter().any(|text| text.contains("sealed")),
        said: errors.join("; "),
        retry_after: reply.retry_after(),
        hint: (!hints.is_empty()).then(|| hints.join("; ")),
    }
}

/// `1 error occurred:\n\t* permission denied\n\n` as `permission denied`.
fn tidy(text: &str) -> String {
    let rest = match text.split_once(" occurred:") {
        Some((count, rest)) if count.ends_with(" error") || count.ends_with(" errors") => rest,
        _ => text,
    };
    let parts: Vec<String> =
        rest.split("\n\t*").map(words::one_line).filter(|part| !part.is_empty()).collect();
    parts.join(", ").trim_start_matches("* ").to_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use zeroize::Zeroizing;

    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, headers: HeaderMap::new(), body: Zeroizing::new(body.as_bytes().to_vec()) }
    }

    #[test]
    fn what_vault_says_is_tidied_to_one_line() {
        for (body, expected) in [
            (r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#, "403 permission denied"),
            (
                r#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#,
                "403 permission denied, invalid token",
            ),
            (r#"{"errors":["permission denied"]}"#, "403 permission denied"),
            (r#"{"errors":[]}"#, "403"),
            ("<html>", "403"),
            (r#"{"errors":[7]}"#, "403"),
        ] {
            assert_eq!(refused(&reply(403, body)).to_string(), expected, "{body}");
        }
    }

    #[test]
    fn a_deleted_version_is_said_to_be_deleted() {
        let body = r#"{"data":{"data":null,"metadata":{"deletion_time":"2026-01-02T03:04:05Z","destroyed":false,"version":2}}}"#;
        assert_eq!(
            refused(&reply(404, body)).to_string(),
            "404 (this version was deleted at 2026-01-02T03:04:05Z)"
        );
        let body = r#"{"data":{"data":null,"metadata":{"deletion_time":"","destroyed":true,"version":2}}}"#;
        assert_eq!(refused(&reply(404, body)).to_string(), "404 (this version was destroyed)");
    }

    #[test]
    fn a_sealed_vault_is_known_by_its_word() {
        let sealed = |body: &str| matches!(refused(&reply(503, body)), Trouble::Status { sealed: true, .. });
        assert!(sealed(r#"{"errors":["Vault is sealed"]}"#));
        assert!(!sealed(r#"{"errors":["no healthy upstream"]}"#));
    }
}
