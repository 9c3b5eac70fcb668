//! Logins that Vault refuses: the message says whose turn it is.

use devkit::driver::MountFailure;
use serde_json::json;
use tonic::Code;

use crate::cluster::{Application, Cluster};
use crate::provider::{Launch, Provider};

const OBJECTS: &str = "- { objectName: password, secretPath: secret/data/any, secretKey: password }\n";

/// An application, and a provider in a namespace of its own.
async fn set_up(cluster: &'static Cluster, name: &'static str) -> (Application<'static>, Provider) {
    let application = cluster.application(name).await.unwrap();
    let home = cluster.home(&format!("home-{name}")).await.unwrap();
    (application, Launch::new(cluster).start(&home).await.unwrap())
}

fn assert_denied(failure: &MountFailure, words: &[&str]) {
    assert_eq!(failure.code(), Code::PermissionDenied, "{failure}");
    for word in words {
        assert!(failure.message().contains(word), "{word:?} is not in: {}", failure.message());
    }
}

#[tokio::test]
async fn a_role_that_does_not_fit_the_service_account_is_denied_and_named() {
    let cluster = Cluster::shared().await;
    let (application, provider) = set_up(cluster, "wrong-role").await;
    cluster.application("somebody-else").await.unwrap();
    let pod = application.pod("app-0").await.unwrap();

    let call = application.call(&pod, OBJECTS).await.unwrap().parameter("roleName", "somebody-else");
    let failure = provider.driver.mount(&call).await.unwrap_err();
    assert_denied(
        &failure,
        &["somebody-else", "kubernetes", "wrong-role", "app", "namespace not authorized"],
    );

    let by_jwt = call.parameter("vaultAuthMountPath", "jwt");
    assert_denied(&provider.driver.mount(&by_jwt).await.unwrap_err(), &["somebody-else", "jwt"]);
}

#[tokio::test]
async fn a_role_that_is_not_there_is_denied_and_named() {
    let cluster = Cluster::shared().await;
    let (application, provider) = set_up(cluster, "no-role").await;
    let pod = application.pod("app-0").await.unwrap();

    let call = application.call(&pod, OBJECTS).await.unwrap().parameter("roleName", "nobody-made-this");
    let failure = provider.driver.mount(&call).await.unwrap_err();
    assert_denied(&failure, &["nobody-made-this", "invalid role name"]);
}

#[tokio::test]
async fn a_token_for_another_audience_is_denied_and_the_audience_named() {
    let cluster = Cluster::shared().await;
    let (application, provider) = set_up(cluster, "wrong-audience").await;
    let pod = application.pod("app-0").await.unwrap();
    let token = cluster.kubernetes.token(&pod.namespace, "app", &["bank"], Some(&pod)).await.unwrap();

    let call = application
        .call_without_token(&pod, OBJECTS)
        .parameter("audience", "bank")
        .token("bank", &token.token);
    let failure = provider.driver.mount(&call).await.unwrap_err();
    assert_denied(&failure, &["wrong-audience", "bank", "audience"]);
    assert!(!failure.message().contains(&token.token));
}

#[tokio::test]
async fn a_path_that_the_policy_does_not_name_is_denied_and_named() {
    let cluster = Cluster::shared().await;
    let (application, provider) = set_up(cluster, "wrong-path").await;
    cluster.vault.write("secret/data/wrong-path", &json!({ "data": { "password": "x" } })).await.unwrap();
    let pod = application.pod("app-0").await.unwrap();

    // The usual slip: KV 2 without `data/`.
    let objects = OBJECTS.replace("secret/data/any", "secret/wrong-path");
    let failure = provider.driver.mount(&application.call(&pod, &objects).await.unwrap()).await.unwrap_err();
    assert_denied(&failure, &["secret/wrong-path", "password", "secret/data/wrong-path"]);
}
