//! What a careful operator forbids is refused, with the flag's name, before anybody is asked.

use devkit::http::Fault;
use devkit::pod::Pod;
use devkit::vault::Vault;
use serde_json::json;
use tonic::Code;

use crate::node::Node;

const OBJECT: &str = "- {objectName: o, secretPath: secret/data/app, secretKey: k}";

async fn node(flag: &str) -> Node {
    let node = Node::with(Vault::start().await, &[flag]).await;
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    node
}

async fn is_refused(node: &Node, call: &devkit::driver::MountCall, words: &[&str]) {
    let failure = node.refused(call).await;
    assert_eq!(failure.code(), Code::InvalidArgument, "{failure}");
    for word in words {
        assert!(failure.message().contains(word), "{word:?} is not in: {failure}");
    }
    assert!(node.vault.log().calls().is_empty(), "Vault was not asked");
    assert!(node.kubernetes.token_requests().is_empty(), "no token was minted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_may_lead_to_the_allowed_addresses_only() {
    let vault = Vault::start().await;
    let allowed = format!("-allowed-vault-addresses=https://vault.example:8200,{}", vault.address());
    let node = Node::with(vault, &[&allowed]).await;
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    let pod = Pod::new("shop", "web-0");
    let call = node.call(&pod, OBJECT);
    let elsewhere = call.clone().parameter("vaultAddress", "https://evil.example:8200");
    is_refused(&node, &elsewhere, &["evil.example", "-allowed-vault-addresses"]).await;
    let both =
        call.clone().parameter("vaultAddress", &format!("{},http://127.0.0.1:1", node.vault.address()));
    is_refused(&node, &both, &["127.0.0.1:1", "-allowed-vault-addresses"]).await;
    assert_eq!(node.mounted(&call).await.text("o"), "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_may_lead_to_the_allowed_addresses_only() {
    let vault = Vault::start().await;
    let allowed = format!("-allowed-vault-addresses={}", vault.address());
    let node = Node::with(vault, &[&allowed]).await;
    let elsewhere = Vault::start().await;
    let location = format!("{}/v1/secret/data/app", elsewhere.address());
    node.vault.fault(Fault::redirect(307, &location).at("secret/"));
    let failure = node.refused(&node.call(&Pod::new("shop", "web-0"), OBJECT)).await;
    assert_eq!(failure.code(), Code::InvalidArgument, "{failure}");
    assert!(failure.message().contains("-allowed-vault-addresses"), "{failure}");
    assert!(elsewhere.log().calls().is_empty(), "no token went there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_may_use_the_allowed_audiences_only() {
    let node = node("-allowed-audiences=vault,other").await;
    let pod = Pod::new("shop", "web-0");
    let call = node.call(&pod, OBJECT).parameter("audience", "kubernetes");
    let call = call.token("kubernetes", &node.kubernetes.mint(&pod, "kubernetes"));
    is_refused(&node, &call, &["\"kubernetes\"", "-allowed-audiences"]).await;
    let minted = node.call_without_token(&pod, OBJECT);
    is_refused(&node, &minted, &["API server", "-allowed-audiences"]).await;
    assert_eq!(node.mounted(&node.call(&pod, OBJECT)).await.text("o"), "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_may_name_tls_files_below_the_allowed_folders_only() {
    let node = node("-allowed-tls-paths=/etc/vault-tls").await;
    let call = node.call(&Pod::new("shop", "web-0"), OBJECT);
    for (parameter, path) in [
        ("vaultCACertPath", "/etc/passwd"),
        ("vaultCADirectory", "/etc/vault-tls-not"),
        ("vaultCACertPath", "/etc/vault-tls/../passwd"),
        ("vaultCACertPath", "relative/ca.crt"),
    ] {
        is_refused(&node, &call.clone().parameter(parameter, path), &[path, "-allowed-tls-paths"]).await;
    }
    let failure = node.refused(&call.parameter("vaultCACertPath", "/etc/vault-tls/ca.crt")).await;
    assert_eq!(failure.code(), Code::FailedPrecondition, "allowed, but not there: {failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_any_certificate_can_be_forbidden() {
    let node = node("-forbid-skip-verify").await;
    let call = node.call(&Pod::new("shop", "web-0"), OBJECT);
    is_refused(&node, &call.clone().parameter("vaultSkipTLSVerify", "true"), &["-forbid-skip-verify"]).await;
    assert_eq!(node.mounted(&call.parameter("vaultSkipTLSVerify", "false")).await.text("o"), "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn minting_tokens_can_be_forbidden() {
    let node = node("-forbid-token-minting").await;
    let pod = Pod::new("shop", "web-0");
    let call = node.call_without_token(&pod, OBJECT).token("other", &node.kubernetes.mint(&pod, "other"));
    is_refused(&node, &call, &["\"vault\"", "tokens for other", "tokenRequests", "-forbid-token-minting"])
        .await;
    assert_eq!(node.mounted(&node.call(&pod, OBJECT)).await.text("o"), "v");
}
