//! What counts for Vault's sockets and what for OpenBao's: flags over environment, twins over twins.

use std::path::PathBuf;
use std::time::Duration;

use super::*;

fn path(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(text))
}

#[test]
fn each_vault_flag_stands_above_its_variable_and_counts_for_openbao_too() {
    #[rustfmt::skip]
    let args = [
        BAO, "-endpoint=/run/vault.sock", "-vault-addr=https://a:1,unix:///b", "-vault-mount=/team/kubernetes/",
        "-vault-namespace=ns", "-vault-tls-ca-cert=/ca", "-vault-tls-ca-directory=/cas", "-vault-tls-server-name=sn",
        "-vault-tls-client-cert=/cert", "-vault-tls-client-key=/key", "-vault-tls-skip-verify",
    ];
    // Everything that a flag overrides may be as wrong as it likes.
    #[rustfmt::skip]
    let env = [
        ("VAULT_ADDR", "wrong"), ("VAULT_AGENT_ADDR", "wrong"), ("VAULT_NAMESPACE", "wrong\n"), ("VAULT_CACERT", "/no"),
        ("VAULT_CACERT_BYTES", "wrong"), ("VAULT_CAPATH", "/no"), ("VAULT_TLS_SERVER_NAME", "wrong\n"),
        ("VAULT_CLIENT_CERT", "/no"), ("VAULT_CLIENT_KEY", "/no"), ("VAULT_SKIP_VERIFY", "wrong"),
        ("BAO_ADDR", "wrong"), ("BAO_SKIP_VERIFY", "wrong"),
    ];
    let settings = settings(&args, &env);
    for flavour in [Flavour::Vault, Flavour::OpenBao] {
        let defaults = &settings.flavour(flavour).defaults;
        assert_eq!(defaults.endpoint.addresses, address("https://a:1,unix:///b"));
        assert_eq!(defaults.auth_mount, "team/kubernetes");
        assert_eq!(defaults.endpoint.namespace.as_deref(), Some("ns"));
        let tls = &defaults.endpoint.tls;
        assert_eq!((&tls.ca_file, &tls.ca_bytes, &tls.ca_directory), (&path("/ca"), &None, &None));
        assert_eq!(tls.server_name.as_deref(), Some("sn"));
        assert_eq!((&tls.client_cert, &tls.client_key), (&path("/cert"), &path("/key")));
        assert!(tls.skip_verify);
    }
}

#[test]
fn each_openbao_flag_stands_above_its_vault_twin_for_openbao_alone() {
    #[rustfmt::skip]
    let args = [
        BAO, "-endpoint=/run/vault.sock",
        "-openbao-addr=http://bao:1", "-openbao-mount=bao", "-openbao-namespace=bao-ns", "-openbao-tls-ca-directory=/bao",
        "-openbao-tls-server-name=bao-sn", "-openbao-tls-client-cert=/bao-cert", "-openbao-tls-client-key=/bao-key",
        "-openbao-tls-skip-verify=false",
        "-vault-addr=http://vault:1", "-vault-mount=vault", "-vault-namespace=vault-ns", "-vault-tls-ca-cert=/vault",
        "-vault-tls-server-name=vault-sn", "-vault-tls-client-cert=/vault-cert", "-vault-tls-client-key=/vault-key",
        "-vault-tls-skip-verify=true",
    ];
    let settings = settings(&args, &[]);
    for (flavour, name, skip) in [(Flavour::Vault, "vault", true), (Flavour::OpenBao, "bao", false)] {
        let defaults = &settings.flavour(flavour).defaults;
        assert_eq!(defaults.endpoint.addresses, address(&format!("http://{name}:1")));
        assert_eq!(defaults.auth_mount, name);
        assert_eq!(defaults.endpoint.namespace, Some(format!("{name}-ns")));
        let tls = &defaults.endpoint.tls;
        let ca = if skip { (path("/vault"), None) } else { (None, path("/bao")) };
        assert_eq!((tls.ca_file.clone(), tls.ca_directory.clone()), ca);
        assert_eq!(tls.server_name, Some(format!("{name}-sn")));
        assert_eq!(tls.client_cert, path(&format!("/{name}-cert")));
        assert_eq!(tls.client_key, path(&format!("/{name}-key")));
        assert_eq!(tls.skip_verify, skip);
    }
    let file = self::settings(&[BAO, "-openbao-tls-ca-cert=/x", "-openbao-tls-ca-directory=/y"], &[]);
    assert_eq!(file.openbao.defaults.endpoint.tls.ca_file, path("/x"));
    assert_eq!(file.openbao.defaults.endpoint.tls.ca_directory, None);
}

/// Each variable's name behind the prefix, with a value and where it must arrive.
type Arrives = fn(&FlavourSettings) -> bool;
const VARIABLES: &[(&str, &str, Arrives)] = &[
    ("ADDR", "http://env:1", |s| s.defaults.endpoint.addresses == address("http://env:1")),
    ("AGENT_ADDR", "unix:///agent", |s| s.defaults.endpoint.addresses == address("unix:///agent")),
    ("NAMESPACE", "ns", |s| s.defaults.endpoint.namespace.as_deref() == Some("ns")),
    ("CACERT", "/ca", |s| s.defaults.endpoint.tls.ca_file == path("/ca")),
    ("CACERT_BYTES", PEM, |s| s.defaults.endpoint.tls.ca_bytes.as_deref() == Some(PEM)),
    ("CAPATH", "/cas", |s| s.defaults.endpoint.tls.ca_directory == path("/cas")),
    ("TLS_SERVER_NAME", "sn", |s| s.defaults.endpoint.tls.server_name.as_deref() == Some("sn")),
    ("SKIP_VERIFY", "T", |s| s.defaults.endpoint.tls.skip_verify),
    ("CLIENT_TIMEOUT", "60", |s| s.client.attempt_timeout == Duration::from_secs(60)),
    ("CLIENT_TIMEOUT", "1500ms", |s| s.client.attempt_timeout == Duration::from_millis(1500)),
    ("MAX_RETRIES", "0", |s| s.client.max_retries == Some(0)),
    ("RATE_LIMIT", "10:20", |s| s.client.rate_limit == Some(RateLimit { per_second: 10.0, burst: 20 })),
    ("HTTP_PROXY", "http://p:1", |s| s.client.proxy.as_ref().map(Proxy::expose_url) == Some("http://p:1")),
    ("PROXY_ADDR", "https://p", |s| s.client.proxy.as_ref().map(Proxy::expose_url) == Some("https://p")),
];

#[test]
fn each_variable_arrives_with_both_prefixes_for_openbao_and_with_vaults_for_vault() {
    for (name, value, arrives) in VARIABLES {
        let vault = settings(&[], &[(&format!("VAULT_{name}"), value)]);
        assert!(arrives(&vault.vault) && !arrives(&vault.openbao), "VAULT_{name}");
        let bao = [BAO, "-endpoint=/run/vault.sock"];
        assert!(arrives(&settings(&bao, &[(&format!("VAULT_{name}"), value)]).openbao), "VAULT_{name}");
        let both = settings(&bao, &[(&format!("BAO_{name}"), value)]);
        assert!(arrives(&both.openbao) && !arrives(&both.vault), "BAO_{name}");
    }
}

#[test]
fn an_empty_variable_is_unset_and_an_empty_bao_variable_hides_its_twin() {
    for (name, value, arrives) in VARIABLES {
        assert!(!arrives(&settings(&[], &[(&format!("VAULT_{name}"), "")]).vault), "VAULT_{name}");
        let env = [(&*format!("BAO_{name}"), ""), (&*format!("VAULT_{name}"), *value)];
        let both = settings(&[BAO, "-endpoint=/run/vault.sock"], &env);
        assert!(arrives(&both.vault) && !arrives(&both.openbao), "BAO_{name}");
    }
}

#[test]
fn within_the_environment_the_agent_the_file_and_the_proxy_address_win() {
    let env = [("VAULT_ADDR", "wrong"), ("VAULT_AGENT_ADDR", "http://agent:8100")];
    assert_eq!(settings(&[], &env).vault.defaults.endpoint.addresses, address("http://agent:8100"));
    let env = [("VAULT_CACERT", "/ca"), ("VAULT_CACERT_BYTES", "wrong"), ("VAULT_CAPATH", "/cas")];
    let tls = settings(&[], &env).vault.defaults.endpoint.tls;
    assert_eq!((tls.ca_file, tls.ca_bytes, tls.ca_directory), (path("/ca"), None, None));
    let tls =
        settings(&[], &[("VAULT_CACERT_BYTES", PEM), ("VAULT_CAPATH", "/cas")]).vault.defaults.endpoint.tls;
    assert_eq!((tls.ca_bytes.is_some(), tls.ca_directory), (true, None));
    let env = [("VAULT_HTTP_PROXY", "wrong"), ("VAULT_PROXY_ADDR", "http://p:1")];
    assert_eq!(settings(&[], &env).vault.client.proxy.unwrap().expose_url(), "http://p:1");
}

#[test]
fn a_ca_directory_from_a_flag_overrides_a_ca_file_of_the_environment() {
    let tls =
        settings(&["-vault-tls-ca-directory=/cas"], &[("VAULT_CACERT", "/ca")]).vault.defaults.endpoint.tls;
    assert_eq!((tls.ca_file, tls.ca_directory), (None, path("/cas")));
}

#[test]
fn skip_verify_false_on_the_command_line_overrides_the_environments_true() {
    let skips = |args: &[&str]| {
        settings(args, &[("VAULT_SKIP_VERIFY", "true")]).vault.defaults.endpoint.tls.skip_verify
    };
    assert!(skips(&[]));
    assert!(!skips(&["-vault-tls-skip-verify=false"]));
}

#[test]
fn a_client_certificate_needs_its_key_after_flags_and_environment_are_merged() {
    let merged = settings(&["-vault-tls-client-cert=/cert"], &[("VAULT_CLIENT_KEY", "/key")]);
    let tls = merged.vault.defaults.endpoint.tls;
    assert_eq!((tls.client_cert, tls.client_key), (path("/cert"), path("/key")));
    let both = "a client certificate needs both -vault-tls-client-cert and -vault-tls-client-key";
    assert_eq!(error(&["-vault-tls-client-cert=/c"], &[]), format!("-vault-tls-client-cert: {both}"));
    assert_eq!(error(&["-vault-tls-client-key=/k"], &[]), format!("-vault-tls-client-key: {both}"));
    assert_eq!(error(&[], &[("VAULT_CLIENT_KEY", "/k")]), format!("VAULT_CLIENT_KEY: {both}"));
    assert_eq!(error(&[BAO, "-vault-tls-client-key=/k"], &[]), format!("-vault-tls-client-key: {both}"));
    assert!(
        error(&[BAO], &[("VAULT_CLIENT_KEY", "/k")])
            .starts_with("VAULT_CLIENT_KEY: a client certificate needs both -openbao")
    );
    // One flavour's certificate is never paired with the other's key.
    let args =
        [BAO, "-openbao-tls-client-cert=/bao", "-vault-tls-client-cert=/c", "-vault-tls-client-key=/k"];
    assert!(error(&args, &[]).contains("-openbao-tls-client-cert and -openbao-tls-client-key"));
}

#[test]
fn what_belongs_to_a_flavour_without_an_endpoint_stops_nobody() {
    let settings =
        settings(&["-openbao-addr=wrong", "-openbao-tls-client-cert=/c"], &[("BAO_SKIP_VERIFY", "wrong")]);
    assert_eq!(settings.openbao.defaults.endpoint.addresses, address("https://127.0.0.1:8200"));
    assert_eq!(settings.notices.len(), 1);
    assert!(settings.notices[0].contains("no -endpoint is OpenBao's"));
    self::settings(&[BAO], &[("BAO_ADDR", "http://bao"), ("VAULT_ADDR", "wrong")]);
}

#[test]
fn a_client_timeout_of_zero_leaves_only_the_mounts_own_limit() {
    let settings = settings(&["-mount-timeout=30s"], &[("VAULT_CLIENT_TIMEOUT", "0")]);
    assert_eq!(settings.vault.client.attempt_timeout, Duration::from_secs(30));
}

#[test]
fn the_reference_names_each_variable_with_both_prefixes() {
    let reference = include_str!("../../../docs/configuration.md");
    for (name, ..) in VARIABLES {
        assert!(reference.contains(&format!("`VAULT_{name}`")), "VAULT_{name}");
        assert!(reference.contains(&format!("`BAO_{name}`")), "BAO_{name}");
    }
}
