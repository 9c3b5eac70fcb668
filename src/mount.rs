//! Makes a volume's files: reads everything that a [`MountSpec`] asks for, side by side, then renders everything.
//! All or nothing.

pub mod content;
pub mod object_version;
pub mod report;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::budget::Budget;
use crate::class::{MountSpec, ObjectSpec, ReadRequest, VolumeKey};
use crate::clock::Clock;
use crate::error::MountError;
use crate::kubernetes::{HmacKey, Kubernetes};
use crate::recent::Recent;
use crate::vault::response::VaultResponse;
use crate::vault::{Reading, Share, Vault, VaultError};
use report::{Change, MountReport};

/// Volumes whose last content is remembered by a hash, to tell what changed.
const VOLUMES_REMEMBERED: usize = 20_000;

/// One file of a volume.
pub struct MountedFile {
    /// Relative and clean.
    pub path: String,
    /// Permission bits, 0 to 0o777.
    pub mode: u32,
    /// The content; overwritten in memory when the last holder drops it.
    pub contents: Bytes,
    /// The object's version; empty without an HMAC key.
    pub version: String,
}

/// Mounts volumes from the Vaults of one flavour.
#[derive(Debug)]
pub struct Provider {
    vault: Arc<Vault>,
    kubernetes: Arc<Kubernetes>,
    hmac_key: HmacKey,
    max_response_bytes: usize,
    // By a hash of the volume's key, which is long: a hash of what it was served.
    served: Mutex<Recent<u64, u64>>,
    hasher: RandomState,
    clock: Clock,
}

impl Provider {
    /// A provider that has mounted nothing yet.
    pub fn new(
        vault: Arc<Vault>,
        kubernetes: Arc<Kubernetes>,
        hmac_key: HmacKey,
        max_response_bytes: usize,
        clock: Clock,
    ) -> Self {
        let served = Mutex::new(Recent::with_capacity(VOLUMES_REMEMBERED));
        Self { vault, kubernetes, hmac_key, max_response_bytes, served, hasher: RandomState::new(), clock }
    }

    /// Mounts one volume within the budget. The report tells what it took, however it ends.
    pub async fn mount(
        &self,
        spec: &MountSpec,
        budget: Budget,
    ) -> (MountReport, Result<Vec<MountedFile>, MountError>) {
        let share = Arc::new(Share::default());
        // The key is looked for while Vault is read; a read that fails does not wait for it.
        let key = async { Ok(self.hmac_key.key(budget).await) };
        let outcome =
            tokio::try_join!(self.read_all(spec, budget, &share), key).and_then(|(answers, key)| {
                let files: Vec<MountedFile> = spec
                    .objects
                    .iter()
                    .map(|object| {
                        let response = answers.get(&object.request).ok_or(MountError::Internal)?;
                        let bytes = content::content(object, response)
                            .map_err(|error| MountError::content(object, error))?;
                        let version = key
                            .as_ref()
                            .map(|key| object_version::object_version(object, response, &bytes, key));
                        Ok(file(object, bytes, version.unwrap_or_default()))
                    })
                    .collect::<Result<_, MountError>>()?;
                self.check_size(&files)?;
                Ok(files)
            });
        let change = outcome.as_ref().ok().map(|files| self.change(&spec.volume, files));
        let report = MountReport {
            objects: spec.objects.len(),
            reads: share.reads.load(Ordering::Relaxed),
            logins: share.logins.load(Ordering::Relaxed),
            retries: share.retries.load(Ordering::Relaxed),
            change,
            elapsed: self.clock.now().duration_since(budget.started()),
        };
        (report, outcome)
    }

    /// One read per distinct request. The first that fails ends the mount, and with it the others.
    async fn read_all(
        &self,
        spec: &MountSpec,
        budget: Budget,
        share: &Arc<Share>,
    ) -> Result<HashMap<ReadRequest, Arc<VaultResponse>>, MountError> {
        // TLS files may lie on a file system that hangs.
        let login = self.vault.login(spec, &self.kubernetes, share);
        let late = || VaultError::Tls("the TLS files could not be read in time".to_owned().into());
        let login = match tokio::time::timeout_at(budget.ends(), login).await {
            Ok(login) => login.map_err(|error| MountError::vault(&spec.objects[0], error))?,
            Err(_) => return Err(MountError::vault(&spec.objects[0], late())),
        };
        let mut readings: HashMap<&ReadRequest, (Reading, &ObjectSpec)> = HashMap::new();
        for object in &spec.objects {
            readings
                .entry(&object.request)
                .or_insert_with(|| (self.vault.read(Arc::clone(&login), &object.request, budget), object));
        }
        let waiting = readings.into_iter().map(|(request, (reading, object))| async move {
            let answer = reading.answer(budget).await.map_err(|error| MountError::vault(object, error))?;
            Ok::<_, MountError>((request.clone(), answer))
        });
        let answers = futures_util::future::try_join_all(waiting).await?;
        Ok(answers.into_iter().collect())
    }

    fn check_size(&self, files: &[MountedFile]) -> Result<(), MountError> {
        // What protobuf adds to each file and version is small and bounded by the lengths of their names.
        let size: usize = files
            .iter()
            .map(|file| file.contents.len() + 2 * file.path.len() + file.version.len() + 32)
            .sum();
        if size > self.max_response_bytes {
            return Err(MountError::TooBig { size, limit: self.max_response_bytes });
        }
        Ok(())
    }

    /// Whether the volume's content differs from what it was served before.
    fn change(&self, volume: &VolumeKey, files: &[MountedFile]) -> Change {
        let content: Vec<(&str, u32, &[u8])> =
            files.iter().map(|file| (file.path.as_str(), file.mode, &*file.contents)).collect();
        let (volume, hash) = (self.hasher.hash_one(volume), self.hasher.hash_one(&content));
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        match served.touch(&volume) {
            None => {
                served.insert(volume, hash);
                Change::First
            }
            Some(last) if *last == hash => Change::Unchanged,
            Some(last) => {
                *last = hash;
                Change::Changed
            }
        }
    }
}

fn file(object: &ObjectSpec, mut bytes: Zeroizing<Vec<u8>>, version: String) -> MountedFile {
    bytes.shrink_to_fit();
    MountedFile {
        path: object.name.as_str().to_owned(),
        mode: object.mode.bits(),
        contents: Bytes::from_owner(bytes),
        version,
    }
}

#[cfg(test)]
mod golden_tests;
