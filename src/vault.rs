//! What Vault is asked and what it answers: a session for the pod, then each request of the mount.

pub mod cluster;
pub mod clusters;
mod pace;
mod refusal;
pub mod response;
pub mod seat;
pub mod session;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::budget::Budget;
use crate::class::{MountSpec, ReadRequest};
use crate::clock::Clock;
use crate::kubernetes::{Kubernetes, KubernetesError};
use crate::retry::{Effort, Ended, Tried, Trouble};
use crate::task::SharedTask;
use crate::wire::Allowance;
use crate::wire::tls::TlsFileError;
use cluster::Call;
use clusters::{Clusters, Rules};
use response::VaultResponse;
use session::{Login, Session, Sessions};

/// The most that the answers of one mount may hold together.
const MOUNT_ALLOWANCE: usize = 16 << 20;

/// What one mount takes of Vault: counted for its report, and bounded.
#[derive(Debug)]
pub struct Share {
    /// Reads and writes begun, without their repetitions.
    pub reads: AtomicU32,
    /// Logins begun, without their repetitions.
    pub logins: AtomicU32,
    /// Attempts beyond the first, of reads and logins.
    pub retries: AtomicU32,
    /// The bytes of answers that it may hold.
    pub allowance: Allowance,
}

impl Default for Share {
    fn default() -> Self {
        let (reads, logins, retries) = Default::default();
        Self { reads, logins, retries, allowance: Allowance::new(MOUNT_ALLOWANCE) }
    }
}

/// Why Vault gave no answer that can be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultError {
    /// The TLS settings cannot be used.
    Tls(TlsFileError),
    /// The pod's token could not be had.
    Token {
        /// The audience that was looked for among the driver's tokens.
        audience: String,
        /// The audiences of the tokens that the driver sent.
        driver_audiences: Vec<String>,
        /// Why none was minted either.
        error: KubernetesError,
    },
    /// The login failed.
    Login {
        /// Role, mount, service account, audience, address: what the reader has to compare.
        who: LoginWords,
        /// What was tried.
        tried: Tried,
    },
    /// The request failed.
    Read {
        /// `GET secret/data/app`
        request: String,
        /// Vault's addresses.
        address: String,
        /// What was tried.
        tried: Tried,
    },
    /// The answer has no data.
    Empty {
        /// `GET secret/data/app`
        request: String,
        /// What Vault warned of.
        warnings: Vec<String>,
    },
    /// Our own fault.
    Panicked,
}

/// Who tried to log in where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginWords {
    role: String,
    mount: String,
    service_account: String,
    audience: String,
    namespace: Option<String>,
    address: String,
}

impl VaultError {
    fn login(login: &Login, tried: Tried) -> Self {
        let who = LoginWords {
            role: login.how.role.clone(),
            mount: login.how.mount.clone(),
            service_account: format!("{}/{}", login.pod.namespace, login.pod.service_account),
            audience: login.how.token_audience.clone(),
            namespace: login.cluster.namespace().map(str::to_owned),
            address: login.cluster.addresses(),
        };
        Self::Login { who, tried }
    }

    fn login_answer(login: &Login, trouble: Trouble) -> Self {
        let tried = Tried {
            attempts: 1,
            elapsed: std::time::Duration::ZERO,
            last: Some(trouble),
            ended: Ended::Final,
        };
        Self::login(login, tried)
    }
}

impl Share {
    fn retried(&self, attempts: u32) {
        self.retries.fetch_add(attempts.saturating_sub(1), Ordering::Relaxed);
    }
}

/// Vault as the mounts of one flavour use it.
#[derive(Debug)]
pub struct Vault {
    clusters: Clusters,
    sessions: Sessions,
    clock: Clock,
}

impl Vault {
    /// Talks to nobody yet. `cache_size` is how many sessions are kept.
    pub fn new(rules: Rules, cache_size: usize) -> Self {
        let clock = rules.clock;
        Self { clusters: Clusters::new(rules), sessions: Sessions::new(cache_size, clock), clock }
    }

    /// Prepares a mount's login: the cluster that the class names, and the pod's place among the sessions.
    pub async fn login(
        &self,
        spec: &MountSpec,
        kubernetes: &Arc<Kubernetes>,
        share: &Arc<Share>,
    ) -> Result<Arc<Login>, VaultError> {
        let cluster = self.clusters.cluster(&spec.endpoint).await.map_err(VaultError::Tls)?;
        Ok(self.sessions.login(spec, cluster, Arc::clone(kubernetes), Arc::clone(share)))
    }

    /// Reads once, for as long as somebody holds the task's handle.
    pub fn read(self: &Arc<Self>, login: Arc<Login>, request: &ReadRequest, budget: Budget) -> Reading {
        let effort = Effort::begin(self.clock.now(), budget);
        let (vault, shared, asked) = (Arc::clone(self), effort.clone(), request.clone());
        let addresses = login.cluster.addresses();
        login.share.reads.fetch_add(1, Ordering::Relaxed);
        let task = SharedTask::spawn(async move {
            vault.read_with_session(&login, &asked, budget, &shared).await.map(Arc::new)
        });
        Reading { task, effort, request: words_of(request), addresses, clock: self.clock }
    }

    async fn read_with_session(
        &self,
        login: &Arc<Login>,
        request: &ReadRequest,
        budget: Budget,
        effort: &Effort,
    ) -> Result<VaultResponse, VaultError> {
        let session = self.sessions.session_for(login, budget, None).await?.ok_or(VaultError::Panicked)?;
        let mut outcome = self.read_once(login, request, &session, effort).await;
        let is_refused = outcome.as_ref().is_err_and(|tried| tried.status() == Some(403));
        if is_refused
            && !session.is_fresh_for(budget)
            && let Some(session) = self.sessions.session_for(login, budget, Some(&session)).await?
        {
            outcome = self.read_once(login, request, &session, effort).await;
        }
        login.share.retried(effort.attempts());
        let answer = outcome.map_err(|tried| VaultError::Read {
            request: words_of(request),
            address: login.cluster.addresses(),
            tried: tried.with_hint(hint(request)),
        })?;
        let warnings: Vec<String> = answer.warning_texts().into_iter().map(crate::words::one_line).collect();
        if answer.data.is_none() {
            return Err(VaultError::Empty { request: words_of(request), warnings });
        }
        if !warnings.is_empty() {
            tracing::warn!(path = %request.path, ?warnings, "Vault answered with warnings");
        }
        Ok(answer)
    }

    async fn read_once(
        &self,
        login: &Login,
        request: &ReadRequest,
        session: &Session,
        effort: &Effort,
    ) -> Result<VaultResponse, Tried> {
        let target = match request.query_string() {
            Some(query) => format!("{}?{query}", request.url_path()),
            None => request.url_path(),
        };
        let (body, write) = (request.body.as_ref(), request.is_write());
        let call = Call {
            method: &request.method,
            target,
            body,
            token: Some(session.token()),
            write,
            home: Some(session.home()),
            seat: &login.seat,
            allowance: &login.share.allowance,
        };
        let answered = login.cluster.call(&call, effort).await?;
        VaultResponse::parse(&answered.body, answered.started)
            .map_err(|trouble| Tried { last: Some(trouble), ..effort.tried(self.clock.now(), Ended::Final) })
    }
}

/// A read that is under way; it ends when nobody waits for it any longer.
pub struct Reading {
    task: SharedTask<Result<Arc<VaultResponse>, VaultError>>,
    effort: Effort,
    request: String,
    addresses: String,
    clock: Clock,
}

impl Reading {
    /// Waits for the answer until the call's budget is spent.
    pub async fn answer(&self, budget: Budget) -> Result<Arc<VaultResponse>, VaultError> {
        let spent = |tried| VaultError::Read {
            request: self.request.clone(),
            address: self.addresses.clone(),
            tried,
        };
        self.effort.wait(&self.task, budget, self.clock, spent).await.unwrap_or(Err(VaultError::Panicked))
    }
}

/// `GET secret/data/app`; the query may hold what a class's author writes, never a value of Vault's.
fn words_of(request: &ReadRequest) -> String {
    match request.query_string() {
        Some(query) => format!("{} {}?{query}", request.method, request.path),
        None => format!("{} {}", request.method, request.path),
    }
}

/// A KV version 2 mount read without `data/`: Vault says 403 where the policy names `…/data/…` only, else 404.
fn hint(request: &ReadRequest) -> Option<String> {
    const OTHERS: [&str; 14] = [
        "data",
        "metadata",
        "creds",
        "static-creds",
        "cred",
        "static-cred",
        "issue",
        "sign",
        "sts",
        "roles",
        "role",
        "token",
        "keys",
        "library",
    ];
    let (mount, rest) = request.path.split_once('/')?;
    let first = rest.split('/').next().unwrap_or(rest);
    (!request.is_write()
        && !OTHERS.contains(&first)
        && !matches!(mount, "sys" | "auth" | "identity" | "cubbyhole"))
    .then(|| format!("if {mount}/ is a KV version 2 mount, the path is {mount}/data/{rest}"))
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => write!(f, "TLS settings: {error}"),
            Self::Token { audience, driver_audiences, error } => {
                let sent =
                    if driver_audiences.is_empty() { "none".to_owned() } else { driver_audiences.join(", ") };
                write!(
                    f,
                    "no service-account token for the audience {audience:?}: the driver sent tokens for {sent}, and minting one failed: {error}; \
                     add the audience to tokenRequests of the CSIDriver secrets-store.csi.k8s.io, or name one of those in the class (audience)"
                )
            }
            Self::Login { who, tried } => who.fmt_with(tried, f),
            Self::Read { request, address, tried } => {
                write!(f, "{request} at {address}: {tried}")?;
                match tried.status() {
                    Some(403) => f.write_str("; check the policy of the role for this path"),
                    Some(404) => f.write_str("; check secretPath: nothing is there"),
                    Some(400 | 405) => f.write_str("; check secretPath, method and secretArgs in the class"),
                    _ => Ok(()),
                }
            }
            Self::Empty { request, warnings } => {
                write!(f, "{request}: empty response: the answer has no data")?;
                if !warnings.is_empty() {
                    write!(f, " (Vault warns: {})", warnings.join("; "))?;
                }
                f.write_str("; check secretPath and method in the class")
            }
            Self::Panicked => f.write_str("an internal error; the provider's log has the place"),
        }
    }
}

impl std::error::Error for VaultError {}

impl LoginWords {
    /// The words of one login, for tests of their wording.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            role: "app".to_owned(),
            mount: "kubernetes".to_owned(),
            service_account: "shop/web".to_owned(),
            audience: "vault".to_owned(),
            namespace: None,
            address: "https://v:8200".to_owned(),
        }
    }

    fn fmt_with(&self, tried: &Tried, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, mount, service_account, audience, namespace, address } = self;
        write!(
            f,
            "login at {address} by auth mount {mount:?} as role {role:?} (service account {service_account}, audience {audience:?}"
        )?;
        if let Some(namespace) = namespace {
            write!(f, ", namespace {namespace:?}")?;
        }
        write!(f, "): {tried}")?;
        match tried.status() {
            Some(400) => f.write_str("; check roleName in the class and that the role exists at this mount"),
            Some(403) => f.write_str(
                "; check that this auth mount exists (vaultAuthMountPath in the class) and that the role is bound to this \
                 service account, its namespace and this audience",
            ),
            Some(404) => f.write_str("; check vaultAuthMountPath in the class"),
            _ => Ok(()),
        }
    }
}
