//! The driver's socket while others come and go, and what probes are told.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use devkit::http::Fault;
use devkit::http::Gate;
use devkit::pod::Pod;
use serde_json::json;

use crate::node::{Node, PATIENCE};

const OBJECT: &str = "- {objectName: o, secretPath: secret/data/app, secretKey: k}";

async fn probe(node: &Node, path: &str) -> (u16, String) {
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(lockkeeper::wire::tls::never_used().expect("a configuration"))
        .no_proxy()
        .build()
        .expect("a client");
    let answer = http.get(format!("{}{path}", node.provider.health)).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_somebody_removed_is_there_again_and_private() {
    let node = Node::start().await;
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    assert_eq!(probe(&node, "/health/ready").await.0, 200);
    std::fs::remove_file(&node.provider.socket).expect("removed");
    until("the socket is there again", async || node.provider.socket.exists()).await;
    assert_eq!(std::fs::metadata(&node.provider.socket).expect("there").permissions().mode() & 0o777, 0o600);
    until("ready again", async || probe(&node, "/health/ready").await.0 == 200).await;
    let driver = devkit::driver::Driver::new(&node.provider.socket);
    driver
        .mount(&node.call(&Pod::new("shop", "web-0"), OBJECT))
        .await
        .expect("mounted through the new socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_socket_is_left_alone_and_the_connections_we_have_are_served_on() {
    let mut node = Node::start().await;
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    let call = node.call(&Pod::new("shop", "web-0"), OBJECT);
    assert_eq!(node.mounted(&call).await.text("o"), "v");
    std::fs::remove_file(&node.provider.socket).expect("removed");
    let _successor = UnixListener::bind(&node.provider.socket).expect("bound");
    until("not ready", async || probe(&node, "/health/ready").await.0 == 503).await;
    let (_, why) = probe(&node, "/health/ready").await;
    assert!(why.contains("another process's"), "{why}");
    assert_eq!(probe(&node, "/health/live").await.0, 200, "alive all the same");
    assert_eq!(node.provider.driver.republish(&call).await.expect("served on").text("o"), "v");
    node.provider.stop();
    node.provider.ended().await;
    assert!(node.provider.socket.exists(), "the successor's socket is not ours to remove");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_drains_it_is_not_ready_but_finishes_what_it_began() {
    let mut node = Node::start().await;
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    let gate = Gate::closed();
    node.vault.fault(Fault::held(&gate).at("secret/"));
    let call = node.call(&Pod::new("shop", "web-0"), OBJECT);
    let driver = node.provider.driver.clone();
    let mount = tokio::spawn(async move { driver.mount(&call).await });
    gate.until_waiting(1).await;
    node.provider.stop();
    until("not ready", async || probe(&node, "/health/ready").await.0 == 503).await;
    assert!(probe(&node, "/health/ready").await.1.contains("shutting down"));
    gate.open();
    assert_eq!(mount.await.expect("no panic").expect("finished").text("o"), "v");
    node.provider.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_is_away_does_not_make_us_unready() {
    let node = Node::start().await;
    node.vault.refuse().await;
    assert_eq!(probe(&node, "/health/ready").await, (200, "ok\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_the_shutdown_would_cut_gets_a_final_answer_before() {
    let mut node = Node::with(devkit::vault::Vault::start().await, &["-shutdown-timeout=3s"]).await;
    node.vault.fault(Fault::hang().at("secret/"));
    let call = node.call(&Pod::new("shop", "web-0"), OBJECT);
    let driver = node.provider.driver.clone();
    let mount = tokio::spawn(async move { driver.mount(&call).await });
    node.vault.log().until(1, |call| call.is_read()).await;
    node.provider.stop();
    let failure = mount.await.expect("no panic").expect_err("it cannot be mounted");
    assert_eq!(failure.code(), tonic::Code::FailedPrecondition, "{failure}");
    assert!(failure.message().contains("being replaced"), "{failure}");
    node.provider.ended().await;
}
