//! Vault away, and Vault that has forgotten us.

use std::pin::pin;
use std::time::Duration;

use devkit::real::Vault;
use serde_json::json;
use tokio::time::timeout;
use tonic::Code;

use crate::cluster::{Cluster, set_up_logins};
use crate::provider::Launch;

const OBJECTS: &str = "- { objectName: password, secretPath: secret/data/app, secretKey: password }\n";

async fn write(vault: &Vault, password: &str) {
    vault.write("secret/data/app", &json!({ "data": { "password": password } })).await.unwrap();
}

#[tokio::test]
async fn a_sealed_vault_fails_a_mount_in_its_time_and_an_unsealed_one_serves_it() {
    let cluster = Cluster::shared().await;
    // Nobody else's Vault is sealed.
    let vault = Vault::start().await.unwrap();
    set_up_logins(&vault, &cluster.kubernetes).await.unwrap();
    write(&vault, "after the seal").await;
    let application = cluster.application_of(&vault, "sealed").await.unwrap();
    let home = cluster.home("home-sealed").await.unwrap();
    let launch = Launch::new(cluster).vault(vault.address()).flag("-mount-timeout=2s");
    let provider = launch.start(&home).await.unwrap();
    let pod = application.pod("app-0").await.unwrap();
    let call = application.call(&pod, OBJECTS).await.unwrap();

    vault.seal().await.unwrap();
    let failed =
        timeout(Duration::from_secs(20), provider.driver.mount(&call)).await.expect("it ends in time");
    let failure = failed.unwrap_err();
    assert_eq!(failure.code(), Code::FailedPrecondition, "{failure}");
    assert!(failure.message().contains("sealed"), "{failure}");
    assert!(failure.message().contains(vault.address()), "{failure}");
    assert!(failure.is_final());

    vault.unseal().await.unwrap();
    assert_eq!(provider.driver.mount(&call).await.unwrap().text("password"), "after the seal");
}

#[tokio::test]
async fn a_mount_waits_for_a_vault_that_is_unsealed_in_its_time() {
    let cluster = Cluster::shared().await;
    let vault = Vault::start().await.unwrap();
    set_up_logins(&vault, &cluster.kubernetes).await.unwrap();
    write(&vault, "it was worth the wait").await;
    let application = cluster.application_of(&vault, "sealed-for-a-while").await.unwrap();
    let home = cluster.home("home-sealed-for-a-while").await.unwrap();
    let provider = Launch::new(cluster).vault(vault.address()).start(&home).await.unwrap();
    let pod = application.pod("app-0").await.unwrap();
    let call = application.call(&pod, OBJECTS).await.unwrap();

    vault.seal().await.unwrap();
    let mut mount = pin!(provider.driver.mount(&call));
    timeout(Duration::from_secs(1), &mut mount).await.expect_err("a mount that waits");
    vault.unseal().await.unwrap();
    assert_eq!(mount.await.unwrap().text("password"), "it was worth the wait");
}

#[tokio::test]
async fn one_login_serves_a_pod_until_its_token_is_revoked_and_then_one_more() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("revoked").await.unwrap();
    write(&cluster.vault, "the same").await;
    let home = cluster.home("home-revoked").await.unwrap();
    let provider = Launch::new(cluster).start(&home).await.unwrap();
    let pod = application.pod("app-0").await.unwrap();
    let call = application.call(&pod, OBJECTS).await.unwrap();

    provider.driver.mount(&call).await.unwrap();
    let first = application.only_token().await.unwrap();
    provider.driver.republish(&call).await.unwrap();
    assert_eq!(application.only_token().await.unwrap(), first, "no second login");

    cluster.vault.revoke(&first).await.unwrap();
    assert_eq!(provider.driver.republish(&call).await.unwrap().text("password"), "the same");
    let second = application.only_token().await.unwrap();
    assert_ne!(second, first);
    provider.driver.republish(&call).await.unwrap();
    assert_eq!(application.only_token().await.unwrap(), second);
}
