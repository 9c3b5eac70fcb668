//! The key of the object versions: one Secret for all nodes, read once and kept, created when missing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs;
use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroizing;

use crate::budget::Budget;
use crate::clock::{Clock, Instant};
use crate::json::Json;
use crate::kubernetes::{Kubernetes, KubernetesError};
use crate::retry::{Effort, Ended, Trouble};
use crate::task::{SharedTask, WeakTask};

/// The Secret's key.
const FIELD: &str = "key";

/// The length of the HMAC key.
const LENGTH: usize = 32;

/// How long a mount waits for an API server that does not answer; versions come after delivery.
const PATIENCE: Duration = Duration::from_secs(5);

/// After a refusal the API is asked again this much later.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The key of all object versions of one flavour; `Debug` shows none of it.
#[derive(Debug)]
pub struct VersionKey(SecretSlice<u8>);

impl VersionKey {
    /// A key of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the HMAC alone.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

/// Where the key comes from, and what is known of it.
#[derive(Debug)]
pub struct HmacKey {
    secret_name: String,
    kubernetes: Arc<Kubernetes>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    key: Option<Arc<VersionKey>>,
    asking: Option<WeakTask<Outcome>>,
    // Refused or malformed: not asked again before this time.
    not_before: Option<Instant>,
    said: bool,
}

type Outcome = Result<Arc<VersionKey>, NoKey>;

#[derive(Clone, Debug)]
enum NoKey {
    /// The API refuses, or the Secret holds no key: an operator has to act.
    Refused(String),
    /// The API cannot be reached now.
    Away(String),
}

impl HmacKey {
    /// Asks nobody yet.
    pub fn new(secret_name: String, kubernetes: Arc<Kubernetes>, clock: Clock) -> Self {
        Self { secret_name, kubernetes, clock, state: Mutex::default() }
    }

    /// The key; `None` when it is not to be had now, and then versions are empty.
    pub async fn key(&self, budget: Budget) -> Option<Arc<VersionKey>> {
        let now = self.clock.now();
        let budget = budget.capped(now, PATIENCE);
        let task = {
            let mut state = self.state();
            if let Some(key) = &state.key {
                return Some(Arc::clone(key));
            }
            if state.not_before.is_some_and(|time| now < time) {
                return None;
            }
            match state.asking.as_ref().and_then(WeakTask::upgrade) {
                Some(task) => task,
                None => {
                    let effort = Effort::begin(now, budget);
                    let (kubernetes, name) = (Arc::clone(&self.kubernetes), self.secret_name.clone());
                    let task =
                        SharedTask::spawn(async move { read_or_create(&kubernetes, &name, &effort).await });
                    state.asking = Some(task.downgrade());
                    task
                }
            }
        };
        let away = || Err(NoKey::Away("the Kubernetes API does not answer".to_owned()));
        let outcome = match tokio::time::timeout_at(budget.ends(), task.outcome()).await {
            Ok(outcome) => outcome.unwrap_or_else(|_| away()),
            Err(_) => away(),
        };
        self.remember(outcome)
    }

    fn remember(&self, outcome: Outcome) -> Option<Arc<VersionKey>> {
        let mut state = self.state();
        let why = match outcome {
            Ok(key) => {
                state.key = Some(Arc::clone(&key));
                return Some(key);
            }
            Err(NoKey::Refused(why)) => {
                state.not_before = Some(self.clock.now() + ASK_AGAIN);
                why
            }
            Err(NoKey::Away(why)) => why,
        };
        if !std::mem::replace(&mut state.said, true) {
            let secret = &self.secret_name;
            tracing::warn!(%secret, "object versions are empty: the HMAC key is not to be had: {why}; said once");
        }
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read_or_create(kubernetes: &Kubernetes, name: &str, effort: &Effort) -> Outcome {
    match kubernetes.secret(name, effort).await {
        Ok(secret) => return key_of(&secret),
        Err(error) if error.status() == Some(404) => {}
        Err(error) => return Err(no_key(&error)),
    }
    let mut fresh = Zeroizing::new([0u8; LENGTH]);
    aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut *fresh)
        .map_err(|_| NoKey::Refused("the system gives no random bytes".to_owned()))?;
    let encoded = Zeroizing::new(STANDARD.encode(*fresh));
    match kubernetes.create_secret(name, FIELD, &encoded, effort).await {
        Ok(secret) => key_of(&secret),
        // Another node was faster: its key is everybody's.
        Err(error) if error.status() == Some(409) => kubernetes
            .secret(name, effort)
            .await
            .map_err(|error| no_key(&error))
            .and_then(|secret| key_of(&secret)),
        Err(error) => Err(no_key(&error)),
    }
}

fn key_of(secret: &Json) -> Outcome {
    let data = secret.as_object().and_then(|secret| secret.field("data")).and_then(Json::as_object);
    let text = data.and_then(|data| data.field(FIELD)).and_then(Json::as_str);
    match text.and_then(|text| STANDARD.decode(text).ok()) {
        Some(bytes) if bytes.len() == LENGTH => Ok(Arc::new(VersionKey::new(bytes))),
        _ => Err(NoKey::Refused(format!("the Secret has no {LENGTH} bytes under {FIELD:?}"))),
    }
}

fn no_key(error: &KubernetesError) -> NoKey {
    let away = match error {
        KubernetesError::Api { tried, .. } => match &tried.last {
            Some(Trouble::Status { status, .. }) => *status == 429 || *status >= 500,
            _ => true,
        },
        KubernetesError::NoCluster(_) | KubernetesError::Odd(_) => false,
    };
    // A time that is over is not a refusal, whatever was said before.
    let spent = matches!(error, KubernetesError::Api { tried, .. } if tried.ended == Ended::BudgetSpent);
    if away || spent { NoKey::Away(error.to_string()) } else { NoKey::Refused(error.to_string()) }
}
