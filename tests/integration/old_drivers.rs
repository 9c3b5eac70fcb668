//! Drivers up to 1.5.6, which send the path of the socket as `:authority`.

use std::path::PathBuf;

use devkit::driver::{Driver, DriverRelease, Tap};
use devkit::pod::Pod;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::node::{Node, ONE, soon};

const OLD: [DriverRelease; 2] = [DriverRelease::V1_4_8, DriverRelease::V1_5_6];
const ALL: [DriverRelease; 3] = [DriverRelease::V1_4_8, DriverRelease::V1_5_6, DriverRelease::V1_6_0];

/// A socket in between, in a folder of its own.
fn tapped(node: &Node) -> (Tap, PathBuf, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("vault.sock");
    (Tap::new(&socket, &node.provider.socket), socket, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_of_every_release_ask_for_the_version_and_mount() {
    let node = Node::with_secret(&[]).await;
    for release in ALL {
        let driver = Driver::of_release(release, &node.provider.socket);
        let version =
            soon("Version", driver.version()).await.unwrap_or_else(|error| panic!("{release:?}: {error}"));
        assert_eq!(version.runtime_name, "lockkeeper");
        let call = node.call(&Pod::new("shop", "web-0"), ONE);
        let mounted =
            soon("Mount", driver.mount(&call)).await.unwrap_or_else(|error| panic!("{release:?}: {error}"));
        assert_eq!(mounted.text("o"), "v", "{release:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_drivers_rotation_brings_what_changed() {
    let node = Node::with_secret(&[]).await;
    for release in OLD {
        let driver = Driver::of_release(release, &node.provider.socket);
        let call = node.call(&Pod::new("shop", "web-0"), ONE);
        let mut last = soon("Mount", driver.mount(&call)).await.expect("mounted");
        for round in 0..20 {
            let again = soon("a rotation", driver.republish(&call)).await.expect("asked again");
            assert_eq!((again.changed, again.version("o")), (false, last.version("o")), "{release:?}");
            node.vault.kv2("secret").put("app", json!({ "k": round }));
            let rotated = soon("a rotation", driver.republish(&call)).await.expect("rotated");
            assert!(rotated.changed, "{release:?}");
            assert_eq!(rotated.text("o"), round.to_string());
            assert_ne!(rotated.version("o"), last.version("o"));
            last = rotated;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_of_an_old_driver_go_over_one_connection() {
    let node = Node::with_secret(&[]).await;
    let (tap, socket, _folder) = tapped(&node);
    let driver = Driver::of_release(DriverRelease::V1_5_6, &socket);
    let call = node.call(&Pod::new("shop", "web-0"), ONE);
    soon("Mount", driver.mount(&call)).await.expect("mounted");
    for round in 0..1_000 {
        let outcome = if round % 4 == 0 {
            driver.version().await.map(drop).map_err(|error| error.to_string())
        } else {
            driver.republish(&call).await.map(drop).map_err(|error| error.to_string())
        };
        outcome.unwrap_or_else(|error| panic!("call {round}: {error}"));
    }
    assert_eq!(tap.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_side_by_side_on_one_connection_do_not_mix() {
    let node = Node::with_secret(&[]).await;
    let (tap, socket, _folder) = tapped(&node);
    let driver = Driver::of_release(DriverRelease::V1_5_6, &socket);
    let mut objects = String::new();
    for number in 0..50 {
        node.vault.kv2("secret").put(&format!("p{number}"), json!({ "k": number }));
        objects += &format!("- {{objectName: o{number}, secretPath: secret/data/p{number}, secretKey: k}}\n");
    }
    let mounts = (0..50).map(|number| {
        // Of different sizes, so that calls are cut differently.
        let lines: Vec<&str> = objects.lines().take(number + 1).collect();
        let call = node.call(&Pod::new("shop", &format!("web-{number}")), &lines.join("\n"));
        let driver = driver.clone();
        async move { driver.mount(&call).await.map(|mounted| (number, mounted)) }
    });
    for outcome in soon("all mounts", futures_util::future::join_all(mounts)).await {
        let (number, mounted) = outcome.expect("mounted");
        assert_eq!(mounted.files.len(), number + 1);
        assert_eq!(mounted.text(&format!("o{number}")), number.to_string());
    }
    assert_eq!(tap.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_and_a_new_driver_are_served_at_once() {
    let node = Node::with_secret(&[]).await;
    let drivers = ALL.map(|release| Driver::of_release(release, &node.provider.socket));
    let rounds = drivers.iter().enumerate().map(|(number, driver)| {
        let call = node.call(&Pod::new("shop", &format!("web-{number}")), ONE);
        async move {
            driver.mount(&call).await.expect("mounted");
            for _ in 0..100 {
                driver.version().await.expect("a version");
                assert_eq!(driver.republish(&call).await.expect("mounted again").text("o"), "v");
            }
        }
    });
    soon("all drivers", futures_util::future::join_all(rounds)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_no_http2_ends_and_disturbs_nobody() {
    let node = Node::with_secret(&[]).await;
    let driver = Driver::of_release(DriverRelease::V1_5_6, &node.provider.socket);
    driver.version().await.expect("a version");
    let mut odd = UnixStream::connect(&node.provider.socket).await.expect("connected");
    odd.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
    let mut answer = Vec::new();
    let ended = odd.read_to_end(&mut answer);
    // Closed with or without a word, but closed.
    let _ = soon("the end of the connection", ended).await;
    driver.version().await.expect("a version");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_old_drivers_send_is_what_h2_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("vault.sock");
    let listener = UnixListener::bind(&socket).expect("bound");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
        assert!(connection.accept().await.is_none(), "no call comes through");
    });
    let driver = Driver::of_release(DriverRelease::V1_5_6, &socket);
    let refused = soon("Version", driver.version()).await.expect_err("refused");
    assert!(refused.to_string().contains("PROTOCOL_ERROR"), "{refused}");
    drop(driver);
    soon("the server", server).await.expect("no panic");
}
