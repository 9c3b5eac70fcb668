//! Many pods at once, and a Vault that is dead beside one that is not.

use std::time::{Duration, Instant};

use devkit::http::Fault;
use devkit::pod::Pod;
use devkit::vault::{Role, Vault};
use futures_util::future::join_all;
use serde_json::json;
use tonic::Code;

use crate::node::{Node, ONE, assert_says};

/// As when a node comes back: every pod of it at once, to a provider that has not done anything yet.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_pods_at_once_from_a_cold_start_all_get_their_files() {
    let node = Node::start().await;
    let mut objects = String::new();
    for name in ["a", "b", "c"] {
        node.vault.kv2("secret").put(name, json!({ "k": format!("value of {name}") }));
        objects += &format!("- {{objectName: {name}, secretPath: secret/data/{name}, secretKey: k}}\n");
    }
    let calls: Vec<_> =
        (0..500).map(|number| node.call(&Pod::new("shop", &format!("web-{number}")), &objects)).collect();
    let began = Instant::now();
    for mounted in join_all(calls.iter().map(|call| node.mounted(call))).await {
        assert_eq!(
            ["a", "b", "c"].map(|name| mounted.text(name)),
            ["value of a", "value of b", "value of c"]
        );
    }
    println!("500 pods in {:.1?}", began.elapsed());
    assert_eq!((node.vault.logins(), node.vault.reads()), (500, 1_500), "nothing failed and was tried again");
}

/// More mounts than the provider has room for wait for a Vault that accepts and never answers, all over the driver's one
/// connection; another Vault's mounts and the driver's health check do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_vault_does_not_slow_mounts_from_another() {
    const DEAD: usize = 400;
    let dead = Vault::start().await;
    let flags = ["-mount-timeout=10s"];
    let node = Node::with_environment(Vault::start().await, &flags, &[("VAULT_CLIENT_TIMEOUT", "2")]).await;
    node.vault.kv2("secret").put("app", json!({ "k": "v" }));
    dead.kubernetes_auth("kubernetes", &node.kubernetes.issuer());
    dead.role("kubernetes", Role::new("app"));
    dead.fault(Fault::hang());

    let pods = |name: &str, count: usize| -> Vec<Pod> {
        (0..count).map(|number| Pod::new("shop", &format!("{name}-{number}"))).collect()
    };
    let stuck: Vec<_> = pods("stuck", DEAD)
        .iter()
        .map(|pod| node.call(pod, ONE).parameter("vaultAddress", dead.address()))
        .collect();
    let began = Instant::now();
    let waiting = join_all(stuck.iter().map(|call| node.refused(call)));
    let others = async {
        dead.log().until(32, |call| call.is_login()).await;
        let mut slowest = Duration::ZERO;
        for pod in pods("web", 30) {
            let began = Instant::now();
            assert_eq!(node.mounted(&node.call(&pod, ONE)).await.text("o"), "v");
            node.provider.driver.version().await.expect("the health check is answered");
            slowest = slowest.max(began.elapsed());
        }
        (slowest, began.elapsed())
    };
    let (failures, (slowest, done)) = tokio::join!(waiting, others);
    println!("the slowest mount from the living Vault took {slowest:.1?}, the last ended after {done:.1?}");
    for failure in &failures {
        assert_says(failure, Code::FailedPrecondition, &[]);
    }
    assert!(began.elapsed() > Duration::from_secs(10), "the others waited all the while");
    assert!(slowest < Duration::from_secs(4) && done < Duration::from_secs(10), "{slowest:?}, {done:?}");
}
