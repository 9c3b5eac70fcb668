//! The real binary for one test, as a child process that ends with its handle.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use devkit::driver::{Driver, MountCall};
use devkit::kubernetes::Kubernetes;
use devkit::pod::Pod;
use devkit::real::{Error, Process, Program};
use devkit::vault::{Role, Vault};
use serde_json::json;
use tempfile::TempDir;

use crate::node::{ONE, PATIENCE};

/// The binary that Cargo built for these tests.
pub const BINARY: &str = env!("CARGO_BIN_EXE_lockkeeper");

/// Vault and Kubernetes for a binary, and a folder for its sockets.
pub struct World {
    /// Has `k` = `canary-value` at `secret/data/app`.
    pub vault: Vault,
    /// The Kubernetes API.
    pub kubernetes: Kubernetes,
    /// Where the sockets lie.
    pub folder: TempDir,
}

/// A running binary with a driver on its first socket.
pub struct Running {
    /// The process.
    pub process: Process,
    /// On the first socket.
    pub driver: Driver,
    /// The first socket.
    pub socket: PathBuf,
    /// The address that answers `/health/ready`.
    pub health: String,
    _log: TempDir,
}

impl World {
    /// A Vault with the role `app`, and an API server.
    pub async fn start() -> Self {
        let (vault, kubernetes) = (Vault::start().await, Kubernetes::start().await);
        vault.kubernetes_auth("kubernetes", &kubernetes.issuer());
        vault.role("kubernetes", Role::new("app"));
        vault.kv2("secret").put("app", json!({"k": "canary-value"}));
        Self { vault, kubernetes, folder: tempfile::tempdir().expect("a folder") }
    }

    /// Runs the binary on sockets of these names until it answers at the first.
    pub async fn run(&self, sockets: &[&str], flags: &[&str]) -> Running {
        let log = tempfile::tempdir().expect("a folder");
        let socket = self.folder.path().join(sockets[0]);
        let endpoints =
            sockets.iter().map(|name| format!("-endpoint={}", self.folder.path().join(name).display()));
        let mut process = Program::new("lockkeeper", BINARY)
            .args(endpoints)
            .arg("-kubernetes-service-account-dir")
            .arg(self.kubernetes.service_account_folder())
            .args(["-health-addr=127.0.0.1:0", "--vault-addr", self.vault.address()])
            .args(flags)
            .env("KUBERNETES_SERVICE_HOST", self.kubernetes.host())
            .env("KUBERNETES_SERVICE_PORT", self.kubernetes.port().to_string())
            .start(log.path())
            .expect("started");
        let driver = Driver::new(&socket);
        let health = process
            .until("it answers", PATIENCE, async |log| {
                driver.version().await.map_err(|status| Error::new(status.message()))?;
                let address = log.split("answering /health/ready address=").nth(1);
                let address = address.and_then(|rest| rest.split_whitespace().next());
                address.map(str::to_owned).ok_or_else(|| Error::new("no health address yet"))
            })
            .await
            .expect("it starts");
        Running { process, driver, socket, health, _log: log }
    }

    /// A mount of [`ONE`]; its Vault is the one of `-vault-addr`.
    pub fn call(&self, pod: &Pod) -> MountCall {
        let jwt = self.kubernetes.mint(pod, "vault");
        MountCall::new(pod).parameter("roleName", "app").objects(ONE).token("vault", &jwt)
    }
}

impl Running {
    /// Status line and body of the health address.
    pub fn ready(&self) -> String {
        let mut stream = TcpStream::connect(&self.health).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
            .write_all(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}
