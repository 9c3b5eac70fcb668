//! One provider after the other on one socket, and nobody who calls notices.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use devkit::driver::{Driver, MountCall};
use devkit::http::Fault;
use devkit::kubernetes::Kubernetes;
use devkit::pod::Pod;
use devkit::vault::{Role, Vault};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::house::House;

const HANDOVERS: u32 = 10;

/// How long a read takes, so that every handover meets mounts under way.
const READ: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_ten_providers_hand_the_socket_on() {
    let (kubernetes, vault) = (Kubernetes::start().await, Vault::start().await);
    vault.kubernetes_auth("kubernetes", &kubernetes.issuer());
    vault.role("kubernetes", Role::new("app"));
    vault.kv2("secret").put("app", json!({ "k": "v" }));
    vault.fault(Fault::delay(READ).at("secret/"));
    let mut house = House::start(&kubernetes, &["-log-level=warn"], &[]).await;
    let driver = Driver::persistent(house.socket());

    static OVER: AtomicBool = AtomicBool::new(false);
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let mut callers = JoinSet::new();
    for number in 0..8 {
        let driver = driver.clone();
        let pod = Pod::new("shop", &format!("web-{number}"));
        let call = MountCall::new(&pod)
            .parameter("roleName", "app")
            .parameter("vaultAddress", vault.address())
            .objects("- {objectName: o, secretPath: secret/data/app, secretKey: k}")
            .token("vault", &kubernetes.mint(&pod, "vault"));
        callers.spawn(async move {
            while !OVER.load(Ordering::Relaxed) {
                if number < 2 {
                    driver.version().await.expect("a version");
                } else {
                    let mounted = driver.mount(&call).await.unwrap_or_else(|failure| panic!("{failure}"));
                    assert_eq!(mounted.text("o"), "v");
                }
                CALLS.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(fastrand::u64(..10))).await;
            }
        });
    }
    for _ in 0..HANDOVERS {
        sleep(Duration::from_millis(fastrand::u64(..300))).await;
        house.hand_over(Duration::from_millis(fastrand::u64(..400))).await;
    }
    sleep(2 * READ).await;
    OVER.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.expect("no call failed");
    }
    house.all_left().await;
    let counts = driver.link().counts();
    println!("{} calls over {HANDOVERS} handovers: {counts:?}", CALLS.load(Ordering::Relaxed));
    assert_eq!(counts.lost, 0, "no connection was cut under a call");
    assert!(counts.connections > u64::from(HANDOVERS) / 2, "they were handed over: {counts:?}");
}
