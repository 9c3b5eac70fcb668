//! Database credentials that really log in.

use std::time::Duration;

use devkit::driver::Mounted;
use serde_json::json;

use crate::cluster::{Application, Cluster};
use crate::provider::{Launch, Provider};

/// Longer than any rotation of these tests takes, its queue's tick of 5 s included.
const ROTATION: Duration = Duration::from_secs(60);

/// Makes a database user that Vault rotates, and a class's objects for its name and password.
async fn static_role(cluster: &Cluster, name: &str, rotation_period: &str) -> String {
    cluster.postgres.run(&format!(r#"create role "{name}" login"#)).unwrap();
    let role = json!({ "db_name": "orders", "username": name, "rotation_period": rotation_period });
    cluster.vault.write(&format!("database/static-roles/{name}"), &role).await.unwrap();
    credential_objects(&format!("database/static-creds/{name}"))
}

/// User and password of one answer.
fn credential_objects(path: &str) -> String {
    format!(
        "- {{ objectName: user, secretPath: {path}, secretKey: username }}\n\
         - {{ objectName: password, secretPath: {path}, secretKey: password }}\n"
    )
}

/// A pod's volume with these objects.
async fn mount(application: &Application<'_>, provider: &Provider, pod: &str, objects: &str) -> Mounted {
    let pod = application.pod(pod).await.unwrap();
    let call = application.call(&pod, objects).await.unwrap();
    provider.driver.mount(&call).await.unwrap()
}

fn logs_in(cluster: &Cluster, mounted: &Mounted) -> bool {
    cluster.postgres.can_log_in(mounted.text("user"), mounted.text("password")).unwrap()
}

#[tokio::test]
async fn a_static_roles_user_and_password_log_in_and_again_after_its_rotation() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("static-role").await.unwrap();
    let objects = static_role(cluster, application.name, "24h").await;
    let home = cluster.home("home-static-role").await.unwrap();
    let provider = Launch::new(cluster).start(&home).await.unwrap();
    let pod = application.pod("app-0").await.unwrap();
    let call = application.call(&pod, &objects).await.unwrap();

    let before = provider.driver.mount(&call).await.unwrap();
    assert_eq!(before.text("user"), application.name);
    assert!(logs_in(cluster, &before));
    let unchanged = provider.driver.republish(&call).await.unwrap();
    assert_eq!(unchanged.versions, before.versions);
    assert!(!unchanged.changed);

    cluster.vault.write(&format!("database/rotate-role/{}", application.name), &json!({})).await.unwrap();
    assert!(!logs_in(cluster, &before), "the old password has ended");

    let after = provider.driver.republish(&call).await.unwrap();
    assert!(after.changed);
    assert!(logs_in(cluster, &after));
    assert_ne!(after.version("password"), before.version("password"));
    assert_eq!(after.version("user"), before.version("user"), "the user's name is the same");
    provider.assert_never_logged(&[before.text("password"), after.text("password")]);
}

#[tokio::test]
async fn a_static_roles_password_logs_in_after_vault_has_rotated_it_by_the_clock() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("static-role-by-clock").await.unwrap();
    let objects = static_role(cluster, application.name, "10s").await;
    let home = cluster.home("home-static-role-by-clock").await.unwrap();
    let provider = Launch::new(cluster).start(&home).await.unwrap();

    let first = mount(&application, &provider, "app-0", &objects).await;
    let path = format!("database/static-creds/{}", application.name);
    let old = first.text("password").to_owned();
    cluster.vault.await_read(&path, ROTATION, |answer| answer["data"]["password"] != *old).await.unwrap();

    // A period of 10 s has just begun.
    let second = mount(&application, &provider, "app-1", &objects).await;
    assert!(logs_in(cluster, &second));
    assert_ne!(second.text("password"), old);
}

#[tokio::test]
async fn a_dynamic_roles_user_and_password_belong_together_and_log_in() {
    let cluster = Cluster::shared().await;
    let application = cluster.application("dynamic-role").await.unwrap();
    let statement = r#"create role "{{name}}" login password '{{password}}' valid until '{{expiration}}'"#;
    let role = json!({
        "db_name": "orders",
        "creation_statements": [statement],
        "default_ttl": "10m",
        "max_ttl": "1h",
    });
    cluster.vault.write("database/roles/dynamic-role", &role).await.unwrap();
    let objects = credential_objects("database/creds/dynamic-role");
    let home = cluster.home("home-dynamic-role").await.unwrap();
    let provider = Launch::new(cluster).start(&home).await.unwrap();

    let mounted = mount(&application, &provider, "app-0", &objects).await;
    assert!(mounted.text("user").starts_with("v-kubernet-dynamic-"), "{}", mounted.text("user"));
    assert!(logs_in(cluster, &mounted));

    let other = mount(&application, &provider, "app-1", &objects).await;
    assert!(logs_in(cluster, &other));
    assert_ne!(other.text("user"), mounted.text("user"), "a lease belongs to one pod");
    provider.assert_never_logged(&[mounted.text("password"), other.text("password")]);
}
