//! The servers that all tests share, and what belongs to one test in them.

use devkit::driver::MountCall;
use devkit::pod::Pod;
use devkit::real::{Error, Kubernetes, Postgres, Result, ServiceAccountFolder, Vault};
use serde_json::json;
use tokio::sync::OnceCell;

/// What every application of the tests may read.
const POLICY: &str = r#"
path "kv/*" { capabilities = ["read"] }
path "secret/data/*" { capabilities = ["read"] }
path "database/static-creds/*" { capabilities = ["read"] }
path "database/creds/*" { capabilities = ["read"] }
"#;

/// The real servers, set up so that a test only adds what is its own.
pub(crate) struct Cluster {
    pub(crate) kubernetes: Kubernetes,
    pub(crate) vault: Vault,
    pub(crate) postgres: Postgres,
}

impl Cluster {
    /// The cluster that this process's tests share; the first that asks starts it.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Result<Cluster>> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await.as_ref().expect("the real servers start")
    }

    async fn start() -> Result<Self> {
        let (kubernetes, vault, postgres) =
            tokio::try_join!(Kubernetes::start(), Vault::start(), Postgres::start())?;
        vault.mount_kv("kv", 1).await?;
        vault.mount_database("database", "orders", &postgres).await?;
        let cluster = Self { kubernetes, vault, postgres };
        set_up_logins(&cluster.vault, &cluster.kubernetes).await?;
        Ok(cluster)
    }

    /// An application with a namespace and a service account of its own that may log in, by both auth methods and with a
    /// role of its own name, to the shared Vault.
    pub(crate) async fn application(&'static self, name: &'static str) -> Result<Application<'static>> {
        self.application_of(&self.vault, name).await
    }

    /// The same for another Vault.
    pub(crate) async fn application_of<'a>(
        &'a self,
        vault: &'a Vault,
        name: &'static str,
    ) -> Result<Application<'a>> {
        self.kubernetes.create_namespace(name).await?;
        self.kubernetes.create_service_account(name, "app").await?;
        allow_logins(vault, name).await?;
        Ok(Application { kubernetes: &self.kubernetes, vault, name })
    }

    /// A provider's own namespace and service account, with just the rights it needs.
    pub(crate) async fn home(&self, namespace: &str) -> Result<ServiceAccountFolder> {
        let account = (namespace, "lockkeeper");
        self.kubernetes.create_namespace(namespace).await?;
        self.kubernetes.create_service_account(account.0, account.1).await?;
        let minting = json!([
            { "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"] },
        ]);
        let minting_name = format!("{namespace}-minting");
        self.kubernetes.allow(account, None, &minting_name, &minting).await?;
        // RBAC cannot restrict `create` to a name.
        let hmac_key = json!([
            { "apiGroups": [""], "resources": ["secrets"], "verbs": ["create"] },
            { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": [HMAC_SECRET] },
        ]);
        self.kubernetes.allow(account, Some(namespace), "hmac-key", &hmac_key).await?;
        self.kubernetes.service_account_folder(account.0, account.1).await
    }
}

/// The Secret that holds the key of the object versions.
pub(crate) const HMAC_SECRET: &str = "vault-csi-provider-hmac-key";

/// Gives a Vault the KV 2 engine at `secret`, both auth methods for that API server, and the policy of the applications.
pub(crate) async fn set_up_logins(vault: &Vault, kubernetes: &Kubernetes) -> Result<()> {
    vault.mount_kv("secret", 2).await?;
    vault.write_policy("app", POLICY).await?;
    vault.enable_jwt_auth("jwt", kubernetes).await?;
    vault.enable_kubernetes_auth("kubernetes", kubernetes, ("vault", "vault")).await?;
    kubernetes.create_service_account("vault", "app").await?;
    allow_logins(vault, "vault").await?;
    let token = kubernetes.token("vault", "app", &["vault"], None).await?;
    vault.await_login("kubernetes", "vault", &token.token).await
}

/// A role in both auth methods for the service account `app` of one namespace, with the namespace's name.
async fn allow_logins(vault: &Vault, namespace: &str) -> Result<()> {
    let kubernetes_role = json!({
        "bound_service_account_names": ["app"],
        "bound_service_account_namespaces": [namespace],
        "audience": "vault",
        "token_policies": ["app"],
        "token_ttl": "20m",
    });
    vault.write(&format!("auth/kubernetes/role/{namespace}"), &kubernetes_role).await?;
    let jwt_role = json!({
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_subject": format!("system:serviceaccount:{namespace}:app"),
        "bound_audiences": ["vault"],
        "token_policies": ["app"],
        "token_ttl": "20m",
    });
    vault.write(&format!("auth/jwt/role/{namespace}"), &jwt_role).await.map(drop)
}

/// One test's application: its namespace, its role in Vault and the pods it makes.
#[derive(Clone, Copy)]
pub(crate) struct Application<'a> {
    pub(crate) kubernetes: &'a Kubernetes,
    pub(crate) vault: &'a Vault,
    pub(crate) name: &'static str,
}

impl Application<'_> {
    /// A new pod of its service account.
    pub(crate) async fn pod(&self, name: &str) -> Result<Pod> {
        self.kubernetes.create_pod(self.name, name, "app", "app").await
    }

    /// What the driver asks for a pod, with a token for Vault that the API server has just minted for it.
    pub(crate) async fn call(&self, pod: &Pod, objects: &str) -> Result<MountCall> {
        let token =
            self.kubernetes.token(&pod.namespace, &pod.service_account, &["vault"], Some(pod)).await?;
        Ok(self.call_without_token(pod, objects).token("vault", &token.token))
    }

    /// The same where the CSIDriver object asks for no tokens.
    pub(crate) fn call_without_token(&self, pod: &Pod, objects: &str) -> MountCall {
        MountCall::new(pod).parameter("roleName", self.name).objects(objects)
    }

    /// The accessor of the one live token that this application's logins have made.
    pub(crate) async fn only_token(&self) -> Result<String> {
        let tokens = self.vault.live_tokens(self.name).await?;
        match tokens.as_slice() {
            [token] => Ok(token.accessor.clone()),
            _ => Err(Error::new(format!("{} live tokens of role {}", tokens.len(), self.name))),
        }
    }
}
