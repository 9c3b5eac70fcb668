//! Where the process listens: the driver's sockets, the health address.

use std::fmt;
use std::path::PathBuf;

use super::numbers::natural;
use super::{Named, SettingsError};
use crate::class::endpoint::Flavour;

/// One of the driver's sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The socket's path, as the operator wrote it.
    pub socket: PathBuf,
    /// Whose defaults count for calls through it.
    pub flavour: Flavour,
}

/// The longest path that fits a Unix socket's address, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// The sockets of `-endpoint`, at least one, in their order.
pub(super) fn endpoints(given: Vec<Named>) -> Result<Vec<Endpoint>, SettingsError> {
    let wrong = |problem: &str| Err(SettingsError::of("-endpoint", problem));
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for Named { text, .. } in given {
        if text.is_empty() || text.ends_with('/') || text.contains('\0') {
            return wrong("needs the path of a socket");
        }
        if text.len() > MAX_SOCKET_PATH {
            return wrong(&format!(
                "the path is longer than the {MAX_SOCKET_PATH} bytes a Unix socket may have"
            ));
        }
        let socket = PathBuf::from(text);
        if endpoints.iter().any(|endpoint| endpoint.socket == socket) {
            return wrong(&format!("{} is given twice", socket.display()));
        }
        endpoints.push(Endpoint { flavour: Flavour::of_socket(&socket), socket });
    }
    if endpoints.is_empty() {
        endpoints.push(Endpoint { socket: PathBuf::from("/tmp/vault.sock"), flavour: Flavour::Vault });
    }
    Ok(endpoints)
}

/// A TCP address in Go's form: `:8080`, `127.0.0.1:0`, `[::1]:8080`, `localhost:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthAddress {
    /// A name or an IP address (IPv6 without brackets); `None` listens on all addresses of the host.
    pub host: Option<String>,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

impl HealthAddress {
    /// Parses `host:port` with the host optional.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "is no address to listen on; write it like :8080, 127.0.0.1:8080 or [::1]:8080";
        let (before, after) = text.rsplit_once(':').ok_or(WRONG)?;
        let bracketed = before.starts_with('[') && before.ends_with(']');
        if before.contains(':') && !bracketed {
            return Err("has an IPv6 address without brackets; write it like [::1]:8080");
        }
        let port = port(after)?;
        let host = if before.is_empty() { None } else { Some(host(before).map_err(|_| WRONG)?) };
        Ok(Self { host, port })
    }
}

/// As an operator writes it.
impl fmt::Display for HealthAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            None => write!(f, ":{}", self.port),
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

/// A host name or an IP address; an IPv6 address may have its brackets, which go.
pub(super) fn host(text: &str) -> Result<String, &'static str> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if bare.is_empty() || !bare.chars().all(fits) {
        return Err("is neither a host name nor an IP address");
    }
    Ok(bare.to_owned())
}

/// A port as a number.
pub(super) fn port(text: &str) -> Result<u16, &'static str> {
    natural(text).ok_or("has no port between 0 and 65535")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_addresses_in_gos_form_are_read_and_written_back() {
        for (text, host, port) in [
            (":8080", None, 8080),
            ("127.0.0.1:0", Some("127.0.0.1"), 0),
            ("[::1]:8080", Some("::1"), 8080),
            ("[fe80::1%eth0]:1", Some("fe80::1%eth0"), 1),
            ("localhost:65535", Some("localhost"), 65535),
        ] {
            let address = HealthAddress { host: host.map(str::to_owned), port };
            assert_eq!(HealthAddress::parse(text), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn other_health_addresses_are_refused() {
        for text in
            ["8080", "localhost", ":", ":http", ":65536", ":-1", ":+1", "::1:80", "[]:80", "a b:80", "h:1:2"]
        {
            assert!(HealthAddress::parse(text).is_err(), "{text}");
        }
    }
}
