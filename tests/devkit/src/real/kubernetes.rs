//! A real Kubernetes API server with its own etcd, and what a test asks of it as the cluster's administrator.

mod files;
mod objects;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, header::AUTHORIZATION};
use serde_json::Value;
use tempfile::TempDir;

use files::{Keys, server_flags};

use super::http::Api;
use super::process::free_port;
use super::scratch::scratch_folder;
use super::{Error, Process, Program, Result, eventually, manifests};

/// How long the API server may take to be ready on a busy machine.
const START: Duration = Duration::from_secs(90);
/// The administrator's bearer token.
const ADMIN_TOKEN: &str = "admin-token";

/// A running API server with RBAC, ended when dropped.
///
/// Nothing else of a cluster runs: no controllers (what is deleted is not cleaned up after), no nodes.
pub struct Kubernetes {
    admin: Api,
    port: u16,
    ca: String,
    issuer_key: String,
    _process: Process,
    _folder: TempDir,
}

impl Kubernetes {
    /// Who signs the service accounts' tokens: their `iss`.
    pub const ISSUER: &'static str = "https://kubernetes.default.svc";

    /// Starts an API server and waits until it is ready.
    ///
    /// # Errors
    /// When it was not built or does not become ready.
    pub async fn start() -> Result<Self> {
        // The port is free when it is looked for, not for sure when it is used.
        match Self::start_once().await {
            Err(error) if error.to_string().contains("address already in use") => Self::start_once().await,
            started => started,
        }
    }

    async fn start_once() -> Result<Self> {
        let folder = scratch_folder("kubernetes-")?;
        let path = folder.path();
        let keys = Keys::write(path)?;
        let port = free_port()?;
        let mut process =
            Program::built("kubernetes")?.arg(path).args(server_flags(path, port)).start(path)?;
        let bearer = HeaderValue::try_from(format!("Bearer {ADMIN_TOKEN}"))
            .map_err(|error| Error::new(error.to_string()))?;
        let admin = Api::new(format!("https://127.0.0.1:{port}"), (AUTHORIZATION, bearer), Some(&keys.ca))?;
        process
            .until("the API server is ready", START, async |_| {
                admin.call(Method::GET, "/readyz", None).await?;
                // Its own controllers make these a moment later.
                admin.call(Method::GET, "/api/v1/namespaces/default", None).await?;
                admin.call(Method::GET, "/api/v1/namespaces/kube-system", None).await
            })
            .await?;
        Ok(Self {
            admin,
            port,
            ca: keys.ca,
            issuer_key: keys.issuer_public,
            _process: process,
            _folder: folder,
        })
    }

    /// Its address, `https://127.0.0.1:…`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.admin.base()
    }

    /// The certificate authority of its certificate, in PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// The public key, in PEM, of the signatures of service-account tokens.
    #[must_use]
    pub fn issuer_key(&self) -> &str {
        &self.issuer_key
    }

    /// The variables by which a pod finds the API server.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
            ("KUBERNETES_SERVICE_PORT", self.port.to_string()),
        ]
    }

    /// Any call as the administrator; `null` for an empty answer.
    ///
    /// # Errors
    /// When the answer is not a success; its status is in the error.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.admin.call(method, path, body).await
    }

    /// Creates an object in a collection, or leaves it as it is when it exists.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create(&self, collection: &str, object: &Value) -> Result<Value> {
        match self.call(Method::POST, collection, Some(object)).await {
            Err(error) if error.status() == Some(409) => Ok(object.clone()),
            answer => answer,
        }
    }

    /// Creates every object of a YAML file, custom resources too; those that exist stay as they are.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn create_manifests(&self, file: &Path) -> Result<()> {
        let text = fs::read_to_string(file)
            .map_err(|error| Error::from(error).while_doing(format_args!("read {}", file.display())))?;
        for manifest in manifests::parse(&text)? {
            let body = ("application/yaml", manifest.yaml.to_owned());
            match self.admin.send(Method::POST, &manifest.collection, Some(body)).await {
                Err(error) if error.status() != Some(409) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits until a collection is served: a custom resource's is a moment after its definition.
    ///
    /// # Errors
    /// When it is not within half a minute.
    pub async fn await_collection(&self, path: &str) -> Result<()> {
        let bound = Duration::from_secs(30);
        eventually(path, bound, async || self.call(Method::GET, path, None).await.map(drop)).await
    }
}

/// A service account's token as a TokenRequest answers it.
#[derive(Clone)]
pub struct Token {
    /// The JWT.
    pub token: String,
    /// When it ends, as RFC 3339 text.
    pub expiration: String,
}

/// A folder with `token`, `ca.crt` and `namespace`, removed when the last clone is dropped.
#[derive(Clone)]
pub struct ServiceAccountFolder {
    folder: Arc<TempDir>,
}

impl ServiceAccountFolder {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The text at a JSON pointer.
fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| Error::new(format!("no text at {pointer} in {value}")))
}
