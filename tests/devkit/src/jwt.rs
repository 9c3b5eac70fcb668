//! Service-account tokens: made as the API server makes them, checked as a TokenReview does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::pod::new_uid;

/// The `iss` claim of the tokens.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Signs and checks tokens; a clone has the same key. The signature is an HMAC, everything else is as in a real token.
#[derive(Clone)]
pub struct Issuer {
    key: [u8; 32],
    /// The uids of service accounts that are gone.
    gone: Arc<Mutex<BTreeSet<String>>>,
}

/// What a token is made for.
#[derive(Clone, Debug)]
pub struct TokenSubject {
    /// Namespace of the service account.
    pub namespace: String,
    /// The service account's name.
    pub service_account: String,
    /// The service account's uid.
    pub service_account_uid: String,
    /// Name and uid of the pod that the token is bound to.
    pub pod: Option<(String, String)>,
}

impl Default for Issuer {
    fn default() -> Self {
        Self::new()
    }
}

impl Issuer {
    /// An issuer with a key of its own.
    pub fn new() -> Self {
        let mut key = [0; 32];
        key.fill_with(|| fastrand::u8(..));
        Self { key, gone: Arc::default() }
    }

    /// A token with the payload of a real one, valid from `now` (since the Unix epoch) for `life`.
    pub fn mint(&self, subject: &TokenSubject, audiences: &[&str], now: Duration, life: Duration) -> String {
        let mut kubernetes = json!({
            "namespace": subject.namespace,
            "serviceaccount": { "name": subject.service_account, "uid": subject.service_account_uid },
        });
        if let Some((name, uid)) = &subject.pod {
            kubernetes["node"] = json!({ "name": "node-1", "uid": "f0f0f0f0-0000-4000-8000-000000000001" });
            kubernetes["pod"] = json!({ "name": name, "uid": uid });
        }
        self.sign(&json!({
            "aud": audiences,
            "exp": (now + life).as_secs(),
            "iat": now.as_secs(),
            "iss": ISSUER,
            "jti": new_uid(),
            "kubernetes.io": kubernetes,
            "nbf": now.as_secs(),
            "sub": format!("system:serviceaccount:{}:{}", subject.namespace, subject.service_account),
        }))
    }

    /// Any payload, signed.
    pub fn sign(&self, claims: &Value) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"devkit"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(self.mac(&signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// The payload of a token that this issuer signed; `None` when it did not, or when the service account is gone.
    pub fn verify(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(signed).verify_slice(&signature).ok()?;
        let claims = payload(token)?;
        let uid = claims.pointer("/kubernetes.io/serviceaccount/uid").and_then(Value::as_str);
        let gone = self.gone.lock().expect("no holder panics");
        uid.is_none_or(|uid| !gone.contains(uid)).then(|| claims.clone())
    }

    /// From now on tokens of the service account with this uid do not verify.
    pub(crate) fn forget(&self, uid: &str) {
        self.gone.lock().expect("no holder panics").insert(uid.to_owned());
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.key).expect("any length will do").chain_update(signed)
    }
}

/// A token's payload, whoever signed it.
pub fn payload(token: &str) -> Option<Value> {
    let encoded = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// Whether a payload's `aud` names this audience.
pub(crate) fn has_audience(claims: &Value, audience: &str) -> bool {
    match &claims["aud"] {
        Value::String(only) => only == audience,
        Value::Array(all) => all.iter().any(|one| one == audience),
        _ => false,
    }
}
