use std::path::PathBuf;

use super::*;

fn endpoint(changes: &Value, flavour: Flavour, defaults: &ClassDefaults) -> Result<EndpointSpec, SpecError> {
    let attributes = attributes(changes);
    let text = MountRequestText { attributes: &attributes, secrets: "", permission: "", target_path: "" };
    MountSpec::parse(&text, flavour, defaults).map(|spec| spec.endpoint)
}

#[test]
fn an_address_is_the_first_that_counts_for_the_flavour() {
    use Flavour::{OpenBao, Vault};
    let (v, b, o) = ("vaultAddress", "baoAddress", "openbaoAddress");
    for (flavour, parameters, expected) in [
        (Vault, json!({}), "https://127.0.0.1:8200"),
        (Vault, json!({ v: "http://v:1", b: "http://b:1", o: "http://o:1" }), "http://v:1"),
        (Vault, json!({ v: "", b: "http://b:1", o: "http://o:1" }), "http://b:1"),
        (Vault, json!({ o: "http://o:1" }), "http://o:1"),
        (Vault, json!({ v: "" }), "https://127.0.0.1:8200"),
        (OpenBao, json!({ v: "http://v:1", b: "http://b:1", o: "http://o:1" }), "http://b:1"),
        (OpenBao, json!({ v: "http://v:1", o: "http://o:1" }), "http://o:1"),
        (OpenBao, json!({ v: "http://v:1" }), "http://v:1"),
        (OpenBao, json!({ v: "http://v:1", b: "" }), "https://127.0.0.1:8200"),
    ] {
        let found = endpoint(&parameters, flavour, &defaults()).expect("an endpoint");
        assert_eq!(found.addresses[0].to_string(), expected, "{parameters}");
    }
}

#[test]
fn an_address_may_be_a_list_and_is_refused_by_its_parameters_name() {
    let list = endpoint(
        &json!({ "vaultAddress": "https://a:8200, https://b/vault,unix:///run/v" }),
        Flavour::Vault,
        &defaults(),
    );
    let list: Vec<String> = list.expect("an endpoint").addresses.iter().map(ToString::to_string).collect();
    assert_eq!(list, ["https://a:8200", "https://b:443/vault", "unix:///run/v"]);
    for wrong in ["vault:8200", "ftp://x", ",", "https://u:p@h", "https://a,b", "https://a\n"] {
        let error = error_of(endpoint(&json!({ "baoAddress": wrong }), Flavour::OpenBao, &defaults()));
        assert!(error.starts_with("baoAddress: "), "{error}");
    }
}

#[test]
fn a_namespace_loses_the_slashes_at_its_ends() {
    let mut with_default = defaults();
    with_default.endpoint.namespace = Some("ops".to_owned());
    for (parameters, expected) in [
        (json!({}), Some("ops")),
        (json!({ "vaultNamespace": "" }), Some("ops")),
        (json!({ "vaultNamespace": "/team/a/" }), Some("team/a")),
        (json!({ "vaultNamespace": "/" }), None),
        (json!({ "openbaoNamespace": "o" }), Some("o")),
    ] {
        let found = endpoint(&parameters, Flavour::Vault, &with_default).expect("an endpoint");
        assert_eq!(found.namespace.as_deref(), expected, "{parameters}");
    }
    let error = error_of(endpoint(&json!({ "vaultNamespace": "a\u{7f}" }), Flavour::Vault, &defaults()));
    assert!(error.starts_with("vaultNamespace: holds a control character"), "{error}");
}

fn flags_tls() -> ClassDefaults {
    let mut with_default = defaults();
    with_default.endpoint.tls = TlsSpec {
        ca_file: None,
        ca_bytes: Some("PEM".into()),
        ca_directory: None,
        server_name: Some("flags".into()),
        client_cert: Some("/flags/cert".into()),
        client_key: Some("/flags/key".into()),
        skip_verify: true,
    };
    with_default
}

#[test]
fn tls_parameters_go_over_the_defaults() {
    let none = endpoint(&json!({}), Flavour::Vault, &flags_tls()).expect("an endpoint");
    assert_eq!(none.tls, flags_tls().endpoint.tls);
    let class = json!({
        "vaultCACertPath": "/class/ca", "vaultCADirectory": "/class/cas", "vaultTLSServerName": "class",
        "vaultTLSClientCertPath": "/class/cert", "vaultTLSClientKeyPath": "/class/key", "vaultSkipTLSVerify": "false",
    });
    let expected = TlsSpec {
        ca_file: Some("/class/ca".into()),
        ca_bytes: None,
        ca_directory: Some("/class/cas".into()),
        server_name: Some("class".into()),
        client_cert: Some("/class/cert".into()),
        client_key: Some(PathBuf::from("/class/key")),
        skip_verify: false,
    };
    assert_eq!(endpoint(&class, Flavour::Vault, &flags_tls()).expect("an endpoint").tls, expected);
}

#[test]
fn a_class_that_names_authorities_or_a_certificate_takes_none_of_the_flags() {
    let tls = |class| endpoint(&class, Flavour::Vault, &flags_tls()).map(|endpoint| endpoint.tls);
    let folder = tls(json!({ "vaultCADirectory": "/class/cas" })).expect("an endpoint");
    assert_eq!(
        (folder.ca_file, folder.ca_bytes, folder.ca_directory),
        (None, None, Some("/class/cas".into()))
    );
    let error =
        tls(json!({ "vaultTLSClientCertPath": "/class/cert" })).expect_err("the flags' key is another's");
    assert!(error.to_string().starts_with("vaultTLSClientCertPath: stands without its key"), "{error}");
}

#[test]
fn skip_verify_is_a_go_boolean_or_an_error() {
    for (words, expected) in
        [(["1", "t", "T", "true", "TRUE", "True"], true), (["0", "f", "F", "false", "FALSE", "False"], false)]
    {
        for word in words {
            let found = endpoint(&json!({ "vaultSkipTLSVerify": word }), Flavour::Vault, &defaults());
            assert_eq!(found.expect("an endpoint").tls.skip_verify, expected, "{word}");
        }
    }
    for word in ["", "yes", "tRUE", " true", "2"] {
        let error = error_of(endpoint(&json!({ "baoSkipTLSVerify": word }), Flavour::OpenBao, &defaults()));
        assert_eq!(error, format!("baoSkipTLSVerify: {word:?} is no boolean; write true or false"));
    }
    let twins = json!({ "vaultSkipTLSVerify": "false", "baoSkipTLSVerify": "nonsense" });
    assert!(endpoint(&twins, Flavour::Vault, &defaults()).is_ok(), "a twin of what is set does not count");
}

#[test]
fn a_tls_parameter_with_a_control_character_is_refused() {
    for name in [
        "vaultCACertPath",
        "vaultCADirectory",
        "vaultTLSServerName",
        "vaultTLSClientCertPath",
        "vaultTLSClientKeyPath",
    ] {
        let error = error_of(endpoint(&json!({ name: "a\nb" }), Flavour::Vault, &defaults()));
        assert!(error.starts_with(&format!("{name}: holds a control character")), "{error}");
    }
}

#[test]
fn a_client_certificate_without_its_key_is_refused_and_so_is_a_key_without_certificate() {
    for (name, other) in
        [("TLSClientCertPath", "TLSClientKeyPath"), ("TLSClientKeyPath", "TLSClientCertPath")]
    {
        for (flavour, prefix) in [(Flavour::Vault, "vault"), (Flavour::OpenBao, "bao")] {
            let name = format!("{prefix}{name}");
            let error = error_of(endpoint(&json!({ &name: "/x" }), flavour, &defaults()));
            assert!(
                error.starts_with(&format!("{name}: stands without")) && error.contains(other),
                "{error}"
            );
        }
    }
}

#[test]
fn a_sockets_name_decides_its_flavour() {
    for (path, flavour) in [
        ("/p/openbao.sock", Flavour::OpenBao),
        ("bao.sock", Flavour::OpenBao),
        ("/p/vault.sock", Flavour::Vault),
        ("/openbao.sock/x", Flavour::Vault),
    ] {
        assert_eq!(Flavour::of_socket(std::path::Path::new(path)), flavour, "{path}");
    }
}

#[test]
fn an_address_shows_its_origin_and_base() {
    for (text, origin, whole) in [
        ("https://h", "https://h:443", "https://h:443"),
        ("http://h/", "http://h:80", "http://h:80"),
        ("https://H:8200/base/", "https://H:8200", "https://H:8200/base"),
        ("https://[::1]:1", "https://[::1]:1", "https://[::1]:1"),
        ("unix:///run/a", "unix:///run/a", "unix:///run/a"),
    ] {
        let address = Address::parse(text, "x").expect(text);
        assert_eq!((address.origin().as_str(), address.to_string().as_str()), (origin, whole), "{text}");
    }
    for wrong in
        ["", "h", "unix://x", "https://", "https://h:99999", "https://h?x", "https://h#x", "https://h:1x"]
    {
        assert!(Address::parse(wrong, "x").is_err(), "{wrong}");
    }
}
