//! The version of an object: the Go provider's HMAC, so that swapping the provider restarts nothing.
//!
//! Final from the first release: Reloader restarts pods when a version changes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::class::ObjectSpec;
use crate::json::Json;
use crate::kubernetes::VersionKey;
use crate::vault::response::VaultResponse;

/// `base64url(HMAC-SHA256(key, config + content))`. `bytes` are the file's; they count for an object with a
/// `secretKey`. Of a whole response counts what does not tick (see `add_whole_response` below).
pub fn object_version(
    object: &ObjectSpec,
    response: &VaultResponse,
    bytes: &[u8],
    key: &VersionKey,
) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes a key of any length");
    add_config(object, &mut mac);
    match object.secret_key {
        Some(_) => mac.update(bytes),
        None => add_whole_response(response, &mut mac),
    }
    URL_SAFE.encode(mac.finalize().into_bytes())
}

/// The object as the class's author wrote it, as JSON with Go's seven names in Go's order.
fn add_config(object: &ObjectSpec, mac: &mut Hmac<Sha256>) {
    add_text("{\"ObjectName\":", object.name.as_str(), mac);
    add_text(",\"SecretPath\":", &object.secret_path, mac);
    add_text(",\"SecretKey\":", object.secret_key.as_deref().unwrap_or_default(), mac);
    add_text(",\"Method\":", &object.method, mac);
    add_value(",\"SecretArgs\":", object.secret_args.as_ref().unwrap_or(&Json::Null), mac);
    mac.update(format!(",\"FilePermission\":{}", object.own_mode).as_bytes());
    add_text(",\"Encoding\":", &object.encoding_text, mac);
    mac.update(b"}");
}

/// What of a whole response says that it changed: `data` (a static role's `ttl` left out), `lease_id`, `warnings`,
/// `auth`, `wrap_info`, in this order.
fn add_whole_response(response: &VaultResponse, mac: &mut Hmac<Sha256>) {
    let mut data = response.data.clone().unwrap_or_default();
    if response.is_static_role() {
        data.remove("ttl");
    }
    add_value("{\"data\":", &Json::Object(data), mac);
    add_text(",\"lease_id\":", &response.lease_id, mac);
    add_value(",\"warnings\":", &response.warnings, mac);
    add_value(",\"auth\":", &response.auth, mac);
    add_value(",\"wrap_info\":", &response.wrap_info, mac);
    mac.update(b"}");
}

fn add_text(name: &str, text: &str, mac: &mut Hmac<Sha256>) {
    add_value(name, &Json::string(text), mac);
}

fn add_value(name: &str, value: &Json, mac: &mut Hmac<Sha256>) {
    mac.update(name.as_bytes());
    mac.update(&value.to_bytes());
}
