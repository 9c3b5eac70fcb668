mod attributes;
mod endpoints;
mod file_paths;
mod golden;
mod logins;
mod objects;
mod requests;

use serde_json::{Value, json};

use super::endpoint::{Address, TlsSpec};
use super::*;

/// What kubelet and the driver add to each class.
fn pod_attributes() -> Value {
    json!({
        "csi.storage.k8s.io/pod.name": "web-0",
        "csi.storage.k8s.io/pod.namespace": "shop",
        "csi.storage.k8s.io/pod.uid": "5f1c",
        "csi.storage.k8s.io/serviceAccount.name": "web",
        "csi.storage.k8s.io/ephemeral": "true",
        "secretProviderClass": "db",
        "roleName": "app",
        "objects": "- {objectName: o, secretPath: kv/app, secretKey: k}",
    })
}

/// The attributes with changes: a `null` takes one away.
fn attributes(changes: &Value) -> String {
    let mut all = pod_attributes();
    let map = all.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            map.remove(name);
        } else {
            map.insert(name.clone(), value.clone());
        }
    }
    all.to_string()
}

fn defaults() -> ClassDefaults {
    let addresses = Address::parse_list("https://127.0.0.1:8200", "test").expect("an address");
    let endpoint = EndpointSpec { addresses, namespace: None, tls: TlsSpec::default() };
    ClassDefaults { endpoint, auth_mount: "kubernetes".to_owned() }
}

fn parse_text(attributes: &str, flavour: Flavour) -> Result<MountSpec, SpecError> {
    let text =
        MountRequestText { attributes, secrets: "null", permission: "420", target_path: "/pods/5f1c/mount" };
    MountSpec::parse(&text, flavour, &defaults())
}

fn parse_as(changes: &Value, flavour: Flavour) -> Result<MountSpec, SpecError> {
    parse_text(&attributes(changes), flavour)
}

fn parse(changes: &Value) -> Result<MountSpec, SpecError> {
    parse_as(changes, Flavour::Vault)
}

/// The objects of a class.
fn objects(yaml: &str) -> Result<Vec<ObjectSpec>, SpecError> {
    parse(&json!({ "objects": yaml })).map(|spec| spec.objects)
}

fn error_of<T: fmt::Debug>(result: Result<T, SpecError>) -> String {
    result.expect_err("an error").to_string()
}
