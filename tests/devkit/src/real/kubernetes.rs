//! A real Kubernetes API server with its own etcd, and what a test asks of it as the cluster's administrator.

mod files;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, header::AUTHORIZATION};
use serde_json::{Value, json};
use tempfile::TempDir;

use files::{Keys, server_flags};

use super::http::Api;
use super::process::{free_port, scratch_folder};
use super::{Error, Process, Program, Result, eventually, manifests};
use crate::pod::Pod;

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

    /// Creates a namespace.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create_namespace(&self, name: &str) -> Result<()> {
        self.create("/api/v1/namespaces", &json!({ "metadata": { "name": name } })).await.map(drop)
    }

    /// Creates a service account.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create_service_account(&self, namespace: &str, name: &str) -> Result<()> {
        let collection = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.create(&collection, &json!({ "metadata": { "name": name } })).await.map(drop)
    }

    /// Creates a pod of that service account, on a node that does not exist, with a CSI volume of that class.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create_pod(
        &self,
        namespace: &str,
        name: &str,
        service_account: &str,
        class: &str,
    ) -> Result<Pod> {
        let csi = json!({
            "driver": "secrets-store.csi.k8s.io",
            "readOnly": true,
            "volumeAttributes": { "secretProviderClass": class },
        });
        let pod = json!({
            "metadata": { "name": name },
            "spec": {
                "nodeName": super::Driver::NODE,
                "serviceAccountName": service_account,
                "automountServiceAccountToken": false,
                "containers": [{ "name": "app", "image": "app" }],
                "volumes": [{ "name": "secrets", "csi": csi }],
            },
        });
        let made =
            self.call(Method::POST, &format!("/api/v1/namespaces/{namespace}/pods"), Some(&pod)).await?;
        Ok(Pod {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: text(&made, "/metadata/uid")?,
            service_account: service_account.to_owned(),
        })
    }

    /// Deletes a pod at once, as after its grace period.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn delete_pod(&self, pod: &Pod) -> Result<()> {
        let path = format!("/api/v1/namespaces/{}/pods/{}", pod.namespace, pod.name);
        self.call(Method::DELETE, &path, Some(&json!({ "gracePeriodSeconds": 0 }))).await.map(drop)
    }

    /// A Secret, or `None` when it is not there.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Value>> {
        match self.call(Method::GET, &format!("/api/v1/namespaces/{namespace}/secrets/{name}"), None).await {
            Ok(secret) => Ok(Some(secret)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets a service account do what `rules` (of a Role) say: everywhere when `namespace` is `None`, else there.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn allow(
        &self,
        (account_namespace, account): (&str, &str),
        namespace: Option<&str>,
        name: &str,
        rules: &Value,
    ) -> Result<()> {
        let (base, kind) = match namespace {
            Some(namespace) => (format!("/apis/{RBAC}/v1/namespaces/{namespace}"), "Role"),
            None => (format!("/apis/{RBAC}/v1"), "ClusterRole"),
        };
        let role = json!({ "metadata": { "name": name }, "rules": rules });
        let binding = json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": RBAC, "kind": kind, "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": account_namespace }],
        });
        let collection = kind.to_lowercase();
        self.create(&format!("{base}/{collection}s"), &role).await?;
        self.create(&format!("{base}/{collection}bindings"), &binding).await.map(drop)
    }

    /// Lets a service account review tokens, as Vault's Kubernetes auth does.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn allow_token_review(&self, namespace: &str, account: &str) -> Result<()> {
        let binding = json!({
            "metadata": { "name": format!("{namespace}-{account}-token-review") },
            "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": "system:auth-delegator" },
            "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": namespace }],
        });
        self.create(&format!("/apis/{RBAC}/v1/clusterrolebindings"), &binding).await.map(drop)
    }

    /// Mints a token of a service account for an hour; bound to that pod, if one is given, as kubelet's are. Without an
    /// audience it is one for the API server.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn token(
        &self,
        namespace: &str,
        account: &str,
        audiences: &[&str],
        pod: Option<&Pod>,
    ) -> Result<Token> {
        let bound =
            pod.map(|pod| json!({ "apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid }));
        let spec = json!({ "audiences": audiences, "expirationSeconds": 3600, "boundObjectRef": bound });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let answer = self.call(Method::POST, &path, Some(&json!({ "spec": spec }))).await?;
        Ok(Token {
            token: text(&answer, "/status/token")?,
            expiration: text(&answer, "/status/expirationTimestamp")?,
        })
    }

    /// Writes the folder that a pod of that service account would find under `/var/run/secrets/kubernetes.io/serviceaccount`.
    ///
    /// # Errors
    /// When the API server refuses the token, or the folder cannot be written.
    pub async fn service_account_folder(
        &self,
        namespace: &str,
        account: &str,
    ) -> Result<ServiceAccountFolder> {
        let folder = scratch_folder("service-account-")?;
        let token = self.token(namespace, account, &[], None).await?;
        for (name, content) in
            [("token", token.token.as_str()), ("ca.crt", &self.ca), ("namespace", namespace)]
        {
            fs::write(folder.path().join(name), content)?;
        }
        Ok(ServiceAccountFolder { folder: Arc::new(folder) })
    }

    /// A kubeconfig for a bearer token.
    #[must_use]
    pub fn kubeconfig(&self, token: &Token) -> String {
        let ca = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &self.ca);
        // JSON is YAML too.
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
            "clusters": [{ "name": "test",
                "cluster": { "server": self.address(), "certificate-authority-data": ca } }],
            "users": [{ "name": "test", "user": { "token": token.token } }],
        })
        .to_string()
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

/// The group of roles and their bindings.
const RBAC: &str = "rbac.authorization.k8s.io";

/// The text at a JSON pointer.
fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| Error::new(format!("no text at {pointer} in {value}")))
}
