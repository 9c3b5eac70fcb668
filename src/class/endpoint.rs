//! Where a mount's Vault is and how it is reached: addresses, namespace, TLS; values only, no I/O.

use std::fmt;
use std::path::PathBuf;

use crate::class::SpecError;

/// Which of the two worlds a driver's socket serves. It decides defaults, never bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// HashiCorp Vault's: audience `vault`, `VAULT_*`, parameters `vault…` before `openbao…` and `bao…`.
    Vault,
    /// OpenBao's: audience `openbao`, `BAO_*` then `VAULT_*`, parameters `bao…`, `openbao…`, `vault…`.
    OpenBao,
}

impl Flavour {
    /// The flavour of a socket: `openbao.sock` and `bao.sock` are OpenBao's, any other is Vault's.
    pub fn of_socket(path: &std::path::Path) -> Self {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("openbao.sock" | "bao.sock") => Self::OpenBao,
            _ => Self::Vault,
        }
    }

    /// The audience among the driver's tokens when the class names none.
    pub fn default_audience(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::OpenBao => "openbao",
        }
    }
}

/// One address of a Vault cluster: `http://`, `https://` (with an optional base path) or `unix://`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An origin and the path that goes before `/v1`.
    Http {
        /// True for `https`.
        tls: bool,
        /// Host name or IP address; an IPv6 address without brackets.
        host: String,
        /// The port, explicit or the scheme's.
        port: u16,
        /// The base path without a slash at its end: `""` or `/vault`.
        base: String,
    },
    /// A Unix socket that speaks plain HTTP.
    Unix(PathBuf),
}

impl Address {
    /// Parses one address; `field` is what the error names. User information, a query and a fragment are refused.
    pub fn parse(text: &str, field: &str) -> Result<Self, SpecError> {
        let wrong =
            |why: &str| SpecError::field(field, format!("{why}; expected https://host:port or unix:///path"));
        if let Some(path) = text.strip_prefix("unix://") {
            if !path.starts_with('/') || path.contains('\0') {
                return Err(wrong("a unix:// address needs an absolute path"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let uri: http::Uri = text.parse().map_err(|_| wrong("is not an address"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("has no http://, https:// or unix:// in front")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("must not hold a user or a password"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(wrong("must not hold a query or a fragment"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("has no host"));
        }
        // http answers no port, and no error, for one that is out of range: what follows the host tells them apart.
        let port = match (authority.port_u16(), authority.as_str().strip_prefix(authority.host())) {
            (Some(port), _) => port,
            (None, Some("" | ":")) if tls => 443,
            (None, Some("" | ":")) => 80,
            (None, _) => return Err(wrong("has a port that is none")),
        };
        Ok(Self::Http { tls, host, port, base: uri.path().trim_end_matches('/').to_owned() })
    }

    /// A comma-separated list of addresses of one cluster, at least one.
    pub fn parse_list(text: &str, field: &str) -> Result<Vec<Self>, SpecError> {
        let list: Vec<Self> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| Self::parse(part, field))
            .collect::<Result<_, _>>()?;
        if list.is_empty() {
            return Err(SpecError::field(
                field,
                "names no address; expected https://host:port or unix:///path",
            ));
        }
        Ok(list)
    }

    /// `scheme://host:port`, what two addresses are compared by; a socket's is its whole address.
    pub fn origin(&self) -> String {
        match self {
            Self::Http { tls, host, port, .. } => {
                let scheme = if *tls { "https" } else { "http" };
                if host.contains(':') {
                    format!("{scheme}://[{host}]:{port}")
                } else {
                    format!("{scheme}://{host}:{port}")
                }
            }
            Self::Unix(path) => format!("unix://{}", path.display()),
        }
    }
}

/// As an operator wrote it; holds no credentials, because [`Address::parse`] refuses them.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())?;
        if let Self::Http { base, .. } = self {
            f.write_str(base)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a Vault's certificate is checked and which certificate we show; paths are in the provider's file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsSpec {
    /// A PEM file of certificate authorities, in place of the system's. Wins over the other two.
    pub ca_file: Option<PathBuf>,
    /// PEM text of certificate authorities (`VAULT_CACERT_BYTES`). Wins over `ca_directory`, as in Vault's own client.
    pub ca_bytes: Option<String>,
    /// A folder of PEM files of certificate authorities.
    pub ca_directory: Option<PathBuf>,
    /// The name that the server's certificate must have, in place of the address's host.
    pub server_name: Option<String>,
    /// Our certificate (PEM); only together with `client_key`.
    pub client_cert: Option<PathBuf>,
    /// The key of our certificate (PEM); only together with `client_cert`.
    pub client_key: Option<PathBuf>,
    /// Accept any certificate.
    pub skip_verify: bool,
}

/// A Vault cluster as one mount sees it. At least one address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointSpec {
    /// The cluster's addresses in the order they are tried; never empty.
    pub addresses: Vec<Address>,
    /// `X-Vault-Namespace`, when there is one; no slashes at its ends are needed.
    pub namespace: Option<String>,
    /// TLS for all addresses.
    pub tls: TlsSpec,
}

/// What counts where a class says nothing: flags over environment over built-in defaults, per flavour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassDefaults {
    /// Address list, namespace and TLS from flags and environment.
    pub endpoint: EndpointSpec,
    /// The auth mount (`-vault-mount`, `kubernetes`), without slashes at its ends.
    pub auth_mount: String,
}
