//! What we ask of the Kubernetes API: a pod's service-account token, and the Secret that holds the HMAC key.
//!
//! Three calls by hand; a full client would be larger than the rest of the binary.

mod hmac_key;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::class::Pod;
use crate::clock::{Clock, Instant, Jitter};
use crate::json::{Json, Object};
use crate::retry::{Attempt, Effort, Persistence, Tried, Trouble};
use crate::settings::KubernetesSettings;
use crate::wire::tls::{TlsFiles, read_file};
use crate::wire::{Allowance, Client, Exchange, Origin, Reply, secret_header};
use crate::words;

pub use hmac_key::{HmacKey, VersionKey};

/// Our own token is read from its file anew after this time: kubelet rotates it.
const OWN_TOKEN_AGE: Duration = Duration::from_secs(60);

/// One attempt at the API.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The life of a token that we mint, in seconds.
const MINTED_LIFE: i64 = 900;

/// Answers are small.
const BODY_LIMIT: usize = 1 << 20;

/// Why the Kubernetes API gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubernetesError {
    /// We do not run in a pod, or its service account is not there.
    NoCluster(String),
    /// It was asked, in vain.
    Api {
        /// `mint a token for service account shop/web`
        doing: String,
        /// What was tried.
        tried: Tried,
    },
    /// It answered something without what was asked for.
    Odd(String),
}

impl KubernetesError {
    /// The status of the API's answer, if it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { tried, .. } => tried.status(),
            Self::NoCluster(_) | Self::Odd(_) => None,
        }
    }
}

impl fmt::Display for KubernetesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCluster(why) | Self::Odd(why) => f.write_str(why),
            Self::Api { doing, tried } => write!(f, "cannot {doing}: the Kubernetes API: {tried}"),
        }
    }
}

impl std::error::Error for KubernetesError {}

/// The API server of our own cluster, as our own service account.
#[derive(Debug)]
pub struct Kubernetes {
    settings: KubernetesSettings,
    clock: Clock,
    jitter: Jitter,
    access: Mutex<Option<Access>>,
}

/// A connection and the token to use on it, as read from the service account's folder at one time.
#[derive(Clone)]
struct Access {
    client: Client,
    // Marked as sensitive: no formatting shows it.
    bearer: HeaderValue,
    fingerprint: [u8; 32],
    read: Instant,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access [REDACTED]")
    }
}

impl Kubernetes {
    /// Talks to nobody yet.
    pub fn new(settings: KubernetesSettings, clock: Clock, jitter: Jitter) -> Self {
        Self { settings, clock, jitter, access: Mutex::new(None) }
    }

    /// Mints a token of the pod's service account: 900 s, bound to the pod; for the API server itself when the class
    /// names no audience.
    pub async fn mint(
        &self,
        pod: &Pod,
        audience: Option<&str>,
        effort: &Effort,
    ) -> Result<SecretString, KubernetesError> {
        let object = |entries: Vec<(&str, Json)>| {
            Json::Object(Object::from_entries(
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            ))
        };
        let audiences =
            audience.filter(|audience| !audience.is_empty()).map(Json::string).into_iter().collect();
        let body = object(vec![
            ("apiVersion", Json::string("authentication.k8s.io/v1")),
            ("kind", Json::string("TokenRequest")),
            (
                "spec",
                object(vec![
                    ("expirationSeconds", Json::integer(MINTED_LIFE)),
                    ("audiences", Json::Array(audiences)),
                    (
                        "boundObjectRef",
                        object(vec![
                            ("apiVersion", Json::string("v1")),
                            ("kind", Json::string("Pod")),
                            ("name", Json::string(pod.name.as_str())),
                            ("uid", Json::string(pod.uid.as_str())),
                        ]),
                    ),
                ]),
            ),
        ]);
        let target =
            format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", pod.namespace, pod.service_account);
        let doing = format!("mint a token for service account {}/{}", pod.namespace, pod.service_account);
        let answer = self.call("POST", &target, Some(&body), effort, &doing).await?;
        let status = answer.as_object().and_then(|answer| answer.field("status")).and_then(Json::as_object);
        let token = status.and_then(|status| status.field("token")).and_then(Json::as_str);
        token.filter(|token| !token.is_empty()).map(SecretString::from).ok_or_else(|| {
            KubernetesError::Odd(format!("cannot {doing}: the Kubernetes API answered without a token"))
        })
    }

    /// Reads a Secret of our own namespace.
    async fn secret(&self, name: &str, effort: &Effort) -> Result<Json, KubernetesError> {
        let target = format!("/api/v1/namespaces/{}/secrets/{name}", self.namespace().await?);
        self.call("GET", &target, None, effort, &format!("read the Secret {name}")).await
    }

    /// Creates an immutable Secret with one key in our own namespace.
    async fn create_secret(
        &self,
        name: &str,
        key: &str,
        value_base64: &str,
        effort: &Effort,
    ) -> Result<Json, KubernetesError> {
        let namespace = self.namespace().await?;
        let entry = |key: &str, value: Json| (key.to_owned(), value);
        let body = Json::Object(Object::from_entries(vec![
            entry("apiVersion", Json::string("v1")),
            entry("kind", Json::string("Secret")),
            entry(
                "metadata",
                Json::Object(Object::from_entries(vec![
                    entry("name", Json::string(name)),
                    entry("namespace", Json::string(namespace.as_str())),
                ])),
            ),
            entry("immutable", Json::Bool(true)),
            entry("data", Json::Object(Object::from_entries(vec![entry(key, Json::string(value_base64))]))),
        ]));
        let target = format!("/api/v1/namespaces/{namespace}/secrets");
        self.call("POST", &target, Some(&body), effort, &format!("create the Secret {name}")).await
    }

    async fn namespace(&self) -> Result<String, KubernetesError> {
        let path = self.settings.service_account_dir.join("namespace");
        let text = tokio::task::spawn_blocking(move || read_text(&path))
            .await
            .map_err(|_| no_cluster("its namespace cannot be read"))?;
        let name = text.map_err(|why| no_cluster(&why))?.trim().to_owned();
        let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits { Ok(name) } else { Err(no_cluster("its namespace file holds no name of a namespace")) }
    }

    async fn call(
        &self,
        method: &str,
        target: &str,
        body: Option<&Json>,
        effort: &Effort,
        doing: &str,
    ) -> Result<Json, KubernetesError> {
        let persistence = Persistence {
            clock: self.clock,
            jitter: self.jitter.clone(),
            attempt_timeout: ATTEMPT_TIMEOUT,
            attempts: None,
            write: false,
        };
        let access = self.access().await?;
        let tried = |tried| KubernetesError::Api { doing: doing.to_owned(), tried };
        let mut outcome =
            persistence.run(effort, |attempt| attempt_once(&access, method, target, body, attempt)).await;
        if outcome.as_ref().is_err_and(|tried| tried.status() == Some(401)) {
            // Our token may have been rotated since we read it: once more with the one that is there now.
            self.forget();
            let access = self.access().await?;
            outcome =
                persistence.run(effort, |attempt| attempt_once(&access, method, target, body, attempt)).await;
        }
        outcome.map_err(tried)
    }

    fn forget(&self) {
        if let Some(access) = &mut *self.access.lock().unwrap_or_else(PoisonError::into_inner) {
            access.read = access.read.checked_sub(OWN_TOKEN_AGE).unwrap_or(access.read);
        }
    }

    async fn access(&self) -> Result<Access, KubernetesError> {
        let Some((host, port)) = self.settings.host_port.clone() else {
            return Err(no_cluster("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"));
        };
        let held = self.access.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.clock.now();
        if let Some(access) = held.as_ref().filter(|access| now < access.read + OWN_TOKEN_AGE) {
            return Ok(access.clone());
        }
        let folder = self.settings.service_account_dir.clone();
        let read = move || -> Result<Access, String> {
            let token = read_text(&folder.join("token"))?;
            let bearer = Zeroizing::new(format!("Bearer {}", token.trim()));
            let bearer = secret_header(&bearer).ok_or("the service-account token is not one line of text")?;
            let files = TlsFiles { ca_file: Some(folder.join("ca.crt")), ..TlsFiles::default() };
            let material = files.read().map_err(|error| error.to_string())?;
            let fingerprint = material.fingerprint();
            let client = match held {
                Some(access) if access.fingerprint == fingerprint => access.client,
                _ => {
                    let origin = Origin::Tcp { tls: true, host, port };
                    Client::build(&origin, &material, false, None, None).map_err(|error| error.to_string())?
                }
            };
            Ok(Access { client, bearer, fingerprint, read: now })
        };
        let access = tokio::task::spawn_blocking(read).await.map_err(|_| no_cluster("it cannot be read"))?;
        let access = access.map_err(|why| no_cluster(&why))?;
        *self.access.lock().unwrap_or_else(PoisonError::into_inner) = Some(access.clone());
        Ok(access)
    }
}

async fn attempt_once(
    access: &Access,
    method: &str,
    target: &str,
    body: Option<&Json>,
    attempt: Attempt,
) -> Result<Json, Trouble> {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::AUTHORIZATION, access.bearer.clone());
    headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
    if body.is_some() {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let allowance = Allowance::new(BODY_LIMIT);
    let exchange =
        Exchange { method, target, headers, body: body.map(Json::to_bytes), allowance: &allowance };
    let reply = access.client.send(exchange, attempt.timeout).await?;
    if (200..300).contains(&reply.status) {
        return Json::parse(&reply.body)
            .map_err(|error| Trouble::Malformed(format!("it answered no JSON: {error}")));
    }
    Err(refused(&reply))
}

fn refused(reply: &Reply) -> Trouble {
    let body = Json::parse(&reply.body).ok();
    let message = body
        .as_ref()
        .and_then(Json::as_object)
        .and_then(|status| status.field("message"))
        .and_then(Json::as_str);
    Trouble::Status {
        status: reply.status,
        said: message.map(words::one_line).unwrap_or_default(),
        retry_after: reply.retry_after(),
        sealed: false,
        hint: None,
    }
}

fn read_text(path: &Path) -> Result<Zeroizing<String>, String> {
    let bytes = read_file(path).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{} is not text", path.display()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn no_cluster(why: &str) -> KubernetesError {
    KubernetesError::NoCluster(format!("no access to the Kubernetes API: {why}"))
}
