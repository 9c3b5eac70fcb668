//! What a failed mount says: a final code, the object, the place and the next move, for each row of the table.

use std::time::{Duration, Instant};

use devkit::driver::MountCall;
use devkit::http::Fault;
use devkit::kubernetes::Right;
use devkit::pod::Pod;
use devkit::vault::Role;
use serde_json::json;
use tonic::Code;

use crate::node::{Node, ONE, assert_says};

/// A call that fails, and what its message holds.
type Case<'a> = (MountCall, Vec<&'a str>);

async fn each_says(node: &Node, code: Code, cases: Vec<Case<'_>>) {
    for (call, words) in cases {
        assert_says(&node.refused(&call).await, code, &words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_is_wrong_is_refused_by_its_field_before_vault_is_asked() {
    let node = Node::with_secret(&[]).await;
    let good = node.call(&Pod::new("shop", "web-0"), ONE);
    let list = |yaml: &str| good.clone().objects(yaml);
    let named = |name: &str| list(&format!("- {{objectName: {name}, secretPath: secret/data/app}}"));
    let with = |field: &str| list(&format!("- {{objectName: o, secretPath: secret/data/app, {field}}}"));
    let cases: Vec<Case<'_>> = vec![
        (good.clone().raw_attributes("[]"), vec!["attributes", "JSON object of strings"]),
        (good.clone().raw_attributes(r#"{"roleName":"#), vec!["attributes", "no JSON"]),
        (good.clone().raw_attributes(r#"{"roleName": 7}"#), vec!["roleName", "quote the value"]),
        (good.clone().without_parameter("roleName"), vec!["roleName: is missing"]),
        (good.clone().parameter("roleName", ""), vec!["roleName: is empty"]),
        (good.clone().without_parameter("objects"), vec!["objects: lists no object"]),
        (list("[]"), vec!["objects: lists no object"]),
        (list("# nothing yet"), vec!["objects: lists no object"]),
        (list("{objectName: o}"), vec!["objects: line 1", "expected a list"]),
        (list("- {secretPath: secret/data/app}"), vec!["objects[0].objectName: is missing"]),
        (list(&format!("{ONE}\n{ONE}")), vec!["object \"o\"", "stands twice"]),
        (named("/etc/passwd"), vec!["objects[0].objectName", "\"/etc/passwd\" is absolute"]),
        (named("../o"), vec!["\"../o\"", "`..`"]),
        (named("a/../b"), vec!["\"a/../b\"", "`..`"]),
        (named("./a"), vec!["\"./a\"", "`.`"]),
        (named("a//b"), vec!["\"a//b\"", "empty element"]),
        (named("a/"), vec!["\"a/\"", "empty element"]),
        (named("..data"), vec!["\"..data\"", "which the driver keeps"]),
        (named("\"a\\0b\""), vec!["objectName", "NUL"]),
        (named(&"n".repeat(256)), vec!["objectName", "255 bytes"]),
        (
            list(
                "- {objectName: db, secretPath: kv/a}\n- {objectName: d, secretPath: kv/a}\n- {objectName: db/user, secretPath: kv/a}",
            ),
            vec!["object \"db/user\"", "\"db\"", "rename one"],
        ),
        (list("- {objectName: o}"), vec!["object \"o\"", "secretPath is missing"]),
        (with("filePermission: 01000"), vec!["object \"o\": filePermission", "0o1000", "above 0777"]),
        (with("filePermission: '0644'"), vec!["object \"o\": filePermission", "without quotes"]),
        (with("filePermission: -1"), vec!["object \"o\": filePermission", "negative"]),
        (with("encoding: rot13"), vec!["object \"o\"", "encoding \"rot13\"", "base64 or hex"]),
        (with("method: 'GE T'"), vec!["object \"o\"", "method", "no HTTP method"]),
        (with("secretArgs: [a]"), vec!["object \"o\": secretArgs", "expected a map"]),
        (good.clone().permission("512"), vec!["permission", "512"]),
        (good.clone().parameter("vaultAddress", "vault:8200"), vec!["vaultAddress", "https://host:port"]),
        (good.clone().parameter("vaultSkipTLSVerify", "yes"), vec!["vaultSkipTLSVerify", "true or false"]),
        (
            good.clone().parameter("vaultAuthMountPath", "a").parameter("vaultKubernetesMountPath", "a"),
            vec!["vaultAuthMountPath", "vaultKubernetesMountPath", "keep one"],
        ),
        (list("- objectName: o\n  secretPath: secret/data/app\n bad: x\n"), vec!["objects: line 3, column"]),
        (list("- {objectName: o, secretPath: [a}"), vec!["objects: line 1, column", "broken YAML"]),
        (
            good.clone().attribute("csi.storage.k8s.io/serviceAccount.name", ""),
            vec!["csi.storage.k8s.io/serviceAccount.name", "static pod", "service account"],
        ),
        (
            good.clone().without_attribute("csi.storage.k8s.io/serviceAccount.name"),
            vec!["csi.storage.k8s.io/serviceAccount.name", "static pod", "service account"],
        ),
        (good.clone().without_attribute("csi.storage.k8s.io/pod.uid"), vec!["pod.uid", "podInfoOnMount"]),
    ];
    each_says(&node, Code::InvalidArgument, cases).await;
    assert!(node.vault.log().calls().is_empty(), "nothing was asked of Vault");
    assert!(node.kubernetes.token_requests().is_empty(), "no token was minted");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_yaml_is_refused_in_bounded_time() {
    let node = Node::with_secret(&[]).await;
    let pod = Pod::new("shop", "web-0");
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        aliases += &format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(", "));
    }
    let bomb = format!(
        "- objectName: o\n  secretPath: kv/a\n  secretArgs:\n{}",
        aliases.lines().fold(String::new(), |text, line| text + "    " + line + "\n")
    );
    for hostile in [
        "[".repeat(200_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        bomb,
        "a".repeat(2 << 20),
        format!("- objectName: o\n  secretPath: kv/a\n  secretArgs: &self {{a: *self}}\n{ONE}"),
    ] {
        let began = Instant::now();
        let failure = node.refused(&node.call(&pod, &hostile)).await;
        assert_says(&failure, Code::InvalidArgument, &["SecretProviderClass: ob"]);
        assert!(failure.message().len() < 1_000, "a short message");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    assert!(node.vault.log().calls().is_empty(), "nothing was asked of Vault");
    let failure = node.refused(&node.call(&pod, &"a".repeat(5 << 20))).await;
    assert_eq!(failure.code(), Code::OutOfRange, "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_does_not_fit_names_role_mount_audience_and_service_account() {
    let node = Node::with_secret(&[]).await;
    node.vault.role("kubernetes", Role::new("others").accounts(&["api"]));
    node.vault.role("kubernetes", Role::new("elsewhere").namespaces(&["prod"]));
    node.vault.role("kubernetes", Role::new("strict").audience("special"));
    node.vault.jwt_auth("team/jwt", &node.kubernetes.issuer());
    let pod = Pod::new("shop", "web-0").service_account("web");
    let good = node.call(&pod, ONE);
    let role = |name: &str| good.clone().parameter("roleName", name);
    let who = "service account shop/web, audience \"vault\"";
    let cases: Vec<Case<'_>> = vec![
        (
            role("nope"),
            vec![
                "object \"o\"",
                "\"kubernetes\"",
                "role \"nope\"",
                who,
                "invalid role name",
                "check roleName",
            ],
        ),
        (role("others"), vec!["role \"others\"", who, "service account name not authorized", "bound to"]),
        (role("elsewhere"), vec!["role \"elsewhere\"", who, "namespace not authorized", "bound to"]),
        (role("strict"), vec!["role \"strict\"", who, "invalid audience (aud) claim", "this audience"]),
        (
            good.clone().parameter("vaultAuthMountPath", "nowhere"),
            vec!["auth mount \"nowhere\"", "role \"app\"", who, "permission denied", "vaultAuthMountPath"],
        ),
        (
            good.clone().parameter("vaultAuthMountPath", "team/jwt"),
            vec!["auth mount \"team/jwt\"", "role \"app\"", who, "could not be found", "check roleName"],
        ),
        (
            good.clone().parameter("vaultNamespace", "team1"),
            vec!["namespace \"team1\"", "role \"app\"", who, "404", "namespace not found"],
        ),
    ];
    // From now on the stand-in knows namespaces, and so refuses unknown ones.
    node.vault.namespace("other");
    each_says(&node, Code::PermissionDenied, cases).await;
    assert_eq!(node.vault.reads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_token_that_is_not_to_be_had_names_the_audience_and_where_to_add_it() {
    let node = Node::with_secret(&[]).await;
    node.kubernetes.deny(Right::MintTokens);
    let pod = Pod::new("shop", "web-0").service_account("web");
    let next_move = "add the audience to tokenRequests of the CSIDriver";
    let cases: Vec<Case<'_>> = vec![
        (
            node.call(&pod, ONE).parameter("audience", "special").token("other", "x.y.z"),
            vec!["object \"o\"", "audience \"special\"", "other, vault", "shop/web", "403", next_move],
        ),
        (
            node.call_without_token(&pod, ONE),
            vec!["audience \"vault\"", "for none", "shop/web", "is forbidden", next_move],
        ),
    ];
    each_says(&node, Code::PermissionDenied, cases).await;
    assert!(node.vault.log().calls().is_empty(), "nothing was asked of Vault");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_refused_or_finds_nothing_names_path_and_next_move() {
    let node = Node::with_secret(&[]).await;
    node.vault.role("kubernetes", Role::new("narrow").allow(&["secret/data/app"]));
    let kv = node.vault.kv2("secret");
    kv.put("deleted", json!({"k": "v"}));
    kv.delete("deleted");
    kv.put("destroyed", json!({"k": "v"}));
    kv.destroy("destroyed");
    node.vault.kv1("kv").put("legacy", json!({"user": "u", "password": "p"}));
    node.vault.raw("POST", "odd/sign", 400, &[], r#"{"errors":["missing field"]}"#);
    let pod = Pod::new("shop", "web-0");
    let path =
        |path: &str| node.call(&pod, &format!("- {{objectName: db, secretPath: {path}, secretKey: k}}"));
    let narrow = |place: &str| path(place).parameter("roleName", "narrow");
    let address = node.vault.address();
    let hint = "is a KV version 2 mount, the path is secret/data/app";
    let denied: Vec<Case<'_>> = vec![
        (
            narrow("secret/data/other"),
            vec!["object \"db\"", "GET secret/data/other", address, "check the policy"],
        ),
        (narrow("secret/app"), vec!["GET secret/app", "403 permission denied", hint, "check the policy"]),
        (path("nomount/data/x"), vec!["GET nomount/data/x", "403 permission denied"]),
    ];
    each_says(&node, Code::PermissionDenied, denied).await;
    let missing: Vec<Case<'_>> = vec![
        (
            path("secret/data/never"),
            vec!["object \"db\"", "GET secret/data/never", "404", "check secretPath"],
        ),
        (path("secret/app"), vec!["GET secret/app", "404", "Invalid path for a versioned K/V", hint]),
        (path("secret/data/deleted"), vec!["GET secret/data/deleted", "404", "was deleted at 20"]),
        (path("secret/data/destroyed"), vec!["GET secret/data/destroyed", "404", "was destroyed"]),
        (path("'secret/data/app?version=7'"), vec!["GET secret/data/app?version=7", "404"]),
        (
            path("kv/legacy"),
            vec!["object \"db\"", "no key \"k\" at kv/legacy", "password", "user", "secretKey"],
        ),
    ];
    each_says(&node, Code::NotFound, missing).await;
    let wrong = "- {objectName: db, secretPath: ";
    let wrong: Vec<Case<'_>> = vec![
        (
            node.call(&pod, &format!("{wrong}kv/legacy, method: PUT}}")),
            vec!["object \"db\"", "PUT kv/legacy", "405", "unsupported operation", "method"],
        ),
        (
            node.call(&pod, &format!("{wrong}odd/sign, method: POST}}")),
            vec!["POST odd/sign", "400 missing field", "secretArgs"],
        ),
        (
            node.call(&pod, &format!("{wrong}secret/data/app, secretKey: k, encoding: base64}}")),
            vec!["object \"db\"", "\"k\" at secret/data/app is not base64", "check encoding"],
        ),
        (
            node.call(&pod, &format!("{wrong}secret/data/app, secretKey: k, encoding: HEX}}")),
            vec!["object \"db\"", "\"k\" at secret/data/app is not hexadecimal", "check encoding"],
        ),
    ];
    each_says(&node, Code::InvalidArgument, wrong).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_out_of_range_and_says_which_limit() {
    let node = Node::with_secret(&["-max-response-bytes=64KiB"]).await;
    node.vault.kv2("secret").put("big", json!({"k": "x".repeat(70_000)}));
    let pod = Pod::new("shop", "web-0");
    let big = node.call(&pod, "- {objectName: o, secretPath: secret/data/big, secretKey: k}");
    let words = ["64KiB", "-max-response-bytes", "--max-call-recv-msg-size", "split the class"];
    assert_says(&node.refused(&big).await, Code::OutOfRange, &words);
    node.vault.fault(Fault::endless_body().at("secret/data/app"));
    let words = ["object \"o\"", "GET secret/data/app", "larger than 16MiB"];
    assert_says(&node.refused(&node.call(&pod, ONE)).await, Code::OutOfRange, &words);
    assert_eq!(node.vault.calls_to("secret/data/app").len(), 1, "not asked again");
    node.vault.faults().clear();
    assert_eq!(node.mounted(&node.call(&pod, ONE)).await.text("o"), "v");
}
