use secrecy::ExposeSecret;

use super::*;

const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

#[test]
fn the_role_is_found_under_the_names_of_the_flavour() {
    use Flavour::{OpenBao, Vault};
    for (flavour, parameters, expected) in [
        (Vault, json!({ "roleName": "a", "vaultRoleName": "b", "baoRoleName": "c" }), Ok("a")),
        (Vault, json!({ "roleName": "", "vaultRoleName": "b", "baoRoleName": "c" }), Ok("b")),
        (Vault, json!({ "roleName": null, "openbaoRoleName": "d" }), Ok("d")),
        (Vault, json!({ "roleName": null }), Err("roleName: is missing")),
        (Vault, json!({ "roleName": "" }), Err("roleName: is empty")),
        (
            OpenBao,
            json!({ "roleName": "a", "vaultRoleName": "b", "openbaoRoleName": "d", "baoRoleName": "c" }),
            Ok("c"),
        ),
        (OpenBao, json!({ "roleName": "a", "vaultRoleName": "b", "openbaoRoleName": "d" }), Ok("d")),
        (OpenBao, json!({ "roleName": "a", "vaultRoleName": "b" }), Ok("b")),
        (OpenBao, json!({ "roleName": "a" }), Ok("a")),
        (OpenBao, json!({ "roleName": "a", "baoRoleName": "" }), Err("baoRoleName: is empty")),
        (OpenBao, json!({ "roleName": null }), Err("roleName: is missing")),
        (Vault, json!({ "roleName": "a\nb" }), Err("roleName: holds a control character")),
    ] {
        match (parse_as(&parameters, flavour), expected) {
            (Ok(spec), Ok(role)) => assert_eq!(spec.login.role, role, "{parameters}"),
            (Err(error), Err(start)) => assert!(error.to_string().starts_with(start), "{error}"),
            (found, _) => panic!("{parameters}: {found:?}"),
        }
    }
}

#[test]
fn the_auth_mount_is_the_classs_or_the_default_without_slashes_at_its_ends() {
    use Flavour::{OpenBao, Vault};
    for (flavour, parameters, expected) in [
        (Vault, json!({}), "kubernetes"),
        (Vault, json!({ "vaultAuthMountPath": "" }), "kubernetes"),
        (Vault, json!({ "vaultAuthMountPath": "jwt" }), "jwt"),
        (Vault, json!({ "vaultKubernetesMountPath": "/clusters/a/" }), "clusters/a"),
        (Vault, json!({ "vaultAuthMountPath": "a//./b" }), "a/b"),
        (Vault, json!({ "baoKubernetesMountPath": "k" }), "k"),
        (Vault, json!({ "vaultAuthMountPath": "jwt", "baoKubernetesMountPath": "k" }), "jwt"),
        (
            OpenBao,
            json!({ "vaultAuthMountPath": "v", "openbaoAuthMountPath": "o", "baoAuthMountPath": "b" }),
            "b",
        ),
        (OpenBao, json!({ "vaultAuthMountPath": "v", "baoAuthMountPath": "" }), "kubernetes"),
        (OpenBao, json!({ "vaultKubernetesMountPath": "v" }), "v"),
    ] {
        let spec = parse_as(&parameters, flavour).unwrap_or_else(|error| panic!("{parameters}: {error}"));
        assert_eq!(spec.login.mount, expected, "{parameters}");
    }
}

#[test]
fn both_names_of_the_auth_mount_are_refused_whatever_their_values() {
    use Flavour::{OpenBao, Vault};
    for (flavour, one, other) in [
        (Vault, "vaultAuthMountPath", "vaultKubernetesMountPath"),
        (Vault, "baoAuthMountPath", "openbaoKubernetesMountPath"),
        (OpenBao, "vaultAuthMountPath", "baoKubernetesMountPath"),
        (OpenBao, "openbaoAuthMountPath", "openbaoKubernetesMountPath"),
    ] {
        for value in ["", "kubernetes"] {
            let error = error_of(parse_as(&json!({ one: value, other: value }), flavour));
            assert_eq!(error, format!("{one}: stands beside {other}, its older name; keep one of the two"));
        }
    }
}

#[test]
fn an_auth_mount_that_leads_elsewhere_is_refused() {
    for value in ["../sys", "a/../../b", "/", "a\u{0}", "a\nb"] {
        let error = error_of(parse(&json!({ "vaultAuthMountPath": value })));
        assert!(error.starts_with("vaultAuthMountPath: "), "{error}");
    }
}

#[test]
fn the_path_of_the_login_is_ready_for_a_url() {
    let spec = parse(&json!({ "vaultAuthMountPath": "team a/k8s?#%" })).expect("a spec");
    assert_eq!(spec.login.url_path(), "auth/team%20a/k8s%3F%23%25/login");
}

fn login(tokens: &Value, secrets: &Value, changes: &Value, flavour: Flavour) -> LoginSpec {
    let mut all = changes.clone();
    all[TOKENS] = json!(tokens.to_string());
    let attributes = attributes(&all);
    let secrets = secrets.to_string();
    let text =
        MountRequestText { attributes: &attributes, secrets: &secrets, permission: "", target_path: "" };
    MountSpec::parse(&text, flavour, &defaults()).expect("a spec").login
}

fn token(login: &LoginSpec) -> Option<&str> {
    login.token.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn the_drivers_token_is_the_one_of_the_audience() {
    let tokens = json!({ "vault": { "token": "v", "expirationTimestamp": "x" }, "openbao": { "token": "o" }, "": { "token": "e" } });
    for (flavour, changes, audience, token_audience, expected) in [
        (Flavour::Vault, json!({}), None, "vault", Some("v")),
        (Flavour::Vault, json!({ "audience": "" }), None, "vault", Some("v")),
        (Flavour::Vault, json!({ "audience": "openbao" }), Some("openbao"), "openbao", Some("o")),
        (Flavour::OpenBao, json!({}), None, "openbao", Some("o")),
        (Flavour::Vault, json!({ "audience": "https://x" }), Some("https://x"), "https://x", None),
    ] {
        let login = login(&tokens, &json!({}), &changes, flavour);
        assert_eq!(login.audience.as_deref(), audience);
        assert_eq!(login.token_audience, token_audience);
        assert_eq!(token(&login), expected);
        assert_eq!(login.driver_audiences, ["", "openbao", "vault"]);
    }
}

#[test]
fn with_only_a_vault_token_the_openbao_flavour_has_none() {
    let login = login(&json!({ "vault": { "token": "v" } }), &json!({}), &json!({}), Flavour::OpenBao);
    assert_eq!(token(&login), None);
    assert_eq!(login.driver_audiences, ["vault"]);
}

#[test]
fn a_token_among_the_secrets_comes_before_one_among_the_attributes() {
    let attributes = json!({ "vault": { "token": "old" }, "other": { "token": "only here" } });
    let secrets = json!({ TOKENS: json!({ "vault": { "token": "new" } }).to_string(), "unrelated": "x" });
    assert_eq!(token(&login(&attributes, &secrets, &json!({}), Flavour::Vault)), Some("new"));
    let other = login(&attributes, &secrets, &json!({ "audience": "other" }), Flavour::Vault);
    assert_eq!(token(&other), Some("only here"));
    assert_eq!(other.driver_audiences, ["other", "vault"]);
    for none in
        [json!(null), json!({}), json!({ TOKENS: "" }), json!({ TOKENS: "null" }), json!({ TOKENS: "{}" })]
    {
        assert_eq!(token(&login(&attributes, &none, &json!({}), Flavour::Vault)), Some("old"), "{none}");
    }
}

#[test]
fn an_entry_without_a_token_is_none() {
    for tokens in
        [json!(null), json!({ "vault": {} }), json!({ "vault": { "token": "" } }), json!({ "vault": "x" })]
    {
        let login = login(&tokens, &json!({}), &json!({}), Flavour::Vault);
        assert!(token(&login).is_none() && login.driver_audiences.is_empty(), "{tokens}");
    }
}

#[test]
fn tokens_and_secrets_that_are_no_json_are_refused_and_not_quoted() {
    for text in ["canary", "{\"vault\": \"canary", "[\"canary\"]"] {
        let error = error_of(parse(&json!({ TOKENS: text })));
        assert!(error.starts_with(TOKENS) && !error.contains("canary"), "{error}");
        let attributes = attributes(&json!({}));
        let text =
            MountRequestText { attributes: &attributes, secrets: text, permission: "", target_path: "" };
        let error = error_of(MountSpec::parse(&text, Flavour::Vault, &defaults()));
        assert!(error.starts_with("secrets: ") && !error.contains("canary"), "{error}");
    }
}

#[test]
fn an_audience_with_a_control_character_is_refused() {
    assert!(
        error_of(parse(&json!({ "audience": "a\r\nb" }))).starts_with("audience: holds a control character")
    );
}
