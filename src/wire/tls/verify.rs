//! How a server's certificate is checked, and what is said when it is not accepted.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use x509_parser::parse_x509_certificate;

use crate::words;

/// Why a certificate is not accepted, with its subject and dates.
#[derive(Debug)]
pub(in crate::wire) struct Rejected(String);

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rejected {}

impl Rejected {
    fn new(certificate: &CertificateDer<'_>, wanted: &ServerName<'_>, error: &CertificateError) -> Self {
        use CertificateError as Bad;
        let Ok((_, parsed)) = parse_x509_certificate(certificate) else {
            return Self(format!("the server's certificate cannot be read ({error})"));
        };
        let subject = words::one_line(&parsed.subject().to_string());
        let issuer = words::one_line(&parsed.issuer().to_string());
        let validity = parsed.validity();
        let dates = format!("valid from {} to {}", validity.not_before, validity.not_after);
        let why = match error {
            Bad::UnknownIssuer => {
                format!(
                    "is signed by an authority that is not among the trusted ones, {issuer:?}; check the CA"
                )
            }
            Bad::Expired | Bad::ExpiredContext { .. } => "has expired".to_owned(),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "is not valid yet".to_owned(),
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => format!(
                "is not for {:?} but for {}; check the address or the TLS server name",
                wanted.to_str(),
                names(&parsed)
            ),
            other => format!("is not accepted: {other}"),
        };
        Self(format!("the server's certificate {subject:?} ({dates}) {why}"))
    }
}

/// The names that a certificate is for.
fn names(certificate: &x509_parser::certificate::X509Certificate<'_>) -> String {
    use x509_parser::extensions::GeneralName;
    const MOST: usize = 10;
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names: Vec<String> = alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(words::one_line(name)),
            GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
                Ok(four) => Some(std::net::Ipv4Addr::from(four).to_string()),
                Err(_) => {
                    <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())
                }
            },
            _ => None,
        })
        .take(MOST)
        .collect();
    if names.is_empty() { "no name".to_owned() } else { names.join(", ") }
}

/// Checks as webpki does, for a name other than the address's where one is given.
#[derive(Debug)]
pub(super) struct Checked {
    name: Option<ServerName<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Checked {
    pub(super) fn new(name: Option<ServerName<'static>>, verifier: Arc<WebPkiServerVerifier>) -> Self {
        Self { name, verifier }
    }
}

impl ServerCertVerifier for Checked {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let wanted = self.name.as_ref().unwrap_or(server_name);
        let checked = self.verifier.verify_server_cert(end_entity, intermediates, wanted, ocsp_response, now);
        checked.map_err(|error| match error {
            rustls::Error::InvalidCertificate(bad) => {
                let rejected = Rejected::new(end_entity, wanted, &bad);
                CertificateError::Other(OtherError(Arc::new(rejected))).into()
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Accepts any certificate: `vaultSkipTLSVerify`. The handshake's signatures are still checked.
#[derive(Debug)]
pub(super) struct AcceptAny(Arc<CryptoProvider>);

impl AcceptAny {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self(provider)
    }
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
