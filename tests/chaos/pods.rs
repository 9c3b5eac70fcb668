//! Pods with a truthful kubelet: it mounts, tries again, republishes, unmounts, and looks at every volume each time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use devkit::driver::{Driver, MountCall, MountFailure};
use devkit::kubernetes::Kubernetes;
use devkit::pod::Pod;
use fastrand::Rng;
use tokio::time::sleep;

use crate::truth::{Asked, Ledger};

/// Longer than the driver's three tries and the pauses between them may take.
const PUBLISH: Duration = Duration::from_secs(30);

/// What all pods share.
pub struct Node {
    /// Mints the pods' tokens.
    pub kubernetes: Kubernetes,
    /// On the socket of the house.
    pub driver: Driver,
    /// Where a class may read.
    pub places: Vec<Place>,
    /// What was where, and when.
    pub ledger: Ledger,
    findings: Mutex<Findings>,
}

/// A Vault as a class names it.
#[derive(Clone)]
pub struct Place {
    /// Its address.
    pub address: String,
    /// A file with its authority.
    pub authority: Option<String>,
    /// The names of its secrets in the ledger.
    pub secrets: Vec<String>,
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What must not be.
    pub broken: Vec<String>,
    /// How mounts and republishes ended, by code.
    pub outcomes: BTreeMap<String, u32>,
    /// The longest publish.
    pub longest: Duration,
}

/// One pod's volume.
pub struct Volume {
    pod: Pod,
    call: MountCall,
    secrets: Vec<String>,
    leased: bool,
    /// When what it holds was asked for; `None` before it is mounted.
    holds: Option<Asked>,
    generations: BTreeMap<String, usize>,
}

impl Node {
    /// A node without pods.
    pub fn new(kubernetes: Kubernetes, driver: Driver, places: Vec<Place>, ledger: Ledger) -> Self {
        Self { kubernetes, driver, places, ledger, findings: Mutex::default() }
    }

    /// What was seen so far.
    pub fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pods one after the other under one name, until `is_over`; the last one's volume stays.
    pub async fn run_pods(
        self: Arc<Self>,
        name: String,
        mut rng: Rng,
        is_over: impl Fn() -> bool + Send,
    ) -> Volume {
        loop {
            let mut volume = self.volume(&name, &mut rng);
            let mut pause = 200;
            while !is_over() && self.publish(&mut volume).await.is_err() {
                sleep(Duration::from_millis(rng.u64(pause / 2..pause))).await;
                pause = (pause * 2).min(1_500);
            }
            let most = if rng.u8(..3) == 0 { 1_000 } else { 6 };
            for _ in 0..rng.u32(..most) {
                if is_over() {
                    break;
                }
                sleep(Duration::from_millis(rng.u64(100..1_500))).await;
                // A republish that fails leaves the pod what it has.
                let _ = self.publish(&mut volume).await;
            }
            if is_over() {
                return volume;
            }
            self.driver.unmount(&volume.call);
        }
    }

    /// A new pod of a class of its own.
    fn volume(&self, name: &str, rng: &mut Rng) -> Volume {
        let place = &self.places[rng.usize(..self.places.len())];
        let pod = Pod::new("shop", name);
        let mut secrets = place.secrets.clone();
        rng.shuffle(&mut secrets);
        secrets.truncate(rng.usize(1..=2));
        let leased = rng.u8(..4) == 0;
        let mut objects = String::new();
        for secret in &secrets {
            let path = secret.rsplit('/').next().expect("split gives one at least");
            for key in ["left", "right"] {
                objects += &format!(
                    "- {{objectName: {path}/{key}, secretPath: secret/data/{path}, secretKey: {key}}}\n"
                );
            }
            objects += &format!("- {{objectName: {path}/whole.json, secretPath: secret/data/{path}}}\n");
        }
        if leased {
            for (file, key) in [("user", "username"), ("password", "password")] {
                objects += &format!(
                    "- {{objectName: db/{file}, secretPath: database/creds/ro, secretKey: {key}}}\n"
                );
            }
            objects += "- {objectName: db/whole.json, secretPath: database/creds/ro}\n";
        }
        let mut call = MountCall::new(&pod)
            .parameter("roleName", "app")
            .parameter("vaultAddress", &place.address)
            .objects(&objects);
        if let Some(authority) = &place.authority {
            call = call.parameter("vaultCACertPath", authority);
        }
        if rng.u8(..5) == 0 {
            // The driver passes no token: one is minted.
            self.kubernetes.create_pod(&pod);
            call = call.parameter("audience", "vault");
        } else {
            call = call.token("vault", &self.kubernetes.mint(&pod, "vault"));
        }
        Volume { pod, call, secrets, leased, holds: None, generations: BTreeMap::new() }
    }

    /// Mounts or republishes once, and looks at what the volume holds then; the error is what the pod's event would say.
    pub async fn publish(&self, volume: &mut Volume) -> Result<(), String> {
        let is_refresh = volume.holds.is_some();
        let at = Instant::now();
        let published = tokio::time::timeout(PUBLISH, self.driver.mount(&volume.call)).await;
        let answered = Instant::now();
        let broken = |what: String| self.findings().broken.push(format!("{}: {what}", volume.pod.name));
        let outcome = match &published {
            Err(_) => {
                broken(format!("no answer within {PUBLISH:?}"));
                "no answer".to_owned()
            }
            Ok(Ok(_)) => {
                volume.holds = Some(Asked { at, answered, is_refresh });
                "Ok".to_owned()
            }
            Ok(Err(failure)) => {
                if !failure.is_final() {
                    broken(format!("its next container starts on what is there, if anything: {failure}"));
                }
                match failure {
                    MountFailure::Status(status) => format!("{:?}", status.code()),
                    MountFailure::Refused(why) => {
                        broken(format!("the driver refuses the answer: {why}"));
                        "refused".to_owned()
                    }
                }
            }
        };
        let occasion = if is_refresh { "republish" } else { "mount" };
        {
            let mut findings = self.findings();
            *findings.outcomes.entry(format!("{occasion} {outcome}")).or_default() += 1;
            findings.longest = findings.longest.max(answered - at);
        }
        self.look(volume);
        match published {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failure)) => Err(format!("{}: {failure}", volume.pod.name)),
            Err(_) => Err(format!("{}: no answer", volume.pod.name)),
        }
    }

    /// The volume on disk is whole, of the right time and no older than it was; or it was never mounted.
    pub fn look(&self, volume: &mut Volume) {
        let verdict = match volume.holds {
            None if self.driver.folder(&volume.call).exists() => Err("a folder without a mount".to_owned()),
            None => Ok(BTreeMap::new()),
            Some(asked) => {
                let files = self.driver.files(&volume.call);
                self.ledger.check(&files, &volume.secrets, volume.leased, asked).and_then(|generations| {
                    let is_older = |(name, number): (&String, &usize)| {
                        volume.generations.get(name).is_some_and(|held| held > number)
                    };
                    match generations.iter().any(is_older) {
                        true => Err(format!("older than before: {generations:?}, {:?}", volume.generations)),
                        false => Ok(generations),
                    }
                })
            }
        };
        match verdict {
            Ok(generations) => volume.generations = generations,
            Err(what) => self.findings().broken.push(format!("{}: {what}", volume.pod.name)),
        }
    }
}
