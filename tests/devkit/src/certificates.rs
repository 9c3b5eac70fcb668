//! A certificate authority for one test: server and client certificates that it signs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use time::{Duration, OffsetDateTime};

/// A certificate authority with a key of its own.
#[derive(Clone)]
pub struct Authority {
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
}

/// A certificate and its key, both as PEM text.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PKCS#8 PEM.
    pub key_pem: String,
}

/// A certificate with its serial number as Vault writes it.
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) serial: String,
}

/// Where [`Certificate::write_to`] put the two files.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority with this common name.
    pub fn new(common_name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a P-256 key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("sound parameters");
        Self { issuer: Arc::new(issuer) }
    }

    /// The authority's own certificate, PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes the authority's certificate as `name` into `folder`.
    pub fn write_to(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.pem()).expect("the test's folder is writable");
        path
    }

    /// A server certificate for these names (DNS names or IP addresses), valid now.
    pub fn server(&self, names: &[&str]) -> Certificate {
        self.sign(names, ExtendedKeyUsagePurpose::ServerAuth, "server", -1, 30)
    }

    /// A server certificate that expired yesterday.
    pub fn expired_server(&self, names: &[&str]) -> Certificate {
        self.sign(names, ExtendedKeyUsagePurpose::ServerAuth, "server", -3, -1)
    }

    /// A client certificate with this common name.
    pub fn client(&self, common_name: &str) -> Certificate {
        self.sign(&[], ExtendedKeyUsagePurpose::ClientAuth, common_name, -1, 30)
    }

    /// A server certificate for one DNS name, with these times since the Unix epoch.
    pub(crate) fn issue(
        &self,
        name: &str,
        not_before: std::time::Duration,
        not_after: std::time::Duration,
    ) -> Issued {
        let mut serial: [u8; 20] = std::array::from_fn(|_| fastrand::u8(..));
        serial[0] = 0x10 | (serial[0] & 0x0f);
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = OffsetDateTime::UNIX_EPOCH + not_before;
        params.not_after = OffsetDateTime::UNIX_EPOCH + not_after;
        let certificate = self.finish(params, &[name], ExtendedKeyUsagePurpose::ServerAuth, name);
        let serial = serial.map(|byte| format!("{byte:02x}")).join(":");
        Issued { certificate, serial }
    }

    fn sign(
        &self,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        common_name: &str,
        from_days: i64,
        to_days: i64,
    ) -> Certificate {
        let mut params = CertificateParams::default();
        let now = OffsetDateTime::now_utc();
        params.not_before = now + Duration::days(from_days);
        params.not_after = now + Duration::days(to_days);
        self.finish(params, names, usage, common_name)
    }

    fn finish(
        &self,
        mut params: CertificateParams,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        common_name: &str,
    ) -> Certificate {
        params.subject_alt_names = names.iter().map(|name| subject_alternative_name(name)).collect();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a P-256 key");
        let certificate = params.signed_by(&key, &self.issuer).expect("sound parameters");
        Certificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

impl Certificate {
    /// Writes `<name>.crt` and `<name>.key` into `folder`.
    pub fn write_to(&self, folder: &Path, name: &str) -> CertificateFiles {
        let files = CertificateFiles {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, &self.certificate_pem).expect("the test's folder is writable");
        std::fs::write(&files.key, &self.key_pem).expect("the test's folder is writable");
        files
    }
}

fn subject_alternative_name(name: &str) -> SanType {
    match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().expect("a DNS name is ASCII")),
    }
}

/// The TLS settings of a server with this certificate, which asks for client certificates when `clients` is given.
pub(crate) fn server_config(certificate: &Certificate, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).expect("our own certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .expect("one root is enough");
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = CertificateDer::pem_slice_iter(certificate.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .expect("a PEM certificate");
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).expect("a PEM key");
    let mut config = builder.with_single_cert(chain, key).expect("the key fits the certificate");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}
