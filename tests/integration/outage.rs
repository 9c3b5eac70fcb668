//! Vault or the Kubernetes API away: every mount ends in its time with a final code, and succeeds when they are back.

use std::time::{Duration, Instant};

use devkit::driver::{MountCall, MountFailure, Mounted};
use devkit::http::Fault;
use devkit::pod::Pod;
use devkit::vault::{Role, Vault};
use futures_util::future::join_all;
use serde_json::json;
use tokio::task::JoinHandle;
use tonic::Code;

use crate::node::{Node, ONE, PATIENCE, assert_says, soon};

const LOGIN: &str = "auth/kubernetes/login";
const READ: &str = "secret/data/app";
const WRITE: &str = "- {objectName: o, secretPath: signer/sign, secretKey: k, method: PUT}";

/// A busy machine's share on top of what a mount may take.
const SLACK: Duration = Duration::from_secs(8);

/// A fault, and what a failed mount says of it.
type NamedFault = (fn() -> Fault, &'static str);

async fn another_vault(node: &Node) -> Vault {
    let vault = Vault::start().await;
    vault.kubernetes_auth("kubernetes", &node.kubernetes.issuer());
    vault.role("kubernetes", Role::new("app"));
    vault.kv2("secret").put("app", json!({"k": "v"}));
    vault
}

fn in_background(node: &Node, call: MountCall) -> JoinHandle<Result<Mounted, MountFailure>> {
    let driver = node.provider.driver.clone();
    tokio::spawn(async move { driver.mount(&call).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_stays_away_ends_the_mount_in_its_time_and_says_what_was_tried() {
    let budget = Duration::from_millis(2_500);
    let node = Node::with_secret(&["-mount-timeout=2500ms"]).await;
    let node = &node;
    let faults: [NamedFault; 8] = [
        (Fault::hang, "no answer within "),
        (Fault::hang_mid_answer, "no answer within "),
        (Fault::reset, "connection broke"),
        (Fault::reset_mid_answer, "connection broke"),
        (Fault::vault_sealed, "503 Vault is sealed"),
        (|| Fault::vault_quota(None), "429 request path \"secret/\": rate limit quota exceeded"),
        (Fault::vault_internal_error, "500 internal error"),
        (Fault::vault_not_caught_up, "412 required index state not present"),
    ];
    let places = [LOGIN, READ].into_iter().flat_map(|place| faults.map(|fault| (place, Some(fault))));
    let mounts = places.chain([(LOGIN, None)]).map(|(place, fault)| async move {
        let vault = another_vault(node).await;
        match fault {
            Some((fault, _)) => vault.fault(fault().at(place)),
            None => vault.refuse().await,
        }
        let call = node.call(&Pod::new("shop", "web-0"), ONE).parameter("vaultAddress", vault.address());
        let began = Instant::now();
        let failure = node.refused(&call).await;
        let took = began.elapsed();
        let why = fault.map_or("connection refused", |(_, why)| why);
        let what = if place == LOGIN { "as role \"app\"" } else { "GET secret/data/app" };
        let words = ["object \"o\"", what, vault.address(), why, " in ", "try again later"];
        assert_says(&failure, Code::FailedPrecondition, &words);
        assert!((budget..budget + SLACK).contains(&took), "{took:?}: {failure}");
    });
    soon("every mount", join_all(mounts)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waiting_cannot_mend_ends_at_once() {
    let node = Node::with_secret(&[]).await;
    for (place, fault, words) in [
        (LOGIN, Fault::vault_not_initialized(), ["as role \"app\"", "501 Vault is not initialized"]),
        (READ, Fault::vault_not_initialized(), ["GET secret/data/app", "501 Vault is not initialized"]),
        (LOGIN, Fault::vault_quota(Some(Duration::from_secs(60))), ["429", "asks to wait 60s (Retry-After)"]),
        (READ, Fault::vault_quota(Some(Duration::from_secs(60))), ["429", "longer than this mount may take"]),
    ] {
        node.vault.log().clear();
        node.vault.fault(fault.at(place));
        let call = node.call(&Pod::new("shop", "web-0"), ONE);
        let began = Instant::now();
        assert_says(&node.refused(&call).await, Code::FailedPrecondition, &words);
        assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
        assert_eq!(node.vault.calls_to(place).len(), 1, "one attempt");
        node.vault.faults().clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_when_to_come_back_is_asked_then() {
    let node = Node::with_secret(&[]).await;
    node.vault.fault(Fault::vault_quota(Some(Duration::from_secs(1))).at(READ).times(1));
    node.mounted(&node.call(&Pod::new("shop", "web-0"), ONE)).await;
    let reads = node.vault.calls_to(READ);
    assert_eq!(reads.len(), 2);
    assert!(reads[1].started - reads[0].started >= Duration::from_secs(1), "not before it said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_began_while_vault_was_away_succeeds_when_vault_is_back() {
    let node = Node::with_secret(&[]).await;
    let call = || node.call(&Pod::new("shop", "web-0"), ONE);
    node.vault.refuse().await;
    let mut mount = in_background(&node, call());
    tokio::time::timeout(Duration::from_millis(300), &mut mount).await.expect_err("it waits");
    node.vault.accept().await;
    assert_eq!(soon("a mount", mount).await.expect("no panic").expect("mounted").text("o"), "v");

    node.vault.log().clear();
    node.vault.fault(Fault::vault_sealed());
    let mount = in_background(&node, call());
    soon("the third attempt", node.vault.log().until(3, |call| call.is_login())).await;
    node.vault.faults().clear();
    assert_eq!(soon("a mount", mount).await.expect("no panic").expect("mounted").text("o"), "v");

    node.vault.log().clear();
    node.vault.fault(Fault::hang().at(READ));
    let mount = in_background(&node, call());
    soon("the read", node.vault.log().until(1, |call| call.is_read())).await;
    node.vault.faults().clear();
    node.vault.disconnect().await;
    assert_eq!(soon("a mount", mount).await.expect("no panic").expect("mounted").text("o"), "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_deadline_nearer_than_ours_is_answered_before_it_ends() {
    let node = Node::with_secret(&[]).await;
    node.vault.fault(Fault::hang().at(READ));
    let deadline = Duration::from_secs(3);
    let began = Instant::now();
    let call = node.call(&Pod::new("shop", "web-0"), ONE).deadline(Some(deadline));
    let failure = node.refused(&call).await;
    assert!(began.elapsed() < deadline, "{:?}", began.elapsed());
    let words = ["GET secret/data/app", "no answer within ", "1 attempt in ", "try again later"];
    assert_says(&failure, Code::FailedPrecondition, &words);
}

#[tokio::test(flavor = "multi_thread")]
async fn vault_max_retries_counts_the_attempts_after_the_first() {
    for (retries, attempts) in [("0", 1), ("2", 3)] {
        let environment = [("VAULT_MAX_RETRIES", retries)];
        let node = Node::with_environment(Vault::start().await, &[], &environment).await;
        node.vault.kv2("secret").put("app", json!({"k": "v"}));
        let said = if attempts == 1 { "500 internal error" } else { "500 internal error (3 attempts in " };
        for place in [LOGIN, READ] {
            // A minted token takes attempts of its own, at the Kubernetes API.
            let pod = Pod::new("shop", "web-0");
            for call in [node.call(&pod, ONE), node.call_without_token(&pod.clone().uid("2"), ONE)] {
                node.vault.log().clear();
                node.vault.fault(Fault::vault_internal_error().at(place));
                assert_says(&node.refused(&call).await, Code::FailedPrecondition, &[said]);
                assert_eq!(node.vault.calls_to(place).len(), attempts, "{place}");
                node.vault.faults().clear();
            }
        }
        // A new login in between does not use up the read's attempts.
        let call = node.call(&Pod::new("shop", "web-1"), ONE);
        node.mounted(&call).await;
        node.vault.revoke_tokens();
        node.vault.log().clear();
        node.vault.fault(Fault::vault_internal_error().at(READ).after(1));
        assert_says(&node.refused(&call).await, Code::FailedPrecondition, &["500 internal error"]);
        assert_eq!(node.vault.calls_to(READ).len(), attempts + 1, "after the 403");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vault_client_timeout_ends_one_attempt_and_not_the_mount() {
    let environment = [("VAULT_CLIENT_TIMEOUT", "300ms")];
    let node = Node::with_environment(Vault::start().await, &[], &environment).await;
    node.vault.kv2("secret").put("app", json!({"k": "v"}));
    node.vault.fault(Fault::hang().at(READ).times(2));
    let call = node.call(&Pod::new("shop", "web-0"), ONE);
    assert_eq!(soon("a mount", node.mounted(&call)).await.text("o"), "v");
    assert!(node.vault.calls_to(READ).len() >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_repeated_only_where_vault_did_not_execute_it() {
    let node = Node::with_secret(&["-mount-timeout=20s"]).await;
    node.vault.raw("PUT", "signer/sign", 200, &[], r#"{"data":{"k":"signed"}}"#);
    let call = node.call(&Pod::new("shop", "web-0"), WRITE);
    for fault in
        [Fault::vault_internal_error(), Fault::reset(), Fault::reset_mid_answer(), Fault::bad_gateway()]
    {
        node.vault.log().clear();
        node.vault.fault(fault.at("signer/").times(1));
        let failure = node.refused(&call).await;
        assert_says(&failure, Code::FailedPrecondition, &["object \"o\"", "PUT signer/sign"]);
        assert_eq!(node.vault.calls_to("signer/sign").len(), 1, "{failure}");
    }
    for fault in [Fault::vault_sealed(), Fault::vault_quota(None), Fault::vault_not_caught_up()] {
        node.vault.log().clear();
        node.vault.fault(fault.at("signer/").times(1));
        assert_eq!(node.mounted(&call).await.text("o"), "signed");
        assert_eq!(node.vault.calls_to("signer/sign").len(), 2);
    }
    node.vault.log().clear();
    node.vault.refuse().await;
    let mut mount = in_background(&node, call.clone());
    tokio::time::timeout(Duration::from_millis(300), &mut mount).await.expect_err("it waits");
    node.vault.accept().await;
    assert_eq!(soon("a mount", mount).await.expect("no panic").expect("mounted").text("o"), "signed");
    assert_eq!(node.vault.calls_to("signer/sign").len(), 1, "executed once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_ends_its_reads() {
    let environment = [("VAULT_CLIENT_TIMEOUT", "200ms")];
    let node = Node::with_environment(Vault::start().await, &[], &environment).await;
    for place in [LOGIN, READ] {
        node.vault.log().clear();
        node.vault.fault(Fault::hang().at(place));
        let mount = in_background(&node, node.call(&Pod::new("shop", "web-0"), ONE));
        soon("an attempt", node.vault.log().until(1, |call| call.vault_path() == place)).await;
        mount.abort();
        soon("its end", node.vault.log().until_idle()).await;
        // Another attempt may have begun while the news was on its way.
        let begun = node.vault.calls_to(place).len();
        let more = node.vault.log().until(begun + 1, |call| call.vault_path() == place);
        tokio::time::timeout(Duration::from_millis(500), more).await.expect_err("nobody waits for it");
        node.vault.faults().clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_vault_does_not_slow_mounts_from_another() {
    let node = Node::with_secret(&[]).await;
    let dead = another_vault(&node).await;
    dead.fault(Fault::hang());
    let hung: Vec<_> = (0..100)
        .map(|number| {
            let call = node.call(&Pod::new("shop", &format!("dead-{number}")), ONE);
            in_background(&node, call.parameter("vaultAddress", dead.address()))
        })
        .collect();
    soon("logins that hang", dead.log().until(60, |call| call.is_login())).await;
    let began = Instant::now();
    for number in 0..10 {
        node.mounted(&node.call(&Pod::new("shop", &format!("web-{number}")), ONE)).await;
    }
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    assert!(hung.iter().all(|mount| !mount.is_finished()), "those still wait for theirs");
    hung.iter().for_each(JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_addresses_the_next_is_asked_when_one_is_away_or_sealed() {
    let node = Node::with_secret(&["-mount-timeout=10s"]).await;
    let second = another_vault(&node).await;
    let both = format!("{},{}", node.vault.address(), second.address());
    let call = || node.call(&Pod::new("shop", "web-0"), ONE).parameter("vaultAddress", &both);
    assert_eq!(node.mounted(&call()).await.text("o"), "v");
    assert_eq!((node.vault.reads(), second.reads()), (1, 0), "the first of the list");
    node.vault.fault(Fault::vault_sealed());
    assert_eq!(node.mounted(&call()).await.text("o"), "v");
    assert_eq!((node.vault.reads(), second.reads()), (1, 1));
    node.vault.faults().clear();
    second.refuse().await;
    assert_eq!(node.mounted(&call()).await.text("o"), "v");
    assert_eq!(node.vault.reads(), 2);
    node.vault.fault(Fault::vault_forbidden().at(READ));
    second.accept().await;
    assert_says(&node.refused(&call()).await, Code::PermissionDenied, &[second.address()]);
    assert_eq!(second.reads(), 1, "a no is the cluster's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubernetes_api_that_is_away_while_a_token_is_minted_is_waited_for() {
    let node = Node::with_secret(&["-mount-timeout=1s"]).await;
    let call = node.call_without_token(&Pod::new("shop", "web-0"), ONE);
    node.kubernetes.refuse().await;
    let began = Instant::now();
    let failure = node.refused(&call).await;
    assert!(began.elapsed() < Duration::from_secs(1) + SLACK, "{:?}", began.elapsed());
    let words = [
        "object \"o\"",
        "mint a token for service account shop/default",
        "connection refused",
        "attempts in ",
    ];
    assert_says(&failure, Code::FailedPrecondition, &words);
    node.kubernetes.accept().await;
    node.kubernetes.fault(Fault::hang().at("/api/v1/namespaces/shop/"));
    let words = ["mint a token for service account shop/default", "no answer within", "the Kubernetes API"];
    assert_says(&node.refused(&call).await, Code::FailedPrecondition, &words);
    assert!(node.vault.log().calls().is_empty(), "without a token there is no login");
    node.kubernetes.faults().clear();

    let patient = Node::with_secret(&[]).await;
    patient.kubernetes.fault(Fault::kubernetes_internal_error().at("/api/v1/namespaces/shop/").times(3));
    let call = patient.call_without_token(&Pod::new("shop", "web-0"), ONE);
    let mounted = tokio::time::timeout(PATIENCE, patient.mounted(&call)).await.expect("in time");
    assert_eq!(mounted.text("o"), "v");
}
