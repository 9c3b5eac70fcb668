use proptest::prelude::*;

use super::*;

#[test]
fn attributes_that_are_no_json_object_of_strings_are_refused_and_not_quoted() {
    for (text, expected) in [
        (
            "",
            "attributes: no JSON: the text ends early, after 0 bytes; the driver sends a JSON object of strings",
        ),
        ("[]", "attributes: no JSON object; the driver sends a JSON object of strings"),
        ("null", "attributes: no JSON object; the driver sends a JSON object of strings"),
        (r#"{"roleName": "canary"#, "attributes: no JSON: the text ends early, after 20 bytes; "),
        (r#"{"roleName": 1}"#, "roleName: is not a string; quote the value in the class"),
        (r#"{"objects": ["canary"]}"#, "objects: is not a string; quote the value in the class"),
    ] {
        let error = error_of(parse_text(text, Flavour::Vault));
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn a_pod_without_a_name_a_uid_or_a_service_account_is_refused_by_the_attributes_name() {
    for (name, hint) in [
        ("pod.name", "podInfoOnMount"),
        ("pod.namespace", "podInfoOnMount"),
        ("pod.uid", "podInfoOnMount"),
        ("serviceAccount.name", "a static pod"),
    ] {
        let name = format!("csi.storage.k8s.io/{name}");
        for value in [Value::Null, json!("")] {
            let error = error_of(parse(&json!({ &name: value })));
            assert!(error.starts_with(&format!("{name}: is missing")) && error.contains(hint), "{error}");
        }
        for value in ["a/b", "..", "a b", "a\n", "a%2f"] {
            let error = error_of(parse(&json!({ &name: value })));
            assert!(error.starts_with(&name) && error.ends_with("is no Kubernetes name"), "{error}");
        }
    }
}

#[test]
fn the_pod_and_the_class_are_taken_from_the_attributes() {
    let spec = parse(&json!({})).expect("a spec");
    let pod = Pod {
        name: "web-0".into(),
        namespace: "shop".into(),
        uid: "5f1c".into(),
        service_account: "web".into(),
    };
    assert_eq!(spec.pod, pod);
    assert_eq!(spec.class.as_deref(), Some("db"));
    assert_eq!(parse(&json!({ "secretProviderClass": null })).expect("a spec").class, None);
}

fn volume(changes: &Value, target_path: &str) -> VolumeKey {
    let attributes = attributes(changes);
    let text = MountRequestText { attributes: &attributes, secrets: "", permission: "", target_path };
    MountSpec::parse(&text, Flavour::Vault, &defaults()).expect("a spec").volume
}

#[test]
fn a_volume_keeps_its_key_when_a_rotation_of_driver_1_5_6_leaves_attributes_out() {
    let rotation = json!({ "csi.storage.k8s.io/ephemeral": null, "secretProviderClass": null });
    assert_eq!(volume(&json!({}), "/a"), volume(&rotation, "/a"));
    assert_eq!(
        volume(&rotation, ""),
        volume(&json!({ "secretProviderClass": "", "csi.storage.k8s.io/x": "y" }), "")
    );
}

#[test]
fn two_volumes_of_one_pod_differ_by_target_path_then_class_then_parameters() {
    assert_ne!(volume(&json!({}), "/a"), volume(&json!({}), "/b"));
    assert_eq!(volume(&json!({ "roleName": "x" }), ""), volume(&json!({ "roleName": "y" }), ""));
    assert_ne!(volume(&json!({ "secretProviderClass": "x" }), ""), volume(&json!({}), ""));
    let nameless = |role: &str| volume(&json!({ "secretProviderClass": null, "roleName": role }), "");
    assert_eq!(nameless("x"), nameless("x"));
    assert_ne!(nameless("x"), nameless("y"));
    assert_ne!(volume(&json!({ "csi.storage.k8s.io/pod.uid": "other" }), "/a"), volume(&json!({}), "/a"));
    let VolumePlace::Parameters(hash) = nameless("x").place else { panic!("a hash") };
    assert_eq!(hash.len(), 64);
}

fn mode(permission: &str) -> Result<u32, SpecError> {
    let attributes = attributes(&json!({}));
    let text = MountRequestText { attributes: &attributes, secrets: "", permission, target_path: "" };
    MountSpec::parse(&text, Flavour::Vault, &defaults()).map(|spec| spec.objects[0].mode.bits())
}

#[test]
fn a_permission_that_is_no_number_counts_as_missing_and_is_0644() {
    for absent in ["", " ", "null", "\"420\"", "0644", "x", "{}"] {
        assert_eq!(mode(absent), Ok(0o644));
    }
}

#[test]
fn a_permission_is_a_whole_number_up_to_511() {
    for (text, bits) in [("0", 0), ("420", 0o644), (" 288\n", 0o440), ("511", 0o777)] {
        assert_eq!(mode(text), Ok(bits));
    }
    for text in ["512", "-1", "420.0", "4e2", "99999999999999999999"] {
        let error = error_of(mode(text));
        assert!(
            error.starts_with("permission: ") && error.ends_with("is no whole number from 0 to 511"),
            "{error}"
        );
    }
}

#[test]
fn the_debug_form_of_a_spec_shows_neither_token_nor_argument() {
    let tokens = json!({ "vault": { "token": "canary-token" } }).to_string();
    let spec = parse(&json!({
        "csi.storage.k8s.io/serviceAccount.tokens": tokens,
        "objects": "- {objectName: o, secretPath: p, secretArgs: {password: canary-argument}}",
    }))
    .expect("a spec");
    assert!(spec.login.token.is_some() && spec.objects[0].request.body.is_some());
    let text = format!("{spec:?} {spec:#?} {:?}", spec.login);
    assert!(!text.contains("canary"), "{text}");
}

proptest! {
    #[test]
    fn no_text_makes_the_parse_panic(attributes in any::<String>(), secrets in any::<String>(), permission in ".{0,8}") {
        let text = MountRequestText { attributes: &attributes, secrets: &secrets, permission: &permission, target_path: "" };
        let _ = MountSpec::parse(&text, Flavour::Vault, &defaults());
    }

    #[test]
    fn no_parameter_makes_the_parse_panic(name in "(vault|bao|openbao)(Address|Namespace|AuthMountPath|SkipTLSVerify|CACertPath)|roleName|audience|objects", value in any::<String>()) {
        for flavour in [Flavour::Vault, Flavour::OpenBao] {
            let _ = parse_as(&json!({ &name: &value }), flavour);
        }
    }
}
