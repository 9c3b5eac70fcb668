//! The bytes of an object: a value of Vault's answer, or the whole answer, as the Go provider writes them.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::class::{Encoding, ObjectSpec};
use crate::json::{Json, Object, write_string};
use crate::vault::response::VaultResponse;

/// Padded, as Go's standard encoding; like Go's decoder it does not mind bits that are left over at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// At most this many names of keys are listed in an error.
const KEYS_LISTED: usize = 20;

/// Why an answer does not hold what the object asks for. Names keys, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentError {
    /// The key is not there.
    NoKey {
        /// What the class names.
        key: String,
        /// Where it was looked for.
        path: String,
        /// What is there instead.
        keys: Vec<String>,
    },
    /// The value is not what `encoding` says.
    NotEncoded {
        /// What the class names.
        key: String,
        /// Where the value is.
        path: String,
        /// `base64` or `hex`.
        encoding: &'static str,
    },
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey { key, path, keys } => {
                let more = if keys.len() > KEYS_LISTED { ", …" } else { "" };
                let listed: Vec<&str> = keys.iter().take(KEYS_LISTED).map(String::as_str).collect();
                let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
                write!(f, "no key {key:?} at {path} (keys: {listed}{more}); check secretKey in the class")
            }
            Self::NotEncoded { key, path, encoding } => {
                write!(
                    f,
                    "the value of {key:?} at {path} is not {encoding}; check encoding in the class, or the value in Vault"
                )
            }
        }
    }
}

impl std::error::Error for ContentError {}

/// The file's bytes.
pub fn content(object: &ObjectSpec, response: &VaultResponse) -> Result<Zeroizing<Vec<u8>>, ContentError> {
    let Some(key) = &object.secret_key else {
        return Ok(whole_response(response));
    };
    let value = value_of(key, response).map_err(|keys| ContentError::NoKey {
        key: key.clone(),
        path: object.request.path.clone(),
        keys,
    })?;
    let text = match value {
        Json::String(text) => Zeroizing::new(text.as_bytes().to_vec()),
        other => other.to_bytes(),
    };
    let (decoded, encoding) = match object.encoding {
        Encoding::Utf8 => return Ok(text),
        Encoding::Base64 => (decode_base64(&text), "base64"),
        Encoding::Hex => (hex::decode(&*text).ok(), "hexadecimal"),
    };
    decoded.map(Zeroizing::new).ok_or_else(|| ContentError::NotEncoded {
        key: key.clone(),
        path: object.request.path.clone(),
        encoding,
    })
}

/// Looks in `data.data` if that is an object, else in `data`; answers the keys that are there instead.
fn value_of<'a>(key: &str, response: &'a VaultResponse) -> Result<&'a Json, Vec<String>> {
    let Some(data) = &response.data else { return Err(Vec::new()) };
    let inner: &Object = data.field("data").and_then(Json::as_object).unwrap_or(data);
    inner.field(key).ok_or_else(|| inner.keys().take(KEYS_LISTED + 1).map(crate::words::one_line).collect())
}

/// Standard base64 with padding; line breaks are skipped, as Go's decoder does.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let joined: Zeroizing<Vec<u8>> =
        Zeroizing::new(text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect());
    BASE64.decode(&*joined).ok()
}

/// The whole answer as Go's JSON of its own struct; fields that the struct lacks are dropped.
fn whole_response(response: &VaultResponse) -> Zeroizing<Vec<u8>> {
    let data = response.data.as_ref().map_or(Json::Null, |data| Json::Object(data.clone())).to_bytes();
    let others = [&response.warnings, &response.auth, &response.wrap_info].map(Json::to_bytes);
    let texts = [&response.request_id, &response.lease_id, &response.mount_type];
    // Never moved, so that no copy of a secret stays behind: a text grows to six times its length at most.
    let lengths = others.iter().map(|other| other.len()).chain(texts.iter().map(|text| 6 * text.len()));
    let mut out = Zeroizing::new(Vec::with_capacity(data.len() + lengths.sum::<usize>() + 256));
    out.extend_from_slice(b"{\"request_id\":");
    write_string(&response.request_id, &mut out);
    out.extend_from_slice(b",\"lease_id\":");
    write_string(&response.lease_id, &mut out);
    out.extend_from_slice(b",\"lease_duration\":");
    response.lease_duration.write_to(&mut out);
    out.extend_from_slice(b",\"renewable\":");
    Json::Bool(response.renewable).write_to(&mut out);
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(&data);
    out.extend_from_slice(b",\"warnings\":");
    response.warnings.write_to(&mut out);
    for (name, value) in [("auth", &response.auth), ("wrap_info", &response.wrap_info)] {
        if !value.is_null() {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            out.extend_from_slice(&value.to_bytes());
        }
    }
    if !response.mount_type.is_empty() {
        out.extend_from_slice(b",\"mount_type\":");
        write_string(&response.mount_type, &mut out);
    }
    out.push(b'}');
    out
}
