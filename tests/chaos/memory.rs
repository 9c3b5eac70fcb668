//! Many mounts of many pods leave nothing behind.

use std::time::Instant;

use devkit::driver::{Driver, MountCall};
use devkit::kubernetes::Kubernetes;
use devkit::pod::Pod;
use devkit::vault::{Role, Vault};
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::house::House;
use crate::setting;

/// Mounts under way at one time.
const AT_ONCE: usize = 16;

/// How much more memory the second half may end with than the first: the volumes whose last content is remembered by
/// a hash (20,000 at most, some hundred bytes each), and what the allocator does not give back.
const GROWTH_KIB: u64 = 12 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_flat_over_many_mounts_of_many_pods() {
    let pods = setting("LOCKKEEPER_LOAD_PODS").unwrap_or(5_000);
    let mounts = setting("LOCKKEEPER_LOAD_MOUNTS").unwrap_or(20_000);
    let (kubernetes, vault) = (Kubernetes::start().await, Vault::start().await);
    vault.kubernetes_auth("kubernetes", &kubernetes.issuer());
    vault.role("kubernetes", Role::new("app"));
    vault.kv2("secret").put("app", json!({ "k": "v".repeat(64) }));
    let house = House::start(&kubernetes, &["-log-level=error"], &[]).await;
    let driver = Driver::new(house.socket());

    let began = Instant::now();
    let idle = house.resident_kib();
    let mut samples = Vec::new();
    // Each pod is mounted so often in a row; then comes the next one.
    let often = mounts / pods;
    let all: Vec<Pod> = (0..pods).map(|number| Pod::new("shop", &format!("web-{number}"))).collect();
    for wave in all.chunks(all.len().div_ceil(20)) {
        stream::iter(wave)
            .for_each_concurrent(AT_ONCE, async |pod| {
                let call = MountCall::new(pod)
                    .parameter("roleName", "app")
                    .parameter("vaultAddress", vault.address())
                    .objects("- {objectName: o, secretPath: secret/data/app, secretKey: k}")
                    .token("vault", &kubernetes.mint(pod, "vault"));
                let request = driver.request(&call);
                for _ in 0..often {
                    driver.send(request.clone()).await.unwrap_or_else(|status| panic!("{status}"));
                }
            })
            .await;
        vault.log().clear();
        kubernetes.log().clear();
        samples.push(house.resident_kib());
    }
    let took = began.elapsed();
    println!("{} mounts of {pods} pods in {took:.1?}", often * pods);
    println!("resident memory in KiB: {idle} idle, then {samples:?}");
    let half = samples[samples.len() / 2 - 1];
    let end = *samples.last().expect("some");
    assert!(end <= half + GROWTH_KIB, "{half} KiB after the first half, {end} KiB at the end");
}
