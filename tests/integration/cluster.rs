//! Several addresses of one Vault cluster: who is asked, when it is the next one's turn.

use devkit::http::Fault;
use devkit::pod::Pod;
use devkit::vault::{Role, Vault};
use serde_json::json;

use crate::node::Node;

const OBJECT: &str = "- {objectName: o, secretPath: secret/data/app, secretKey: k}";

/// A second node beside the one of `node`, with the same secret; tokens of one are not known to the other.
async fn other_node(node: &Node, value: &str) -> Vault {
    let other = Vault::start().await;
    other.kubernetes_auth("kubernetes", &node.kubernetes.issuer());
    other.role("kubernetes", Role::new("app"));
    other.kv2("secret").put("app", json!({"k": value}));
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_or_sealed_or_at_fault_is_passed_over() {
    let node = Node::start().await;
    let first = other_node(&node, "first's").await;
    node.vault.kv2("secret").put("app", json!({"k": "second's"}));
    for (number, fault) in
        [Fault::reset(), Fault::vault_sealed(), Fault::vault_internal_error(), Fault::bad_gateway()]
            .into_iter()
            .enumerate()
    {
        first.faults().clear();
        first.fault(fault);
        let pod = Pod::new("shop", &format!("web-{number}"));
        let list = format!("{},{}", first.address(), node.vault.address());
        let call = node.call(&pod, OBJECT).parameter("vaultAddress", &list);
        assert_eq!(node.mounted(&call).await.text("o"), "second's");
    }
    first.refuse().await;
    let pod = Pod::new("shop", "web-9");
    let call = node
        .call(&pod, OBJECT)
        .parameter("vaultAddress", &format!("{}, {}", first.address(), node.vault.address()));
    assert_eq!(node.mounted(&call).await.text("o"), "second's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_the_clusters_word_and_no_other_node_is_asked() {
    let node = Node::with(Vault::start().await, &["-mount-timeout=2s"]).await;
    let second = other_node(&node, "v").await;
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    let faults = [Fault::vault_forbidden().at("secret/"), Fault::vault_quota(None).at("secret/")];
    for (number, fault) in faults.into_iter().enumerate() {
        node.vault.faults().clear();
        node.vault.fault(fault);
        let pod = Pod::new("shop", &format!("web-{number}"));
        let list = format!("{},{}", node.vault.address(), second.address());
        node.refused(&node.call(&pod, OBJECT).parameter("vaultAddress", &list)).await;
    }
    assert!(second.log().calls().is_empty(), "the second node was left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_to_the_node_of_the_login_and_carry_its_state() {
    let node = Node::start().await;
    let first = other_node(&node, "first's").await;
    node.vault.kv2("secret").put("app", json!({"k": "second's"}));
    let auth = json!({"auth": {"client_token": node.vault.root_token(), "lease_duration": 900}}).to_string();
    node.vault.raw("POST", "auth/kubernetes/login", 200, &[("X-Vault-Index", "state-7")], &auth);
    first.refuse().await;
    let list = format!("{},{}", first.address(), node.vault.address());
    let pod = Pod::new("shop", "web-0");
    let call = node.call(&pod, OBJECT).parameter("vaultAddress", &list);
    assert_eq!(node.mounted(&call).await.text("o"), "second's");
    // The first node is back; the session's reads still go where the session was made.
    first.accept().await;
    first.log().clear();
    assert_eq!(node.provider.driver.republish(&call).await.expect("republished").text("o"), "second's");
    assert!(first.log().calls().is_empty(), "the other node was not asked");
    let reads = node.vault.log().matching(|call| call.is_read());
    assert!(reads.iter().all(|logged| logged.call.header("x-vault-index") == Some("state-7")));
    assert_eq!(reads.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_every_address_that_was_tried() {
    let node = Node::with(Vault::start().await, &["-mount-timeout=1s"]).await;
    let pod = Pod::new("shop", "web-0");
    let call = node.call(&pod, OBJECT).parameter("vaultAddress", "http://127.0.0.1:1,http://127.0.0.1:2");
    let failure = node.refused(&call).await;
    assert!(failure.message().contains("http://127.0.0.1:1, http://127.0.0.1:2"), "{failure}");
}
