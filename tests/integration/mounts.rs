//! What is mounted: every kind of secret, once per request, side by side.

use std::time::{Duration, Instant};

use devkit::http::{Fault, Gate};
use devkit::pod::Pod;
use devkit::vault::{DynamicRole, Role, StaticRole, Vault};
use serde_json::json;

use crate::node::{Node, Provider};

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_holds_kv_values_database_users_and_whole_answers() {
    let node = Node::start().await;
    node.vault.kv2("secret").put("app", json!({"password": "s3cret", "port": 5432}));
    node.vault.kv1("kv").put("legacy", json!({"user": "old"}));
    let database = node.vault.database("database");
    database.static_role(StaticRole::new("app", "app_user").rotation_period(Duration::from_secs(86_400)));
    database.dynamic_role(DynamicRole::new("ro").ttl(Duration::from_secs(3_600)));
    let pod = Pod::new("shop", "web-0");
    let call = node.call(
        &pod,
        r"
- {objectName: password, secretPath: secret/data/app, secretKey: password, filePermission: 0400}
- {objectName: db/port, secretPath: secret/data/app, secretKey: port}
- {objectName: legacy, secretPath: kv/legacy, secretKey: user}
- {objectName: db/user, secretPath: database/static-creds/app, secretKey: username}
- {objectName: db/password, secretPath: database/static-creds/app, secretKey: password}
- {objectName: dynamic.json, secretPath: database/creds/ro}
- {objectName: all.json, secretPath: secret/data/app}
",
    );
    let mounted = node.mounted(&call).await;
    assert_eq!(mounted.text("password"), "s3cret");
    assert_eq!(mounted.mode("password"), 0o400);
    assert_eq!((mounted.text("db/port"), mounted.mode("db/port")), ("5432", 0o644));
    assert_eq!(mounted.text("legacy"), "old");
    assert_eq!(mounted.text("db/user"), "app_user");
    assert_eq!(mounted.text("db/password"), database.password("app"));
    assert!(mounted.text("dynamic.json").contains("\"lease_id\":\"database/creds/ro/"));
    assert!(
        mounted.text("all.json").contains(r#""data":{"data":{"password":"s3cret","port":5432},"metadata":"#)
    );
    let expected = ["password", "db/port", "legacy", "db/user", "db/password", "dynamic.json", "all.json"];
    let order: Vec<&str> = mounted.version_order.iter().map(|(object, _)| object.as_str()).collect();
    assert_eq!(order, expected, "in the order of the class");
    assert!(expected.iter().all(|object| !mounted.version(object).is_empty()));
    assert_eq!(node.vault.reads(), 4, "each distinct request once");
    assert_eq!(node.vault.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn distinct_requests_are_read_side_by_side_and_each_once() {
    let node = Node::start().await;
    let gate = Gate::closed();
    let mut objects = String::new();
    for number in 0..20 {
        node.vault.kv2("secret").put(&format!("p{number}"), json!({"k": number}));
        for key in ["a", "b"] {
            objects += &format!(
                "- {{objectName: {key}{number}, secretPath: secret/data/p{number}, secretKey: k}}\n"
            );
        }
    }
    node.vault.fault(Fault::held(&gate).at("secret/data/"));
    let pod = Pod::new("shop", "web-0");
    let call = node.call(&pod, &objects);
    let mounting = node.mounted(&call);
    let opening = async {
        gate.until_waiting(20).await;
        gate.open();
    };
    let (mounted, ()) = tokio::join!(mounting, opening);
    assert_eq!(mounted.files.len(), 40);
    assert_eq!(mounted.text("b19"), "19");
    assert_eq!(node.vault.reads(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_differ_in_their_arguments_are_different_requests() {
    let node = Node::start().await;
    node.vault.pki("pki").role("web", Duration::from_secs(3_600));
    let pod = Pod::new("shop", "web-0");
    let object = |name: &str, host: &str, key: &str| {
        format!(
            "- {{objectName: {name}, secretPath: pki/issue/web, method: PUT, secretKey: {key}, secretArgs: {{common_name: {host}}}}}\n"
        )
    };
    let objects = [
        object("a.crt", "a.example", "certificate"),
        object("a.key", "a.example", "private_key"),
        object("b.crt", "b.example", "certificate"),
    ];
    let mounted = node.mounted(&node.call(&pod, &objects.concat())).await;
    assert_ne!(mounted.text("a.crt"), mounted.text("b.crt"));
    assert!(mounted.text("a.key").contains("PRIVATE KEY"));
    assert_eq!(
        node.vault.calls_to("pki/issue/web").len(),
        2,
        "certificate and key of one issue, and the other host's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_in_vault_is_new_bytes_and_a_new_version_and_nothing_else_moves() {
    let node = Node::start().await;
    node.vault.kv2("secret").put("app", json!({"password": "one"}));
    node.vault.kv2("secret").put("other", json!({"k": "same"}));
    let pod = Pod::new("shop", "web-0");
    let call = node.call(
        &pod,
        r"
- {objectName: password, secretPath: secret/data/app, secretKey: password}
- {objectName: other, secretPath: secret/data/other, secretKey: k}
- {objectName: old, secretPath: 'secret/data/app?version=1', secretKey: password}
- {objectName: other.json, secretPath: secret/data/other}
",
    );
    let first = node.mounted(&call).await;
    node.vault.kv2("secret").put("app", json!({"password": "two"}));
    let second = node.provider.driver.republish(&call).await.expect("republished");
    assert_eq!((second.text("password"), second.text("old")), ("two", "one"));
    assert_ne!(first.version("password"), second.version("password"));
    for object in ["other", "old", "other.json"] {
        assert_eq!(first.version(object), second.version(object), "{object}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_logs_in_by_jwt_auth_at_a_mount_with_a_slash() {
    let node = Node::start().await;
    node.vault.jwt_auth("team/jwt", &node.kubernetes.issuer());
    node.vault.role("team/jwt", Role::new("app").audience("vault"));
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    let pod = Pod::new("shop", "web-0");
    let call = node
        .call(&pod, "- {objectName: o, secretPath: secret/data/app, secretKey: k}")
        .parameter("vaultAuthMountPath", "team/jwt");
    assert_eq!(node.mounted(&call).await.text("o"), "v");
    assert_eq!(node.vault.log().count(|call| call.path == "/v1/auth/team/jwt/login"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_from_the_driver_one_is_minted_for_the_pod() {
    let node = Node::start().await;
    node.vault.role("kubernetes", Role::new("app").audience("vault"));
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    let pod = Pod::new("shop", "web-0").service_account("web");
    node.kubernetes.create_pod(&pod);
    let call = node
        .call_without_token(&pod, "- {objectName: o, secretPath: secret/data/app, secretKey: k}")
        .parameter("audience", "vault");
    assert_eq!(node.mounted(&call).await.text("o"), "v");
    let requests = node.kubernetes.token_requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!((request.namespace.as_str(), request.service_account.as_str()), ("shop", "web"));
    assert_eq!(request.audiences, ["vault"]);
    assert_eq!(request.expiration_seconds, Some(900));
    assert_eq!(request.bound_to, Some(("Pod".to_owned(), pod.name.clone(), pod.uid.clone())));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_the_classes_audience_is_used_wherever_the_driver_puts_it() {
    let node = Node::start().await;
    node.vault.role("kubernetes", Role::new("app").audience("special"));
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    let pod = Pod::new("shop", "web-0");
    let call = node
        .call(&pod, "- {objectName: o, secretPath: secret/data/app, secretKey: k}")
        .parameter("audience", "special")
        .token("special", &node.kubernetes.mint(&pod, "special"));
    assert_eq!(node.mounted(&call).await.text("o"), "v");
    let other = Pod::new("shop", "web-1");
    let call = node
        .call(&other, "- {objectName: o, secretPath: secret/data/app, secretKey: k}")
        .parameter("audience", "special")
        .token("special", &node.kubernetes.mint(&other, "special"))
        .tokens_in_secrets();
    assert_eq!(node.mounted(&call).await.text("o"), "v");
    assert!(node.kubernetes.token_requests().is_empty(), "nothing was minted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_reaches_login_and_reads() {
    let vault = Vault::builder().openbao().start().await;
    let team = vault.namespace("team1");
    let node = Node::with(vault, &[]).await;
    team.kubernetes_auth("kubernetes", &node.kubernetes.issuer());
    team.role("kubernetes", Role::new("app"));
    team.kv2("secret").put("app", json!({"k": "team's"}));
    let pod = Pod::new("shop", "web-0");
    let call = node
        .call(&pod, "- {objectName: o, secretPath: secret/data/app, secretKey: k}")
        .parameter("vaultNamespace", "team1");
    assert_eq!(node.mounted(&call).await.text("o"), "team's");
    assert!(node.vault.log().calls().iter().all(|logged| logged.call.vault_namespace() == Some("team1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_have_a_base_path_or_be_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("agent.sock");
    for builder in [Vault::builder().base_path("/vault"), Vault::builder().unix(&socket)] {
        let node = Node::with(builder.start().await, &[]).await;
        node.vault.kv2("secret").put("app", json!({"k": "v"}));
        let pod = Pod::new("shop", "web-0");
        let call = node.call(&pod, "- {objectName: o, secretPath: secret/data/app, secretKey: k}");
        assert_eq!(node.mounted(&call).await.text("o"), "v");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_named_for_openbao_uses_its_defaults() {
    let node = Node::with(Vault::builder().openbao().start().await, &[]).await;
    node.vault.role("kubernetes", Role::new("app").audience("openbao"));
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    let address = node.vault.address();
    let environment = [("BAO_ADDR", address), ("VAULT_ADDR", "http://127.0.0.1:1")];
    let provider = Provider::start("openbao.sock", &node.kubernetes, &[], &environment).await;
    let pod = Pod::new("shop", "web-0");
    let call = node
        .call(&pod, "- {objectName: o, secretPath: secret/data/app, secretKey: k}")
        .without_parameter("vaultAddress")
        .without_parameter("roleName")
        .parameter("baoRoleName", "app")
        .token("openbao", &node.kubernetes.mint(&pod, "openbao"));
    let mounted = provider.mount(&call).await.expect("mounted");
    assert_eq!(mounted.text("o"), "v");
    assert!(node.kubernetes.secret("lockkeeper", "openbao-csi-provider-hmac-key").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_reports_nothing_stale_when_the_secret_changed_between_two_pods() {
    let node = Node::start().await;
    for number in 0..20 {
        node.vault.kv2("secret").put("app", json!({"k": number}));
        let pod = Pod::new("shop", &format!("web-{number}"));
        let call = node.call(&pod, "- {objectName: o, secretPath: secret/data/app, secretKey: k}");
        assert_eq!(node.mounted(&call).await.text("o"), number.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_pods_at_once_all_get_their_files() {
    let node = Node::start().await;
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    let began = Instant::now();
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let pod = Pod::new("shop", &format!("web-{number}"));
            node.call(&pod, "- {objectName: o, secretPath: secret/data/app, secretKey: k}")
        })
        .collect();
    let mounts = calls.iter().map(|call| node.mounted(call));
    for mounted in futures_util::future::join_all(mounts).await {
        assert_eq!(mounted.text("o"), "v");
    }
    println!("100 pods in {:?}", began.elapsed());
}
