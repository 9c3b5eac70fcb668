//! The operations page has the errors and log lines as the product says them, each error under its code.

use std::fs;
use std::path::Path;
use std::time::Duration;

use devkit::http::Fault;
use devkit::kubernetes::Right;
use devkit::pod::Pod;
use devkit::vault::Role;
use lockkeeper::app::App;
use lockkeeper::error::MountError;
use lockkeeper::retry::{Ended, Tried, Trouble};
use lockkeeper::settings::{Invocation, Settings};
use lockkeeper::vault::VaultError;
use lockkeeper::wire::Failure;
use serde_json::json;

use crate::node::{Node, ONE};

const PAGE: &str = include_str!("../../docs/operations.md");

/// Fewer letters than these say nothing: `TLS: …` fits too much.
const TELLING: usize = 12;

/// The texts in the first column of the tables below a heading.
fn rows(heading: &str) -> Vec<&'static str> {
    let (_, section) = PAGE.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading}"));
    let level = heading.split(' ').next().expect("a heading");
    let is_next = |line: &&str| {
        line.starts_with('#') && line.split(' ').next().is_some_and(|next| next.len() <= level.len())
    };
    let lines = section.lines().take_while(|line| !is_next(line));
    let cells = lines.filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    cells.map(|cell| cell.trim_matches(['`', ' '])).collect()
}

/// What a text of the page says without its `…`.
fn pieces(row: &str) -> impl Iterator<Item = &str> {
    row.split('…').filter(|piece| !piece.trim().is_empty())
}

/// Whether the message holds all that the text says, in its order.
fn fits(message: &str, row: &str) -> bool {
    let mut rest = Some(message);
    for piece in pieces(row) {
        rest = rest.and_then(|rest| rest.split_once(piece)).map(|(_, rest)| rest);
    }
    rest.is_some() && pieces(row).map(str::len).sum::<usize>() >= TELLING
}

fn is_told(heading: &str, message: &str) {
    assert!(
        rows(heading).iter().any(|row| fits(message, row)),
        "not below {heading:?} of the page: {message}"
    );
}

fn is_told_of(error: &MountError) {
    is_told(&format!("### {:?}", error.code()), &error.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mount_says_stands_on_the_operations_page_under_its_code() {
    let node = Node::with_secret(&["-mount-timeout=1s"]).await;
    node.vault.role("kubernetes", Role::new("others").accounts(&["api"]));
    node.vault.role("kubernetes", Role::new("narrow").allow(&["secret/data/nothing"]));
    let kv = node.vault.kv2("secret");
    kv.put("deleted", json!({"k": "v"}));
    kv.delete("deleted");
    node.vault.raw("PUT", "odd/nothing", 204, &[], "");
    node.vault.raw("PUT", "odd/refused", 400, &[], r#"{"errors":["missing field"]}"#);
    node.vault.raw("GET", "odd/page", 200, &[], "<html>");
    node.vault.raw("GET", "odd/away", 307, &[("Location", "ftp://127.0.0.1/x")], "");
    node.vault.raw("POST", "auth/odd/login", 200, &[], "{}");
    let pod = Pod::new("shop", "web-0");
    let good = node.call(&pod, ONE);
    let with = |name: &str, value: &str| good.clone().parameter(name, value);
    let list = |yaml: &str| good.clone().objects(yaml);
    let path = |rest: &str| list(&format!("- {{objectName: o, secretPath: {rest}}}"));
    let mut calls = vec![
        good.clone().without_parameter("roleName"),
        good.clone().attribute("csi.storage.k8s.io/serviceAccount.name", ""),
        good.clone().raw_attributes("[]"),
        with("vaultAddress", "vault:8200"),
        with("vaultSkipTLSVerify", "yes"),
        with("vaultTLSClientCertPath", "/tls.crt"),
        with("vaultAuthMountPath", "a").parameter("vaultKubernetesMountPath", "a"),
        with("vaultAuthMountPath", "a/../b"),
        good.clone().permission("512"),
        list("[]"),
        list("{objectName: o}"),
        list("- {objectName: o, secretPath: [a}"),
        list("- {objectName: /o, secretPath: kv/a}"),
        list("- {objectName: ../o, secretPath: kv/a}"),
        list("- {objectName: ..data, secretPath: kv/a}"),
        list(&format!("{ONE}\n{ONE}")),
        list("- {objectName: o}"),
        path("kv/a, filePermission: 01000"),
        path("kv/a, filePermission: '0644'"),
        path("kv/a, encoding: rot13"),
        path("kv/a, method: 'GE T'"),
        path("../a"),
        path("odd/refused, method: PUT"),
        path("secret/data/app, secretKey: k, encoding: hex"),
        path("secret/data/app, secretKey: pasword"),
        path("secret/data/never"),
        path("secret/data/deleted"),
        path("odd/nothing, method: PUT"),
        path("odd/page"),
        path("odd/away"),
        with("roleName", "nope"),
        with("roleName", "others"),
        with("roleName", "narrow"),
        with("vaultAuthMountPath", "odd"),
        with("vaultCACertPath", "/nowhere/ca.crt"),
        with("vaultCADirectory", "/nowhere"),
        with("vaultAddress", "http://127.0.0.1:1"),
    ];
    node.kubernetes.deny(Right::MintTokens);
    // A pod without a session yet.
    calls.push(node.call_without_token(&Pod::new("shop", "web-1"), ONE));
    for call in &calls {
        let failure = node.refused(call).await;
        is_told(&format!("### {:?}", failure.code()), failure.message());
    }
    node.vault.fault(Fault::vault_sealed());
    let failure = node.refused(&node.call(&Pod::new("shop", "web-2"), ONE)).await;
    is_told(&format!("### {:?}", failure.code()), failure.message());
    assert!(failure.message().ends_with("; try again later"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_forbids_stands_on_the_operations_page() {
    let flags = [
        "-vault-addr=http://127.0.0.1:1",
        "-allowed-vault-addresses=https://vault.example:8200",
        "-allowed-audiences=other",
        "-allowed-tls-paths=/etc/vault-tls",
        "-forbid-skip-verify",
        "-forbid-token-minting",
    ];
    let node = Node::with_secret(&flags).await;
    let pod = Pod::new("shop", "web-0");
    let elsewhere = node.call(&pod, ONE);
    let here = elsewhere.clone().without_parameter("vaultAddress");
    let allowed = here.clone().token("other", "x.y.z").parameter("audience", "other");
    for (call, flag) in [
        (elsewhere, "-allowed-vault-addresses"),
        (here.clone(), "-allowed-audiences"),
        (here.parameter("audience", "third"), "-forbid-token-minting"),
        (allowed.clone().parameter("vaultCACertPath", "/etc/passwd"), "-allowed-tls-paths"),
        (allowed.parameter("vaultSkipTLSVerify", "true"), "-forbid-skip-verify"),
    ] {
        let failure = node.refused(&call).await;
        assert!(failure.message().contains(flag), "{flag}: {failure}");
        is_told(&format!("### {:?}", failure.code()), failure.message());
    }
}

#[test]
fn what_is_seldom_seen_stands_on_the_operations_page_under_its_code() {
    let read = |trouble: Trouble| MountError::Vault {
        object: "o".to_owned(),
        error: Box::new(VaultError::Read {
            request: "GET secret/data/app".to_owned(),
            address: "https://v:8200".to_owned(),
            tried: Tried { attempts: 1, elapsed: Duration::ZERO, last: Some(trouble), ended: Ended::Final },
        }),
    };
    let panicked = MountError::Vault { object: "o".to_owned(), error: Box::new(VaultError::Panicked) };
    for error in [
        read(Failure::Connect("dns error".to_owned()).into()),
        read(Failure::TimedOut(Duration::from_secs(10)).into()),
        read(Failure::Broken("reset".to_owned()).into()),
        read(Failure::TooBig(16 << 20).into()),
        read(Failure::Unsendable("the namespace".to_owned()).into()),
        read(Trouble::NoTurn),
        panicked,
        MountError::TooBig { size: 5 << 20, limit: 4 << 20 },
        MountError::ShuttingDown,
        MountError::Internal,
    ] {
        is_told_of(&error);
    }
}

#[tokio::test]
async fn what_ends_the_process_at_its_start_stands_on_the_operations_page() {
    let start = |arguments: &[&str], variable: (&'static str, &'static str)| {
        let environment = move |name: &str| (name == variable.0).then(|| variable.1.into());
        Settings::parse(arguments.iter().map(Into::into), environment)
    };
    for (argument, variable) in [
        ("-endpont=/x", ("", "")),
        ("serve", ("", "")),
        ("-endpoint", ("", "")),
        ("-endpoint=", ("", "")),
        ("-vault-tls-skip-verify=yes", ("", "")),
        ("-mount-timeout=ten", ("", "")),
        ("-mount-timeout=0", ("", "")),
        ("-cache-size=many", ("", "")),
        ("-max-response-bytes=4MB", ("", "")),
        ("-max-vault-requests=0", ("", "")),
        ("-max-concurrent-mounts=many", ("", "")),
        ("-allowed-uids=root", ("", "")),
        ("-allowed-vault-addresses=vault", ("", "")),
        ("-allowed-tls-paths=relative", ("", "")),
        ("-allowed-audiences=,", ("", "")),
        ("-health-addr=8080", ("", "")),
        ("-vault-mount=/", ("", "")),
        ("-vault-addr=vault", ("", "")),
        ("-vault-tls-client-cert=/c", ("", "")),
        ("-hmac-secret-name=A", ("", "")),
        ("-debug", ("VAULT_MAX_RETRIES", "many")),
        ("-debug", ("VAULT_RATE_LIMIT", "many")),
        ("-debug", ("VAULT_PROXY_ADDR", "vault")),
        ("-debug", ("VAULT_CACERT_BYTES", "x")),
        ("-debug", ("VAULT_SKIP_VERIFY", "yes")),
    ] {
        let error = start(&[argument], variable).expect_err(argument);
        is_told("## Errors at the start", &error.to_string());
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file.sock"), "x").expect("our folder");
    for socket in ["none/vault.sock", "file.sock", "file.sock/vault.sock"] {
        let endpoint = format!("-endpoint={}", folder.path().join(socket).display());
        let invocation = start(&[&endpoint, "-health-addr=127.0.0.1:0"], ("", "")).expect(socket);
        let Invocation::Serve(settings) = invocation else { panic!("not told to print") };
        let error = App::bind(*settings).await.err().expect(socket);
        is_told("## Errors at the start", &error.to_string());
    }
}

/// The messages of the log's macros from `info` on, their values as `…`.
fn messages(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for opening in ["info!(", "warn!(", "error!(", "line!("] {
        for call in source.split(opening).skip(1) {
            let call = call.split(");").next().unwrap_or_default();
            // The first literal with a blank is the message; one that is a value alone says nothing of its own.
            let Some(text) = call.split('"').skip(1).step_by(2).find(|text| text.contains(' ')) else {
                continue;
            };
            let parts: Vec<&str> =
                text.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
            found.push(parts.join("…"));
        }
    }
    found
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("our folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            found.push(fs::read_to_string(&path).expect("our source"));
        }
    }
}

#[test]
fn every_line_of_the_log_stands_on_the_operations_page() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let told: Vec<String> = found.iter().flat_map(|source| messages(source)).collect();
    assert!(told.len() > 15, "{told:?}");
    let (_, section) = PAGE.split_once("\n## Log lines\n").expect("the heading");
    let missing: Vec<_> =
        told.iter().filter(|message| pieces(message).any(|piece| !section.contains(piece.trim()))).collect();
    assert!(missing.is_empty(), "not among the log lines of the page: {missing:#?}");
}
