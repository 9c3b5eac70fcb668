//! The Go provider's recorded cases and the vectors of whole responses, without a socket.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::content::content;
use super::object_version::object_version;
use crate::class::endpoint::{Address, ClassDefaults, EndpointSpec, Flavour, TlsSpec};
use crate::class::{MountRequestText, MountSpec};
use crate::clock::Instant;
use crate::kubernetes::VersionKey;
use crate::vault::response::VaultResponse;

fn golden(text: &str) -> (Value, VersionKey) {
    let golden: Value = serde_json::from_str(text).expect("JSON");
    let key = STANDARD.decode(golden["hmac_key_base64"].as_str().expect("a key")).expect("base64");
    (golden, VersionKey::new(key))
}

fn spec(objects: &str, permission: &str) -> Result<MountSpec, String> {
    let attributes = serde_json::json!({
        "roleName": "r", "objects": objects,
        "csi.storage.k8s.io/pod.name": "web", "csi.storage.k8s.io/pod.namespace": "shop",
        "csi.storage.k8s.io/pod.uid": "u", "csi.storage.k8s.io/serviceAccount.name": "web",
    })
    .to_string();
    let endpoint = EndpointSpec {
        addresses: vec![Address::parse("https://127.0.0.1:8200", "a").expect("an address")],
        namespace: None,
        tls: TlsSpec::default(),
    };
    let defaults = ClassDefaults { endpoint, auth_mount: "kubernetes".to_owned() };
    let text = MountRequestText { attributes: &attributes, secrets: "{}", permission, target_path: "/t" };
    MountSpec::parse(&text, Flavour::Vault, &defaults).map_err(|error| error.to_string())
}

#[test]
fn bytes_modes_and_versions_are_the_go_providers() {
    let (golden, key) = golden(include_str!("../../tests/golden/go-provider.json"));
    let cases = golden["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 71);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let spec =
            spec(case["objects"].as_str().expect("objects"), case["permission"].as_str().unwrap_or("420"));
        let body = case["vault"]["body"].as_str().expect("a body");
        let rendered = spec.and_then(|spec| {
            let response =
                VaultResponse::parse(body.as_bytes(), Instant::now()).map_err(|error| error.to_string())?;
            let render = |object: &crate::class::ObjectSpec| {
                let bytes = content(object, &response).map_err(|error| error.to_string())?;
                let version = object_version(object, &response, &bytes, &key);
                Ok((
                    object.name.as_str().to_owned(),
                    object.mode.bits(),
                    bytes,
                    version,
                    object.secret_key.is_some(),
                ))
            };
            spec.objects.iter().map(render).collect::<Result<Vec<_>, String>>()
        });
        if case["error"] == true {
            assert!(rendered.is_err(), "{name}: the Go provider refuses this");
            continue;
        }
        let rendered = rendered.unwrap_or_else(|error| panic!("{name}: {error}"));
        let files = case["files"].as_object().expect("files");
        assert_eq!(rendered.len(), files.len(), "{name}");
        for (path, mode, bytes, version, keyed) in rendered {
            let file = &files[&path];
            assert_eq!(u64::from(mode), file["mode"].as_u64().expect("a mode"), "{name}: mode of {path}");
            let expected = STANDARD.decode(file["base64"].as_str().expect("bytes")).expect("base64");
            assert_eq!(
                String::from_utf8_lossy(&bytes),
                String::from_utf8_lossy(&expected),
                "{name}: bytes of {path}"
            );
            if keyed {
                assert_eq!(
                    version,
                    case["versions"][&path].as_str().expect("a version"),
                    "{name}: version of {path}"
                );
            }
        }
    }
}

#[test]
fn versions_of_whole_responses_are_the_vectors() {
    let (golden, key) = golden(include_str!("../../tests/golden/whole-response-versions.json"));
    let vectors = golden["vectors"].as_array().expect("vectors");
    assert_eq!(vectors.len(), 8);
    for vector in vectors {
        let spec = spec(&serde_json::json!([vector["object"]]).to_string(), "420").expect("a spec");
        let body = vector["vault"].as_str().expect("a body");
        let response = VaultResponse::parse(body.as_bytes(), Instant::now()).expect("an answer");
        let object = &spec.objects[0];
        let bytes = content(object, &response).expect("content");
        assert_eq!(
            object_version(object, &response, &bytes, &key),
            vector["version"].as_str().expect("a version"),
            "{}",
            vector["name"]
        );
    }
}
