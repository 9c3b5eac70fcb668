//! The files of `examples/`, read as a cluster would read them.

use std::collections::BTreeMap;

use serde::Deserialize;
use yaml_serde::Value;

use crate::pod::Pod;

/// One file: its class, and the pod that mounts it.
pub(super) struct Example {
    /// Its path in the repository.
    pub(super) file: &'static str,
    /// Its first line, a comment that says what it is about.
    pub(super) about: String,
    /// The class's name.
    pub(super) class: String,
    /// The class's parameters.
    pub(super) parameters: BTreeMap<String, String>,
    /// The pod.
    pub(super) pod: Pod,
}

#[derive(Deserialize)]
struct Manifest {
    kind: String,
    metadata: Metadata,
    spec: Option<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
struct ClassSpec {
    parameters: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct PodSpec {
    #[serde(rename = "serviceAccountName")]
    service_account_name: String,
}

/// All examples, in the order of their README.
pub(super) fn all() -> Result<Vec<Example>, String> {
    let files = [
        ("examples/kv.yaml", include_str!("../../../../examples/kv.yaml")),
        (
            "examples/database-static-role.yaml",
            include_str!("../../../../examples/database-static-role.yaml"),
        ),
        ("examples/whole-response.yaml", include_str!("../../../../examples/whole-response.yaml")),
    ];
    files.into_iter().map(|(file, text)| read(file, text).map_err(|why| format!("{file}: {why}"))).collect()
}

fn read(file: &'static str, text: &str) -> Result<Example, String> {
    let manifests = yaml_serde::Deserializer::from_str(text)
        .map(|document| Manifest::deserialize(document).map_err(|error| error.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    let of_kind = |kind: &str| {
        let manifest = manifests.iter().find(|manifest| manifest.kind == kind);
        manifest.ok_or_else(|| format!("it has no {kind}"))
    };
    let (class, pod) = (of_kind("SecretProviderClass")?, of_kind("Pod")?);
    let ClassSpec { parameters } = spec(class)?;
    let PodSpec { service_account_name } = spec(pod)?;
    Ok(Example {
        file,
        about: text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned(),
        class: class.metadata.name.clone(),
        parameters,
        pod: Pod::new(&pod.metadata.namespace, &pod.metadata.name).service_account(&service_account_name),
    })
}

fn spec<T: for<'a> Deserialize<'a>>(manifest: &Manifest) -> Result<T, String> {
    let spec = manifest.spec.clone().unwrap_or_default();
    yaml_serde::from_value(spec).map_err(|error| format!("{}: {error}", manifest.kind))
}
