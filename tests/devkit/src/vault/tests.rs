//! The stand-in answers as the real server does, and fails as told.

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::kubernetes::Kubernetes;
use crate::pod::Pod;

mod faults;

struct Client {
    http: reqwest::Client,
    vault: Vault,
    token: String,
}

type Reply = (u16, Value);

impl Client {
    fn new(vault: &Vault) -> Self {
        Self::with(vault, plain_client(), vault.root_token())
    }

    fn with(vault: &Vault, http: reqwest::Client, token: String) -> Self {
        Self { http, vault: vault.clone(), token }
    }

    async fn try_call(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Reply> {
        let url = format!("{}/v1/{path}", self.vault.address());
        let mut request = self.http.request(method, url).header("X-Vault-Token", &self.token);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn get(&self, path: &str) -> Reply {
        self.try_call(Method::GET, path, None).await.expect("an answer")
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.try_call(Method::POST, path, Some(body)).await.expect("an answer")
    }

    async fn error(&self, path: &str) -> reqwest::Error {
        self.try_call(Method::GET, path, None).await.expect_err("no whole answer")
    }
}

fn client_builder() -> reqwest::ClientBuilder {
    // Another test may have installed it already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_millis(1500))
        .tls_certs_only([])
}

fn plain_client() -> reqwest::Client {
    client_builder().build().expect("a client")
}

async fn with_kubernetes() -> (Kubernetes, Vault) {
    let kube = Kubernetes::start().await;
    let vault = Vault::start().await;
    vault.kubernetes_auth("kubernetes", &kube.issuer());
    vault.jwt_auth("jwt", &kube.issuer());
    (kube, vault)
}

#[tokio::test]
async fn kv_secrets_have_versions_and_end_as_in_a_real_vault() {
    let vault = Vault::start().await;
    let client = Client::new(&vault);
    assert_eq!(client.get("secret/data/app").await, (404, json!({ "errors": [] })));
    let secrets = vault.kv2("secret");
    assert_eq!(secrets.put("app", json!({ "k": "one" })), 1);
    assert_eq!(secrets.put("app", json!({ "k": "two" })), 2);
    let (status, body) = client.get("secret/data/app").await;
    assert_eq!((status, &body["data"]["data"]["k"], &body["mount_type"]), (200, &json!("two"), &json!("kv")));
    let (_, old) = client.get("secret/data/app?version=1").await;
    assert_eq!(old["data"]["data"]["k"], "one");
    assert_ne!(old["request_id"], body["request_id"]);
    secrets.delete("app");
    let (status, body) = client.get("secret/data/app").await;
    assert_eq!((status, &body["data"]["data"]), (404, &Value::Null));
    let (status, body) = client.get("secret/app").await;
    let warning = body["warnings"][0].as_str().expect("a warning");
    assert!(status == 404 && warning.starts_with("Invalid path for a versioned K/V"), "{warning}");
    vault.kv1("kv").put("app", json!({ "k": 1 }));
    let (_, body) = client.get("kv/app").await;
    assert_eq!((&body["data"]["k"], &body["lease_duration"]), (&json!(1), &json!(2_764_800)));
}

#[tokio::test]
async fn a_login_is_bound_to_service_account_namespace_and_audience() {
    let (kube, vault) = with_kubernetes().await;
    let pod = Pod::new("shop", "web-0").service_account("web");
    vault.role("kubernetes", Role::new("app").accounts(&["web"]).namespaces(&["shop"]).audience("vault"));
    let client = Client::new(&vault);
    let login = async |role: &str, jwt: &str| {
        client.post("auth/kubernetes/login", json!({ "role": role, "jwt": jwt })).await
    };
    let good = kube.mint(&pod, "vault");
    let (status, body) = login("app", &good).await;
    assert_eq!(status, 200);
    assert_eq!(body["auth"]["metadata"]["service_account_name"], "web");
    assert_eq!(body["auth"]["metadata"]["service_account_uid"], kube.service_account_uid("shop", "web"));
    let refused = |status, text: &str| (status, json!({ "errors": [text] }));
    assert_eq!(login("nope", &good).await, refused(400, "invalid role name \"nope\""));
    let elsewhere = kube.mint(&Pod::new("other", "p").service_account("web"), "vault");
    assert_eq!(login("app", &elsewhere).await, refused(403, "namespace not authorized"));
    let other = kube.mint(&Pod::new("shop", "p"), "vault");
    assert_eq!(login("app", &other).await, refused(403, "service account name not authorized"));
    let (status, body) = login("app", &kube.mint(&pod, "bao")).await;
    assert!(status == 403 && body.to_string().contains("invalid audience (aud) claim"), "{body}");
    let forged = Issuer::new().sign(&crate::jwt::payload(&good).expect("a JWT"));
    assert_eq!(login("app", &forged).await, refused(403, "permission denied"));
    kube.recreate_service_account("shop", "web");
    assert_eq!(login("app", &good).await, refused(403, "permission denied"));
}

#[tokio::test]
async fn jwt_auth_says_only_the_role_and_errs_with_400() {
    let (kube, vault) = with_kubernetes().await;
    vault.role("jwt", Role::new("app").audience("vault"));
    let client = Client::new(&vault);
    let pod = Pod::new("shop", "web-0");
    let body = json!({ "role": "app", "jwt": kube.mint(&pod, "vault") });
    let (_, answer) = client.post("auth/jwt/login", body).await;
    assert_eq!(answer["auth"]["metadata"], json!({ "role": "app" }));
    let body = json!({ "role": "app", "jwt": kube.mint(&pod, "other") });
    let (status, answer) = client.post("auth/jwt/login", body).await;
    assert_eq!(status, 400);
    assert!(
        answer["errors"][0].as_str().expect("text").starts_with("error validating token: invalid audience")
    );
}

#[tokio::test]
async fn a_token_ends_by_time_by_revocation_and_at_its_policy() {
    let (kube, vault) = with_kubernetes().await;
    let hour = Duration::from_secs(3600);
    vault.role("kubernetes", Role::new("app").allow(&["secret/data/app", "database/"]).token_ttl(hour));
    vault.kv2("secret").put("app", json!({ "k": "v" }));
    vault.database("database").dynamic_role(DynamicRole::new("ro"));
    let jwt = kube.mint(&Pod::new("shop", "web-0"), "vault");
    let login = async || {
        let body = json!({ "role": "app", "jwt": jwt });
        let (_, answer) = Client::new(&vault).post("auth/kubernetes/login", body).await;
        let token = answer["auth"]["client_token"].as_str().expect("a token").to_owned();
        Client::with(&vault, plain_client(), token)
    };
    let denied = (403, json!({ "errors": ["1 error occurred:\n\t* permission denied\n\n"] }));
    let invalid =
        (403, json!({ "errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"] }));
    let client = login().await;
    assert_eq!(client.get("secret/data/app").await.0, 200);
    assert_eq!(client.get("secret/app").await, denied);
    assert_eq!(client.get("nowhere/app").await, denied);
    let (_, user) = client.get("database/creds/ro").await;
    let lease = json!({ "lease_id": user["lease_id"] });
    vault.pass_time(hour / 2);
    assert_eq!(client.post("sys/leases/renew", lease.clone()).await.1["lease_duration"], 3600);
    assert_eq!(client.post("auth/token/renew-self", json!({})).await.1["auth"]["lease_duration"], 3600);
    assert_eq!(client.post("sys/leases/revoke", lease).await, denied);
    assert_eq!(client.post("auth/token/revoke-self", json!({})).await.0, 204);
    assert!(vault.leases()[0].revoked);
    assert_eq!(client.get("secret/data/app").await, invalid);
    let client = login().await;
    vault.pass_time(hour);
    assert_eq!(client.get("secret/data/app").await, invalid);
}

#[tokio::test]
async fn a_static_role_counts_down_waits_at_nought_and_rotates() {
    let vault = Vault::start().await;
    let client = Client::new(&vault);
    let (period, lag) = (Duration::from_secs(100), Duration::from_secs(50));
    let role = StaticRole::new("app", "app_user").rotation_period(period).lag(lag);
    vault.database("database").static_role(role);
    let (_, first) = client.get("database/static-creds/app").await;
    assert_eq!(
        (&first["data"]["username"], &first["data"]["rotation_period"]),
        (&json!("app_user"), &json!(100))
    );
    vault.pass_time(Duration::from_secs(120));
    let (_, due) = client.get("database/static-creds/app").await;
    assert_eq!((&due["data"]["ttl"], &due["data"]["password"]), (&json!(0), &first["data"]["password"]));
    vault.pass_time(lag);
    let (_, rotated) = client.get("database/static-creds/app").await;
    assert_ne!(rotated["data"]["password"], first["data"]["password"]);
    assert_ne!(rotated["data"]["last_vault_rotation"], first["data"]["last_vault_rotation"]);
    assert_eq!(vault.database("database").password("app"), rotated["data"]["password"]);
}

#[tokio::test]
async fn pki_issues_a_new_certificate_for_post_and_put() {
    let vault = Vault::start().await;
    vault.pki("pki").role("web", Duration::from_secs(3600));
    let client = Client::new(&vault);
    let body = json!({ "common_name": "web.shop.svc" });
    let (status, first) = client.post("pki/issue/web", body.clone()).await;
    assert_eq!(status, 200);
    let (_, second) = client.try_call(Method::PUT, "pki/issue/web", Some(body)).await.expect("an answer");
    assert_ne!(first["data"]["serial_number"], second["data"]["serial_number"]);
    assert!(first["data"]["certificate"].as_str().expect("PEM").starts_with("-----BEGIN CERTIFICATE"));
    assert_eq!(client.get("pki/issue/web").await.0, 405);
}

#[tokio::test]
async fn openbao_has_other_tokens_no_mount_type_and_namespaces() {
    let vault = Vault::builder().openbao().start().await;
    let team = vault.namespace("team1/");
    team.kv2("secret").put("app", json!({ "k": "team" }));
    let client = Client::new(&vault);
    assert!(client.token.starts_with("s."));
    let (_, body) = client.get("team1/secret/data/app").await;
    assert_eq!((&body["data"]["data"]["k"], body.get("mount_type")), (&json!("team"), None));
    let url = format!("{}/v1/secret/data/app", vault.address());
    let ask = async |namespace: &str| {
        let request = client.http.get(&url).header("X-Vault-Token", &client.token);
        request.header("X-Vault-Namespace", namespace).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!((ask("team1").await, ask("/team1/").await, ask("nowhere").await), (200, 200, 404));
}

#[tokio::test]
async fn a_canned_answer_comes_exactly_as_given() {
    let vault = Vault::start().await;
    vault.raw("LIST", "odd/path", 299, &[("x-odd", "yes")], "{ \"n\": 1.50 }");
    let list = Method::from_bytes(b"LIST").expect("a method");
    let url = format!("{}/v1/odd/path?a=1", vault.address());
    let request = plain_client().request(list, url).header("X-Vault-Token", vault.root_token());
    let response = request.send().await.expect("an answer");
    assert_eq!((response.status().as_u16(), response.headers()["x-odd"].as_bytes()), (299, &b"yes"[..]));
    assert_eq!(response.text().await.expect("a body"), "{ \"n\": 1.50 }");
    let logged = vault.calls_to("odd/path");
    assert_eq!((logged[0].call.query.as_str(), logged[0].status), ("a=1", Some(299)));
}
