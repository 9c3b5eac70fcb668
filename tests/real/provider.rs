//! The provider's binary as a child process, and a driver on its socket.

use std::path::PathBuf;
use std::time::Duration;

use devkit::driver::Driver;
use devkit::real::{Error, Process, Program, Result, ServiceAccountFolder, scratch_folder};

use crate::cluster::Cluster;

/// How long the provider may take to answer on a busy machine; it takes milliseconds.
const START: Duration = Duration::from_secs(20);

/// How a provider is started.
pub(crate) struct Launch<'a> {
    cluster: &'a Cluster,
    vault_address: &'a str,
    socket: Option<PathBuf>,
    flags: Vec<String>,
}

impl<'a> Launch<'a> {
    /// With the shared Vault's address and a socket in a folder of its own.
    pub(crate) fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, vault_address: cluster.vault.address(), socket: None, flags: Vec::new() }
    }

    /// With another Vault's address.
    pub(crate) fn vault(mut self, address: &'a str) -> Self {
        self.vault_address = address;
        self
    }

    /// With that socket.
    pub(crate) fn socket(mut self, socket: PathBuf) -> Self {
        self.socket = Some(socket);
        self
    }

    /// With one more flag.
    pub(crate) fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Starts it with that service account's folder and waits until it answers.
    pub(crate) async fn start(self, home: &ServiceAccountFolder) -> Result<Provider> {
        let folder = scratch_folder("provider-")?;
        let socket = self.socket.unwrap_or_else(|| folder.path().join("vault.sock"));
        let mut process = Program::new("lockkeeper", env!("CARGO_BIN_EXE_lockkeeper"))
            .arg("-endpoint")
            .arg(&socket)
            .args(["-vault-addr", self.vault_address, "-health-addr", "127.0.0.1:0", "-log-level", "debug"])
            .arg("-kubernetes-service-account-dir")
            .arg(home.path())
            .args(self.flags)
            .envs(self.cluster.kubernetes.environment())
            .start(folder.path())?;
        let driver = Driver::new(&socket);
        process
            .until("it answers", START, async |_| {
                driver.version().await.map(drop).map_err(|status| Error::new(status.message()))
            })
            .await?;
        Ok(Provider { driver, process, _home: home.clone(), _folder: folder })
    }
}

/// A running provider with a stand-in driver on its socket, ended when dropped.
pub(crate) struct Provider {
    /// Writes volumes of its own.
    pub(crate) driver: Driver,
    process: Process,
    _home: ServiceAccountFolder,
    _folder: tempfile::TempDir,
}

impl Provider {
    /// Asks it to stop, as kubelet does at the end of its pod.
    pub(crate) fn stop(&self) -> Result<()> {
        self.process.signal("TERM")
    }

    /// Waits until it has ended with success.
    pub(crate) async fn finish(&mut self, bound: Duration) -> Result<()> {
        self.process.finish(bound).await
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Panics when one of these is in the log, and says which without printing it again.
    pub(crate) fn assert_never_logged(&self, secrets: &[&str]) {
        let log = self.log();
        for (number, secret) in secrets.iter().enumerate() {
            assert!(!log.contains(secret), "secret {number} of {} is in the provider's log", secrets.len());
        }
    }
}
