//! The same through the real CSI driver, the test playing kubelet.

use std::pin::pin;
use std::time::Duration;

use devkit::real::{Driver, Error, Kubelet, Result, Vault, Volume, eventually};
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tonic::Code;

use crate::cluster::{Application, Cluster, set_up_logins};
use crate::provider::{Launch, Provider};

/// The driver that this process's tests share, or `None` where this machine lets nobody mount.
async fn driver(cluster: &Cluster) -> Option<&'static Driver> {
    static SHARED: OnceCell<Result<Driver>> = OnceCell::const_new();
    if std::env::var_os("LOCKKEEPER_TEST_NO_MOUNT").is_some() {
        return None;
    }
    let driver = SHARED.get_or_init(|| Driver::start(&cluster.kubernetes)).await;
    Some(driver.as_ref().expect("the real driver starts"))
}

/// A provider where the driver looks for one of that name.
async fn provider(cluster: &Cluster, driver: &Driver, name: &str) -> Provider {
    let home = cluster.home(&format!("home-{name}")).await.unwrap();
    Launch::new(cluster).socket(driver.provider_socket(name)).start(&home).await.unwrap()
}

/// Creates the SecretProviderClass `app` in the application's namespace, for the provider of the application's name.
async fn create_class(application: &Application<'_>, parameters: &[(&str, &str)], objects: &str) {
    let mut all = json!({ "roleName": application.name, "objects": objects });
    for (name, value) in parameters {
        all[*name] = json!(value);
    }
    let class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": { "name": "app" },
        "spec": {
            "provider": application.name,
            "parameters": all,
            "secretObjects": [{
                "secretName": "synced",
                "type": "Opaque",
                "data": [{ "objectName": "password", "key": "password" }],
            }],
        },
    });
    let collection =
        format!("/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{}/secretproviderclasses", application.name);
    application.kubernetes.create(&collection, &class).await.unwrap();
}

fn text(volume: &Volume<'_>, file: &str) -> String {
    String::from_utf8(volume.read(file).unwrap()).unwrap()
}

async fn write(application: &Application<'_>, password: &str) {
    let secret = json!({ "data": { "password": password } });
    application.vault.write(&format!("secret/data/{}", application.name), &secret).await.unwrap();
}

fn password_of(application: &Application<'_>) -> String {
    format!(
        "- {{ objectName: password, secretPath: secret/data/{}, secretKey: password }}\n",
        application.name
    )
}

#[tokio::test]
async fn the_driver_writes_kv_secrets_follows_a_new_version_and_takes_the_volume_away() {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let application = cluster.application("csi-kv").await.unwrap();
    let provider = provider(cluster, driver, application.name).await;
    write(&application, "canary-one").await;
    cluster.vault.write("kv/csi-kv", &json!({ "user": "app" })).await.unwrap();
    let objects =
        password_of(&application) + "- { objectName: sub/user, secretPath: kv/csi-kv, secretKey: user }\n";
    create_class(&application, &[], &objects).await;

    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);
    let pod = application.pod("app-0").await.unwrap();
    let volume = kubelet.publish(&pod, "app").await.unwrap();
    assert_eq!(text(&volume, "password"), "canary-one");
    assert_eq!(text(&volume, "sub/user"), "app");
    let first = volume.object_versions().await.unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["password", "sub/user"]);

    write(&application, "canary-two").await;
    volume.republish().await.unwrap();
    assert_eq!(text(&volume, "password"), "canary-two");
    let second = volume.object_versions().await.unwrap();
    assert_ne!(second["password"], first["password"]);
    assert_eq!(second["sub/user"], first["sub/user"]);

    // What the driver makes of it in the cluster.
    let synced = eventually("the synced Secret", Duration::from_secs(30), async || {
        let secret = cluster.kubernetes.secret(application.name, "synced").await?;
        let secret = secret.ok_or_else(|| Error::new("it is not there"))?;
        let current = secret["data"]["password"] == "Y2FuYXJ5LXR3bw==";
        if current { Ok(secret) } else { Err(Error::new("it is not the new one")) }
    });
    synced.await.unwrap();

    volume.unpublish().await.unwrap();
    provider.assert_never_logged(&["canary-one", "canary-two"]);
}

#[tokio::test]
async fn the_driver_serves_a_pod_by_jwt_auth() {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let application = cluster.application("csi-jwt").await.unwrap();
    let _provider = provider(cluster, driver, application.name).await;
    write(&application, "by jwt").await;
    let parameters = [("vaultAuthMountPath", "jwt")];
    create_class(&application, &parameters, &password_of(&application)).await;

    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);
    let volume = kubelet.publish(&application.pod("app-0").await.unwrap(), "app").await.unwrap();
    assert_eq!(text(&volume, "password"), "by jwt");
    volume.unpublish().await.unwrap();
}

#[tokio::test]
async fn a_driver_that_passes_no_tokens_is_served_too() {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let application = cluster.application("csi-no-tokens").await.unwrap();
    let _provider = provider(cluster, driver, application.name).await;
    write(&application, "by a token of its own").await;
    create_class(&application, &[], &password_of(&application)).await;

    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &[]);
    let volume = kubelet.publish(&application.pod("app-0").await.unwrap(), "app").await.unwrap();
    assert_eq!(text(&volume, "password"), "by a token of its own");
    volume.unpublish().await.unwrap();
}

#[tokio::test]
async fn database_credentials_that_the_driver_wrote_log_in() {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let application = cluster.application("csi-database").await.unwrap();
    let _provider = provider(cluster, driver, application.name).await;
    cluster.postgres.run(r#"create role "csi-database" login"#).unwrap();
    let fixed = json!({ "db_name": "orders", "username": "csi-database", "rotation_period": "24h" });
    cluster.vault.write("database/static-roles/csi-database", &fixed).await.unwrap();
    let statement = r#"create role "{{name}}" login password '{{password}}' valid until '{{expiration}}'"#;
    let dynamic = json!({ "db_name": "orders", "creation_statements": [statement], "default_ttl": "10m" });
    cluster.vault.write("database/roles/csi-database-leased", &dynamic).await.unwrap();
    let objects = r"
- { objectName: user, secretPath: database/static-creds/csi-database, secretKey: username }
- { objectName: password, secretPath: database/static-creds/csi-database, secretKey: password }
- { objectName: leased-user, secretPath: database/creds/csi-database-leased, secretKey: username }
- { objectName: leased-password, secretPath: database/creds/csi-database-leased, secretKey: password }
";
    create_class(&application, &[], objects).await;

    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);
    let volume = kubelet.publish(&application.pod("app-0").await.unwrap(), "app").await.unwrap();
    let logs_in =
        |user, password| cluster.postgres.can_log_in(&text(&volume, user), &text(&volume, password)).unwrap();
    assert!(logs_in("user", "password"));
    assert!(logs_in("leased-user", "leased-password"));

    cluster.vault.write("database/rotate-role/csi-database", &json!({})).await.unwrap();
    assert!(!logs_in("user", "password"));
    volume.republish().await.unwrap();
    assert!(logs_in("user", "password"));
    assert!(logs_in("leased-user", "leased-password"));
    volume.unpublish().await.unwrap();
}

#[tokio::test]
async fn a_pod_whose_role_does_not_fit_is_told_so_in_its_event() {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let application = cluster.application("csi-wrong-role").await.unwrap();
    let _provider = provider(cluster, driver, application.name).await;
    create_class(&application, &[("roleName", "csi-nobody")], &password_of(&application)).await;

    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);
    let refused = kubelet.publish(&application.pod("app-0").await.unwrap(), "app").await;
    let status = refused.err().expect("the role is not there");
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("csi-nobody"), "{status}");
}

#[tokio::test]
async fn no_pod_starts_on_an_empty_volume_while_vault_is_sealed() {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let vault = Vault::start().await.unwrap();
    set_up_logins(&vault, &cluster.kubernetes).await.unwrap();
    let application = cluster.application_of(&vault, "csi-sealed").await.unwrap();
    write(&application, "worth the wait").await;
    let home = cluster.home("home-csi-sealed").await.unwrap();
    let launch = Launch::new(cluster).vault(vault.address()).flag("-mount-timeout=1s");
    let provider = launch.socket(driver.provider_socket(application.name)).start(&home).await.unwrap();
    create_class(&application, &[], &password_of(&application)).await;
    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);
    let pod = application.pod("app-0").await.unwrap();

    vault.seal().await.unwrap();
    // kubelet tries again right after a failure; each answer must be one, and not an OK with nothing mounted.
    for attempt in 1..=3 {
        let status = kubelet.publish(&pod, "app").await.err().expect("a failure");
        assert_eq!(status.code(), Code::FailedPrecondition, "attempt {attempt}: {status}");
    }

    vault.unseal().await.unwrap();
    let volume = kubelet.publish(&pod, "app").await.unwrap();
    assert_eq!(text(&volume, "password"), "worth the wait");

    // Sealed under a running pod, it keeps what it has.
    vault.seal().await.unwrap();
    volume.republish().await.unwrap();
    assert_eq!(text(&volume, "password"), "worth the wait");
    volume.unpublish().await.unwrap();
    drop(provider);
}

#[tokio::test]
async fn a_successor_on_the_socket_takes_over_without_a_failed_mount() {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let vault = Vault::start().await.unwrap();
    set_up_logins(&vault, &cluster.kubernetes).await.unwrap();
    let application = cluster.application_of(&vault, "csi-handover").await.unwrap();
    write(&application, "handed over").await;
    let home = cluster.home("home-csi-handover").await.unwrap();
    let socket = driver.provider_socket(application.name);
    let launch = || Launch::new(cluster).vault(vault.address()).socket(socket.clone());
    let mut old = launch().start(&home).await.unwrap();
    create_class(&application, &[], &password_of(&application)).await;
    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);

    // The old provider has a connection of the driver's, and a call on it that waits for Vault.
    let served = kubelet.publish(&application.pod("app-0").await.unwrap(), "app").await.unwrap();
    vault.seal().await.unwrap();
    let waiting_pod = application.pod("app-1").await.unwrap();
    let mut waiting = pin!(kubelet.publish(&waiting_pod, "app"));
    timeout(Duration::from_secs(1), &mut waiting).await.map(drop).expect_err("a mount that waits for Vault");

    let new = launch().start(&home).await.unwrap();
    old.stop().unwrap();
    timeout(Duration::from_millis(500), &mut waiting).await.map(drop).expect_err("it goes on waiting");
    vault.unseal().await.unwrap();
    let next = kubelet.publish(&application.pod("app-2").await.unwrap(), "app").await.unwrap();
    let waited = waiting.await.unwrap();
    for volume in [&waited, &next, &served] {
        assert_eq!(text(volume, "password"), "handed over");
    }

    old.finish(Duration::from_secs(30)).await.unwrap();
    assert!(socket.exists(), "the successor's socket stays");
    served.republish().await.unwrap();
    let last = kubelet.publish(&application.pod("app-3").await.unwrap(), "app").await.unwrap();
    assert_eq!(text(&last, "password"), "handed over");
    drop(new);
}
