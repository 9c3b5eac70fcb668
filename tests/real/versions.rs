//! Object versions: they change with the secret, and with nothing else.

use devkit::real::Vault;
use serde_json::json;

use crate::cluster::{Cluster, HMAC_SECRET};
use crate::provider::Launch;

async fn write(vault: &Vault, name: &str, password: &str) {
    let secret = json!({ "data": { "password": password } });
    vault.write(&format!("secret/data/{name}"), &secret).await.unwrap();
}

fn objects(name: &str) -> String {
    format!(
        "- {{ objectName: password, secretPath: secret/data/{name}, secretKey: password }}\n\
         - {{ objectName: all.json, secretPath: secret/data/{name} }}\n"
    )
}

#[tokio::test]
async fn a_new_version_of_a_secret_brings_new_bytes_and_a_new_object_version() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("second-version").await.unwrap();
    let home = cluster.home("home-second-version").await.unwrap();
    let provider = Launch::new(cluster).start(&home).await.unwrap();
    let pod = application.pod("app-0").await.unwrap();
    let call = application.call(&pod, &objects(application.name)).await.unwrap();

    write(&cluster.vault, application.name, "one").await;
    let first = provider.driver.mount(&call).await.unwrap();
    let again = provider.driver.republish(&call).await.unwrap();
    assert_eq!(
        again.versions, first.versions,
        "what has not changed has the same version, whole responses too"
    );

    write(&cluster.vault, application.name, "two").await;
    let second = provider.driver.republish(&call).await.unwrap();
    assert!(second.changed);
    assert_eq!(second.text("password"), "two");
    for object in ["password", "all.json"] {
        assert_ne!(second.version(object), first.version(object), "{object}");
    }
    provider.assert_never_logged(&[second.version("password"), first.version("password")]);
}

#[tokio::test]
async fn the_key_of_the_versions_is_made_once_in_the_cluster_and_used_by_every_provider() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("hmac-key").await.unwrap();
    write(&cluster.vault, application.name, "constant").await;
    let namespace = "home-hmac-key";
    let home = cluster.home(namespace).await.unwrap();
    assert!(cluster.kubernetes.secret(namespace, HMAC_SECRET).await.unwrap().is_none());
    let pod = application.pod("app-0").await.unwrap();
    let call = application.call(&pod, &objects(application.name)).await.unwrap();

    // Two nodes start at once; both have a first mount to answer.
    let (one, two) = tokio::join!(Launch::new(cluster).start(&home), Launch::new(cluster).start(&home));
    let (one, two) = (one.unwrap(), two.unwrap());
    let (first, second) = tokio::join!(one.driver.mount(&call), two.driver.mount(&call));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.versions, second.versions);
    assert!(!first.version("password").is_empty());

    let secret = cluster.kubernetes.secret(namespace, HMAC_SECRET).await.unwrap().expect("it was made");
    assert_eq!(secret["immutable"], true);
    let key = secret["data"]["key"].as_str().unwrap();
    assert_eq!(key.len(), 44, "32 bytes in base64");

    // A provider that comes later finds it.
    let third = Launch::new(cluster).start(&home).await.unwrap();
    assert_eq!(third.driver.mount(&call).await.unwrap().versions, first.versions);
    let now = cluster.kubernetes.secret(namespace, HMAC_SECRET).await.unwrap().unwrap();
    assert_eq!(now["metadata"]["uid"], secret["metadata"]["uid"]);
    one.assert_never_logged(&[key]);
}

#[tokio::test]
async fn without_the_right_to_a_key_the_secrets_come_without_versions() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("no-hmac-key").await.unwrap();
    write(&cluster.vault, application.name, "delivered").await;
    cluster.kubernetes.create_namespace("home-no-hmac-key").await.unwrap();
    cluster.kubernetes.create_service_account("home-no-hmac-key", "lockkeeper").await.unwrap();
    let home = cluster.kubernetes.service_account_folder("home-no-hmac-key", "lockkeeper").await.unwrap();
    let provider = Launch::new(cluster).start(&home).await.unwrap();
    let pod = application.pod("app-0").await.unwrap();

    let call = application.call(&pod, &objects(application.name)).await.unwrap();
    let mounted = provider.driver.mount(&call).await.unwrap();
    assert_eq!(mounted.text("password"), "delivered");
    assert_eq!(mounted.version("password"), "");
}
