//! A pod's KV secrets, by each way to prove who the pod is.

use devkit::certificates::Authority;
use devkit::real::{Vault, scratch_folder};
use serde_json::json;

use crate::cluster::{Application, Cluster, set_up_logins};
use crate::provider::Launch;

/// One secret in each KV version, and a class's objects for them.
async fn write_secrets(application: &Application<'_>) -> String {
    let name = application.name;
    application.vault.write(&format!("kv/{name}"), &json!({ "user": "canary-of-kv1" })).await.unwrap();
    let versioned = json!({ "data": { "password": "canary-of-kv2", "port": 5432 } });
    application.vault.write(&format!("secret/data/{name}"), &versioned).await.unwrap();
    format!(
        r#"
- objectName: user
  secretPath: kv/{name}
  secretKey: user
- objectName: password
  secretPath: secret/data/{name}
  secretKey: password
  filePermission: 0400
- objectName: port
  secretPath: secret/data/{name}
  secretKey: port
- objectName: all.json
  secretPath: kv/{name}
"#
    )
}

const CANARIES: [&str; 2] = ["canary-of-kv1", "canary-of-kv2"];

#[tokio::test]
async fn a_pod_gets_its_kv_1_and_kv_2_secrets_by_a_token_that_kubernetes_minted_and_reviewed() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("kv-by-kubernetes").await.unwrap();
    let objects = write_secrets(&application).await;
    let home = cluster.home("home-kv-by-kubernetes").await.unwrap();
    let provider = Launch::new(cluster).start(&home).await.unwrap();

    let pod = application.pod("app-0").await.unwrap();
    let call = application.call(&pod, &objects).await.unwrap();
    let mounted = provider.driver.mount(&call).await.unwrap();

    assert_eq!(mounted.text("user"), "canary-of-kv1");
    assert_eq!(mounted.text("password"), "canary-of-kv2");
    assert_eq!(mounted.mode("password"), 0o400);
    assert_eq!(mounted.text("port"), "5432");
    let whole: serde_json::Value = serde_json::from_slice(mounted.bytes("all.json")).unwrap();
    assert_eq!(whole["data"], json!({ "user": "canary-of-kv1" }));
    assert_eq!(whole["mount_type"], "kv");
    assert_eq!(provider.driver.files(&call), mounted.files, "the volume holds what was answered");

    // Vault has had the token reviewed: it knows the service account by more than the role.
    let tokens = cluster.vault.live_tokens(application.name).await.unwrap();
    assert_eq!(tokens.len(), 1, "one login: {tokens:?}");
    assert_eq!(tokens[0].metadata["service_account_namespace"], application.name);
    assert_eq!(tokens[0].metadata["service_account_name"], "app");
    provider.assert_never_logged(&CANARIES);
}

#[tokio::test]
async fn a_pod_gets_the_same_secrets_by_jwt_auth() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("kv-by-jwt").await.unwrap();
    let objects = write_secrets(&application).await;
    let home = cluster.home("home-kv-by-jwt").await.unwrap();
    let provider = Launch::new(cluster).flag("-vault-mount=jwt").start(&home).await.unwrap();

    let pod = application.pod("app-0").await.unwrap();
    let mounted = provider.driver.mount(&application.call(&pod, &objects).await.unwrap()).await.unwrap();

    assert_eq!(mounted.text("user"), "canary-of-kv1");
    assert_eq!(mounted.text("password"), "canary-of-kv2");
    let tokens = cluster.vault.live_tokens(application.name).await.unwrap();
    assert_eq!(tokens.len(), 1, "one login: {tokens:?}");
    assert_eq!(
        tokens[0].metadata,
        json!({ "role": application.name }),
        "JWT auth says no more than the role"
    );
    provider.assert_never_logged(&CANARIES);
}

#[tokio::test]
async fn without_a_token_from_the_driver_the_provider_has_one_minted_with_just_that_right() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("kv-by-own-token").await.unwrap();
    let objects = write_secrets(&application).await;
    let home = cluster.home("home-kv-by-own-token").await.unwrap();
    let provider = Launch::new(cluster).start(&home).await.unwrap();

    let pod = application.pod("app-0").await.unwrap();
    let call = application.call_without_token(&pod, &objects).parameter("audience", "vault");
    let mounted = provider.driver.mount(&call).await.unwrap();
    assert_eq!(mounted.text("password"), "canary-of-kv2");

    // As JWT auth sees it, the token is bound to the pod that it was minted for.
    let by_jwt = call.parameter("vaultAuthMountPath", "jwt");
    assert_eq!(provider.driver.mount(&by_jwt).await.unwrap().text("user"), "canary-of-kv1");
}

#[tokio::test]
async fn a_vault_is_trusted_by_the_authority_that_the_class_names_and_by_no_other() {
    let cluster = Cluster::shared().await;
    let authority = Authority::new("the tests' Vault");
    let vault = Vault::start_with_tls(&authority).await.unwrap();
    vault.mount_kv("kv", 1).await.unwrap();
    set_up_logins(&vault, &cluster.kubernetes).await.unwrap();
    let application = cluster.application_of(&vault, "kv-over-tls").await.unwrap();
    let objects = write_secrets(&application).await;
    let home = cluster.home("home-kv-over-tls").await.unwrap();
    let launch = Launch::new(cluster).vault(vault.address()).flag("-mount-timeout=5s");
    let provider = launch.start(&home).await.unwrap();
    let pod = application.pod("app-0").await.unwrap();
    let call = application.call(&pod, &objects).await.unwrap();

    let folder = scratch_folder("authority-").unwrap();
    let ours = authority.write_to(folder.path(), "ours.crt");
    let trusting = call.clone().parameter("vaultCACertPath", ours.to_str().unwrap());
    assert_eq!(provider.driver.mount(&trusting).await.unwrap().text("password"), "canary-of-kv2");

    let other = Authority::new("somebody else").write_to(folder.path(), "other.crt");
    let mistrusting = call.parameter("vaultCACertPath", other.to_str().unwrap());
    let failure = provider.driver.mount(&mistrusting).await.unwrap_err();
    assert_eq!(failure.code(), tonic::Code::FailedPrecondition, "{failure}");
    assert!(failure.message().contains("certificate"), "{failure}");
}

#[tokio::test]
async fn a_pod_that_is_gone_gets_no_token_and_no_secret() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("kv-of-no-pod").await.unwrap();
    let objects = write_secrets(&application).await;
    let home = cluster.home("home-kv-of-no-pod").await.unwrap();
    let provider = Launch::new(cluster).start(&home).await.unwrap();

    let pod = application.pod("app-0").await.unwrap();
    let call = application.call(&pod, &objects).await.unwrap();
    cluster.kubernetes.delete_pod(&pod).await.unwrap();

    // Its token was minted in time, and is not worth anything any more: the API server's review says so.
    let failure = provider.driver.mount(&call).await.unwrap_err();
    assert_eq!(failure.code(), tonic::Code::PermissionDenied, "{failure}");
}
