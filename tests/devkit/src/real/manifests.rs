//! Manifests in YAML, told apart just enough to post each document where its kind belongs.

use super::{Error, Result};

/// One document of a YAML file and the path of the collection that it is created in.
pub(super) struct Manifest<'a> {
    pub(super) collection: String,
    pub(super) yaml: &'a str,
}

/// The documents of a file, in order.
pub(super) fn parse(file: &str) -> Result<Vec<Manifest<'_>>> {
    file.split("\n---")
        .map(|yaml| yaml.strip_prefix("---").unwrap_or(yaml))
        .filter(|yaml| yaml.lines().any(|line| line.starts_with("kind:")))
        .map(|yaml| Ok(Manifest { collection: collection(yaml)?, yaml }))
        .collect()
}

/// Where a document belongs. The API server reads the YAML; here only three plain lines of it count.
fn collection(yaml: &str) -> Result<String> {
    let value = |key: &str| {
        yaml.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().trim_matches('"'))
    };
    let kind = value("kind:").unwrap_or_default();
    let api = match value("apiVersion:").unwrap_or_default() {
        "v1" => "/api/v1".to_owned(),
        group => format!("/apis/{group}"),
    };
    let plural = match kind {
        "ServiceAccount" => "serviceaccounts",
        "ConfigMap" => "configmaps",
        "Secret" => "secrets",
        "Pod" => "pods",
        "Role" => "roles",
        "RoleBinding" => "rolebindings",
        "ClusterRole" => "clusterroles",
        "ClusterRoleBinding" => "clusterrolebindings",
        "CustomResourceDefinition" => "customresourcedefinitions",
        "CSIDriver" => "csidrivers",
        "SecretProviderClass" => "secretproviderclasses",
        other => return Err(Error::new(format!("a manifest of kind {other:?} has no known collection"))),
    };
    let mut metadata = yaml.lines().skip_while(|line| *line != "metadata:").skip(1);
    let namespace = metadata
        .by_ref()
        .take_while(|line| line.starts_with(' '))
        .find_map(|line| line.strip_prefix("  namespace:"));
    Ok(match namespace.map(str::trim) {
        Some(namespace) => format!("{api}/namespaces/{namespace}/{plural}"),
        None => format!("{api}/{plural}"),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn each_document_goes_where_its_kind_belongs() {
        let file = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n  namespace: b\n---\n\
                    apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: c\nsubjects:\n- name: a\n  namespace: b\n";
        let collections: Vec<_> =
            parse(file).unwrap().into_iter().map(|manifest| manifest.collection).collect();
        assert_eq!(
            collections,
            [
                "/api/v1/namespaces/b/serviceaccounts",
                "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
            ]
        );
    }
}
