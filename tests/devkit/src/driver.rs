//! A stand-in CSI driver: asks a provider over its socket as the driver's releases do, checks the answer as they do,
//! writes the volume as they do.

mod answer;
mod attributes;
mod call;
mod link;
mod tap;
mod volume;
mod wire;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use prost::Message as _;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{IntoRequest, Request, Status};
use tower::service_fn;

use crate::proto::v1alpha1::csi_driver_provider_client::CsiDriverProviderClient;
use crate::proto::v1alpha1::{MountRequest, MountResponse, ObjectVersion, VersionRequest, VersionResponse};

pub use answer::{MountFailure, Mounted, MountedFile};
pub use call::MountCall;
pub use link::{Link, LinkCounts};
pub use tap::Tap;

use attributes::Occasion;
use wire::Wire;

/// What the driver takes of one answer.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;

/// A release of the driver; they differ in what they send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriverRelease {
    /// As 1.5.6 in all that a provider sees.
    V1_4_8,
    /// `:authority` is the socket's path. Rotation is the driver's own: its calls carry current versions, but no deadline and fewer attributes.
    V1_5_6,
    /// `:authority` is `localhost`. Rotation is kubelet's republishing: every call is as the first.
    #[default]
    V1_6_0,
}

impl DriverRelease {
    /// Whether its calls' `:authority` is the path of the provider's socket.
    fn sends_the_path(self) -> bool {
        match self {
            Self::V1_4_8 | Self::V1_5_6 => true,
            Self::V1_6_0 => false,
        }
    }
}

/// A stand-in driver on one provider's socket, with one connection and volumes in a temporary folder; a clone is the
/// same driver.
#[derive(Clone)]
pub struct Driver {
    inner: Arc<Inner>,
}

struct Inner {
    release: DriverRelease,
    channel: Channel,
    /// In place of the channel, which neither waits nor calls again.
    link: Option<Link>,
    root: TempDir,
    /// The versions that each volume holds, by its folder.
    versions: Mutex<BTreeMap<PathBuf, Vec<ObjectVersion>>>,
}

impl Driver {
    /// A driver of release 1.6.0 for the provider at this socket; it connects at its first call, and again when needed.
    pub fn new(socket: &Path) -> Self {
        Self::of_release(DriverRelease::default(), socket)
    }

    /// The same of a given release.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    pub fn of_release(release: DriverRelease, socket: &Path) -> Self {
        let (path, socket) = (socket, socket.to_owned());
        let connect = move |_: Uri| {
            let socket = socket.clone();
            let path = release.sends_the_path().then(|| socket.as_os_str().as_bytes().to_vec());
            async move {
                let stream = UnixStream::connect(socket).await?;
                Ok::<_, std::io::Error>(TokioIo::new(Wire::new(stream, path)))
            }
        };
        let endpoint = if release.sends_the_path() {
            wire::placeholder(path)
        } else {
            Endpoint::from_static("http://localhost")
        };
        let channel = endpoint.connect_with_connector_lazy(service_fn(connect));
        let root = TempDir::with_prefix("driver-").expect("a temporary folder");
        Self { inner: Arc::new(Inner { release, channel, link: None, root, versions: Mutex::default() }) }
    }

    /// A driver of release 1.6.0 that keeps its connection and calls again as the real one does: what is lost with a
    /// killed provider, or was not begun by one that leaves, goes to its successor.
    pub fn persistent(socket: &Path) -> Self {
        let mut driver = Self::new(socket);
        Arc::get_mut(&mut driver.inner).expect("just made").link = Some(Link::new(socket));
        driver
    }

    /// The connection of [`Driver::persistent`].
    ///
    /// # Panics
    /// When the driver was made otherwise.
    pub fn link(&self) -> &Link {
        self.inner.link.as_ref().expect("a persistent driver")
    }

    /// Asks the provider for its version, as the driver's health check does.
    ///
    /// # Errors
    /// The provider's status, or `Unavailable` when it cannot be reached.
    pub async fn version(&self) -> Result<VersionResponse, Status> {
        let request = VersionRequest { version: "v1alpha1".to_owned() };
        if let Some(link) = &self.inner.link {
            return link.call("Version", &http::HeaderMap::new(), &request).await;
        }
        Ok(self.client().version(request).await?.into_inner())
    }

    /// Returns when the provider answers.
    ///
    /// # Panics
    /// When it does not for 10 s.
    pub async fn until_ready(&self) {
        let ready = async {
            while self.version().await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ready).await.expect("a provider that answers");
    }

    /// Publishes a volume for the first time: asks, checks the answer, writes the folder.
    ///
    /// # Errors
    /// The provider's status, or why the driver refuses its answer; the folder is then as it was.
    pub async fn mount(&self, call: &MountCall) -> Result<Mounted, MountFailure> {
        self.publish(call, Occasion::FirstMount).await
    }

    /// Publishes a volume again, as kubelet (1.6.0) or the driver itself (up to 1.5.6) does while the pod runs.
    ///
    /// # Errors
    /// As [`Driver::mount`]; a real driver of release 1.6.0 tells nobody.
    pub async fn republish(&self, call: &MountCall) -> Result<Mounted, MountFailure> {
        let occasion = match self.inner.release {
            DriverRelease::V1_6_0 => Occasion::FirstMount,
            DriverRelease::V1_4_8 | DriverRelease::V1_5_6 => Occasion::DriverRotation,
        };
        self.publish(call, occasion).await
    }

    /// Removes a volume, as at the end of its pod; the provider is not told.
    pub fn unmount(&self, call: &MountCall) {
        let folder = self.folder(call);
        self.inner.versions.lock().expect("no holder panics").remove(&folder);
        // A volume that was never mounted has no folder.
        let _ = std::fs::remove_dir_all(folder);
    }

    /// Sends any request, checks nothing, writes nothing.
    ///
    /// # Errors
    /// The provider's status.
    pub async fn send(&self, request: impl IntoRequest<MountRequest>) -> Result<MountResponse, Status> {
        let request = request.into_request();
        let response: MountResponse = match &self.inner.link {
            Some(link) => {
                let (metadata, _, message) = request.into_parts();
                link.call("Mount", &metadata.into_headers(), &message).await?
            }
            None => {
                // The limit is the driver's to check, so that it can say what a Go client says.
                let mut client = self.client().max_decoding_message_size(16 * ANSWER_LIMIT);
                client.mount(request).await?.into_inner()
            }
        };
        let size = response.encoded_len();
        if size > ANSWER_LIMIT {
            let text = format!("grpc: received message larger than max ({size} vs. {ANSWER_LIMIT})");
            return Err(Status::resource_exhausted(text));
        }
        Ok(response)
    }

    /// The request that [`Driver::mount`] would send.
    pub fn request(&self, call: &MountCall) -> MountRequest {
        attributes::request(call, Occasion::FirstMount, &self.folder(call), Vec::new())
    }

    /// The folder of a volume, as the pod sees it.
    pub fn folder(&self, call: &MountCall) -> PathBuf {
        call.target_path.clone().unwrap_or_else(|| {
            let below = format!("pods/{}/volumes/kubernetes.io~csi/{}/mount", call.pod.uid, call.volume);
            self.inner.root.path().join(below)
        })
    }

    /// What a pod reads in its volume now.
    ///
    /// # Panics
    /// When the folder cannot be read.
    pub fn files(&self, call: &MountCall) -> BTreeMap<String, MountedFile> {
        volume::read(&self.folder(call)).expect("a volume that is mounted")
    }

    async fn publish(&self, call: &MountCall, occasion: Occasion) -> Result<Mounted, MountFailure> {
        let folder = self.folder(call);
        let current = match occasion {
            Occasion::FirstMount => Vec::new(),
            Occasion::DriverRotation => self
                .inner
                .versions
                .lock()
                .expect("no holder panics")
                .get(&folder)
                .cloned()
                .unwrap_or_default(),
        };
        let mut request = Request::new(attributes::request(call, occasion, &folder, current));
        if let Some(deadline) = call.deadline.filter(|_| occasion == Occasion::FirstMount) {
            request.set_timeout(deadline);
        }
        let response = self.send(request).await.map_err(MountFailure::Status)?;
        answer::check(&response).map_err(MountFailure::Refused)?;
        let versions = response.object_version.clone();
        let (files, mut mounted) = answer::unpack(response, &folder);
        mounted.changed = volume::write(&folder, &files).expect("the stand-in's own folder is writable");
        self.inner.versions.lock().expect("no holder panics").insert(folder, versions);
        mounted.files = files;
        Ok(mounted)
    }

    fn client(&self) -> CsiDriverProviderClient<Channel> {
        CsiDriverProviderClient::new(self.inner.channel.clone())
    }
}

#[cfg(test)]
mod tests;
