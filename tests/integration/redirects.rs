//! A standby's redirect: followed once, with the token, and never from https to http.

use std::path::PathBuf;

use devkit::certificates::Authority;
use devkit::driver::MountCall;
use devkit::http::Fault;
use devkit::pod::Pod;
use devkit::vault::{Role, Vault, VaultBuilder};
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;

use crate::node::{Node, ONE, assert_says};

const LOGIN: &str = "auth/kubernetes/login";
const READ: &str = "secret/data/app";

/// A node whose Vault is a standby on HTTPS; others of the cluster have certificates of the same authority.
struct Cluster {
    standby: Node,
    authority: Authority,
    ca: PathBuf,
    _folder: TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let authority = Authority::new("the cluster's");
        let standby = Node::with(Vault::builder().tls(&authority).start().await, &[]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let ca = authority.write_to(folder.path(), "ca.crt");
        Self { standby, authority, ca, _folder: folder }
    }

    async fn another(&self, builder: VaultBuilder) -> Vault {
        let vault = builder.start().await;
        vault.kubernetes_auth("kubernetes", &self.standby.kubernetes.issuer());
        vault.role("kubernetes", Role::new("app"));
        vault.kv2("secret").put("app", json!({"k": "v"}));
        vault
    }

    fn call(&self) -> MountCall {
        let call = self.standby.call(&Pod::new("shop", "web-0"), ONE);
        call.parameter("vaultCACertPath", self.ca.to_str().expect("UTF-8"))
    }
}

fn redirect_all(from: &Vault, status: u16, to: &Vault) {
    for path in [LOGIN, READ] {
        from.fault(Fault::redirect(status, &format!("{}/v1/{path}", to.address())).at(path));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standbys_redirect_is_followed_with_the_token_and_the_body() {
    let cluster = Cluster::start().await;
    for status in [301, 302, 307] {
        let active = cluster.another(Vault::builder().tls(&cluster.authority)).await;
        redirect_all(&cluster.standby.vault, status, &active);
        assert_eq!(cluster.standby.mounted(&cluster.call()).await.text("o"), "v", "{status}");
        assert_eq!((active.logins(), active.reads()), (1, 1), "{status}");
        assert_eq!(active.login_bodies()[0]["role"], "app", "{status}");
        let read = &active.calls_to(READ)[0].call;
        assert_eq!(read.vault_token(), Some(active.tokens()[0].id.as_str()), "{status}");
        assert!(read.is_vault_request(), "{status}");
        cluster.standby.vault.faults().clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_may_be_relative_or_lead_from_http_to_https() {
    let cluster = Cluster::start().await;
    let standby = &cluster.standby.vault;
    standby.kv2("secret").put("moved", json!({"k": "moved"}));
    standby.fault(Fault::redirect(307, "/v1/secret/data/moved").at(READ));
    assert_eq!(cluster.standby.mounted(&cluster.call()).await.text("o"), "moved");
    let plain = cluster.another(Vault::builder()).await;
    let active = cluster.another(Vault::builder().tls(&cluster.authority)).await;
    redirect_all(&plain, 307, &active);
    let call = cluster.call().parameter("vaultAddress", plain.address());
    assert_eq!(cluster.standby.mounted(&call).await.text("o"), "v");
    assert_eq!(active.reads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let cluster = Cluster::start().await;
    let plain = cluster.another(Vault::builder()).await;
    redirect_all(&cluster.standby.vault, 307, &plain);
    let words = ["object \"o\"", "307", "leads from https to", plain.address(), "not followed"];
    assert_says(&cluster.standby.refused(&cluster.call()).await, Code::FailedPrecondition, &words);
    assert_eq!(plain.log().connections(), 0, "nothing was sent in clear");
    assert_eq!(cluster.standby.vault.logins(), 1, "not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_redirect_is_not_followed() {
    let cluster = Cluster::start().await;
    let second = cluster.another(Vault::builder().tls(&cluster.authority)).await;
    let third = cluster.another(Vault::builder().tls(&cluster.authority)).await;
    redirect_all(&cluster.standby.vault, 307, &second);
    redirect_all(&second, 302, &third);
    let words = ["object \"o\"", "as role \"app\"", "307", "302", "followed once"];
    assert_says(&cluster.standby.refused(&cluster.call()).await, Code::FailedPrecondition, &words);
    assert_eq!(third.log().connections(), 0);
    assert_eq!((cluster.standby.vault.logins(), second.logins()), (1, 1), "not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_leads_nowhere_says_so() {
    let cluster = Cluster::start().await;
    let stranger = cluster.another(Vault::builder().tls(&Authority::new("another"))).await;
    let gone = cluster.another(Vault::builder().tls(&cluster.authority)).await;
    gone.refuse().await;
    for (location, words) in [
        (
            format!("{}/v1/{LOGIN}", stranger.address()),
            ["307", "another address", "not among the trusted ones"],
        ),
        (format!("{}/v1/{LOGIN}", gone.address()), ["307", "another address", "connection refused"]),
        ("https://".to_owned(), ["object \"o\"", "307", "its Location is no address"]),
        ("ftp://127.0.0.1/x".to_owned(), ["object \"o\"", "307", "its Location is no address"]),
        ("//127.0.0.1/x".to_owned(), ["object \"o\"", "307", "its Location is no address"]),
        (
            "https://canary:canary@127.0.0.1/x".to_owned(),
            ["object \"o\"", "307", "its Location is no address"],
        ),
    ] {
        cluster.standby.vault.log().clear();
        cluster.standby.vault.fault(Fault::redirect(307, &location).at(LOGIN));
        let failure = cluster.standby.refused(&cluster.call()).await;
        assert_says(&failure, Code::FailedPrecondition, &words);
        assert!(!failure.message().contains("canary"), "{failure}");
        assert_eq!(cluster.standby.vault.logins(), 1, "not tried again: {failure}");
        cluster.standby.vault.faults().clear();
    }
    assert!(stranger.log().calls().is_empty(), "no JWT for a stranger");
}
