//! How much may go on at once, and how much may come back.

use devkit::http::{Fault, Gate};
use devkit::pod::Pod;
use devkit::vault::Vault;
use serde_json::json;
use tonic::Code;

use crate::node::Node;

fn objects(count: usize) -> String {
    let object =
        |number| format!("- {{objectName: o{number}, secretPath: secret/data/p{number}, secretKey: k}}\n");
    (0..count).map(object).collect()
}

async fn node(flags: &[&str], secrets: usize) -> Node {
    let node = Node::with(Vault::start().await, flags).await;
    for number in 0..secrets {
        node.vault.kv2("secret").put(&format!("p{number}"), json!({"k": "v"}));
    }
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_than_allowed_are_in_flight_to_one_cluster() {
    let node = node(&["-max-vault-requests=3"], 20).await;
    let gate = Gate::closed();
    node.vault.fault(Fault::held(&gate).at("secret/"));
    let pod = Pod::new("shop", "web-0");
    let call = node.call(&pod, &objects(20));
    let opening = async {
        gate.until_waiting(3).await;
        gate.open();
    };
    let (mounted, ()) = tokio::join!(node.mounted(&call), opening);
    assert_eq!(mounted.files.len(), 20);
    assert_eq!(node.vault.log().max_in_flight(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_mounts_than_allowed_ask_one_cluster() {
    let node = node(&["-max-concurrent-mounts=1"], 1).await;
    let gate = Gate::closed();
    node.vault.fault(Fault::held(&gate));
    let calls: Vec<_> =
        (0..5).map(|number| node.call(&Pod::new("shop", &format!("web-{number}")), &objects(1))).collect();
    let opening = async {
        gate.until_waiting(1).await;
        gate.open();
    };
    let mounts = futures_util::future::join_all(calls.iter().map(|call| node.mounted(call)));
    let (mounted, ()) = tokio::join!(mounts, opening);
    assert_eq!(mounted.len(), 5);
    assert_eq!(node.vault.log().max_in_flight(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_pauses_between_attempts_holds_no_place() {
    let node = node(&["-max-concurrent-mounts=1", "-mount-timeout=20s"], 2).await;
    node.vault.fault(Fault::vault_internal_error().at("secret/data/p0"));
    let (stuck, other) = (Pod::new("shop", "stuck"), Pod::new("shop", "other"));
    let stuck = node.call(&stuck, &objects(1));
    let other = node.call(&other, "- {objectName: o, secretPath: secret/data/p1, secretKey: k}");
    let healing = async {
        node.vault.log().until(1, |call| call.vault_path() == "secret/data/p0").await;
        let mounted = node.mounted(&other).await;
        node.vault.faults().clear();
        mounted
    };
    let (stuck, other) = tokio::join!(node.mounted(&stuck), healing);
    assert_eq!((stuck.text("o0"), other.text("o")), ("v", "v"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_of_one_mount_are_bounded_together() {
    let node = node(&["-max-response-bytes=64MiB"], 0).await;
    for number in 0..2 {
        node.vault.kv2("secret").put(&format!("p{number}"), json!({"k": "v".repeat(9 << 20)}));
    }
    let pod = Pod::new("shop", "web-0");
    let failure = node.refused(&node.call(&pod, &objects(2))).await;
    assert_eq!(failure.code(), Code::OutOfRange);
    assert!(failure.message().contains("16MiB"), "{failure}");
}
