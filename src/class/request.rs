//! What an object asks Vault for: method, path, query and body.

use std::hash::{Hash, Hasher};

use crate::class::{SpecError, shown};
use crate::json::Json;

/// One request to Vault. Equal requests of a mount are sent once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// As the class wrote it, `GET` when it wrote none; an HTTP token.
    pub method: String,
    /// Clean, without `v1/` and without slashes at its ends, not percent-encoded: `secret/data/app`.
    pub path: String,
    /// Decoded pairs, sorted by name; of one name in the order of the class.
    pub query: Vec<(String, String)>,
    /// The object's `secretArgs`.
    pub body: Option<Json>,
}

/// Agrees with `Eq`: equal JSON has equal bytes.
impl Hash for ReadRequest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.method.hash(state);
        self.path.hash(state);
        self.query.hash(state);
        self.body.as_ref().map(Json::to_bytes).as_deref().hash(state);
    }
}

impl ReadRequest {
    /// True when the method may change something in Vault, so that it must not be sent twice.
    pub fn is_write(&self) -> bool {
        !["GET", "HEAD", "LIST"].iter().any(|method| self.method.eq_ignore_ascii_case(method))
    }

    /// The path as Go's `url.URL.EscapedPath` writes it, still without `v1/`.
    pub fn url_path(&self) -> String {
        escape_path(&self.path)
    }

    /// The query as Go's `url.Values.Encode` writes it; none when there is none.
    pub fn query_string(&self) -> Option<String> {
        let pairs = self.query.iter().map(|(name, value)| escape_query(name) + "=" + &escape_query(value));
        pairs.reduce(|query, pair| query + "&" + &pair)
    }

    /// Reads `secretPath`, `method` and `secretArgs`; `object` is what errors begin with.
    pub(super) fn parse(
        path: &str,
        method: &str,
        body: Option<Json>,
        object: &str,
    ) -> Result<Self, SpecError> {
        let wrong = |what: &str, why: &str| SpecError::field(object, format!("{what} {why}"));
        if !method.bytes().all(is_token_byte) {
            return Err(wrong(
                "method",
                &format!("{} is no HTTP method; write GET, PUT, POST or LIST", shown(method)),
            ));
        }
        if path.is_empty() {
            return Err(wrong("secretPath", "is missing; name a path in Vault, for example secret/data/app"));
        }
        if path.chars().any(char::is_control) {
            return Err(wrong("secretPath", "holds a control character, such as a line break; remove it"));
        }
        let (place, query) = path.split_once('?').unwrap_or((path, ""));
        let query =
            parse_query(query).map_err(|why| wrong("secretPath", &format!("{} {why}", shown(path))))?;
        let place = clean(place).ok_or_else(|| {
            wrong(
                "secretPath",
                &format!("{} climbs out of Vault's API by `..`; write the path itself", shown(path)),
            )
        })?;
        if place.is_empty() {
            return Err(wrong(
                "secretPath",
                &format!("{} names no path in Vault; write one, for example secret/data/app", shown(path)),
            ));
        }
        let method = if method.is_empty() { "GET" } else { method };
        Ok(Self { method: method.to_owned(), path: place, query, body })
    }
}

/// As Go's `path.Join("/v1", path)` but without `/v1`; `None` when `..` would leave it.
fn clean(path: &str) -> Option<String> {
    let path = path.strip_prefix("/v1/").or_else(|| path.strip_prefix("v1/")).unwrap_or(path);
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// As Go's `url.ParseQuery`, pairs sorted by name as `url.Values.Encode` sorts them.
fn parse_query(query: &str) -> Result<Vec<(String, String)>, &'static str> {
    if query.contains(';') {
        return Err("holds `;` in its query; separate by `&`, or write %3B");
    }
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((unescape(name)?, unescape(value)?));
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(pairs)
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match *first {
            b'+' => b' ',
            b'%' => {
                let digits = tail.get(..2).and_then(|digits| hex::decode(digits).ok());
                let decoded = digits.ok_or("holds a broken %-escape in its query; write % itself as %25")?;
                rest = &tail[2..];
                decoded[0]
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| "holds a query that is no UTF-8 when decoded; mend its %-escapes")
}

/// Percent-encodes a path as Go does: unreserved characters and `$&+,/:;=@` stay.
pub(super) fn escape_path(path: &str) -> String {
    path.bytes()
        .fold(String::with_capacity(path.len()), |out, byte| push_escaped(out, byte, b"-_.~$&+,/:;=@"))
}

/// As Go's `url.QueryEscape`.
fn escape_query(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| match byte {
        b' ' => {
            out.push('+');
            out
        }
        byte => push_escaped(out, byte, b"-_.~"),
    })
}

fn push_escaped(mut out: String, byte: u8, kept: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
        out.push(char::from(byte));
    } else {
        out.push('%');
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 0xF)]));
    }
    out
}

/// RFC 9110's `tchar`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
