//! The stand-in mints, keeps and refuses as the API server does.

use serde_json::{Value, json};

use super::*;

struct Client {
    http: reqwest::Client,
    kube: Kubernetes,
}

impl Client {
    fn new(kube: &Kubernetes) -> Self {
        // Another test may have installed it already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = kube.service_account_folder();
        let ca = std::fs::read(folder.join("ca.crt")).expect("the cluster's CA");
        let root = reqwest::Certificate::from_pem(&ca).expect("PEM");
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
        Self { http: builder.build().expect("a client"), kube: kube.clone() }
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let token = std::fs::read_to_string(self.kube.token_file()).expect("a token");
        let url = format!("{}/api/v1/namespaces/{path}", self.kube.address());
        let method = method.parse().expect("a method");
        let request = self.http.request(method, url).bearer_auth(token).body(body.to_string());
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }
}

impl Client {
    async fn mint(&self, account: &str, spec: Value) -> (u16, Value) {
        let path = format!("shop/serviceaccounts/{account}/token");
        self.call("POST", &path, &json!({ "spec": spec })).await
    }
}

trait ResponseJson {
    async fn json(self) -> Result<Value, serde_json::Error>;
}

impl ResponseJson for reqwest::Response {
    async fn json(self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.bytes().await.unwrap_or_default())
    }
}

#[tokio::test]
async fn a_minted_token_names_its_pod_and_verifies() {
    let kube = Kubernetes::start().await;
    let client = Client::new(&kube);
    let bound = json!({ "kind": "Pod", "apiVersion": "v1", "name": "web-0", "uid": "u" });
    let spec = json!({ "audiences": ["vault"], "expirationSeconds": 900, "boundObjectRef": bound });
    let (status, answer) = client.mint("web", spec).await;
    assert_eq!(status, 201);
    let token = answer["status"]["token"].as_str().expect("a token");
    let claims = kube.issuer().verify(token).expect("our own");
    assert_eq!(claims["sub"], "system:serviceaccount:shop:web");
    assert_eq!(claims["kubernetes.io"]["pod"], json!({ "name": "web-0", "uid": "u" }));
    let granted = &kube.token_requests()[0];
    assert_eq!(
        (granted.expiration_seconds, granted.audiences.as_slice()),
        (Some(900), &["vault".to_owned()][..])
    );
    assert_eq!(client.mint("web", json!({ "expirationSeconds": 60 })).await.0, 422);
    kube.deny(Right::MintTokens);
    let (status, answer) = client.mint("web", json!({})).await;
    let message = answer["message"].as_str().expect("a message");
    assert!(
        status == 403 && message.contains("cannot create resource \"serviceaccounts/token\""),
        "{message}"
    );
}

#[tokio::test]
async fn a_secret_is_created_once_and_read_by_all() {
    let kube = Kubernetes::start().await;
    let client = Client::new(&kube);
    let secret = json!({ "metadata": { "name": "key" }, "immutable": true, "data": { "key": "AAEC" }, "type": "Opaque" });
    assert_eq!(client.call("GET", "lockkeeper/secrets/key", &json!({})).await.0, 404);
    assert_eq!(client.call("POST", "lockkeeper/secrets", &secret).await.0, 201);
    let (status, answer) = client.call("POST", "lockkeeper/secrets", &secret).await;
    assert_eq!((status, &answer["reason"]), (409, &json!("AlreadyExists")));
    let (_, answer) = client.call("GET", "lockkeeper/secrets/key", &json!({})).await;
    assert_eq!(answer["data"]["key"], "AAEC");
    let seen = kube.secret("lockkeeper", "key").expect("created");
    assert!(seen.immutable && seen.data["key"] == [0, 1, 2]);
    kube.fault(Fault::kubernetes_internal_error().times(1));
    assert_eq!(client.call("GET", "lockkeeper/secrets/key", &json!({})).await.0, 500);
}

#[tokio::test]
async fn only_the_providers_current_token_is_let_in() {
    let kube = Kubernetes::start().await;
    let client = Client::new(&kube);
    let old = std::fs::read_to_string(kube.token_file()).expect("a token");
    kube.renew_provider_token();
    assert_eq!(client.call("GET", "lockkeeper/secrets/key", &json!({})).await.0, 404);
    std::fs::write(kube.token_file(), old).expect("our folder");
    assert_eq!(client.call("GET", "lockkeeper/secrets/key", &json!({})).await.0, 401);
}
