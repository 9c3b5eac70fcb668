//! The real binary under everything at once, for as long as it takes to meet: Vault fails in every way, secrets change,
//! providers are killed, replaced and handed over; and what it must not do over many mounts, which is grow.
//!
//! `LOCKKEEPER_CHAOS_SECONDS` (60) and `LOCKKEEPER_CHAOS_SEED` (any, printed) set the storm's length and its course;
//! `LOCKKEEPER_LOAD_PODS` (5000) and `LOCKKEEPER_LOAD_MOUNTS` (20000) how much is mounted for the memory's sake.

#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the machine's own clock and at their own settings"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod handover;
mod house;
mod memory;
mod pods;
mod proxy;
mod storm;
mod truth;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use devkit::certificates::Authority;
use devkit::driver::Driver;
use devkit::http::Fault;
use devkit::kubernetes::Kubernetes;
use devkit::vault::{DynamicRole, Role, Vault};
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::sleep;

use house::House;
use pods::{Node, Place};
use proxy::Proxy;
use storm::Weather;
use truth::Ledger;

/// Pods at any time.
const PODS: usize = 40;

/// The provider's flags and variables: a mount is short, so that many are lost and many run out of time.
const FLAGS: [&str; 2] = ["-mount-timeout=4s", "-log-level=warn"];
const ENVIRONMENT: [(&str, &str); 1] = [("VAULT_CLIENT_TIMEOUT", "1")];

/// At least so far apart are two kills: a call of the driver's may meet two of them, and never three, after which nobody
/// would call again. A lost call is back after 3.2 s at the latest (grpc-go's pauses until it meets the successor) and
/// takes 4 s.
const BETWEEN_KILLS: Duration = Duration::from_millis(7_500);

/// A killed provider has its successor after at most this (a successor starts in a part of what is left of 2 s).
const GAP_MILLIS: u64 = 1_500;

/// How long the pods may take to be mounted when all is well again.
const RECOVERY: Duration = Duration::from_secs(30);

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_every_volume_is_whole_or_was_never_mounted() {
    let seed = setting("LOCKKEEPER_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let length = Duration::from_secs(setting("LOCKKEEPER_CHAOS_SECONDS").unwrap_or(60));
    println!("LOCKKEEPER_CHAOS_SEED={seed}");
    let mut rng = Rng::with_seed(seed);

    let kubernetes = Kubernetes::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("storm");
    let authority_file = authority.write_to(folder.path(), "ca.crt").display().to_string();
    let plain = Weather { vault: Vault::start().await, proxy: None };
    let behind_tls = {
        let vault = Vault::builder().tls(&authority).start().await;
        let port = vault.address().rsplit(':').next().and_then(|port| port.parse().ok());
        Weather { proxy: Some(Proxy::start(port.expect("a port"))), vault }
    };
    let ledger = Ledger::default();
    let mut places = Vec::new();
    for (name, weather) in [("plain", &plain), ("tls", &behind_tls)] {
        let vault = &weather.vault;
        vault.kubernetes_auth("kubernetes", &kubernetes.issuer());
        vault.role("kubernetes", Role::new("app"));
        vault.database("database").dynamic_role(DynamicRole::new("ro").ttl(Duration::from_secs(3_600)));
        let secrets: Vec<String> = (0..4).map(|number| format!("{name}/app{number}")).collect();
        for secret in &secrets {
            ledger.rotate(vault, secret, 100);
        }
        let address = weather.proxy.as_ref().map_or_else(
            || vault.address().to_owned(),
            |proxy| format!("https://127.0.0.1:{}", proxy.port()),
        );
        let authority = weather.proxy.as_ref().map(|_| authority_file.clone());
        places.push(Place { address, authority, secrets });
    }
    let mut house = House::start(&kubernetes, &FLAGS, &ENVIRONMENT).await;
    let driver = Driver::persistent(house.socket());
    let node = Arc::new(Node::new(kubernetes, driver, places, ledger));

    let is_over = Arc::new(AtomicBool::new(false));
    let mut pods = JoinSet::new();
    for number in 0..PODS {
        let is_over = Arc::clone(&is_over);
        let is_over = move || is_over.load(Ordering::Relaxed);
        pods.spawn(Arc::clone(&node).run_pods(format!("web-{number}"), rng.fork(), is_over));
    }
    let mut deeds = Deeds::default();
    let storm = futures_util::future::join4(
        plain.blow(rng.fork(), behind_tls.vault.address()),
        behind_tls.blow(rng.fork(), plain.vault.address()),
        rotate_secrets(&node, [&plain.vault, &behind_tls.vault], rng.fork()),
        trouble_kubernetes(&node.kubernetes, rng.fork()),
    );
    let house_life = live(&mut house, &mut deeds, rng.fork(), Instant::now() + length);
    tokio::select! {
        _ = storm => {}
        () = house_life => {}
    }

    // All is well again, and stays so; every pod that could not mount must now.
    is_over.store(true, Ordering::Relaxed);
    node.kubernetes.faults().clear();
    node.kubernetes.accept().await;
    plain.clear().await;
    behind_tls.clear().await;
    // The rotation may have ended between a deletion and the next generation.
    for (place, vault) in node.places.iter().zip([&plain.vault, &behind_tls.vault]) {
        place.secrets.iter().for_each(|secret| node.ledger.rotate(vault, secret, 100));
    }
    let mut volumes = pods.join_all().await;
    let recovered_by = Instant::now() + RECOVERY;
    for volume in &mut volumes {
        node.look(volume);
        while let Err(failure) = node.publish(volume).await {
            let findings = node.findings().clone();
            assert!(Instant::now() < recovered_by, "seed {seed}: all is well, but {failure}; {findings:?}");
            sleep(Duration::from_millis(200)).await;
        }
    }
    house.all_left().await;

    let counts = node.driver.link().counts();
    let findings = node.findings().clone();
    println!("{deeds:?}, {counts:?}, the longest publish took {:?}", findings.longest);
    println!("{:?}", findings.outcomes);
    assert!(findings.broken.is_empty(), "seed {seed}: {:#?}", findings.broken);
    let not_final = node.driver.link().not_final();
    assert!(not_final.is_empty(), "seed {seed}: the provider sent {not_final:?}");
    let panics = house.log_lines("a panic");
    assert!(panics.is_empty(), "seed {seed}: {panics:#?}");
    if length >= Duration::from_secs(30) {
        // Otherwise it has shown little.
        let well = findings.outcomes.get("mount Ok").copied().unwrap_or_default();
        assert!(well > 50 && findings.outcomes.len() > 4, "seed {seed}: {:?}", findings.outcomes);
        assert!(
            deeds.kills > 2 && deeds.handovers > 2 && counts.lost > 0,
            "seed {seed}: {deeds:?} {counts:?}"
        );
    }
}

/// What was done to the providers.
#[derive(Debug, Default)]
struct Deeds {
    kills: u32,
    handovers: u32,
    departures: u32,
}

/// Kills, replaces and hands over until then; ends with a provider that serves.
async fn live(house: &mut House, deeds: &mut Deeds, mut rng: Rng, end: Instant) {
    let mut next_kill = Instant::now() + Duration::from_millis(rng.u64(1_000..4_000));
    while Instant::now() < end {
        sleep(Duration::from_millis(rng.u64(500..2_500))).await;
        if Instant::now() >= next_kill {
            house.kill();
            deeds.kills += 1;
            sleep(Duration::from_millis(rng.u64(..GAP_MILLIS))).await;
            house.replace().await;
            next_kill = Instant::now() + BETWEEN_KILLS + Duration::from_millis(rng.u64(..2_000));
        } else if rng.u8(..4) > 0 {
            house.hand_over(Duration::from_millis(rng.u64(..1_500))).await;
            deeds.handovers += 1;
        } else {
            // A roll-out without surge: nobody listens for a while.
            house.dismiss();
            deeds.departures += 1;
            sleep(Duration::from_millis(rng.u64(..GAP_MILLIS))).await;
            house.replace().await;
        }
    }
}

/// Writes, deletes and writes again.
async fn rotate_secrets(node: &Node, vaults: [&Vault; 2], mut rng: Rng) {
    loop {
        sleep(Duration::from_millis(rng.u64(5..60))).await;
        let which = rng.usize(..2);
        let secrets = &node.places[which].secrets;
        let secret = &secrets[rng.usize(..secrets.len())];
        if rng.u8(..40) == 0 {
            node.ledger.delete(vaults[which], secret);
            sleep(Duration::from_millis(rng.u64(..300))).await;
        }
        let payload = if rng.u8(..10) == 0 { 100_000 } else { rng.usize(..2_000) };
        node.ledger.rotate(vaults[which], secret, payload);
    }
}

/// The API server is away now and then: no token is minted, no key of the versions is had.
async fn trouble_kubernetes(kubernetes: &Kubernetes, mut rng: Rng) {
    loop {
        sleep(Duration::from_millis(rng.u64(500..5_000))).await;
        match rng.u8(..4) {
            0 => kubernetes.refuse().await,
            1 => kubernetes.fault(Fault::hang()),
            2 => kubernetes.fault(Fault::kubernetes_internal_error()),
            _ => kubernetes.fault(Fault::kubernetes_too_many_requests(Duration::from_secs(1))),
        }
        sleep(Duration::from_millis(rng.u64(100..2_500))).await;
        kubernetes.faults().clear();
        kubernetes.accept().await;
    }
}
