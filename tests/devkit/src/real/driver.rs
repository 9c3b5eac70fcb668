//! The real Secrets Store CSI driver of three releases, in a mount namespace of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::process::servers_folder;
use super::scratch::scratch_folder;
use super::{Error, Kubernetes, Process, Program, Result};
use crate::driver::DriverRelease;
use crate::proto::csi::{ProbeRequest, identity_client::IdentityClient};

/// How long the driver may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);
/// The namespace and the service account that the driver's own manifests name.
const ACCOUNT: (&str, &str) = ("kube-system", "secrets-store-csi-driver");
/// The collection whose presence shows that the driver's definitions are served.
const CLASSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses";
/// The one after it, where the driver says what it has mounted.
const STATUSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasspodstatuses";

/// A running driver with rotation on, ended when dropped; what it has mounted is then gone too.
///
/// It mounts tmpfs, for which it needs root and CAP_SYS_ADMIN. Its mounts are seen by nobody else, so they are looked at
/// through [`Driver::seen`].
pub struct Driver {
    release: DriverRelease,
    process: Process,
    folder: TempDir,
}

impl Driver {
    /// The node that the newest release is on.
    pub const NODE: &'static str = "node-a";

    /// Creates the driver's definitions and rights in the cluster, starts it with just these rights, and waits until it
    /// answers.
    ///
    /// # Errors
    /// When it was not built, may not mount, or does not start.
    pub async fn start(kubernetes: &Kubernetes) -> Result<Self> {
        Self::start_release(kubernetes, DriverRelease::V1_6_0, &[]).await
    }

    /// The same for any release, with these flags beside the usual ones. Each release is on a node of its own, where it
    /// leaves the others' pods alone; up to 1.5.6, it asks for tokens of the audience `vault` when it rotates.
    ///
    /// # Errors
    /// As [`Driver::start`].
    pub async fn start_release(
        kubernetes: &Kubernetes,
        release: DriverRelease,
        flags: &[&str],
    ) -> Result<Self> {
        let (program, node) = program_and_node(release);
        let manifests = servers_folder().join(format!("{program}-deploy"));
        for entry in fs::read_dir(&manifests)
            .map_err(|error| Error::from(error).while_doing(format_args!("read {}", manifests.display())))?
        {
            kubernetes.create_manifests(&entry?.path()).await?;
        }
        kubernetes.await_collection(CLASSES).await?;
        kubernetes.await_collection(STATUSES).await?;
        if release != DriverRelease::V1_6_0 {
            create_csi_driver(kubernetes).await?;
        }
        let token = kubernetes.token(ACCOUNT.0, ACCOUNT.1, &[], None).await?;

        let folder = scratch_folder("driver-")?;
        let path = folder.path();
        fs::write(path.join("kubeconfig"), kubernetes.kubeconfig(&token))?;
        for name in ["providers", "none", "kubelet"] {
            fs::create_dir(path.join(name))?;
        }
        let mut process = Program::built(program)?
            .private_mounts()
            .env("KUBECONFIG", path.join("kubeconfig"))
            .arg(format!("--endpoint=unix://{}", path.join("csi.sock").display()))
            .arg(format!("--nodeid={node}"))
            .arg(format!("--provider-volume={}", path.join("providers").display()))
            .arg(format!("--additional-provider-volume-paths={}", path.join("none").display()))
            .args(["--metrics-addr=127.0.0.1:0", "--enable-secret-rotation=true"])
            .args(flags)
            .start(path)?;
        let socket = path.join("csi.sock");
        process
            .until("the driver answers", START, async |_| {
                let mut identity = IdentityClient::new(connect(&socket).await?);
                identity.probe(ProbeRequest {}).await.map(drop).map_err(|status| Error::new(status.message()))
            })
            .await?;
        Ok(Self { release, process, folder })
    }

    /// The node that it says it is on.
    #[must_use]
    pub fn node(&self) -> &'static str {
        program_and_node(self.release).1
    }

    /// Where the driver looks for the provider that classes call `name`.
    #[must_use]
    pub fn provider_socket(&self, name: &str) -> PathBuf {
        self.folder.path().join("providers").join(format!("{name}.sock"))
    }

    /// A path as the driver sees it, with its mounts.
    #[must_use]
    pub fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What the driver has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The folder that stands for kubelet's own.
    pub(super) fn kubelet_folder(&self) -> PathBuf {
        self.folder.path().join("kubelet")
    }

    /// A new connection to its CSI socket.
    pub(super) async fn connect(&self) -> Result<Channel> {
        connect(&self.folder.path().join("csi.sock")).await
    }
}

/// What `tests/servers/build` calls a release, and its node.
fn program_and_node(release: DriverRelease) -> (&'static str, &'static str) {
    match release {
        DriverRelease::V1_4_8 => ("driver-1.4.8", "node-1-4-8"),
        DriverRelease::V1_5_6 => ("driver-1.5.6", "node-1-5-6"),
        DriverRelease::V1_6_0 => ("driver", Driver::NODE),
    }
}

/// The object in which older releases look for the tokens to ask for.
async fn create_csi_driver(kubernetes: &Kubernetes) -> Result<()> {
    let object = json!({
        "metadata": { "name": "secrets-store.csi.k8s.io" },
        "spec": {
            "podInfoOnMount": true,
            "attachRequired": false,
            "volumeLifecycleModes": ["Ephemeral"],
            "tokenRequests": [{ "audience": "vault" }],
        },
    });
    kubernetes.create("/apis/storage.k8s.io/v1/csidrivers", &object).await.map(drop)
}

/// A gRPC connection over a Unix socket.
async fn connect(socket: &Path) -> Result<Channel> {
    let socket = socket.to_owned();
    let connector = service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Ok(Endpoint::from_static("http://localhost").connect_with_connector(connector).await?)
}
