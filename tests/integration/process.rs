//! The binary as a node runs it: its command line, its socket, its health, its end, its log.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use devkit::driver::Driver;
use devkit::http::{Fault, Gate};
use devkit::pod::Pod;
use devkit::vault::Role;
use serde_json::Value;
use tonic::Code;

use crate::binary::{BINARY, World};
use crate::node::{PATIENCE, assert_says, soon};

/// Runs the binary to its end, with no variables but these.
fn run_to_end(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, Output) {
    let output = Command::new(BINARY)
        .env_clear()
        .envs(environment.iter().copied())
        .args(arguments)
        .output()
        .expect("it runs");
    (output.status.code().expect("not killed"), output)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

async fn until_gone(path: &Path) {
    soon("the socket's end", async {
        while path.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[test]
fn version_is_printed_in_each_format() {
    for (arguments, lines) in [
        (&["-version"][..], 1),
        (&["--version=true", "-output", "json"], 1),
        (&["-output=json-pretty", "-version"], 6),
        (&["-version", "--output=yaml"], 4),
    ] {
        let (code, output) = run_to_end(arguments, &[("VAULT_SKIP_VERIFY", "perhaps")]);
        let stdout = text(&output.stdout);
        assert_eq!((code, text(&output.stderr)), (0, ""), "{arguments:?}");
        assert_eq!(stdout.lines().count(), lines, "{stdout}");
        let version = if stdout.starts_with('{') {
            let printed: Value = serde_json::from_str(stdout).expect("JSON");
            printed["version"].as_str().expect("a version").to_owned()
        } else {
            let line = stdout.lines().next().expect("a line");
            line.trim_start_matches("version: ").trim_matches('"').to_owned()
        };
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
    }
}

#[test]
fn a_wrong_command_line_or_variable_ends_with_one_sentence_and_two() {
    for (arguments, environment, words) in [
        (&["-endpont=/tmp/x.sock"][..], ("", ""), ["-endpont", "did you mean -endpoint?"]),
        (&["serve"], ("", ""), ["argument 1 (\"serve\")", "no subcommands"]),
        (&["-version", "-output=xml"], ("", ""), ["-output", "json-pretty"]),
        (&["-mount-timeout=45"], ("", ""), ["-mount-timeout", "unit"]),
        (&["-endpoint"], ("", ""), ["-endpoint", "needs a value"]),
        (&["-health-addr=8080"], ("", ""), ["-health-addr", ":8080"]),
        (&["-vault-tls-skip-verify=yes"], ("", ""), ["-vault-tls-skip-verify", "true nor false"]),
        (&["-vault-tls-client-cert=/c"], ("", ""), ["-vault-tls-client-cert", "-vault-tls-client-key"]),
        (&[], ("VAULT_SKIP_VERIFY", "yes"), ["VAULT_SKIP_VERIFY", "true nor false"]),
        (&[], ("VAULT_MAX_RETRIES", "-1"), ["VAULT_MAX_RETRIES", "retries"]),
        (&[], ("VAULT_CLIENT_TIMEOUT", "ten"), ["VAULT_CLIENT_TIMEOUT", ""]),
        (&[], ("VAULT_RATE_LIMIT", "0"), ["VAULT_RATE_LIMIT", "above zero"]),
        (&[], ("VAULT_ADDR", "http://user:canary@vault"), ["VAULT_ADDR", "user or a password"]),
        (&[], ("VAULT_PROXY_ADDR", "http://user:canary@:1"), ["VAULT_PROXY_ADDR", "http://host:port"]),
    ] {
        let environment: &[(&str, &str)] = if environment.0.is_empty() { &[] } else { &[environment] };
        let (code, output) = run_to_end(arguments, environment);
        let stderr = text(&output.stderr);
        assert_eq!((code, text(&output.stdout)), (2, ""), "{arguments:?} {environment:?}: {stderr}");
        assert!(stderr.starts_with("lockkeeper: ") && stderr.lines().count() == 1, "{stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{words:?}: {stderr}");
        assert!(!stderr.contains("canary"), "{stderr}");
    }
}

#[test]
fn a_place_that_cannot_be_listened_at_ends_with_one_sentence_and_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    std::fs::write(folder.path().join("file.sock"), "precious").expect("our folder");
    let place = |name: &str| folder.path().join(name).display().to_string();
    for (socket, health, words) in [
        (place("none/vault.sock"), "127.0.0.1:0", ["none/vault.sock", "none does not exist"]),
        (place("file.sock"), "127.0.0.1:0", ["file.sock", "no socket lies there"]),
        (place("file.sock/vault.sock"), "127.0.0.1:0", ["file.sock", "no folder"]),
        (place("vault.sock"), &taken, ["health address", &taken]),
    ] {
        let arguments = ["-log-level=off", "-endpoint", &socket, "-health-addr", health];
        let (code, output) = run_to_end(&arguments, &[]);
        let stderr = text(&output.stderr);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.starts_with("lockkeeper: ") && stderr.lines().count() == 1, "{stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{words:?}: {stderr}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("readable").flatten().collect();
    assert_eq!(left.len(), 1, "no socket is left behind: {left:?}");
    assert_eq!(std::fs::read(place("file.sock")).expect("still there"), b"precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_private_and_readiness_tells_whether_it_is_there() {
    let world = World::start().await;
    let running = world.run(&["vault.sock"], &[]).await;
    let mode = std::fs::metadata(&running.socket).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let version = running.driver.version().await.expect("a version");
    assert_eq!((version.version.as_str(), version.runtime_name.as_str()), ("v1alpha1", "lockkeeper"));
    assert_eq!(version.runtime_version, env!("CARGO_PKG_VERSION"));
    let ready = running.ready();
    assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with("ok\n"), "{ready}");
    std::fs::remove_file(&running.socket).expect("removed");
    let ready = running.ready();
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("vault.sock is gone"), "{ready}");
    let mounted = running.driver.mount(&world.call(&Pod::new("shop", "web-0"))).await;
    mounted.expect("who is connected is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_finishes_the_mount_in_flight_and_takes_its_socket_away() {
    let world = World::start().await;
    let mut running = world.run(&["vault.sock"], &[]).await;
    let gate = Gate::closed();
    world.vault.fault(Fault::held(&gate).at("secret/"));
    let (driver, call) = (running.driver.clone(), world.call(&Pod::new("shop", "web-0")));
    let mount = tokio::spawn(async move { driver.mount(&call).await });
    soon("the read", gate.until_waiting(1)).await;
    running.process.signal("TERM").expect("sent");
    until_gone(&running.socket).await;
    let ready = running.ready();
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("shutting down"), "{ready}");
    assert!(Driver::new(&running.socket).version().await.is_err(), "nobody new is served");
    assert!(running.process.is_running() && !mount.is_finished());
    gate.open();
    let mounted = soon("the mount", mount).await.expect("no panic").expect("finished, not cut");
    assert_eq!(mounted.text("o"), "canary-value");
    running.process.finish(PATIENCE).await.expect("ended with success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_outlasts_the_shutdown_is_answered_before_the_process_ends() {
    let world = World::start().await;
    let mut running = world.run(&["vault.sock"], &["-shutdown-timeout=3s"]).await;
    world.vault.fault(Fault::hang().at("secret/"));
    let (driver, call) = (running.driver.clone(), world.call(&Pod::new("shop", "web-0")));
    let mount = tokio::spawn(async move { driver.mount(&call).await });
    soon("the read", world.vault.log().until(1, |call| call.is_read())).await;
    running.process.signal("TERM").expect("sent");
    let failure = soon("an answer", mount).await.expect("no panic").expect_err("cut");
    assert_says(&failure, Code::FailedPrecondition, &["is being replaced", "try again later"]);
    running.process.finish(PATIENCE).await.expect("ended with success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_takes_the_socket_over_and_keeps_it_when_the_old_one_ends() {
    let world = World::start().await;
    let mut old = world.run(&["vault.sock"], &[]).await;
    let new = world.run(&["vault.sock"], &[]).await;
    let ready = old.ready();
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("another process's"), "{ready}");
    assert!(new.ready().starts_with("HTTP/1.1 200"));
    let call = world.call(&Pod::new("shop", "web-0"));
    old.driver.mount(&call).await.expect("its own connections are still served");
    old.process.signal("TERM").expect("sent");
    old.process.finish(PATIENCE).await.expect("ended with success");
    assert!(new.ready().starts_with("HTTP/1.1 200"), "the socket is still the new one's");
    Driver::new(&new.socket).mount(&call).await.expect("whoever connects now reaches it");
    // A killed process leaves its file behind.
    drop(new);
    assert!(world.folder.path().join("vault.sock").exists());
    let third = world.run(&["vault.sock"], &[]).await;
    third.driver.mount(&call).await.expect("mounted");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_serves_vaults_and_openbaos_sockets_each_by_its_own_rules() {
    let world = World::start().await;
    world.vault.role("kubernetes", Role::new("bao").audience("openbao"));
    let running = world.run(&["vault.sock", "openbao.sock"], &["-openbao-mount=bao"]).await;
    world.vault.kubernetes_auth("bao", &world.kubernetes.issuer());
    world.vault.role("bao", Role::new("app").audience("openbao"));
    let pod = Pod::new("shop", "web-0");
    let both = world.call(&pod).token("openbao", &world.kubernetes.mint(&pod, "openbao"));
    running.driver.mount(&both).await.expect("Vault's");
    let openbao = Driver::new(&world.folder.path().join("openbao.sock"));
    openbao.mount(&both).await.expect("OpenBao's");
    let mounts = world.vault.log().matching(|call| call.is_login());
    let mounts: Vec<_> = mounts.iter().map(|login| login.call.vault_path()).collect();
    assert_eq!(mounts, ["auth/kubernetes/login", "auth/bao/login"]);
    for name in ["vault-csi-provider-hmac-key", "openbao-csi-provider-hmac-key"] {
        assert!(world.kubernetes.secret("lockkeeper", name).is_some(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_core_of_it_is_ever_written() {
    let world = World::start().await;
    let running = world.run(&["vault.sock"], &[]).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.process.id())).expect("limits");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{line}");
}
