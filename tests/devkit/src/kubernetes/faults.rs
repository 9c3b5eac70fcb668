//! Faults in the API server's own words.

use std::time::Duration;

use super::status::failure;
use crate::http::Fault;

impl Fault {
    /// 403 by RBAC.
    pub fn kubernetes_forbidden() -> Self {
        let message = "forbidden: User \"system:serviceaccount:lockkeeper:lockkeeper\" cannot do that";
        Self::answer(failure(403, "Forbidden", message))
    }

    /// 429 by priority and fairness.
    pub fn kubernetes_too_many_requests(retry_after: Duration) -> Self {
        let message = "too many requests, please try again later";
        let answer = failure(429, "TooManyRequests", message);
        Self::answer(answer.header("retry-after", &retry_after.as_secs().to_string()))
    }

    /// 500, etcd timed out.
    pub fn kubernetes_internal_error() -> Self {
        Self::answer(failure(500, "InternalError", "etcdserver: request timed out"))
    }
}
