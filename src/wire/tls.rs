//! TLS towards a server: whom we trust, who we are; from files that a class or an operator names.

mod verify;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::words;
use verify::{AcceptAny, Checked};

pub(super) use verify::Rejected;

/// Files that a class names are at most this long.
const FILE_LIMIT: u64 = 1 << 20;

/// A CA folder holds at most this many files.
const FOLDER_LIMIT: usize = 1_000;

/// What cannot be used for TLS, naming the file and never quoting it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsFileError(String);

impl From<String> for TlsFileError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Which files make up a TLS identity; see [`crate::class::endpoint::TlsSpec`] for the meaning of each.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// A PEM file of authorities; wins over `ca_text`, which wins over `ca_directory`.
    pub ca_file: Option<PathBuf>,
    /// A folder of PEM files of authorities.
    pub ca_directory: Option<PathBuf>,
    /// PEM text of authorities.
    pub ca_text: Option<String>,
    /// Our certificate.
    pub client_cert: Option<PathBuf>,
    /// The key of our certificate.
    pub client_key: Option<PathBuf>,
}

/// The contents of [`TlsFiles`] as read at one moment. `Debug` shows none.
#[derive(Clone)]
pub struct TlsMaterial {
    authorities: Option<Vec<Pem>>,
    identity: Option<Identity>,
}

/// The content of one file and what an error calls it.
#[derive(Clone)]
struct Pem {
    name: String,
    bytes: Zeroizing<Vec<u8>>,
}

/// Who we are.
#[derive(Clone)]
struct Identity {
    cert: Pem,
    key: Pem,
}

impl TlsFiles {
    /// True when no file has to be read.
    pub fn are_none(&self) -> bool {
        self.ca_file.is_none() && self.ca_directory.is_none() && self.client_cert.is_none()
    }

    /// Reads the files; blocks.
    pub fn read(&self) -> Result<TlsMaterial, TlsFileError> {
        let authorities = match (&self.ca_file, &self.ca_text, &self.ca_directory) {
            (Some(file), _, _) => Some(vec![Pem::read(file)?]),
            (None, Some(text), _) => {
                let bytes = Zeroizing::new(text.clone().into_bytes());
                Some(vec![Pem { name: "the CA given as text".to_owned(), bytes }])
            }
            (None, None, Some(folder)) => Some(read_folder(folder)?),
            (None, None, None) => None,
        };
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(cert), Some(key)) => Some(Identity { cert: Pem::read(cert)?, key: Pem::read(key)? }),
            _ => None,
        };
        Ok(TlsMaterial { authorities, identity })
    }
}

impl TlsMaterial {
    /// A digest by which a change of the files shows.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        let identity = self.identity.iter().flat_map(|identity| [&identity.cert, &identity.key]);
        for pem in self.authorities.iter().flatten().chain(identity) {
            part(pem.name.as_bytes());
            part(&pem.bytes);
        }
        hash.finalize().into()
    }

    /// Builds what rustls needs. `verified_name` is checked in place of the address's host, for names that cannot
    /// stand in a URL's place (IP addresses). Without authorities the system's are used.
    pub fn client_config(
        &self,
        skip_verify: bool,
        verified_name: Option<ServerName<'static>>,
    ) -> Result<ClientConfig, TlsFileError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsFileError(format!("TLS cannot be set up: {error}")))?
            .dangerous();
        let builder = if skip_verify {
            builder.with_custom_certificate_verifier(Arc::new(AcceptAny::new(provider)))
        } else {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(self.roots()?), provider)
                .build()
                .map_err(|error| TlsFileError(format!("the CA certificates cannot be used: {error}")))?;
            builder.with_custom_certificate_verifier(Arc::new(Checked::new(verified_name, verifier)))
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { cert, key }) => {
                let chain = cert.certificates()?;
                let private = PrivateKeyDer::from_pem_slice(&key.bytes)
                    .map_err(|_| TlsFileError(format!("{} holds no private key in PEM form", key.name)))?;
                builder.with_client_auth_cert(chain, private).map_err(|error| {
                    TlsFileError(format!("{} and {} do not fit together: {error}", cert.name, key.name))
                })?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn roots(&self) -> Result<RootCertStore, TlsFileError> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            Some(files) => {
                for pem in files {
                    for certificate in pem.certificates()? {
                        roots.add(certificate).map_err(|error| {
                            let name = &pem.name;
                            TlsFileError(format!(
                                "{name} holds a certificate that is no authority's: {error}"
                            ))
                        })?;
                    }
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(TlsFileError("there is no CA certificate to check the server by; name one in the class (vaultCACertPath) or by -vault-tls-ca-cert".to_owned()));
        }
        Ok(roots)
    }
}

impl std::fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsMaterial [REDACTED]")
    }
}

/// A configuration for plain HTTP, which never shakes hands and so needs no authorities.
pub fn never_used() -> Result<ClientConfig, TlsFileError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFileError(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// Reads a file that a class may have named: without blocking on a pipe, regular only, bounded, never quoted.
pub fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsFileError> {
    let wrong = |why: &dyn std::fmt::Display| TlsFileError(format!("cannot read {}: {why}", path.display()));
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(|error| wrong(&words::os(&error)))?;
    let meta = file.metadata().map_err(|error| wrong(&words::os(&error)))?;
    if !meta.is_file() {
        return Err(wrong(&"not a regular file"));
    }
    if meta.len() > FILE_LIMIT {
        return Err(wrong(&"longer than 1MiB"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(meta.len() as usize + 1));
    file.take(FILE_LIMIT).read_to_end(&mut bytes).map_err(|error| wrong(&words::os(&error)))?;
    Ok(bytes)
}

fn read_folder(folder: &Path) -> Result<Vec<Pem>, TlsFileError> {
    let wrong = |why: &dyn std::fmt::Display| {
        TlsFileError(format!("cannot read the folder {}: {why}", folder.display()))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| wrong(&words::os(&error)))? {
        let entry = entry.map_err(|error| wrong(&words::os(&error)))?;
        // A Kubernetes volume holds `..data` and dated folders beside the links to its files.
        if entry.file_name().as_encoded_bytes().starts_with(b"..") || entry.path().is_dir() {
            continue;
        }
        if files.len() == FOLDER_LIMIT {
            return Err(wrong(&"more than 1000 files"));
        }
        files.push(Pem::read(&entry.path())?);
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    if files.is_empty() {
        return Err(wrong(&"no file in it"));
    }
    Ok(files)
}

impl Pem {
    fn read(path: &Path) -> Result<Self, TlsFileError> {
        Ok(Self { name: path.display().to_string(), bytes: read_file(path)? })
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsFileError(format!("{} is not in PEM form", self.name)))?;
        if found.is_empty() {
            return Err(TlsFileError(format!("{} holds no certificate in PEM form", self.name)));
        }
        Ok(found)
    }
}
