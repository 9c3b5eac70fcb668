//! Faults break an answer each in its own way, and every kind of socket answers.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Client, client_builder, plain_client};
use crate::certificates::Authority;
use crate::http::{Fault, Gate};
use crate::vault::Vault;

#[tokio::test]
async fn refusing_and_accepting_keep_the_port() {
    let vault = Vault::start().await;
    let client = Client::new(&vault);
    assert_eq!(client.get("sys/health").await.0, 200);
    vault.refuse().await;
    assert!(client.error("sys/health").await.is_connect());
    vault.accept().await;
    assert_eq!(client.get("sys/health").await.0, 200);
}

#[tokio::test]
async fn each_fault_on_the_way_out_breaks_the_answer_in_its_own_way() {
    let vault = Vault::start().await;
    vault.kv2("secret").put("app", json!({ "k": "v".repeat(1000) }));
    let client = Client::new(&vault);
    for fault in [
        Fault::reset(),
        Fault::reset_mid_answer(),
        Fault::truncated_body(),
        Fault::wrong_content_length(10),
        Fault::hang(),
        Fault::hang_mid_answer(),
    ] {
        let name = format!("{fault:?}");
        vault.fault(fault.at("secret/data").times(1));
        let slow = name.contains("Hang");
        assert_eq!(client.error("secret/data/app").await.is_timeout(), slow, "{name}");
        assert_eq!(client.get("secret/data/app").await.0, 200, "{name}");
    }
    vault.fault(Fault::wrong_content_length(-10).times(1));
    assert!(client.get("secret/data/app").await.1.is_string(), "cut JSON");
    vault.fault(Fault::slow_body(100, Duration::from_millis(2)).times(1));
    assert_eq!(client.get("secret/data/app").await.0, 200);
    vault.log().until_idle().await;
}

#[tokio::test]
async fn a_reset_is_a_reset_and_not_an_end() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let vault = Vault::start().await;
    vault.fault(Fault::reset_mid_answer());
    let address = vault.address().strip_prefix("http://").expect("plain HTTP");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a listener");
    stream.write_all(b"GET /v1/sys/health HTTP/1.1\r\nHost: v\r\n\r\n").await.expect("an open connection");
    let mut read = Vec::new();
    let error = stream.read_to_end(&mut read).await.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(read.starts_with(b"HTTP/1.1 200 OK"), "half of the answer came");
}

#[tokio::test]
async fn an_endless_body_does_not_end() {
    let vault = Vault::start().await;
    vault.fault(Fault::endless_body());
    let mut response = plain_client().get(vault.address()).send().await.expect("a head");
    let mut taken = 0;
    while taken < 8 * 1024 * 1024 {
        taken += response.chunk().await.expect("more").expect("no end").len();
    }
}

#[tokio::test]
async fn faults_count_and_choose_what_they_meet() {
    let vault = Vault::start().await;
    vault.kv2("secret").put("app", json!({ "k": "v" }));
    let client = Client::new(&vault);
    vault.fault(Fault::vault_sealed().at("secret/data/app").after(1).times(2));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.get("secret/data/app").await.0);
    }
    assert_eq!(statuses, [200, 503, 503, 200]);
    vault.fault(Fault::vault_quota(Some(Duration::from_secs(7))));
    assert_eq!(client.get("sys/health").await.0, 429);
    vault.faults().clear();
    assert_eq!(client.get("sys/health").await.0, 200);
}

#[tokio::test]
async fn a_held_request_is_fresh_and_a_held_answer_is_stale() {
    let vault = Vault::start().await;
    let secrets = vault.kv2("secret");
    secrets.put("app", json!({ "k": "old" }));
    let client = Client::new(&vault);
    for (fault, expected) in
        [(Fault::held as fn(&Gate) -> Fault, "new"), (Fault::held_answer as fn(&Gate) -> Fault, "old")]
    {
        secrets.put("app", json!({ "k": "old" }));
        let gate = Gate::closed();
        vault.faults().clear();
        vault.fault(fault(&gate));
        let reading = client.get("secret/data/app");
        let changing = async {
            gate.until_waiting(1).await;
            assert_eq!(vault.log().in_flight(), 1);
            secrets.put("app", json!({ "k": "new" }));
            gate.open();
        };
        let ((_, body), ()) = tokio::join!(reading, changing);
        assert_eq!(body["data"]["data"]["k"], expected);
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_call() {
    let vault = Vault::start().await;
    vault.fault(Fault::hang());
    let client = Client::new(&vault);
    let started = Instant::now();
    tokio::select! {
        _ = client.get("sys/health") => panic!("it hangs"),
        () = vault.log().until(1, |call| call.vault_path() == "sys/health") => {}
    }
    drop(client);
    vault.log().until_idle().await;
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn https_shows_its_certificate_and_may_ask_for_the_clients() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let vault =
        Vault::builder().tls(&servers).require_client_certificate(&clients).base_path("vault").start().await;
    assert!(vault.address().starts_with("https://127.0.0.1:") && vault.address().ends_with("/vault"));
    let root = reqwest::Certificate::from_pem(servers.pem().as_bytes()).expect("PEM");
    let builder = || client_builder().tls_certs_only([root.clone()]);
    let without = Client::with(&vault, builder().build().expect("a client"), vault.root_token());
    without.error("sys/health").await;
    let own = clients.client("provider");
    let pem = format!("{}{}", own.certificate_pem, own.key_pem);
    let identity = reqwest::Identity::from_pem(pem.as_bytes()).expect("PEM");
    let with = builder().identity(identity).build().expect("a client");
    let client = Client::with(&vault, with, vault.root_token());
    assert_eq!(client.get("sys/health").await.0, 200);
    vault.kv2("secret").put("app", json!({ "k": "v" }));
    assert_eq!(client.get("secret/data/app").await.0, 200);
    assert_eq!(vault.log().handshake_failures(), 1);
}

#[tokio::test]
async fn a_unix_socket_answers_too() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().expect("a folder");
    let vault = Vault::builder().unix(&folder.path().join("vault.sock")).start().await;
    let path = vault.address().strip_prefix("unix://").expect("a Unix address").to_owned();
    let mut stream = tokio::net::UnixStream::connect(&path).await.expect("a listener");
    let request = b"GET /v1/sys/health HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("an open connection");
    let mut read = String::new();
    stream.read_to_string(&mut read).await.expect("an answer");
    assert!(read.starts_with("HTTP/1.1 200 OK"));
    vault.refuse().await;
    tokio::net::UnixStream::connect(&path).await.expect_err("nobody listens");
    vault.accept().await;
    tokio::net::UnixStream::connect(&path).await.expect("a listener");
}

#[tokio::test]
async fn over_http_2_a_broken_answer_is_broken_too() {
    let authority = Authority::new("servers");
    let vault = Vault::builder().tls(&authority).start().await;
    vault.kv2("secret").put("app", json!({ "k": "v".repeat(1000) }));
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).expect("PEM");
    let http = client_builder().tls_certs_only([root]).build().expect("a client");
    let head = http.get(format!("{}/v1/sys/health", vault.address())).send().await.expect("an answer");
    assert_eq!(head.version(), http::Version::HTTP_2);
    let client = Client::with(&vault, http, vault.root_token());
    for fault in [
        Fault::reset(),
        Fault::reset_mid_answer(),
        Fault::truncated_body(),
        Fault::wrong_content_length(10),
        Fault::wrong_content_length(-10),
    ] {
        let name = format!("{fault:?}");
        vault.fault(fault.at("secret/data").times(1));
        assert!(!client.error("secret/data/app").await.is_timeout(), "{name}");
        assert_eq!(client.get("secret/data/app").await.0, 200, "{name}");
    }
}
