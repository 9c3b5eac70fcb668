//! The API server's own files and flags.

use std::fs;
use std::path::Path;

use rcgen::KeyPair;

use super::{ADMIN_TOKEN, Kubernetes};
use crate::certificates::Authority;
use crate::real::Result;

/// What the API server is started with.
pub(super) fn server_flags(folder: &Path, port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--cert-dir={}", file("certs")),
        format!("--service-account-issuer={}", Kubernetes::ISSUER),
        format!("--service-account-key-file={}", file("issuer.pub")),
        format!("--service-account-signing-key-file={}", file("issuer.key")),
        format!("--api-audiences={},vault", Kubernetes::ISSUER),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

/// The files that the API server reads at its start.
pub(super) struct Keys {
    /// The authority of the server's certificate.
    pub(super) ca: String,
    /// The public half of the key that signs service-account tokens.
    pub(super) issuer_public: String,
}

impl Keys {
    pub(super) fn write(folder: &Path) -> Result<Self> {
        let issuer = KeyPair::generate()?;
        let authority = Authority::new("the tests' cluster");
        authority.server(&["127.0.0.1", "localhost", "kubernetes.default.svc"]).write_to(folder, "server");
        for (name, content) in [
            ("issuer.key", issuer.serialize_pem()),
            ("issuer.pub", issuer.public_key_pem()),
            ("tokens.csv", format!("{ADMIN_TOKEN},admin,admin,system:masters\n")),
        ] {
            fs::write(folder.join(name), content)?;
        }
        Ok(Self { ca: authority.pem(), issuer_public: issuer.public_key_pem() })
    }
}
