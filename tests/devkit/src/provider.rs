//! A real provider in this process, told where the stand-ins are.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lockkeeper::app::{App, AppError};
use lockkeeper::settings::{Invocation, Settings};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::kubernetes::Kubernetes;

/// A provider that serves `vault.sock` in a temporary folder until it is stopped or dropped.
pub struct Provider {
    socket: PathBuf,
    health_address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), AppError>>,
    _folder: TempDir,
}

impl Provider {
    /// Starts a provider in this cluster with these arguments beside `-endpoint`, `-health-addr` and the service
    /// account's folder.
    ///
    /// # Panics
    /// When the provider does not start.
    pub async fn start(kubernetes: &Kubernetes, arguments: &[&str]) -> Self {
        let folder = TempDir::with_prefix("provider-").expect("a temporary folder");
        let endpoint = format!("-endpoint={}", folder.path().join("vault.sock").display());
        let account = kubernetes.service_account_folder().display();
        let account = format!("-kubernetes-service-account-dir={account}");
        let own = [endpoint.as_str(), account.as_str(), "-health-addr=127.0.0.1:0"];
        let (host, port) = (kubernetes.host().to_owned(), kubernetes.port().to_string());
        let environment = move |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some(OsString::from(&host)),
            "KUBERNETES_SERVICE_PORT" => Some(OsString::from(&port)),
            _ => None,
        };
        let arguments = own.iter().chain(arguments).map(OsString::from);
        let settings = match Settings::parse(arguments, environment) {
            Ok(Invocation::Serve(settings)) => *settings,
            Ok(Invocation::Print(text)) => panic!("these arguments only print: {text}"),
            Err(error) => panic!("{error}"),
        };
        let bound = App::bind(settings).await.unwrap_or_else(|error| panic!("{error}"));
        let socket = bound.sockets().first().expect("one endpoint was given").clone();
        let health_address = bound.health_address();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(bound.run(async {
            // Dropped without a word is stopped, too.
            let _ = stopped.await;
        }));
        Self { socket, health_address, stop: Some(stop), running, _folder: folder }
    }

    /// The socket that the driver connects to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where it answers `/health/ready`.
    pub fn health_address(&self) -> SocketAddr {
        self.health_address
    }

    /// Stops it in good order, as SIGTERM does.
    ///
    /// # Errors
    /// Why it ended.
    ///
    /// # Panics
    /// When it panicked.
    pub async fn stop(mut self) -> Result<(), AppError> {
        // It may have ended by itself; the next line says why.
        let _ = self.stop.take().map(|stop| stop.send(()));
        (&mut self.running).await.expect("the provider does not panic")
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.running.abort();
    }
}
