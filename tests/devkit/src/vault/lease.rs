//! Leases: renewed and looked up by the token they were made with, ended with it.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Envelope, denied, errors, random_text};
use super::state::State;
use super::token::increment;
use crate::clock::rfc3339;
use crate::http::{Answer, Call};

/// A lease, alive or not.
pub(super) struct Lease {
    pub(super) id: String,
    pub(super) token: String,
    issued: Duration,
    expires: Duration,
    ttl: Duration,
    max_ttl: Duration,
    renewable: bool,
    renewals: u64,
    pub(super) revoked: bool,
}

/// A lease as a test sees it.
#[derive(Clone, Debug)]
pub struct LeaseView {
    /// Its id.
    pub id: String,
    /// The token it was made with.
    pub token: String,
    /// How often it was renewed.
    pub renewals: u64,
    /// How long it still lives.
    pub left: Duration,
    /// Whether it was revoked, with its token or by itself.
    pub revoked: bool,
    /// Whether what it holds can still be used.
    pub alive: bool,
}

impl Lease {
    /// A new lease of what was read at `path`.
    pub(super) fn new(
        path: &str,
        token: &str,
        ttl: Duration,
        max_ttl: Duration,
        renewable: bool,
        now: Duration,
    ) -> Self {
        let ttl_now = ttl.min(max_ttl);
        Self {
            id: format!("{path}/{}", random_text(24)),
            token: token.to_owned(),
            issued: now,
            expires: now + ttl_now,
            ttl,
            max_ttl,
            renewable,
            renewals: 0,
            revoked: false,
        }
    }

    fn is_alive(&self, now: Duration) -> bool {
        !self.revoked && now < self.expires
    }

    pub(super) fn view(&self, now: Duration) -> LeaseView {
        LeaseView {
            id: self.id.clone(),
            token: self.token.clone(),
            renewals: self.renewals,
            left: self.expires.saturating_sub(now),
            revoked: self.revoked,
            alive: self.is_alive(now),
        }
    }

    /// The answer that hands the lease out or renews it.
    pub(super) fn envelope(&self, mount_type: &'static str, data: Value, now: Duration) -> Envelope {
        Envelope {
            lease_id: self.id.clone(),
            renewable: self.renewable,
            lease_duration: self.expires.saturating_sub(now).as_secs(),
            data,
            mount_type,
            ..Envelope::default()
        }
    }

    fn renew(&mut self, wanted: Option<u64>, now: Duration) -> Option<String> {
        self.renewals += 1;
        let wanted = wanted.filter(|seconds| *seconds > 0).map_or(self.ttl, Duration::from_secs);
        let end = (now + wanted).min(self.issued + self.max_ttl);
        self.expires = end;
        let granted = end.saturating_sub(now);
        (granted < wanted).then(|| {
            format!(
                "TTL of \"{wanted:?}\" exceeded the effective max_ttl of \"{granted:?}\"; TTL value is capped accordingly"
            )
        })
    }
}

/// `sys/leases/renew` and `sys/leases/lookup`; the default policy knows no more.
pub(super) fn on_leases(state: &mut State, verb: &str, call: &Call, now: Duration) -> Answer {
    let flavour = state.flavour;
    let id = call.text("lease_id");
    let Some(lease) = state.leases.get_mut(&id).filter(|lease| lease.is_alive(now)) else {
        return if verb == "lookup" {
            errors(400, &["invalid lease"])
        } else {
            errors(400, &["lease not found"])
        };
    };
    match verb {
        "renew" if !lease.renewable => errors(400, &["lease is not renewable"]),
        "renew" => {
            let warning = lease.renew(increment(call), now);
            let mut envelope = lease.envelope("system", Value::Null, now);
            envelope.warnings = warning.into_iter().collect();
            envelope.answer(flavour, 200)
        }
        "lookup" => Envelope::data(
            "system",
            json!({
                "id": lease.id,
                "issue_time": rfc3339(lease.issued),
                "expire_time": rfc3339(lease.expires),
                "last_renewal": null,
                "renewable": lease.renewable,
                "ttl": lease.expires.saturating_sub(now).as_secs(),
            }),
        )
        .answer(flavour, 200),
        _ => denied(),
    }
}
