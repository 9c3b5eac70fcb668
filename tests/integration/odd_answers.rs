//! Answers that are none of Vault's: an error with a final code each, and the provider goes on serving.

use std::time::Duration;

use devkit::driver::MountFailure;
use devkit::http::{Answer, Fault};
use devkit::pod::Pod;
use devkit::vault::{Role, Vault};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tonic::Code;

use crate::node::{Node, ONE, assert_says, soon};

const LOGIN: &str = "auth/kubernetes/login";
const READ: &str = "secret/data/app";

/// For what is tried again until the time is over: half of this.
const SHORT: Option<Duration> = Some(Duration::from_secs(3));

/// For what is not.
const LONG: Option<Duration> = Some(Duration::from_secs(120));

/// What a pod is told whose own Vault answers oddly at one path; then it gets its files, when Vault is well again.
async fn refused_by(node: &Node, patience: Option<Duration>, place: &str, fault: Fault) -> MountFailure {
    let vault = Vault::start().await;
    vault.kubernetes_auth("kubernetes", &node.kubernetes.issuer());
    vault.role("kubernetes", Role::new("app"));
    vault.kv2("secret").put("app", json!({"k": "v"}));
    vault.fault(fault.at(place));
    let call = node.call(&Pod::new("shop", "web-0"), ONE).parameter("vaultAddress", vault.address());
    let failure = node.refused(&call.clone().deadline(patience)).await;
    node.provider.driver.version().await.expect("the provider still answers");
    vault.faults().clear();
    assert_eq!(node.mounted(&call).await.text("o"), "v", "after {failure}");
    failure
}

async fn each_is_refused(patience: Option<Duration>, place: &str, cases: Vec<(Fault, Code, &[&str])>) {
    let node = Node::with_secret(&[]).await;
    let node = &node;
    let all = join_all(cases.into_iter().map(|(fault, code, words)| async move {
        assert_says(&refused_by(node, patience, place, fault).await, code, words);
    }));
    soon("every case", all).await;
}

fn json_of(body: &Value) -> Fault {
    Fault::answer(Answer::json(200, body))
}

fn text(body: &str) -> Fault {
    Fault::answer(Answer::new(200, body.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_data_is_nothing_found_and_says_what_vault_warned_of() {
    const EMPTY: &str = "empty response";
    let cases: Vec<(Fault, Code, &[&str])> = vec![
        (Fault::no_content(), Code::NotFound, &["object \"o\"", "GET secret/data/app", EMPTY, "secretPath"]),
        (Fault::data_null(None), Code::NotFound, &["GET secret/data/app", EMPTY]),
        (Fault::data_null(Some("it moved")), Code::NotFound, &["GET secret/data/app", EMPTY, "it moved"]),
        (json_of(&json!({})), Code::NotFound, &["GET secret/data/app", EMPTY]),
        (json_of(&json!({"data": {}})), Code::NotFound, &["no key \"k\" at secret/data/app", "keys: none"]),
        (json_of(&json!({"data": {"data": null}})), Code::NotFound, &["no key \"k\" at secret/data/app"]),
    ];
    each_is_refused(LONG, READ, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_of_vaults_says_so() {
    let wrong: &[&str] =
        &["object \"o\"", "GET secret/data/app", "no answer of Vault's", "check that the address"];
    let cases: Vec<(Fault, Code, &[&str])> = vec![
        (Fault::html_page(), Code::Internal, wrong),
        (Fault::brackets(3 << 20), Code::Internal, wrong),
        (text("null"), Code::Internal, wrong),
        (text("\"v\""), Code::Internal, wrong),
        (text(r#"{"data":{"data":{"k":"v""#), Code::Internal, wrong),
        (text("{\"data\":{\"k\":\"\u{0}\"}}"), Code::Internal, wrong),
        (Fault::answer(Answer::new(200, vec![0xff; 100])), Code::Internal, wrong),
        (Fault::wrong_content_length(-9), Code::Internal, wrong),
        (json_of(&json!({"data": ["v"]})), Code::Internal, wrong),
        (json_of(&json!({"data": "v"})), Code::Internal, wrong),
        (json_of(&json!({"data": {"k": "v"}, "lease_duration": "1h"})), Code::Internal, wrong),
        (json_of(&json!({"data": {"k": "v"}, "warnings": "none"})), Code::Internal, wrong),
        (json_of(&json!({"data": {"k": "v"}, "renewable": "no"})), Code::Internal, wrong),
        (json_of(&json!({"data": {"k": "v"}, "request_id": 7})), Code::Internal, wrong),
        (Fault::answer(Answer::new(304, "")), Code::Internal, &["GET secret/data/app", "304"]),
        (Fault::answer(Answer::new(418, "<p>")), Code::InvalidArgument, &["GET secret/data/app", "418"]),
    ];
    each_is_refused(LONG, READ, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_asked_for_again_until_the_time_is_over() {
    let broke: &[&str] = &["object \"o\"", "GET secret/data/app", "connection broke", " attempts in "];
    let late: &[&str] = &["object \"o\"", "GET secret/data/app", "no answer within", "try again later"];
    let gateway: &[&str] = &["GET secret/data/app", "502", " attempts in "];
    let reads: Vec<(Fault, Code, &[&str])> = vec![
        (Fault::bad_gateway(), Code::FailedPrecondition, gateway),
        (Fault::truncated_body(), Code::FailedPrecondition, broke),
        (Fault::reset_mid_answer(), Code::FailedPrecondition, broke),
        (Fault::wrong_content_length(9), Code::FailedPrecondition, broke),
        (Fault::hang_mid_answer(), Code::FailedPrecondition, late),
        (Fault::slow_body(1, Duration::from_millis(50)), Code::FailedPrecondition, late),
    ];
    let logins: Vec<(Fault, Code, &[&str])> = vec![
        (Fault::bad_gateway(), Code::FailedPrecondition, &["role \"app\"", "502", " attempts in "]),
        (Fault::truncated_body(), Code::FailedPrecondition, &["role \"app\"", "connection broke"]),
    ];
    tokio::join!(each_is_refused(SHORT, READ, reads), each_is_refused(SHORT, LOGIN, logins));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logins_endless_answer_ends_at_our_limit() {
    let cases: Vec<(Fault, Code, &[&str])> =
        vec![(Fault::endless_body(), Code::OutOfRange, &["role \"app\"", "larger than 16MiB"])];
    each_is_refused(LONG, LOGIN, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_answers_no_token_says_where_it_logged_in() {
    let wrong: &[&str] = &["object \"o\"", "auth mount \"kubernetes\"", "role \"app\"", "the login's answer"];
    let no_auth: &[&str] = &["role \"app\"", "the login's answer has no auth", "check that the address"];
    let no_token: &[&str] = &["role \"app\"", "the login's answer has no token", "check that the address"];
    let cases: Vec<(Fault, Code, &[&str])> = vec![
        (Fault::login_without_auth(), Code::Internal, no_auth),
        (json_of(&json!({"auth": "hvs.x"})), Code::Internal, no_auth),
        (json_of(&json!({"auth": {}})), Code::Internal, no_token),
        (json_of(&json!({"auth": {"client_token": ""}})), Code::Internal, no_token),
        (json_of(&json!({"auth": {"client_token": 7}})), Code::Internal, no_token),
        (Fault::no_content(), Code::Internal, wrong),
        (Fault::data_null(None), Code::Internal, no_auth),
        (Fault::html_page(), Code::Internal, wrong),
        (Fault::brackets(3 << 20), Code::Internal, wrong),
        (text("[]"), Code::Internal, wrong),
        (text(r#"{"auth":{"client_token":"hvs."#), Code::Internal, wrong),
    ];
    each_is_refused(LONG, LOGIN, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_no_header_can_carry_is_none() {
    let token = json!({"auth": {"client_token": "hvs.canary\nX-Evil: 1"}});
    let node = Node::with_secret(&[]).await;
    let failure = refused_by(&node, LONG, LOGIN, json_of(&token)).await;
    assert_says(&failure, Code::Internal, &["the login's answer has no token"]);
    assert!(!failure.message().contains("canary"), "{failure}");
}
