//! What users of the Go providers rely on, or will notice, and no other file proves; `docs/compatibility.md` names each.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use devkit::certificates::Authority;
use devkit::driver::Driver;
use devkit::pod::Pod;
use devkit::real::{Error, Program};
use devkit::vault::{DynamicRole, Role, Vault};
use lockkeeper::settings::Settings;
use serde_json::{Value, json};

use crate::binary::{BINARY, World};
use crate::node::{Node, ONE, PATIENCE, Provider, soon};

const WHOLE: &str = "- {objectName: all.json, secretPath: secret/data/app}";

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_response_has_other_bytes_at_each_read_and_the_same_version() {
    let node = Node::with_secret(&[]).await;
    let call = node.call(&Pod::new("shop", "web-0"), WHOLE);
    let first = node.mounted(&call).await;
    let second = node.provider.driver.republish(&call).await.expect("republished");
    let request_id = |text: &str| {
        let whole: Value = serde_json::from_str(text).expect("JSON");
        whole["request_id"].as_str().expect("an id").to_owned()
    };
    let (before, after) = (first.text("all.json"), second.text("all.json"));
    assert_ne!(request_id(before), request_id(after));
    assert_eq!(before.replace(&request_id(before), "x"), after.replace(&request_id(after), "x"));
    assert!(!first.version("all.json").is_empty());
    assert_eq!(first.version("all.json"), second.version("all.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_and_wrap_info_in_a_whole_response_have_their_keys_sorted() {
    let node = Node::with_secret(&[]).await;
    let body = r#"{"data":{"k":"v"},"auth":{"policies":["p"],"client_token":"t"},"wrap_info":{"ttl":1,"accessor":"a"}}"#;
    node.vault.raw("GET", "odd/both", 200, &[], body);
    let call = node.call(&Pod::new("shop", "web-0"), "- {objectName: o, secretPath: odd/both}");
    let expected = concat!(
        r#"{"request_id":"","lease_id":"","lease_duration":0,"renewable":false,"data":{"k":"v"},"warnings":null,"#,
        r#""auth":{"client_token":"t","policies":["p"]},"wrap_info":{"accessor":"a","ttl":1}}"#
    );
    assert_eq!(node.mounted(&call).await.text("o"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_response_keeps_its_mount_type_on_an_openbao_socket_too() {
    let node = Node::with_secret(&[]).await;
    let provider = Provider::start("openbao.sock", &node.kubernetes, &[], &[]).await;
    let pod = Pod::new("shop", "web-0");
    let call = node.call(&pod, WHOLE).token("openbao", &node.kubernetes.mint(&pod, "openbao"));
    let mounted = provider.mount(&call).await.expect("mounted");
    assert!(mounted.text("all.json").ends_with(r#","mount_type":"kv"}"#), "{}", mounted.text("all.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_permission_and_target_path_is_mounted_with_0644() {
    let node = Node::with_secret(&[]).await;
    let call = node.call(&Pod::new("shop", "web-0"), ONE).without_permission().without_target_path();
    assert_eq!(node.mounted(&call).await.mode("o"), 0o644);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_parameter_that_nobody_knows_is_ignored() {
    let node = Node::with_secret(&[]).await;
    let call = node.call(&Pod::new("shop", "web-0"), ONE);
    let call = call.parameter("vaultCAPem", "no PEM").parameter("auth", "type: aws");
    assert_eq!(node.mounted(&call).await.text("o"), "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_go_along_with_any_method() {
    let node = Node::with_secret(&[]).await;
    node.vault.raw("GET", "odd/read", 200, &[], r#"{"data":{"k":"v"}}"#);
    let objects = "- {objectName: o, secretPath: odd/read, secretKey: k, secretArgs: {depth: 2}}";
    assert_eq!(node.mounted(&node.call(&Pod::new("shop", "web-0"), objects)).await.text("o"), "v");
    assert_eq!(node.vault.calls_to("odd/read")[0].call.json(), Some(json!({"depth": 2})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minted_token_has_no_audience_where_the_class_names_none() {
    let node = Node::with_secret(&[]).await;
    node.mounted(&node.call_without_token(&Pod::new("shop", "web-0"), ONE)).await;
    let provider = Provider::start("openbao.sock", &node.kubernetes, &[], &[]).await;
    // The driver's token for `vault` is none for OpenBao's socket.
    provider.mount(&node.call(&Pod::new("shop", "web-1"), ONE)).await.expect("mounted");
    let requests = node.kubernetes.token_requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.audiences.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_tokens_nor_leases_are_renewed_or_revoked() {
    let node = Node::with_secret(&[]).await;
    node.vault.database("database").dynamic_role(DynamicRole::new("ro").ttl(Duration::from_secs(3_600)));
    let objects =
        format!("{ONE}\n- {{objectName: leased, secretPath: database/creds/ro, secretKey: username}}");
    let call = node.call(&Pod::new("shop", "web-0"), &objects);
    for _ in 0..3 {
        node.mounted(&call).await;
    }
    let Node { vault, provider, .. } = node;
    let socket = provider.socket.clone();
    drop(provider);
    soon("the provider's end", async {
        while socket.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(vault.log().count(|call| !call.is_login() && !call.is_read()), 0);
    assert_eq!(vault.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_counts_from_the_class_before_the_flag_before_the_agents_before_the_environments() {
    let node = Node::with_secret(&[]).await;
    let here = node.vault.address();
    let flag = format!("-vault-addr={here}");
    let (wrong_flag, none) = (format!("-vault-addr={NOWHERE}"), [("VAULT_MAX_RETRIES", "0")]);
    let both = |agent, address| [("VAULT_AGENT_ADDR", agent), ("VAULT_ADDR", address), none[0]];
    for (class, flags, environment) in [
        (Some(here), &[wrong_flag.as_str()][..], &both(NOWHERE, NOWHERE)[..]),
        (None, &[flag.as_str()], &both(NOWHERE, NOWHERE)),
        (None, &[], &both(here, NOWHERE)),
        (None, &[], &both("", here)),
    ] {
        let provider = Provider::start("vault.sock", &node.kubernetes, flags, environment).await;
        let call = node.call(&Pod::new("shop", "web-0"), ONE).without_parameter("vaultAddress");
        let call = class.iter().fold(call, |call, address| call.parameter("vaultAddress", address));
        let mounted = provider.mount(&call).await;
        mounted.unwrap_or_else(|failure| panic!("{class:?} {flags:?} {environment:?}: {failure}"));
    }
}

#[test]
fn no_variable_is_read_that_the_reference_does_not_name() {
    let asked = RefCell::new(BTreeSet::new());
    let environment = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    let flags = ["-endpoint=/run/vault.sock", "-endpoint=/run/openbao.sock"];
    Settings::parse(flags.map(Into::into), environment).expect("settings");
    let asked = asked.into_inner();
    assert!(asked.contains("VAULT_ADDR") && asked.contains("BAO_ADDR"), "{asked:?}");
    let reference = include_str!("../../docs/configuration.md");
    for name in &asked {
        assert!(reference.contains(&format!("`{name}`")), "{name}");
    }
    for name in ["TOKEN", "HEADERS", "WRAP_TTL", "SRV_LOOKUP", "DISABLE_REDIRECTS"] {
        assert!(!asked.contains(&format!("VAULT_{name}")), "VAULT_{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_proxy_variables_are_not_read() {
    let world = World::start().await;
    let authority = Authority::new("Vault's");
    let encrypted = Vault::builder().tls(&authority).start().await;
    encrypted.kubernetes_auth("kubernetes", &world.kubernetes.issuer());
    encrypted.role("kubernetes", Role::new("app"));
    encrypted.kv2("secret").put("app", json!({"k": "v"}));
    let ca = authority.write_to(world.folder.path(), "ca.crt");
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let proxies = proxies.into_iter().flat_map(|name| [name.to_owned(), name.to_lowercase()]);

    let (socket, log) = (world.folder.path().join("vault.sock"), tempfile::tempdir().expect("a folder"));
    let program = Program::new("lockkeeper", BINARY)
        .arg(format!("-endpoint={}", socket.display()))
        .args(["-health-addr=127.0.0.1:0", "-mount-timeout=10s"])
        .arg(format!("-vault-addr={}", world.vault.address()))
        .envs(proxies.map(|name| (name, NOWHERE)));
    let mut process = program.start(log.path()).expect("started");
    let driver = Driver::new(&socket);
    let answers = async |_: &str| driver.version().await.map_err(|status| Error::new(status.message()));
    process.until("it answers", PATIENCE, answers).await.expect("it starts");

    let call = world.call(&Pod::new("shop", "web-0"));
    driver.mount(&call).await.expect("by http");
    let call = call.parameter("vaultAddress", encrypted.address());
    let call = call.parameter("vaultCACertPath", ca.to_str().expect("UTF-8"));
    driver.mount(&call).await.expect("by https");
}

#[tokio::test(flavor = "multi_thread")]
async fn vaults_own_proxy_variables_are_read() {
    let node = Node::with_secret(&[]).await;
    for name in ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"] {
        // The stand-in plays the proxy: it answers whatever host it is asked for.
        let environment = [(name, node.vault.address())];
        let provider = Provider::start("vault.sock", &node.kubernetes, &[], &environment).await;
        let call = node.call(&Pod::new("shop", "web-0"), ONE);
        let mounted = provider.mount(&call.parameter("vaultAddress", "http://vault.invalid:8200")).await;
        assert_eq!(mounted.expect(name).text("o"), "v");
    }
}
