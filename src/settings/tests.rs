//! What an operator's flags and variables come to.

mod flavours;
mod limits;

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::class::endpoint::Address;

const BAO: &str = "-endpoint=/run/openbao.sock";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

fn invoke(args: &[&str], env: &[(&str, &str)]) -> Result<Invocation, SettingsError> {
    let env: HashMap<&str, &str> = env.iter().copied().collect();
    Settings::parse(args.iter().map(OsString::from), |name| env.get(name).map(OsString::from))
}

fn settings(args: &[&str], env: &[(&str, &str)]) -> Settings {
    match invoke(args, env) {
        Ok(Invocation::Serve(settings)) => *settings,
        other => panic!("{args:?} {env:?}: {other:?}"),
    }
}

fn printed(args: &[&str]) -> String {
    match invoke(args, &[]) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("{args:?}: {other:?}"),
    }
}

fn error(args: &[&str], env: &[(&str, &str)]) -> String {
    invoke(args, env).map(|_| ()).expect_err("must be refused").to_string()
}

fn address(text: &str) -> Vec<Address> {
    Address::parse_list(text, "test").unwrap()
}

#[test]
fn without_flags_and_variables_the_go_providers_defaults_count() {
    let settings = settings(&[], &[]);
    assert_eq!(settings.endpoints, [Endpoint { socket: "/tmp/vault.sock".into(), flavour: Flavour::Vault }]);
    assert_eq!(settings.log_level, LogLevel::Info);
    assert_eq!(settings.health_address, HealthAddress { host: None, port: 8080 });
    assert_eq!(settings.cache_size, 1000);
    assert_eq!(settings.mount_timeout, Duration::from_secs(45));
    assert_eq!(settings.shutdown_timeout, Duration::from_secs(20));
    assert_eq!(settings.max_response_bytes, 4 * 1024 * 1024);
    assert_eq!(settings.kubernetes.host_port, None);
    let folder = Path::new("/var/run/secrets/kubernetes.io/serviceaccount");
    assert_eq!(settings.kubernetes.service_account_dir, folder);
    assert_eq!(settings.notices, [""; 0]);
    for (flavour, hmac) in
        [(Flavour::Vault, "vault-csi-provider-hmac-key"), (Flavour::OpenBao, "openbao-csi-provider-hmac-key")]
    {
        let FlavourSettings { defaults, hmac_secret_name, client } = settings.flavour(flavour);
        assert_eq!(defaults.endpoint.addresses, address("https://127.0.0.1:8200"));
        assert_eq!(defaults.endpoint.namespace, None);
        assert_eq!(defaults.endpoint.tls, Default::default());
        assert_eq!(defaults.auth_mount, "kubernetes");
        assert_eq!(hmac_secret_name, hmac);
        assert_eq!(client.attempt_timeout, Duration::from_secs(10));
        assert!(client.max_retries.is_none() && client.rate_limit.is_none() && client.proxy.is_none());
    }
}

#[test]
fn each_serving_flag_is_read() {
    let env = [("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "443")];
    #[rustfmt::skip]
    let args = [
        "-endpoint=/provider/vault.sock", "-endpoint", "/provider/openbao.sock", "--endpoint=/provider/bao.sock",
        "-health-addr=127.0.0.1:0", "-log-level=TRACE", "-mount-timeout=1m30s", "-shutdown-timeout", "0",
        "-max-response-bytes=16MiB", "-cache-size=7", "-hmac-secret-name=my.key", "-kubernetes-service-account-dir=/sa",
    ];
    let settings = settings(&args, &env);
    let flavours: Vec<Flavour> = settings.endpoints.iter().map(|endpoint| endpoint.flavour).collect();
    assert_eq!(flavours, [Flavour::Vault, Flavour::OpenBao, Flavour::OpenBao]);
    assert_eq!(settings.health_address.to_string(), "127.0.0.1:0");
    assert_eq!(settings.log_level, LogLevel::Trace);
    assert_eq!(settings.mount_timeout, Duration::from_secs(90));
    assert_eq!(settings.shutdown_timeout, Duration::ZERO);
    assert_eq!(settings.max_response_bytes, 16 << 20);
    assert_eq!(settings.cache_size, 7);
    assert_eq!(
        (&*settings.vault.hmac_secret_name, &*settings.openbao.hmac_secret_name),
        ("my.key", "my.key")
    );
    assert_eq!(settings.kubernetes.service_account_dir, Path::new("/sa"));
    assert_eq!(settings.kubernetes.host_port, Some(("fd00::1".to_owned(), 443)));
}

#[test]
fn the_log_level_is_a_word_and_unknown_words_mean_info() {
    for (args, level, notices) in [
        (&["-log-level=off"][..], LogLevel::Off, 0),
        (&["-log-level=error"], LogLevel::Error, 0),
        (&["-log-level=warn"], LogLevel::Warn, 0),
        (&["-log-level=Info"], LogLevel::Info, 0),
        (&["-log-level=debug"], LogLevel::Debug, 0),
        (&["-log-level=verbose"], LogLevel::Info, 1),
        (&["-debug"], LogLevel::Debug, 1),
        (&["-debug=f"], LogLevel::Info, 0),
        (&["-debug", "-log-level="], LogLevel::Debug, 1),
        (&["-debug", "-log-level=warn"], LogLevel::Warn, 1),
    ] {
        let settings = settings(args, &[]);
        assert_eq!((settings.log_level, settings.notices.len()), (level, notices), "{args:?}");
        assert_eq!(LogLevel::of_word(&level.to_string()), Some(level));
    }
}

#[test]
fn the_last_of_a_repeated_flag_wins() {
    let settings =
        settings(&["-vault-addr=http://a", "-debug", "-vault-addr", "http://b", "-debug=false"], &[]);
    assert_eq!(settings.vault.defaults.endpoint.addresses, address("http://b"));
    assert_eq!(settings.log_level, LogLevel::Info);
}

#[test]
fn a_flag_with_an_empty_value_says_nothing() {
    let args = ["-vault-addr=", "-vault-mount", "", "-cache-size=", "-health-addr=", "-hmac-secret-name="];
    let settings = settings(&args, &[("VAULT_ADDR", "http://env:1")]);
    assert_eq!(settings.vault.defaults.endpoint.addresses, address("http://env:1"));
    assert_eq!(settings.vault.defaults.auth_mount, "kubernetes");
    assert_eq!(settings.cache_size, 1000);
}

#[test]
fn a_negative_cache_size_keeps_none() {
    assert_eq!(settings(&["-cache-size=-1"], &[]).cache_size, 0);
    assert_eq!(settings(&["-cache-size=0"], &[]).cache_size, 0);
}

#[test]
fn what_cannot_be_used_is_refused_in_one_sentence_that_names_it() {
    #[rustfmt::skip]
    let flags = [
        "-endpoint=", "-endpoint=/run/", "-health-addr=8080", "-mount-timeout=0", "-mount-timeout=-1s", "-mount-timeout=45",
        "-shutdown-timeout=1d", "-max-response-bytes=0", "-max-response-bytes=4MB", "-cache-size=many",
        "-hmac-secret-name=../key", "-vault-addr=vault:8200", "-vault-addr=http://user:hunter2@h", "-vault-mount=//",
        "-vault-mount=a\nb", "-vault-namespace=a\nb", "-vault-tls-server-name=a\nb", "-vault-tls-ca-cert=a\0b",
        "-vault-tls-skip-verify=yes", "-debug=2", "-version=2",
    ];
    for flag in flags {
        let error = error(&[flag], &[]);
        let name = flag.split('=').next().unwrap();
        assert!(error.starts_with(&format!("{name}: ")) && !error.contains('\n'), "{flag:?}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let variables = [
        ("ADDR", "http://user:hunter2@h"),
        ("AGENT_ADDR", "h:1"),
        ("NAMESPACE", "a\nb"),
        ("CACERT", "a\0b"),
        ("CACERT_BYTES", "no PEM"),
        ("CAPATH", "a\0b"),
        ("TLS_SERVER_NAME", "a\nb"),
        ("SKIP_VERIFY", "yes"),
        ("SKIP_VERIFY", "tRUE"),
        ("CLIENT_TIMEOUT", "soon"),
        ("CLIENT_TIMEOUT", "-1"),
        ("MAX_RETRIES", "-1"),
        ("MAX_RETRIES", "4294967296"),
        ("RATE_LIMIT", "fast"),
        ("HTTP_PROXY", "user:hunter2@proxy:1"),
        ("PROXY_ADDR", "socks5://user:hunter2@proxy"),
    ];
    for (name, value) in variables {
        for (prefix, args) in [("VAULT", &[][..]), ("VAULT", &[BAO]), ("BAO", &[BAO])] {
            let name = format!("{prefix}_{name}");
            let error = error(args, &[(&name, value)]);
            assert!(error.starts_with(&format!("{name}: ")) && !error.contains("hunter2"), "{name}: {error}");
        }
    }
    for (name, value) in [("KUBERNETES_SERVICE_HOST", "a b"), ("KUBERNETES_SERVICE_PORT", "https")] {
        let env = [("KUBERNETES_SERVICE_HOST", "h"), ("KUBERNETES_SERVICE_PORT", "443"), (name, value)];
        assert!(error(&[], &env).starts_with(&format!("{name}: ")));
    }
}

#[test]
fn one_socket_twice_or_a_path_that_no_socket_can_have_is_refused() {
    assert_eq!(error(&["-endpoint=/run/a", "-endpoint=/run//a"], &[]), "-endpoint: /run//a is given twice");
    assert!(error(&[&format!("-endpoint=/{}", "x".repeat(107))], &[]).contains("longer than the 107 bytes"));
    assert_eq!(settings(&[&format!("-endpoint=/{}", "x".repeat(106))], &[]).endpoints.len(), 1);
}

#[test]
fn a_variable_that_is_not_utf8_is_named_and_not_shown() {
    let env = |name: &str| (name == "VAULT_ADDR").then(|| OsString::from_vec(b"http://pw\xff".to_vec()));
    let error = Settings::parse([], env).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "VAULT_ADDR: is not UTF-8 text");
}

#[test]
fn neither_debug_nor_the_summary_shows_a_proxys_password() {
    let args = ["-endpoint=/a/vault.sock", "-endpoint=/a/bao.sock", "-openbao-addr=http://bao:1,unix:///b"];
    #[rustfmt::skip]
    let env = [
        ("VAULT_PROXY_ADDR", "http://user:hunter2@proxy:3128"), ("VAULT_MAX_RETRIES", "2"), ("VAULT_RATE_LIMIT", "5"),
        ("VAULT_CACERT_BYTES", PEM), ("VAULT_SKIP_VERIFY", "1"), ("VAULT_NAMESPACE", "ns"),
        ("VAULT_TLS_SERVER_NAME", "sn"), ("VAULT_CLIENT_CERT", "/cert"), ("VAULT_CLIENT_KEY", "/key"),
        ("BAO_CACERT", "/ca"), ("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443"),
    ];
    let settings = settings(&args, &env);
    let (debug, summary) = (format!("{settings:?}"), settings.summary().to_string());
    assert!(!debug.contains("hunter2") && !summary.contains("hunter2"));
    for words in [
        "endpoints=/a/vault.sock,/a/bao.sock health=:8080 log-level=info cache-size=1000 max-response-bytes=4194304",
        "mount-timeout=45s shutdown-timeout=20s kubernetes=10.0.0.1:443 vault=https://127.0.0.1:8200 vault-mount=kubernetes",
        "vault-namespace=ns vault-hmac-secret=vault-csi-provider-hmac-key vault-attempt-timeout=10s vault-max-retries=2",
        "vault-rate-limit=5:5 vault-proxy=http://proxy:3128 vault-ca=environment vault-server-name=sn",
        "vault-client-cert=/cert vault-skip-verify=true openbao=http://bao:1,unix:///b",
        "openbao-ca=/ca",
    ] {
        assert!(summary.contains(words), "{words}\n{summary}");
    }
    let alone = self::settings(&[BAO], &[]).summary().to_string();
    assert!(
        alone.contains(" kubernetes=none openbao=https://127.0.0.1:8200 ") && !alone.contains(" vault="),
        "{alone}"
    );
}

#[test]
fn the_version_is_printed_as_json_on_one_line_or_as_asked_for() {
    let semver = env!("CARGO_PKG_VERSION");
    let json = printed(&["-version"]);
    assert!(
        json.starts_with(&format!("{{\"version\":\"{semver}\",\"buildDate\":\"")) && json.ends_with("}\n")
    );
    assert_eq!(json.lines().count(), 1);
    assert_eq!(printed(&["--version=1", "-output", "json"]), json);
    let pretty = printed(&["-version", "-output=json-pretty"]);
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&pretty), value(&json));
    assert!(pretty.starts_with("{\n  \"version\""));
    assert_eq!(value(&json)["runtime"], "lockkeeper");
    let yaml = printed(&["-version", "-output=yaml"]);
    assert!(
        yaml.starts_with(&format!("version: \"{semver}\"\nbuildDate: \"")) && yaml.contains("\nrevision: ")
    );
    assert_eq!(
        error(&["-version", "-output=xml"], &[]),
        "-output: \"xml\" is none of json, json-pretty and yaml"
    );
}

#[test]
fn version_and_help_need_no_usable_settings_and_version_false_serves() {
    printed(&["-version", "-vault-addr=wrong", "-mount-timeout=0"]);
    assert!(printed(&["-h"]).contains("\n  -vault-addr <address>\n"));
    assert!(printed(&["-help", "nonsense"]).ends_with('\n'));
    settings(&["-version=false", "-output=xml"], &[]);
}
