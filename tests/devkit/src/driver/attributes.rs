//! The request of each release, byte for byte as Go's JSON writes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::MountCall;
use crate::clock::{rfc3339_seconds, unix_now};
use crate::proto::v1alpha1::{MountRequest, ObjectVersion};

/// Why the driver asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// NodePublishVolume: the first one, and from 1.6.0 on each republishing.
    FirstMount,
    /// The rotation reconciler of releases up to 1.5.6.
    DriverRotation,
}

const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

pub(super) fn request(
    call: &MountCall,
    occasion: Occasion,
    folder: &Path,
    current_object_version: Vec<ObjectVersion>,
) -> MountRequest {
    let attributes = attributes(call, occasion);
    MountRequest {
        attributes: call.raw_attributes.clone().unwrap_or_else(|| go_json(&json!(attributes))),
        secrets: secrets(call, occasion),
        target_path: if call.without_target_path { String::new() } else { folder.display().to_string() },
        permission: call.permission.clone().unwrap_or_default(),
        current_object_version,
    }
}

fn attributes(call: &MountCall, occasion: Occasion) -> BTreeMap<String, String> {
    let mut attributes = call.parameters.clone();
    if occasion == Occasion::FirstMount {
        attributes.extend(call.volume_attributes.clone());
        attributes.insert("secretProviderClass".to_owned(), call.class.clone());
        attributes.insert("csi.storage.k8s.io/ephemeral".to_owned(), "true".to_owned());
    }
    let pod = [
        ("pod.name", &call.pod.name),
        ("pod.namespace", &call.pod.namespace),
        ("pod.uid", &call.pod.uid),
        ("serviceAccount.name", &call.pod.service_account),
    ];
    attributes.extend(pod.map(|(name, value)| (format!("csi.storage.k8s.io/{name}"), value.clone())));
    if let Some(tokens) = tokens(call).filter(|_| !call.tokens_in_secrets) {
        attributes.insert(TOKENS.to_owned(), tokens);
    }
    for (name, value) in &call.overrides {
        match value {
            Some(value) => attributes.insert(name.clone(), value.clone()),
            None => attributes.remove(name),
        };
    }
    attributes
}

/// Go writes a nil map as `null`, which is what a first mount without secrets has.
fn secrets(call: &MountCall, occasion: Occasion) -> String {
    let mut secrets = call.secrets.clone();
    if let Some(tokens) = tokens(call).filter(|_| call.tokens_in_secrets) {
        secrets.insert(TOKENS.to_owned(), tokens);
    }
    match occasion {
        Occasion::FirstMount if secrets.is_empty() => "null".to_owned(),
        _ => go_json(&json!(secrets)),
    }
}

/// As kubelet writes them; `None` when the CSIDriver object has no `tokenRequests`.
fn tokens(call: &MountCall) -> Option<String> {
    if call.tokens.is_empty() {
        return None;
    }
    let expires = |jwt: &str| {
        let stated = crate::jwt::payload(jwt).and_then(|claims| claims["exp"].as_u64());
        stated.map_or_else(|| unix_now() + Duration::from_secs(3600), Duration::from_secs)
    };
    let tokens: BTreeMap<_, _> = call
        .tokens
        .iter()
        .map(|(audience, jwt)| {
            (audience, json!({ "token": jwt, "expirationTimestamp": rfc3339_seconds(expires(jwt)) }))
        })
        .collect();
    Some(go_json(&json!(tokens)))
}

/// Go's `json.Marshal`, which writes what HTML would read otherwise as escapes.
fn go_json(value: &Value) -> String {
    let mut text = value.to_string();
    for (plain, escaped) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        text = text.replace(plain, escaped);
    }
    text
}
