//! Providers that take over from each other, or from one that was killed, while the real driver mounts.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use devkit::http::{Fault, Gate};
use devkit::real::{Driver, Kubelet, ServiceAccountFolder};
use devkit::vault::Vault;
use futures_util::future::join_all;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::empty_volume::{create_class, driver, provider, vault};
use crate::provider::Provider;

const HANDOVERS: usize = 5;
/// How long a process may take to leave: its `-shutdown-timeout`, and something for the machine.
const END: Duration = Duration::from_secs(25);

/// A provider that has the socket when this returns, whoever had it before.
async fn successor(
    cluster: &Cluster,
    driver: &Driver,
    (vault, name, home): (&Vault, &str, &ServiceAccountFolder),
) -> Provider {
    let socket = driver.provider_socket(name);
    let before = inode(&socket);
    let provider = provider(cluster, driver, (vault, name, home), &[]).await;
    while inode(&socket) == before {
        sleep(Duration::from_millis(5)).await;
    }
    provider
}

fn inode(path: &Path) -> Option<(u64, i64)> {
    fs::metadata(path).ok().map(|meta| (meta.ino(), meta.ctime_nsec()))
}

#[tokio::test]
async fn no_mount_of_the_driver_fails_while_providers_hand_the_socket_on() {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let name = "handovers";
    let application = cluster.application(name).await.unwrap();
    let home = cluster.home("home-handovers").await.unwrap();
    let vault = vault().await;
    // So that every handover meets mounts under way.
    vault.fault(Fault::delay(Duration::from_millis(100)).at("secret/"));
    let mut serving = successor(cluster, driver, (&vault, name, &home)).await;
    create_class(&application).await;
    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);

    let (is_over, mounts) = (Cell::new(false), Cell::new(0));
    let callers = join_all((0..4).map(async |caller| {
        let mut number = 0;
        while !is_over.get() {
            let pod = application.pod(&format!("app-{caller}-{number}")).await.unwrap();
            let volume = kubelet.publish(&pod, "app").await.unwrap_or_else(|status| panic!("{status}"));
            assert_eq!(volume.files().unwrap()["password"], "all of it");
            volume.republish().await.unwrap();
            volume.unpublish().await.unwrap();
            number += 1;
            mounts.set(mounts.get() + 2);
        }
    }));
    let handovers = async {
        let mut old = Vec::new();
        for _ in 0..HANDOVERS {
            sleep(Duration::from_millis(300)).await;
            let new = successor(cluster, driver, (&vault, name, &home)).await;
            // Both live, and are called.
            sleep(Duration::from_millis(300)).await;
            serving.stop().unwrap();
            old.push(std::mem::replace(&mut serving, new));
        }
        sleep(Duration::from_millis(500)).await;
        is_over.set(true);
        old
    };
    let (_, old) = tokio::join!(callers, handovers);
    for mut provider in old {
        let log = provider.log();
        assert!(!log.contains("mount failed") && !log.contains("cut short"), "{log}");
        provider.finish(END).await.unwrap();
    }
    println!("{} mounts over {HANDOVERS} handovers", mounts.get());
    assert!(mounts.get() > 20, "{} mounts", mounts.get());
    // The driver tells kubelet nothing of a republish that failed.
    let log = driver.log();
    let failed = |line: &&str| line.contains("failed to mount") && line.contains("pod=\"handovers/");
    assert_eq!(log.lines().find(failed), None);
    assert!(log.contains("pod=\"handovers/app-0-0\""), "the driver names pods otherwise");
}

#[tokio::test]
async fn a_pod_gets_its_files_though_its_provider_is_killed_under_its_first_mount() {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let name = "killed";
    let application = cluster.application(name).await.unwrap();
    let home = cluster.home("home-killed").await.unwrap();
    let vault = vault().await;
    let gate = Gate::closed();
    vault.fault(Fault::held(&gate).at("secret/"));
    let first = successor(cluster, driver, (&vault, name, &home)).await;
    create_class(&application).await;
    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);
    let pod = application.pod("app-0").await.unwrap();

    let began = Instant::now();
    let replace = async {
        gate.until_waiting(1).await;
        // The socket's file stays, and nobody listens there for a while.
        drop(first);
        sleep(Duration::from_millis(1_200)).await;
        let second = successor(cluster, driver, (&vault, name, &home)).await;
        gate.until_waiting(1).await;
        gate.open();
        second
    };
    let (volume, _second) = tokio::join!(kubelet.publish(&pod, "app"), replace);
    let volume = volume.unwrap_or_else(|status| panic!("{status}"));
    assert_eq!(volume.files().unwrap()["password"], "all of it");
    println!("mounted after {:.1?}", began.elapsed());
    volume.unpublish().await.unwrap();
}
