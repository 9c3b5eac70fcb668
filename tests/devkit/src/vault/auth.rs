//! Logins: Kubernetes auth and JWT auth, with the errors of each.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::answer::{Envelope, bare_denied, errors};
use super::state::State;
use super::token::Token;
use crate::http::{Answer, Call};
use crate::jwt::{Issuer, has_audience, payload};

/// Which auth method a mount has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthKind {
    Kubernetes,
    Jwt,
}

/// An auth mount.
pub(super) struct AuthMount {
    kind: AuthKind,
    issuer: Issuer,
    roles: BTreeMap<String, Role>,
}

/// A role of an auth mount. A new one is for every service account, checks no audience, may reach every path that a
/// pod's policy could name, and gives renewable tokens of one hour.
#[derive(Clone, Debug)]
pub struct Role {
    pub(super) name: String,
    accounts: Option<Vec<String>>,
    namespaces: Option<Vec<String>>,
    audience: Option<String>,
    pod: Option<String>,
    pub(super) allowed: Option<Vec<String>>,
    pub(super) default_policy: bool,
    pub(super) token_ttl: Duration,
    pub(super) token_max_ttl: Duration,
    pub(super) explicit_max_ttl: Option<Duration>,
    pub(super) period: Option<Duration>,
    pub(super) num_uses: Option<u64>,
    pub(super) batch: bool,
}

impl Role {
    /// A role with this name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            accounts: None,
            namespaces: None,
            audience: None,
            pod: None,
            allowed: None,
            default_policy: true,
            token_ttl: Duration::from_secs(3600),
            token_max_ttl: Duration::from_secs(32 * 24 * 3600),
            explicit_max_ttl: None,
            period: None,
            num_uses: None,
            batch: false,
        }
    }

    /// Only for these service accounts.
    #[must_use]
    pub fn accounts(mut self, names: &[&str]) -> Self {
        self.accounts = Some(owned(names));
        self
    }

    /// Only for service accounts of these namespaces.
    #[must_use]
    pub fn namespaces(mut self, names: &[&str]) -> Self {
        self.namespaces = Some(owned(names));
        self
    }

    /// Only for JWTs with this audience.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    /// JWT auth only: bound to the claim that names this pod.
    #[must_use]
    pub fn pod(mut self, name: &str) -> Self {
        self.pod = Some(name.to_owned());
        self
    }

    /// Its policy names only paths that begin so (without `v1/`): `secret/data/app`.
    #[must_use]
    pub fn allow(mut self, prefixes: &[&str]) -> Self {
        self.allowed = Some(owned(prefixes));
        self
    }

    /// Its tokens lack the `default` policy: they can neither renew, revoke nor look up themselves, nor renew leases.
    #[must_use]
    pub fn without_default_policy(mut self) -> Self {
        self.default_policy = false;
        self
    }

    /// How long its tokens live unless renewed.
    #[must_use]
    pub fn token_ttl(mut self, ttl: Duration) -> Self {
        self.token_ttl = ttl;
        self
    }

    /// How long its tokens live at most; a login does not say so.
    #[must_use]
    pub fn token_max_ttl(mut self, ttl: Duration) -> Self {
        self.token_max_ttl = ttl;
        self
    }

    /// How long its tokens live at most, as `lookup-self` then says.
    #[must_use]
    pub fn explicit_max_ttl(mut self, ttl: Duration) -> Self {
        self.explicit_max_ttl = Some(ttl);
        self
    }

    /// Its tokens are periodic: each renewal gives this long again, without an end.
    #[must_use]
    pub fn period(mut self, period: Duration) -> Self {
        self.period = Some(period);
        self
    }

    /// Its tokens end after so many uses.
    #[must_use]
    pub fn num_uses(mut self, uses: u64) -> Self {
        self.num_uses = Some(uses);
        self
    }

    /// Its tokens are batch tokens.
    #[must_use]
    pub fn batch(mut self) -> Self {
        self.batch = true;
        self
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Whether a list of names, when there is one, holds this name.
fn names(list: Option<&Vec<String>>, name: &str) -> bool {
    list.is_none_or(|list| list.iter().any(|one| one == name || one == "*"))
}

impl AuthMount {
    pub(super) fn new(kind: AuthKind, issuer: Issuer) -> Self {
        Self { kind, issuer, roles: BTreeMap::new() }
    }

    pub(super) fn write(&mut self, role: Role) {
        self.roles.insert(role.name.clone(), role);
    }

    fn check(&self, call: &Call, now: Duration) -> Result<(Role, BTreeMap<String, String>), Answer> {
        match self.kind {
            AuthKind::Kubernetes => self.check_kubernetes(call, now),
            AuthKind::Jwt => self.check_jwt(call, now),
        }
    }

    fn check_kubernetes(
        &self,
        call: &Call,
        now: Duration,
    ) -> Result<(Role, BTreeMap<String, String>), Answer> {
        let (name, jwt) = (call.text("role"), call.text("jwt"));
        if name.is_empty() {
            return Err(errors(400, &["missing role"]));
        }
        if jwt.is_empty() {
            return Err(errors(400, &["missing jwt"]));
        }
        let role =
            self.roles.get(&name).ok_or_else(|| errors(400, &[&format!("invalid role name \"{name}\"")]))?;
        let claims = payload(&jwt).ok_or_else(bare_denied)?;
        if role.audience.as_ref().is_some_and(|audience| !has_audience(&claims, audience)) {
            let text = "invalid audience (aud) claim: audience claim does not match any expected audience";
            return Err(errors(403, &[text]));
        }
        let account = text(&claims, "/kubernetes.io/serviceaccount/name");
        let namespace = text(&claims, "/kubernetes.io/namespace");
        if !names(role.accounts.as_ref(), &account) {
            return Err(errors(403, &["service account name not authorized"]));
        }
        if !names(role.namespaces.as_ref(), &namespace) {
            return Err(errors(403, &["namespace not authorized"]));
        }
        // The TokenReview.
        if self.issuer.verify(&jwt).is_none() || expired(&claims, now) {
            return Err(bare_denied());
        }
        let metadata = [
            ("role", name),
            ("service_account_name", account),
            ("service_account_namespace", namespace),
            ("service_account_secret_name", String::new()),
            ("service_account_uid", text(&claims, "/kubernetes.io/serviceaccount/uid")),
        ];
        Ok((role.clone(), metadata.map(|(key, value)| (key.to_owned(), value)).into()))
    }

    fn check_jwt(&self, call: &Call, now: Duration) -> Result<(Role, BTreeMap<String, String>), Answer> {
        let invalid = |reason: &str| errors(400, &[&format!("error validating token: {reason}")]);
        let (name, jwt) = (call.text("role"), call.text("jwt"));
        if name.is_empty() {
            return Err(errors(400, &["missing role"]));
        }
        let missing = format!("role \"{name}\" could not be found");
        let role = self.roles.get(&name).ok_or_else(|| errors(400, &[&missing]))?;
        if jwt.is_empty() {
            return Err(errors(400, &["missing token"]));
        }
        let claims = self.issuer.verify(&jwt).ok_or_else(|| {
            invalid(
                "error verifying token signature: no known key successfully validated the token signature",
            )
        })?;
        if expired(&claims, now) {
            return Err(invalid("invalid expiration time (exp) claim: token is expired"));
        }
        if role.audience.as_ref().is_some_and(|audience| !has_audience(&claims, audience)) {
            let reason = "invalid audience (aud) claim: audience claim does not match any expected audience";
            return Err(invalid(reason));
        }
        if !names(role.accounts.as_ref(), &text(&claims, "/kubernetes.io/serviceaccount/name"))
            || !names(role.namespaces.as_ref(), &text(&claims, "/kubernetes.io/namespace"))
        {
            return Err(invalid("invalid subject (sub) claim"));
        }
        if role.pod.as_ref().is_some_and(|pod| *pod != text(&claims, "/kubernetes.io/pod/name")) {
            let text = "error validating claims: claim \"/kubernetes.io/pod/name\" does not match any associated bound claim values";
            return Err(errors(400, &[text]));
        }
        Ok((role.clone(), [("role".to_owned(), name)].into()))
    }
}

/// A member of the claims by its JSON pointer, in which the first part may hold a dot; empty when it is not there.
fn text(claims: &Value, pointer: &str) -> String {
    claims.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn expired(claims: &Value, now: Duration) -> bool {
    claims["exp"].as_u64().is_some_and(|expires| expires <= now.as_secs())
}

/// A login at `mount` (with its namespace in front and a slash at its end).
pub(super) fn login(state: &mut State, namespace: &str, mount: &str, call: &Call, now: Duration) -> Answer {
    let Some(auth) = state.auth_mounts.get(mount) else { return bare_denied() };
    if !matches!(call.method.as_str(), "POST" | "PUT") {
        return super::answer::unsupported_operation();
    }
    let (role, metadata) = match auth.check(call, now) {
        Ok(checked) => checked,
        Err(answer) => return answer,
    };
    let name = mount.strip_prefix(namespace).unwrap_or(mount);
    let token = Token::new(state.flavour, &role, name, namespace, metadata, now);
    let auth = token.auth(now);
    state.tokens.insert(token.id.clone(), token);
    Envelope { auth, ..Envelope::default() }.answer(state.flavour, 200)
}
