//! Through the real CSI driver of older releases, which send the socket's path as `:authority` and rotate by themselves.

use std::time::Duration;

use devkit::driver::{DriverRelease, Tap};
use devkit::pod::Pod;
use devkit::real::{Driver, Error, Kubelet, eventually, scratch_folder};
use serde_json::json;

use crate::cluster::{Application, Cluster};
use crate::provider::Launch;

/// How long a changed secret may take on a busy machine; it takes a rotation's time.
const ROTATED: Duration = Duration::from_secs(60);
/// How many calls of the driver go over its one connection.
const CALLS: usize = 1_000;

/// Publishes a volume, and lets the driver rotate it until it has made all its calls.
async fn is_served(release: DriverRelease, name: &'static str) {
    if std::env::var_os("LOCKKEEPER_TEST_NO_MOUNT").is_some() {
        return;
    }
    let cluster = Cluster::shared().await;
    let driver = Driver::start_release(&cluster.kubernetes, release, &["--rotation-poll-interval=10ms"])
        .await
        .unwrap();
    let application = cluster.application(name).await.unwrap();
    let home = cluster.home(&format!("home-{name}")).await.unwrap();
    let folder = scratch_folder("old-driver-").unwrap();
    let socket = folder.path().join("vault.sock");
    let provider = Launch::new(cluster).socket(socket.clone()).start(&home).await.unwrap();
    let tap = Tap::new(&driver.provider_socket(name), &socket);

    write(&application, 0).await;
    create_class(&application).await;
    let pod = cluster.kubernetes.create_pod_on(driver.node(), name, "app-0", "app", "app").await.unwrap();
    let kubelet = Kubelet::new(&cluster.kubernetes, &driver, &["vault"]);
    let volume = kubelet.publish(&pod, "app").await.unwrap();
    let password = || volume.read("password").map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(password().unwrap(), "password-0");
    let first = volume.object_versions().await.unwrap();

    for number in 1..=8 {
        write(&application, number).await;
        let expected = format!("password-{number}");
        let rotated = eventually("the rotated secret", ROTATED, async || {
            let found = password()?;
            if found == expected {
                Ok(())
            } else {
                Err(Error::new(format!("it is {found}\n{}", driver.log())))
            }
        });
        rotated.await.unwrap();
    }
    let calls = || provider.log().matches("mounted, ").count();
    let called = eventually("all its calls", Duration::from_secs(240), async || {
        let made = calls();
        if made >= CALLS { Ok(()) } else { Err(Error::new(format!("{made} so far"))) }
    });
    called.await.unwrap();
    assert_eq!(tap.connections(), 1, "the driver never had to connect again");
    let log = provider.log();
    assert!(!log.contains("mount failed"), "{log}");
    let versions = eventually("the new version in the pod's status", ROTATED, async || {
        let versions = volume.object_versions().await?;
        if versions == first { Err(Error::new("it is the first one")) } else { Ok(versions) }
    });
    versions.await.unwrap();
    provider.assert_never_logged(&["password-0", "password-8"]);
    take_away(&application, &pod).await;
    volume.unpublish().await.unwrap();
}

async fn write(application: &Application<'_>, number: u32) {
    let secret = json!({ "data": { "password": format!("password-{number}") } });
    application.vault.write(&format!("secret/data/{}", application.name), &secret).await.unwrap();
}

/// The class `app` in the application's namespace, for the provider of the application's name.
async fn create_class(application: &Application<'_>) {
    let name = application.name;
    let objects =
        format!("- {{ objectName: password, secretPath: secret/data/{name}, secretKey: password }}\n");
    let class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": { "name": "app" },
        "spec": { "provider": name, "parameters": { "roleName": name, "objects": objects } },
    });
    let collection = format!("/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{name}/secretproviderclasses");
    application.kubernetes.create(&collection, &class).await.unwrap();
}

/// Deletes the pod and what the driver knows of it, so that it is not rotated any more.
async fn take_away(application: &Application<'_>, pod: &Pod) {
    application.kubernetes.delete_pod(pod).await.unwrap();
    let name = application.name;
    let path = format!(
        "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{name}/secretproviderclasspodstatuses/{}-{name}-app",
        pod.name
    );
    application.kubernetes.call(http::Method::DELETE, &path, None).await.unwrap();
}

#[tokio::test]
async fn driver_1_5_6_mounts_and_rotates_on_one_connection() {
    is_served(DriverRelease::V1_5_6, "driver-1-5-6").await;
}

#[tokio::test]
async fn driver_1_4_8_mounts_and_rotates_on_one_connection() {
    is_served(DriverRelease::V1_4_8, "driver-1-4-8").await;
}
