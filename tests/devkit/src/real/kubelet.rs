//! Plays the node's kubelet towards the real CSI driver: publishes a pod's volume, again and again, and takes it away.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tonic::{Code, Request, Status};

use super::{Driver, Error, Kubernetes, Result};
use crate::pod::Pod;
use crate::proto::csi::node_client::NodeClient;
use crate::proto::csi::volume_capability::access_mode::Mode;
use crate::proto::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use crate::proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability};

/// kubelet's own bound for one call to a CSI driver.
const CALL: Duration = Duration::from_secs(120);
/// The codes after which kubelet keeps the volume's folder and calls again.
const NOT_FINAL: [Code; 5] =
    [Code::Cancelled, Code::DeadlineExceeded, Code::Unavailable, Code::ResourceExhausted, Code::Aborted];

/// kubelet's part for one driver.
pub struct Kubelet<'a> {
    kubernetes: &'a Kubernetes,
    driver: &'a Driver,
    audiences: Vec<String>,
}

impl<'a> Kubelet<'a> {
    /// A kubelet whose CSIDriver object asks for tokens (`tokenRequests`) with these audiences.
    #[must_use]
    pub fn new(kubernetes: &'a Kubernetes, driver: &'a Driver, audiences: &[&str]) -> Self {
        let audiences = audiences.iter().copied().map(str::to_owned).collect();
        Self { kubernetes, driver, audiences }
    }

    /// Publishes the volume of a pod that names `class`, as before the pod's first container starts.
    ///
    /// # Errors
    /// The driver's status, and in it the provider's.
    pub async fn publish(&self, pod: &Pod, class: &str) -> std::result::Result<Volume<'a>, Status> {
        let target = self
            .driver
            .kubelet_folder()
            .join(format!("pods/{}/volumes/kubernetes.io~csi/secrets/mount", pod.uid));
        let folder = target.parent().unwrap_or(&target);
        fs::create_dir_all(folder).map_err(|error| Status::internal(error.to_string()))?;
        let volume = Volume {
            kubernetes: self.kubernetes,
            driver: self.driver,
            audiences: self.audiences.clone(),
            pod: pod.clone(),
            class: class.to_owned(),
            target,
        };
        match volume.call_publish().await {
            Ok(()) => Ok(volume),
            Err(status) => {
                if !NOT_FINAL.contains(&status.code()) {
                    // As kubelet does, so that the next call starts from nothing.
                    let _ = fs::remove_dir(self.driver.seen(&volume.target));
                }
                Err(status)
            }
        }
    }
}

/// A pod's volume that was published. Its mount goes with [`Volume::unpublish`], at the latest with the driver.
pub struct Volume<'a> {
    kubernetes: &'a Kubernetes,
    driver: &'a Driver,
    audiences: Vec<String>,
    pod: Pod,
    class: String,
    target: PathBuf,
}

impl Volume<'_> {
    /// The bytes of a file, as the pod reads them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        fs::read(self.driver.seen(&self.target).join(file))
    }

    /// The text of every file that the volume's top folder shows, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn files(&self) -> io::Result<BTreeMap<String, String>> {
        let folder = self.driver.seen(&self.target);
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // The driver's own links and folders.
            if !name.starts_with("..") {
                let bytes = fs::read(folder.join(&name))?;
                files.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(files)
    }

    /// The object versions that the driver has noted in the pod's status, by object.
    ///
    /// # Errors
    /// When the API server does not have it.
    pub async fn object_versions(&self) -> Result<BTreeMap<String, String>> {
        let name = format!("{}-{}-{}", self.pod.name, self.pod.namespace, self.class);
        let path = format!(
            "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{}/secretproviderclasspodstatuses/{name}",
            self.pod.namespace
        );
        let status = self.kubernetes.call(http::Method::GET, &path, None).await?;
        let objects = status.pointer("/status/objects").and_then(Value::as_array);
        let objects = objects.ok_or_else(|| Error::new(format!("{name} lists no objects")))?;
        let text = |object: &Value, key: &str| object[key].as_str().unwrap_or_default().to_owned();
        Ok(objects.iter().map(|object| (text(object, "id"), text(object, "version"))).collect())
    }

    /// Publishes again, as kubelet does every minute or so, with the volume old enough for the driver to ask the provider.
    /// The driver answers OK even where the provider fails: look at the files.
    ///
    /// # Errors
    /// The driver's status.
    pub async fn republish(&self) -> std::result::Result<(), Status> {
        let long_ago = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(1));
        File::open(self.driver.seen(&self.target))
            .and_then(|folder| folder.set_times(long_ago))
            .map_err(|error| Status::internal(error.to_string()))?;
        self.call_publish().await
    }

    /// Takes the volume away, as after the pod's last container.
    ///
    /// # Errors
    /// The driver's status.
    pub async fn unpublish(self) -> std::result::Result<(), Status> {
        let mut request = Request::new(NodeUnpublishVolumeRequest {
            volume_id: self.volume_id(),
            target_path: self.target.display().to_string(),
        });
        request.set_timeout(CALL);
        self.client().await?.node_unpublish_volume(request).await?;
        Ok(())
    }

    async fn call_publish(&self) -> std::result::Result<(), Status> {
        let mount = AccessType::Mount(MountVolume::default());
        let mut request = Request::new(NodePublishVolumeRequest {
            volume_id: self.volume_id(),
            target_path: self.target.display().to_string(),
            readonly: true,
            volume_capability: Some(VolumeCapability {
                access_mode: Some(AccessMode { mode: Mode::SingleNodeWriter.into() }),
                access_type: Some(mount),
            }),
            volume_context: self.context().await.map_err(|error| Status::internal(error.to_string()))?,
            ..NodePublishVolumeRequest::default()
        });
        request.set_timeout(CALL);
        self.client().await?.node_publish_volume(request).await?;
        Ok(())
    }

    /// What kubelet tells about the pod, with tokens just minted.
    async fn context(&self) -> Result<HashMap<String, String>> {
        let mut context = HashMap::from([("secretProviderClass".to_owned(), self.class.clone())]);
        let mut about = |name: &str, value: &str| {
            context.insert(format!("csi.storage.k8s.io/{name}"), value.to_owned());
        };
        about("pod.name", &self.pod.name);
        about("pod.namespace", &self.pod.namespace);
        about("pod.uid", &self.pod.uid);
        about("serviceAccount.name", &self.pod.service_account);
        about("ephemeral", "true");
        if !self.audiences.is_empty() {
            let tokens = pod_tokens(self.kubernetes, &self.pod, &self.audiences).await?;
            about("serviceAccount.tokens", &tokens);
        }
        Ok(context)
    }

    async fn client(&self) -> std::result::Result<NodeClient<tonic::transport::Channel>, Status> {
        let channel = self.driver.connect().await.map_err(|error| Status::internal(error.to_string()))?;
        Ok(NodeClient::new(channel))
    }

    fn volume_id(&self) -> String {
        format!("csi-{}", self.pod.uid)
    }
}

/// The attribute `csi.storage.k8s.io/serviceAccount.tokens` for a pod: one token for each audience, minted and bound to the
/// pod as kubelet does.
///
/// # Errors
/// When the API server refuses one.
pub async fn pod_tokens(kubernetes: &Kubernetes, pod: &Pod, audiences: &[String]) -> Result<String> {
    let mut tokens = Map::new();
    for audience in audiences {
        let minted = kubernetes.token(&pod.namespace, &pod.service_account, &[audience], Some(pod)).await?;
        let entry = json!({ "token": minted.token, "expirationTimestamp": minted.expiration });
        tokens.insert(audience.clone(), entry);
    }
    Ok(Value::Object(tokens).to_string())
}
