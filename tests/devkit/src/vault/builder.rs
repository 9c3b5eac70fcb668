//! How a stand-in Vault is reached and whose answers it gives.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::state::State;
use super::{Flavour, Inner, Vault, route};
use crate::certificates::{Authority, Certificate, server_config};
use crate::clock::StandInClock;
use crate::http::{HttpServer, Place, ServerOptions};

/// See [`Vault::builder`].
#[derive(Default)]
pub struct VaultBuilder {
    flavour: Flavour,
    certificate: Option<Certificate>,
    clients: Option<Authority>,
    socket: Option<PathBuf>,
    base_path: String,
    host: Option<String>,
}

impl VaultBuilder {
    /// Answers as OpenBao does.
    #[must_use]
    pub fn openbao(mut self) -> Self {
        self.flavour = Flavour::OpenBao;
        self
    }

    /// HTTPS with a certificate of `authority` for `127.0.0.1` and `localhost`.
    #[must_use]
    pub fn tls(self, authority: &Authority) -> Self {
        self.certificate(authority.server(&["127.0.0.1", "localhost"]))
    }

    /// HTTPS with this certificate.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// With HTTPS: only clients with a certificate of `authority` may connect.
    #[must_use]
    pub fn require_client_certificate(mut self, authority: &Authority) -> Self {
        self.clients = Some(authority.clone());
        self
    }

    /// HTTP over a Unix socket at this path instead of TCP.
    #[must_use]
    pub fn unix(mut self, socket: &Path) -> Self {
        self.socket = Some(socket.to_owned());
        self
    }

    /// Everything lies below this path, for example `/vault`.
    #[must_use]
    pub fn base_path(mut self, path: &str) -> Self {
        self.base_path = format!("/{}", path.trim_matches('/'));
        self
    }

    /// The host name in [`Vault::address`], for example `localhost`; `127.0.0.1` otherwise.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// Starts the server; it listens when this returns.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(self) -> Vault {
        let clock = Arc::new(StandInClock::default());
        let state = Arc::new(Mutex::new(State::new(self.flavour)));
        let options = ServerOptions {
            place: self.socket.clone().map_or_else(Place::any_port, Place::Unix),
            tls: self.certificate.as_ref().map(|own| server_config(own, self.clients.as_ref())),
            base_path: self.base_path.clone(),
            fault_path_strips: "/v1/",
        };
        let handler = {
            let (clock, state) = (clock.clone(), state.clone());
            move |call: &_| route::answer(&mut state.lock().expect("no handler panics"), call, clock.now())
        };
        let server = HttpServer::start(options, Arc::new(handler)).expect("a free place to listen at");
        let address = match server.place() {
            Place::Unix(path) => format!("unix://{}", path.display()),
            Place::Tcp(address) => {
                let scheme = if self.certificate.is_some() { "https" } else { "http" };
                let host = self.host.unwrap_or_else(|| address.ip().to_string());
                format!("{scheme}://{host}:{}{}", address.port(), self.base_path)
            }
        };
        let vault =
            Vault { inner: Arc::new(Inner { server, address, clock, state }), namespace: String::new() };
        vault.kv2("secret");
        vault.kv1("kv");
        vault
    }
}
