//! The API server's `Status` answers.

use serde_json::json;

use crate::http::Answer;

/// A failure with its reason (`NotFound`) and message.
pub(super) fn failure(code: u16, reason: &str, message: &str) -> Answer {
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    });
    Answer::json(code, &body)
}
