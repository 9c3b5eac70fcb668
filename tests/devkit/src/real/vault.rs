//! A real Vault server, and what a test asks of it as its administrator.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::Api;
use super::scratch::scratch_folder;
use super::wait::holds;
use super::{Error, Kubernetes, Postgres, Process, Program, Result, eventually};
use crate::certificates::Authority;

/// How long Vault may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long a secrets engine or an auth method may take to be of use after it was enabled.
const ENABLE: Duration = Duration::from_secs(20);

/// A running Vault with an in-memory store, unsealed, ended when dropped.
pub struct Vault {
    api: Api,
    unseal_key: String,
    _process: Process,
    _folder: TempDir,
}

impl Vault {
    /// The root token's id.
    pub const ROOT_TOKEN: &'static str = "root";

    /// Starts a Vault and waits until it answers.
    ///
    /// # Errors
    /// When it was not built or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(None).await
    }

    /// The same over HTTPS, with a certificate for 127.0.0.1 that `authority` signs.
    ///
    /// # Errors
    /// When it was not built or does not start.
    pub async fn start_with_tls(authority: &Authority) -> Result<Self> {
        Self::start_with(Some(authority)).await
    }

    async fn start_with(authority: Option<&Authority>) -> Result<Self> {
        let folder = scratch_folder("vault-")?;
        let mut program =
            Program::built("vault")?.args(["-listen", "127.0.0.1:0", "-root-token", Self::ROOT_TOKEN]);
        if let Some(authority) = authority {
            let files = authority.server(&["127.0.0.1"]).write_to(folder.path(), "server");
            program = program.arg("-tls-cert").arg(files.certificate).arg("-tls-key").arg(files.key);
        }
        let mut process = program.start(folder.path())?;
        let greeting = process
            .until("Vault listens", START, async |log| {
                let line = log.lines().find(|line| line.starts_with(r#"{"address""#));
                line.and_then(|line| serde_json::from_str::<Value>(line).ok())
                    .ok_or_else(|| Error::new("it has not said where it listens"))
            })
            .await?;
        let header = (HeaderName::from_static("x-vault-token"), HeaderValue::from_static(Self::ROOT_TOKEN));
        let ca = authority.map(Authority::pem);
        let api = Api::new(text(&greeting, "/address")?, header, ca.as_deref())?;
        let unseal_key = text(&greeting, "/unseal_key")?;
        Ok(Self { api, unseal_key, _process: process, _folder: folder })
    }

    /// Its address, `http://127.0.0.1:…` (or `https:`).
    #[must_use]
    pub fn address(&self) -> &str {
        self.api.base()
    }

    /// Any call below `/v1/` with the root token; `null` for an empty answer.
    ///
    /// # Errors
    /// When the answer is not a success; its status is in the error.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.api.call(method, &format!("/v1/{path}"), body).await
    }

    /// Reads a path.
    ///
    /// # Errors
    /// When Vault does not answer with a success.
    pub async fn read(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Writes to a path.
    ///
    /// # Errors
    /// When Vault does not answer with a success.
    pub async fn write(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Deletes what is at a path.
    ///
    /// # Errors
    /// When Vault does not answer with a success.
    pub async fn delete(&self, path: &str) -> Result<()> {
        self.call(Method::DELETE, path, None).await.map(drop)
    }

    /// Seals it: it keeps all it has, and answers 503 to everything.
    ///
    /// # Errors
    /// When Vault does not answer with a success.
    pub async fn seal(&self) -> Result<()> {
        self.write("sys/seal", &json!({})).await.map(drop)
    }

    /// Unseals it and waits until it answers again.
    ///
    /// # Errors
    /// When it stays sealed.
    pub async fn unseal(&self) -> Result<()> {
        self.write("sys/unseal", &json!({ "key": self.unseal_key })).await?;
        eventually("Vault to be unsealed", ENABLE, async || {
            self.read("auth/token/lookup-self").await.map(drop)
        })
        .await
    }

    /// Writes a policy in Vault's own language.
    ///
    /// # Errors
    /// When Vault refuses it.
    pub async fn write_policy(&self, name: &str, policy: &str) -> Result<()> {
        self.write(&format!("sys/policies/acl/{name}"), &json!({ "policy": policy })).await.map(drop)
    }

    /// Mounts a secrets engine.
    ///
    /// # Errors
    /// When Vault refuses it.
    pub async fn mount(&self, path: &str, kind: &str, options: &Value) -> Result<()> {
        self.write(&format!("sys/mounts/{path}"), &json!({ "type": kind, "options": options }))
            .await
            .map(drop)
    }

    /// Mounts a KV engine of version 1 or 2 and waits until it takes a write.
    ///
    /// # Errors
    /// When Vault refuses it.
    pub async fn mount_kv(&self, path: &str, version: u8) -> Result<()> {
        self.mount(path, "kv", &json!({ "version": version.to_string() })).await?;
        // Version 2 is still being set up when its mount has been answered.
        let (probe, body) = match version {
            2 => (format!("{path}/data/probe"), json!({ "data": { "ready": "yes" } })),
            _ => (format!("{path}/probe"), json!({ "ready": "yes" })),
        };
        eventually("the KV engine", ENABLE, async || self.write(&probe, &body).await.map(drop)).await
    }

    /// Mounts the database engine with a connection to a PostgreSQL server; `*` may use it.
    ///
    /// # Errors
    /// When Vault refuses it or cannot connect.
    pub async fn mount_database(&self, path: &str, connection: &str, postgres: &Postgres) -> Result<()> {
        self.mount(path, "database", &Value::Null).await?;
        let config = json!({
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": "*",
            "connection_url": postgres.connection_url(),
        });
        self.write(&format!("{path}/config/{connection}"), &config).await.map(drop)
    }

    /// Enables an auth method.
    ///
    /// # Errors
    /// When Vault refuses it.
    pub async fn enable_auth(&self, path: &str, kind: &str) -> Result<()> {
        self.write(&format!("sys/auth/{path}"), &json!({ "type": kind })).await.map(drop)
    }

    /// Enables Kubernetes auth, its tokens reviewed by that API server with a service account of that name, which is made
    /// and given the right to review.
    ///
    /// # Errors
    /// When Vault or the API server refuses something.
    pub async fn enable_kubernetes_auth(
        &self,
        path: &str,
        kubernetes: &Kubernetes,
        reviewer: (&str, &str),
    ) -> Result<()> {
        let (namespace, account) = reviewer;
        kubernetes.create_namespace(namespace).await?;
        kubernetes.create_service_account(namespace, account).await?;
        kubernetes.allow_token_review(namespace, account).await?;
        let reviewer = kubernetes.token(namespace, account, &[], None).await?;
        self.enable_auth(path, "kubernetes").await?;
        let config = json!({
            "kubernetes_host": kubernetes.address(),
            "kubernetes_ca_cert": kubernetes.ca(),
            "token_reviewer_jwt": reviewer.token,
            "disable_local_ca_jwt": true,
        });
        self.write(&format!("auth/{path}/config"), &config).await.map(drop)
    }

    /// Enables JWT auth for the service-account tokens of that API server, checked by its public key.
    ///
    /// # Errors
    /// When Vault refuses it.
    pub async fn enable_jwt_auth(&self, path: &str, kubernetes: &Kubernetes) -> Result<()> {
        self.enable_auth(path, "jwt").await?;
        let config = json!({
            "jwt_validation_pubkeys": [kubernetes.issuer_key()],
            "bound_issuer": Kubernetes::ISSUER,
        });
        self.write(&format!("auth/{path}/config"), &config).await.map(drop)
    }

    /// Waits until a login works: for a moment after its configuration, Kubernetes auth still refuses.
    ///
    /// # Errors
    /// When none works.
    pub async fn await_login(&self, auth: &str, role: &str, jwt: &str) -> Result<()> {
        let body = json!({ "role": role, "jwt": jwt });
        let made = eventually("a login that works", ENABLE, async || {
            self.write(&format!("auth/{auth}/login"), &body).await
        })
        .await?;
        let accessor = text(&made, "/auth/accessor")?;
        self.revoke(&accessor).await
    }

    /// The live tokens that logins with that role have made.
    ///
    /// # Errors
    /// When Vault does not answer with a success.
    pub async fn live_tokens(&self, role: &str) -> Result<Vec<LiveToken>> {
        let list = self.call(Method::GET, "auth/token/accessors?list=true", None).await?;
        let accessors = list.pointer("/data/keys").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut tokens = Vec::new();
        for accessor in accessors {
            // A token that ends meanwhile is not live.
            let Ok(found) = self.write("auth/token/lookup-accessor", &json!({ "accessor": accessor })).await
            else {
                continue;
            };
            if found.pointer("/data/meta/role").and_then(Value::as_str) == Some(role) {
                let accessor = text(&found, "/data/accessor")?;
                tokens.push(LiveToken { accessor, metadata: found["data"]["meta"].clone() });
            }
        }
        Ok(tokens)
    }

    /// Revokes the token with that accessor, and with it the leases that it made.
    ///
    /// # Errors
    /// When Vault does not answer with a success.
    pub async fn revoke(&self, accessor: &str) -> Result<()> {
        self.write("auth/token/revoke-accessor", &json!({ "accessor": accessor })).await.map(drop)
    }

    /// Waits until a path reads as `expected` says.
    ///
    /// # Errors
    /// When it does not within `bound`.
    pub async fn await_read(
        &self,
        path: &str,
        bound: Duration,
        expected: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        eventually(path, bound, async || {
            let answer = self.read(path).await?;
            holds(expected(&answer), "it is not yet what is waited for").map(|()| answer)
        })
        .await
    }
}

/// A token that a login made and that has not ended.
#[derive(Clone, Debug)]
pub struct LiveToken {
    /// By which Vault's administrator refers to it without knowing it.
    pub accessor: String,
    /// The metadata of its login.
    pub metadata: Value,
}

/// The text at a JSON pointer.
fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| Error::new(format!("no text at {pointer}")))
}
