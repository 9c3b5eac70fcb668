//! Which clusters this process knows, and their connections, rebuilt when the TLS files they were made of change.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::class::endpoint::{Address, EndpointSpec, TlsSpec};
use crate::clock::{Clock, Jitter};
use crate::recent::Recent;
use crate::settings::{ClientSettings, Limits};
use crate::vault::cluster::{Cluster, Gate};
use crate::vault::pace::Pace;
use crate::wire::tls::{TlsFileError, TlsFiles};

/// Clusters whose connections are kept; a class may name any address, so there must be a bound.
const CLUSTERS_KEPT: usize = 256;

/// All clusters that this process talks to for one flavour.
#[derive(Debug)]
pub struct Clusters {
    known: Mutex<Recent<EndpointSpec, Arc<Known>>>,
    // By the cluster's addresses and by one address: they outlive a change of TLS files.
    gates: Mutex<Recent<Vec<Address>, Arc<Gate>>>,
    paces: Arc<Mutex<Recent<String, Arc<Pace>>>>,
    rules: Arc<Rules>,
    reloads: TlsReloads,
}

/// How often changed TLS files were taken up, and how often they could not be.
#[derive(Debug, Default)]
pub struct TlsReloads {
    /// The new files are in use.
    pub ok: AtomicU64,
    /// The old ones stay in use; counted once for each way in which the new ones are broken.
    pub failed: AtomicU64,
}

/// What holds for every cluster of a flavour.
#[derive(Debug)]
pub struct Rules {
    /// How requests are paced and routed.
    pub client: ClientSettings,
    /// How much may go on at once with one cluster.
    pub limits: Limits,
    /// The only origins that a redirect may lead to, if not any.
    pub origins: Option<Vec<String>>,
    /// The time.
    pub clock: Clock,
    /// Spreads pauses.
    pub jitter: Jitter,
}

/// An endpoint's cluster, with the TLS files that it was built of.
#[derive(Debug, Default)]
struct Known {
    current: Mutex<Option<([u8; 32], Arc<Cluster>)>>,
    // Why the files that are there now are not in use; said once.
    broken: Mutex<Option<TlsFileError>>,
    building: tokio::sync::Mutex<()>,
}

impl Known {
    fn current(&self) -> MutexGuard<'_, Option<([u8; 32], Arc<Cluster>)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self) -> MutexGuard<'_, Option<TlsFileError>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn built_of(&self, fingerprint: &[u8; 32]) -> Option<Arc<Cluster>> {
        self.current()
            .as_ref()
            .filter(|(built, _)| built == fingerprint)
            .map(|(_, cluster)| Arc::clone(cluster))
    }
}

impl Clusters {
    /// No cluster yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            known: Mutex::new(Recent::with_capacity(CLUSTERS_KEPT)),
            gates: Mutex::new(Recent::with_capacity(CLUSTERS_KEPT)),
            paces: Arc::new(Mutex::new(Recent::with_capacity(CLUSTERS_KEPT))),
            rules: Arc::new(rules),
            reloads: TlsReloads::default(),
        }
    }

    /// How changed TLS files fared.
    pub fn tls_reloads(&self) -> &TlsReloads {
        &self.reloads
    }

    /// The cluster of an endpoint. Files of its TLS settings are read anew, so that a change of them counts from the
    /// next mount on; while the new ones cannot be used the old connections stay in use.
    pub async fn cluster(&self, spec: &EndpointSpec) -> Result<Arc<Cluster>, TlsFileError> {
        let known = kept(&self.known, spec, Arc::default);
        match self.up_to_date(spec, &known).await {
            Ok(cluster) => Ok(cluster),
            Err(error) => {
                let (_, old) = known.current().clone().ok_or_else(|| error.clone())?;
                let mut broken = known.broken();
                if broken.as_ref() != Some(&error) {
                    self.reloads.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%error, "changed TLS files cannot be used; the old ones stay in use");
                    *broken = Some(error);
                }
                Ok(old)
            }
        }
    }

    async fn up_to_date(&self, spec: &EndpointSpec, known: &Known) -> Result<Arc<Cluster>, TlsFileError> {
        let files = tls_files(&spec.tls);
        let material = if files.are_none() { files.read()? } else { blocking(move || files.read()).await? };
        let fingerprint = material.fingerprint();
        if let Some(cluster) = known.built_of(&fingerprint) {
            *known.broken() = None;
            return Ok(cluster);
        }
        // Many mounts may meet a new endpoint at once: one builds, for all of them to share its connections.
        let _building = known.building.lock().await;
        if let Some(cluster) = known.built_of(&fingerprint) {
            return Ok(cluster);
        }
        let gate = kept(&self.gates, &spec.addresses, || Arc::new(Gate::new(self.rules.limits)));
        let (spec, rules, paces) = (spec.clone(), Arc::clone(&self.rules), Arc::clone(&self.paces));
        // Without a CA of the class's own this reads the system's authorities.
        let built = blocking(move || {
            let pace_of = |address: &Address| {
                let limit = rules.client.rate_limit?;
                Some(kept(&paces, &address.origin(), || Arc::new(Pace::new(limit, rules.clock.now()))))
            };
            Cluster::build(spec, &material, Arc::clone(&rules), gate, pace_of)
        })
        .await?;
        let cluster = Arc::new(built);
        if known.current().replace((fingerprint, Arc::clone(&cluster))).is_some() {
            self.reloads.ok.fetch_add(1, Ordering::Relaxed);
            tracing::info!("changed TLS files are in use");
        }
        *known.broken() = None;
        Ok(cluster)
    }
}

/// What is kept under a key; made when there is nothing yet.
fn kept<K: Eq + Hash + Clone, V>(
    table: &Mutex<Recent<K, Arc<V>>>,
    key: &K,
    make: impl FnOnce() -> Arc<V>,
) -> Arc<V> {
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(value) = table.touch(key) {
        return Arc::clone(value);
    }
    let value = make();
    table.insert(key.clone(), Arc::clone(&value));
    value
}

/// Runs what blocks on a thread for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TlsFileError> + Send + 'static,
) -> Result<T, TlsFileError> {
    let lost = |_| TlsFileError::from("the TLS settings could not be read".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(lost).and_then(|outcome| outcome)
}

fn tls_files(tls: &TlsSpec) -> TlsFiles {
    TlsFiles {
        ca_file: tls.ca_file.clone(),
        ca_directory: tls.ca_directory.clone(),
        ca_text: tls.ca_bytes.clone(),
        client_cert: tls.client_cert.clone(),
        client_key: tls.client_key.clone(),
    }
}
