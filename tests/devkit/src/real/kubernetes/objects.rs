//! The objects that tests need in the cluster: namespaces, service accounts and their tokens, pods, rights.

use std::fs;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::{Kubernetes, ServiceAccountFolder, Token, text};
use crate::pod::Pod;
use crate::real::{Driver, Result, scratch_folder};

impl Kubernetes {
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

    /// Creates a pod of that service account, on the newest driver's node, which does not exist, with a CSI volume of that
    /// class.
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
        self.create_pod_on(Driver::NODE, namespace, name, service_account, class).await
    }

    /// The same on another node.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create_pod_on(
        &self,
        node: &str,
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
                "nodeName": node,
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

/// The group of roles and their bindings.
const RBAC: &str = "rbac.authorization.k8s.io";
