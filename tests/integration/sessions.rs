//! How often a pod logs in: once for all it reads, anew when its token is refused or near its end, never in a loop.

use std::time::{Duration, Instant};

use devkit::driver::MountCall;
use devkit::http::{Fault, Gate};
use devkit::pod::Pod;
use devkit::vault::{Role, Vault};
use futures_util::future::join_all;
use serde_json::json;
use tonic::Code;

use crate::node::{Node, ONE, PATIENCE, assert_says, soon};

/// Ten files of ten secrets; [`ten_secrets`] writes them.
fn ten_objects() -> String {
    let object = |n| format!("- {{objectName: o{n}, secretPath: secret/data/s{n}, secretKey: k}}\n");
    (0..10).map(object).collect()
}

fn ten_secrets(vault: &Vault) {
    (0..10).for_each(|n| {
        vault.kv2("secret").put(&format!("s{n}"), json!({"k": n}));
    });
}

fn refusals(vault: &Vault) -> usize {
    vault.log().calls().iter().filter(|logged| logged.status == Some(403)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_logs_in_once_for_all_its_objects_volumes_and_calls() {
    let node = Node::with_secret(&[]).await;
    ten_secrets(&node.vault);
    let gate = Gate::closed();
    node.vault.fault(Fault::held(&gate).at("auth/"));
    let pod = Pod::new("shop", "web-0");
    let call = node.call(&pod, &ten_objects());
    let volumes = [call.clone().volume("a"), call.clone().volume("b"), node.call(&pod, ONE).volume("c")];
    let mounts = join_all(volumes.iter().map(|call| node.mounted(call)));
    let open = async {
        gate.until_waiting(1).await;
        gate.open();
    };
    let (mounted, ()) = soon("three volumes", async { tokio::join!(mounts, open) }).await;
    assert_eq!(mounted[1].text("o9"), "9");
    for call in &volumes {
        node.provider.driver.republish(call).await.expect("republished");
    }
    // A token that kubelet renewed is no reason to log in again.
    let renewed = node.kubernetes.mint_for(&pod, &["vault"], Duration::from_secs(1_800));
    node.mounted(&call.token("vault", &renewed)).await;
    assert_eq!(node.vault.logins(), 1);
    let tokens: Vec<_> = node.vault.log().matching(|call| call.is_read());
    assert!(tokens.iter().all(|read| read.call.vault_token() == tokens[0].call.vault_token()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pod_another_role_and_another_mount_each_log_in_themselves() {
    let node = Node::with_secret(&[]).await;
    node.vault.role("kubernetes", Role::new("second"));
    node.vault.jwt_auth("jwt", &node.kubernetes.issuer());
    node.vault.role("jwt", Role::new("app"));
    let pods = [Pod::new("shop", "web-0"), Pod::new("shop", "web-1"), Pod::new("shop", "web-0")];
    let mut calls: Vec<MountCall> = pods.iter().map(|pod| node.call(pod, ONE)).collect();
    calls.push(calls[0].clone().parameter("roleName", "second"));
    calls.push(calls[0].clone().parameter("vaultAuthMountPath", "jwt"));
    for round in 0..2 {
        for call in &calls {
            node.mounted(call).await;
        }
        assert_eq!(node.vault.logins(), 5, "round {round}");
    }
    let bodies = node.vault.login_bodies();
    for (body, pod) in bodies.iter().zip(&pods) {
        let claims = devkit::jwt::payload(body["jwt"].as_str().expect("a JWT")).expect("claims");
        assert_eq!(claims["kubernetes.io"]["pod"]["uid"], pod.uid, "each with its own JWT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_brings_one_new_login_and_a_good_mount() {
    let node = Node::with_secret(&[]).await;
    ten_secrets(&node.vault);
    let call = node.call(&Pod::new("shop", "web-0"), &ten_objects());
    node.mounted(&call).await;
    node.vault.revoke_tokens();
    assert_eq!(node.mounted(&call).await.text("o9"), "9");
    assert_eq!(node.vault.logins(), 2, "one for ten refused reads");
    node.mounted(&call).await;
    assert_eq!(node.vault.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policys_no_brings_no_login_that_could_not_help() {
    let node = Node::with_secret(&[]).await;
    node.vault.role("kubernetes", Role::new("narrow").allow(&["secret/data/app"]));
    let pod = Pod::new("shop", "web-0");
    let good = node.call(&pod, ONE).parameter("roleName", "narrow");
    let denied = good.clone().objects("- {objectName: o, secretPath: secret/data/other}");
    assert_says(&node.refused(&denied).await, Code::PermissionDenied, &["permission denied"]);
    assert_eq!(node.vault.logins(), 1, "the token was made for this very call");

    // Now the token is older than the call: it may have lost what its role has gained.
    let began = Instant::now();
    node.refused(&denied).await;
    assert_eq!(node.vault.logins(), 2, "once");
    for _ in 0..5 {
        assert_says(&node.refused(&denied).await, Code::PermissionDenied, &["secret/data/other"]);
    }
    let within_the_pause = began.elapsed() < Duration::from_secs(5);
    assert!(node.vault.logins() == 2 || !within_the_pause, "then not again for 5 s");
    assert_eq!(node.mounted(&good).await.text("o"), "v", "what is allowed works on");
    let other = Pod::new("shop", "web-1");
    let before = node.vault.logins();
    node.mounted(&node.call(&other, ONE).parameter("roleName", "narrow")).await;
    assert_eq!(node.vault.logins(), before + 1, "and another pod logs in at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_was_widened_is_found_by_the_next_mount() {
    let node = Node::with_secret(&[]).await;
    node.vault.role("kubernetes", Role::new("app").allow(&["kv/"]));
    let call = node.call(&Pod::new("shop", "web-0"), ONE);
    node.refused(&call).await;
    node.vault.role("kubernetes", Role::new("app"));
    assert_eq!(node.mounted(&call).await.text("o"), "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_every_kind_serve_without_a_refusal() {
    for (role, logins) in [
        (Role::new("app").num_uses(1), 20..=20),
        (Role::new("app").num_uses(7), 3..=4),
        (Role::new("app").batch(), 1..=1),
        (Role::new("app").without_default_policy(), 1..=1),
        (Role::new("app").period(Duration::from_secs(600)), 1..=1),
        (Role::new("app").without_default_policy().batch().token_ttl(Duration::from_secs(600)), 1..=1),
    ] {
        let node = Node::with_secret(&[]).await;
        ten_secrets(&node.vault);
        node.vault.role("kubernetes", role.clone());
        let call = node.call(&Pod::new("shop", "web-0"), &ten_objects());
        for _ in 0..2 {
            assert_eq!(soon("a mount", node.mounted(&call)).await.text("o9"), "9", "{role:?}");
        }
        assert_eq!(refusals(&node.vault), 0, "{role:?}");
        assert!(logins.contains(&node.vault.logins()), "{} logins: {role:?}", node.vault.logins());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_anew_before_its_end() {
    let node = Node::with_secret(&[]).await;
    node.vault.role("kubernetes", Role::new("app").token_ttl(Duration::from_secs(3)));
    let call = node.call(&Pod::new("shop", "web-0"), ONE);
    let began = Instant::now();
    while node.vault.logins() < 2 {
        assert_eq!(node.mounted(&call).await.text("o"), "v");
        assert!(began.elapsed() < PATIENCE, "still the first");
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "not sooner than at two thirds of its life");
    assert_eq!(refusals(&node.vault), 0, "no read was made with a dead token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_without_room_means_one_login_per_mount() {
    for (flag, pods, logins) in [("-cache-size=0", 1, 3), ("-cache-size=1", 1, 1), ("-cache-size=1", 2, 6)] {
        let node = Node::with_secret(&[flag]).await;
        ten_secrets(&node.vault);
        let pods: Vec<_> = (0..pods).map(|number| Pod::new("shop", &format!("web-{number}"))).collect();
        for _ in 0..3 {
            for pod in &pods {
                let mounted = node.mounted(&node.call(pod, &ten_objects())).await;
                assert_eq!(mounted.text("o9"), "9");
            }
        }
        assert_eq!(node.vault.logins(), logins, "{flag}, {} pods", pods.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_failed_is_not_remembered() {
    let node = Node::with_secret(&[]).await;
    node.vault.fault(Fault::vault_forbidden().at("auth/").times(1));
    let call = node.call(&Pod::new("shop", "web-0"), ONE);
    assert_says(&node.refused(&call).await, Code::PermissionDenied, &["as role \"app\""]);
    assert_eq!(node.mounted(&call).await.text("o"), "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_token_that_kubelet_renewed_is_read_anew() {
    let node = Node::with_secret(&[]).await;
    for number in 0..3 {
        let call = node.call_without_token(&Pod::new("shop", &format!("web-{number}")), ONE);
        assert_eq!(node.mounted(&call).await.text("o"), "v");
        node.kubernetes.renew_provider_token();
    }
    assert_eq!(node.kubernetes.token_requests().len(), 3);
}
