//! The Go provider's recorded cases, through the socket: bytes, modes, versions and the request that Vault saw.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use devkit::pod::Pod;
use serde_json::Value;

use crate::node::Node;

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_case_of_the_go_provider_gives_the_same_files_versions_and_requests() {
    let golden: Value = serde_json::from_str(include_str!("../golden/go-provider.json")).expect("JSON");
    let key = STANDARD.decode(golden["hmac_key_base64"].as_str().expect("a key")).expect("base64");
    let node = Node::start().await;
    node.kubernetes.write_secret("lockkeeper", "vault-csi-provider-hmac-key", &[("key", &key)]);
    for case in golden["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        let asked = &case["vault"];
        let (method, path) =
            (asked["method"].as_str().expect("a method"), asked["path"].as_str().expect("a path"));
        node.vault.raw(method, path, 200, &[], asked["body"].as_str().expect("a body"));
        let pod = Pod::new("shop", "web-0");
        let call = node
            .call(&pod, case["objects"].as_str().expect("objects"))
            .permission(case["permission"].as_str().unwrap_or("420"));
        node.vault.log().clear();
        if case["error"] == true {
            node.refused(&call).await;
            continue;
        }
        let mounted = node.mount(&call).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let files = case["files"].as_object().expect("files");
        assert_eq!(mounted.files.len(), files.len(), "{name}");
        for (path, file) in files {
            assert_eq!(
                u64::from(mounted.mode(path)),
                file["mode"].as_u64().expect("a mode"),
                "{name}: mode of {path}"
            );
            let expected = STANDARD.decode(file["base64"].as_str().expect("bytes")).expect("base64");
            assert!(mounted.bytes(path) == expected, "{name}: bytes of {path}");
        }
        if case["objects"].as_str().is_some_and(|objects| objects.contains("secretKey")) {
            for (object, version) in case["versions"].as_object().expect("versions") {
                assert_eq!(
                    mounted.version(object),
                    version.as_str().expect("a version"),
                    "{name}: version of {object}"
                );
            }
        }
        let reads = node.vault.log().matching(|call| call.is_read());
        assert_eq!(reads.len(), 1, "{name}: one read");
        let (read, request) = (&reads[0].call, &case["request"]);
        assert_eq!(read.path, request["path"].as_str().expect("a path"), "{name}");
        assert!(read.is_vault_request(), "{name}: X-Vault-Request");
        for (key, values) in request["query"].as_object().expect("a query") {
            assert_eq!(serde_json::json!(read.query_pairs()[key]), *values, "{name}: query");
        }
        match &request["body"] {
            Value::Null => assert!(read.body.is_empty(), "{name}: no body"),
            body => assert_eq!(read.json().as_ref(), Some(body), "{name}: body"),
        }
    }
}
