//! The version of an object: the Go provider's HMAC, so that swapping the provider restarts nothing.
//!
//! Final from the first release: Reloader restarts pods when a version changes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::class::ObjectSpec;
use crate::json::{Json, write_string};
use crate::kubernetes::VersionKey;
use crate::vault::response::VaultResponse;

/// `base64url(HMAC-SHA256(key, config + content))`. `bytes` are the file's; they count for an object with a
/// `secretKey`. Of a whole response counts what does not tick (see `whole_response_content` below).
pub fn object_version(
    object: &ObjectSpec,
    response: &VaultResponse,
    bytes: &[u8],
    key: &VersionKey,
) -> String {
    let content;
    let counted = match object.secret_key {
        Some(_) => bytes,
        None => {
            content = whole_response_content(response);
            &content
        }
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes a key of any length");
    mac.update(&config(object));
    mac.update(counted);
    URL_SAFE.encode(mac.finalize().into_bytes())
}

/// The object as the class's author wrote it, as JSON with Go's seven names in Go's order.
fn config(object: &ObjectSpec) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(256));
    let text = |name: &[u8], value: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(name);
        write_string(value, out);
    };
    text(b"{\"ObjectName\":", object.name.as_str(), &mut out);
    text(b",\"SecretPath\":", &object.secret_path, &mut out);
    text(b",\"SecretKey\":", object.secret_key.as_deref().unwrap_or_default(), &mut out);
    text(b",\"Method\":", &object.method, &mut out);
    out.extend_from_slice(b",\"SecretArgs\":");
    out.extend_from_slice(&object.secret_args.as_ref().unwrap_or(&Json::Null).to_bytes());
    out.extend_from_slice(b",\"FilePermission\":");
    out.extend_from_slice(object.own_mode.to_string().as_bytes());
    text(b",\"Encoding\":", &object.encoding_text, &mut out);
    out.push(b'}');
    out
}

/// What of a whole response says that it changed: `data` (a static role's `ttl` left out), `lease_id`, `warnings`,
/// `auth`, `wrap_info`, in this order.
fn whole_response_content(response: &VaultResponse) -> Zeroizing<Vec<u8>> {
    let mut data = response.data.clone().unwrap_or_default();
    if response.is_static_role() {
        data.remove("ttl");
    }
    let data = Json::Object(data);
    let mut out = Zeroizing::new(Vec::with_capacity(1_024));
    out.extend_from_slice(b"{\"data\":");
    out.extend_from_slice(&data.to_bytes());
    out.extend_from_slice(b",\"lease_id\":");
    write_string(&response.lease_id, &mut out);
    for (name, value) in
        [("warnings", &response.warnings), ("auth", &response.auth), ("wrap_info", &response.wrap_info)]
    {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        out.extend_from_slice(&value.to_bytes());
    }
    out.push(b'}');
    out
}
