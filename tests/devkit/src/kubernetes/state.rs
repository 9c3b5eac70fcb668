//! What a stand-in Kubernetes API holds.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::clock::{rfc3339_seconds, unix_now};
use crate::pod::{Pod, new_uid};

/// A namespace and a name in it.
type Named = (String, String);

/// Everything the API knows.
pub(super) struct State {
    pub(super) provider_token: String,
    pub(super) denied: BTreeSet<Right>,
    pub(super) secrets: BTreeMap<Named, Value>,
    pub(super) pods: BTreeMap<Named, Pod>,
    pub(super) token_requests: Vec<TokenRequestView>,
    service_accounts: BTreeMap<Named, String>,
}

/// What the provider's service account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// `create` on `serviceaccounts/token`.
    MintTokens,
    /// `get` on `secrets`.
    ReadSecrets,
    /// `create` on `secrets`.
    CreateSecrets,
    /// `get` on `pods`; denied until a test allows it.
    ReadPods,
}

/// A Secret as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretView {
    /// Its data, decoded.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Whether it is immutable.
    pub immutable: bool,
    /// Its type.
    pub kind: String,
}

/// A TokenRequest as it was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequestView {
    /// Namespace of the service account.
    pub namespace: String,
    /// The service account.
    pub service_account: String,
    /// `spec.audiences`, as asked for.
    pub audiences: Vec<String>,
    /// `spec.expirationSeconds`, as asked for.
    pub expiration_seconds: Option<i64>,
    /// Kind, name and uid of `spec.boundObjectRef`.
    pub bound_to: Option<(String, String, String)>,
    /// The token given.
    pub token: String,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            provider_token: String::new(),
            denied: BTreeSet::from([Right::ReadPods]),
            secrets: BTreeMap::new(),
            pods: BTreeMap::new(),
            token_requests: Vec::new(),
            service_accounts: BTreeMap::new(),
        }
    }

    pub(super) fn service_account_uid(&mut self, namespace: &str, name: &str) -> String {
        self.service_accounts.entry((namespace.to_owned(), name.to_owned())).or_insert_with(new_uid).clone()
    }

    /// The account's uid until now.
    pub(super) fn forget_service_account(&mut self, namespace: &str, name: &str) -> String {
        self.service_accounts.insert((namespace.to_owned(), name.to_owned()), new_uid()).unwrap_or_default()
    }

    pub(super) fn write_secret(&mut self, namespace: &str, name: &str, data: &[(&str, &[u8])]) {
        let data: BTreeMap<_, _> = data.iter().map(|(key, bytes)| (*key, STANDARD.encode(bytes))).collect();
        let secret = json!({ "metadata": { "name": name }, "data": data, "type": "Opaque" });
        self.insert_secret(namespace, name, secret);
    }

    /// Stores a Secret with what the API server adds to it, and returns it so.
    pub(super) fn insert_secret(&mut self, namespace: &str, name: &str, mut secret: Value) -> Value {
        secret["apiVersion"] = json!("v1");
        secret["kind"] = json!("Secret");
        secret["metadata"]["namespace"] = json!(namespace);
        secret["metadata"]["uid"] = json!(new_uid());
        secret["metadata"]["resourceVersion"] = json!("1");
        secret["metadata"]["creationTimestamp"] = json!(rfc3339_seconds(unix_now()));
        if secret["type"].is_null() {
            secret["type"] = json!("Opaque");
        }
        self.secrets.insert((namespace.to_owned(), name.to_owned()), secret.clone());
        secret
    }

    pub(super) fn secret(&self, namespace: &str, name: &str) -> Option<SecretView> {
        let secret = self.secrets.get(&(namespace.to_owned(), name.to_owned()))?;
        let encoded = secret["data"].as_object().cloned().unwrap_or_default();
        let decode = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
        Some(SecretView {
            data: encoded.iter().map(|(key, value)| (key.clone(), decode(value))).collect(),
            immutable: secret["immutable"] == json!(true),
            kind: super::text(secret, "/type"),
        })
    }
}
