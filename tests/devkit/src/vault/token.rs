//! Tokens: what they may do, how long, and what they may do with themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Flavour;
use super::answer::{Envelope, errors, random_text};
use super::auth::Role;
use super::state::State;
use crate::clock::rfc3339;
use crate::http::{Answer, Call};
use crate::pod::new_uid;

/// A token, alive or not.
pub(super) struct Token {
    pub(super) id: String,
    pub(super) accessor: String,
    pub(super) role: Role,
    pub(super) mount: String,
    pub(super) namespace: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) issued: Duration,
    /// `None` for a root token.
    pub(super) expires: Option<Duration>,
    pub(super) uses_left: Option<u64>,
    pub(super) renewals: u64,
    pub(super) revoked: bool,
}

/// A token as a test sees it.
#[derive(Clone, Debug)]
pub struct TokenView {
    /// The token itself.
    pub id: String,
    /// Its accessor.
    pub accessor: String,
    /// The role it was made with, empty for a root token.
    pub role: String,
    /// The auth mount it was made at, without `auth/` and slashes at its ends.
    pub mount: String,
    /// What the login's answer said of it.
    pub metadata: BTreeMap<String, String>,
    /// How often it was renewed.
    pub renewals: u64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether it can still be used.
    pub alive: bool,
}

impl Token {
    pub(super) fn root(flavour: Flavour, now: Duration) -> Self {
        let mut token = Self::new(flavour, &Role::new(""), "", "", BTreeMap::new(), now);
        token.expires = None;
        token
    }

    pub(super) fn new(
        flavour: Flavour,
        role: &Role,
        mount: &str,
        namespace: &str,
        metadata: BTreeMap<String, String>,
        now: Duration,
    ) -> Self {
        let id = match (flavour, role.batch) {
            (Flavour::Vault, false) => format!("hvs.{}", random_text(90)),
            (Flavour::Vault, true) => format!("hvb.{}", random_text(120)),
            (Flavour::OpenBao, false) => format!("s.{}", random_text(24)),
            (Flavour::OpenBao, true) => format!("b.{}", random_text(24)),
        };
        Self {
            id,
            accessor: if role.batch { String::new() } else { random_text(24) },
            role: role.clone(),
            mount: mount.trim_matches('/').to_owned(),
            namespace: namespace.to_owned(),
            metadata,
            issued: now,
            expires: Some(now + role.period.unwrap_or(role.token_ttl)),
            uses_left: role.num_uses,
            renewals: 0,
            revoked: false,
        }
    }

    pub(super) fn is_alive(&self, now: Duration) -> bool {
        !self.revoked && self.expires.is_none_or(|expires| now < expires) && self.uses_left != Some(0)
    }

    pub(super) fn view(&self, now: Duration) -> TokenView {
        TokenView {
            id: self.id.clone(),
            accessor: self.accessor.clone(),
            role: self.role.name.clone(),
            mount: self.mount.clone(),
            metadata: self.metadata.clone(),
            renewals: self.renewals,
            revoked: self.revoked,
            alive: self.is_alive(now),
        }
    }

    /// Whether a policy lets it reach this path (without its namespace).
    pub(super) fn may_reach(&self, path: &str) -> bool {
        let own = ["auth/token/lookup-self", "auth/token/renew-self", "auth/token/revoke-self"];
        let leases = ["sys/leases/renew", "sys/leases/lookup"];
        if own.contains(&path) || leases.contains(&path) {
            return self.role.default_policy;
        }
        match &self.role.allowed {
            // What a pod's policy never names.
            None if self.expires.is_some() => !path.starts_with("sys/") && !path.starts_with("auth/"),
            None => true,
            Some(prefixes) => prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())),
        }
    }

    fn is_renewable(&self) -> bool {
        self.expires.is_some() && !self.role.batch
    }

    fn policies(&self) -> Vec<&str> {
        let default = self.role.default_policy.then_some("default");
        let own = if self.expires.is_none() { "root" } else { self.role.name.as_str() };
        default.into_iter().chain([own]).collect()
    }

    fn left(&self, now: Duration) -> u64 {
        self.expires.map_or(0, |expires| expires.saturating_sub(now).as_secs())
    }

    /// The `auth` block of a login or a renewal.
    pub(super) fn auth(&self, now: Duration) -> Value {
        json!({
            "client_token": self.id,
            "accessor": self.accessor,
            "policies": self.policies(),
            "token_policies": self.policies(),
            "metadata": self.metadata,
            "lease_duration": self.left(now),
            "renewable": self.is_renewable(),
            "entity_id": new_uid(),
            "token_type": if self.role.batch { "batch" } else { "service" },
            "orphan": true,
            "mfa_requirement": null,
            "num_uses": self.role.num_uses.unwrap_or(0),
        })
    }

    fn lookup(&self, now: Duration) -> Value {
        let mut data = json!({
            "accessor": self.accessor,
            "creation_time": self.issued.as_secs(),
            "creation_ttl": self.role.token_ttl.as_secs(),
            "display_name": format!("{}-{}", self.mount.replace('/', "-"), self.role.name),
            "entity_id": new_uid(),
            "expire_time": self.expires.map(rfc3339),
            "explicit_max_ttl": self.role.explicit_max_ttl.unwrap_or_default().as_secs(),
            "id": self.id,
            "issue_time": rfc3339(self.issued),
            "meta": self.metadata,
            "num_uses": self.uses_left.unwrap_or(0),
            "orphan": true,
            "path": format!("auth/{}/login", self.mount),
            "policies": self.policies(),
            "renewable": self.is_renewable(),
            "ttl": self.left(now),
            "type": if self.role.batch { "batch" } else { "service" },
        });
        if let Some(period) = self.role.period {
            data["period"] = json!(period.as_secs());
        }
        data
    }

    /// Renews as a role allows; the warning says so when that is less than asked for.
    fn renew(&mut self, increment: Option<u64>, now: Duration) -> Option<String> {
        self.renewals += 1;
        let wanted = match (self.role.period, increment) {
            (Some(period), _) => period,
            (None, Some(seconds)) if seconds > 0 => Duration::from_secs(seconds),
            (None, _) => self.role.token_ttl,
        };
        let longest = self.role.explicit_max_ttl.or(match self.role.period {
            Some(_) => None,
            None => Some(self.role.token_max_ttl),
        });
        let end = longest.map_or(now + wanted, |longest| (self.issued + longest).min(now + wanted));
        self.expires = Some(end);
        let granted = end.saturating_sub(now);
        (granted < wanted).then(|| {
            format!(
                "TTL of \"{wanted:?}\" exceeded the effective max_ttl of \"{granted:?}\"; TTL value is capped accordingly"
            )
        })
    }
}

/// `auth/token/{lookup,renew,revoke}-self`.
pub(super) fn on_itself(state: &mut State, verb: &str, id: &str, call: &Call, now: Duration) -> Answer {
    let flavour = state.flavour;
    let token = state.tokens.get_mut(id).expect("the caller's token was just found");
    match verb {
        "lookup-self" => Envelope::data("token", token.lookup(now)).answer(flavour, 200),
        "renew-self" if token.role.batch => errors(400, &["batch tokens cannot be renewed"]),
        "renew-self" if !token.is_renewable() => errors(400, &["lease is not renewable"]),
        "renew-self" => {
            let warning = token.renew(increment(call), now);
            let auth = token.auth(now);
            let warnings = warning.into_iter().collect();
            Envelope { auth, warnings, mount_type: "token", ..Envelope::default() }.answer(flavour, 200)
        }
        "revoke-self" if token.role.batch => errors(400, &["batch tokens cannot be revoked"]),
        "revoke-self" => {
            state.revoke(id);
            Answer::new(204, "")
        }
        _ => super::answer::denied(),
    }
}

/// `increment` of a renewal's body: seconds, as a number, as text or as text with an `s`.
pub(super) fn increment(call: &Call) -> Option<u64> {
    let increment = call.json()?.get("increment")?.clone();
    increment.as_u64().or_else(|| increment.as_str()?.trim_end_matches('s').parse().ok())
}
