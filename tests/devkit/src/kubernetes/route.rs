//! From a call to the part of the API that answers it.

use std::time::Duration;

use serde_json::{Value, json};

use super::state::{Right, State, TokenRequestView};
use super::status::failure;
use super::{PROVIDER_ACCOUNT, PROVIDER_NAMESPACE, text};
use crate::clock::{rfc3339_seconds, unix_now};
use crate::http::{Answer, Call};
use crate::jwt::{ISSUER, Issuer, TokenSubject};

/// Answers one call.
pub(super) fn answer(state: &mut State, issuer: &Issuer, call: &Call) -> Answer {
    let bearer = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if bearer != Some(state.provider_token.as_str()) {
        return failure(401, "Unauthorized", "Unauthorized");
    }
    let Some(path) = call.path.strip_prefix("/api/v1/namespaces/") else { return not_found_path() };
    let parts: Vec<&str> = path.split('/').collect();
    match (call.method.as_str(), parts.as_slice()) {
        ("POST", [namespace, "serviceaccounts", account, "token"]) => {
            if state.denied.contains(&Right::MintTokens) {
                return forbidden("create", "serviceaccounts/token", account, namespace);
            }
            request_token(state, issuer, namespace, account, call)
        }
        ("GET", [namespace, "secrets", name]) => {
            if state.denied.contains(&Right::ReadSecrets) {
                return forbidden("get", "secrets", name, namespace);
            }
            match state.secrets.get(&((*namespace).to_owned(), (*name).to_owned())) {
                Some(secret) => Answer::json(200, secret),
                None => not_found("secrets", name),
            }
        }
        ("POST", [namespace, "secrets"]) => create_secret(state, namespace, call),
        ("GET", [namespace, "pods", name]) => {
            if state.denied.contains(&Right::ReadPods) {
                return forbidden("get", "pods", name, namespace);
            }
            match state.pods.get(&((*namespace).to_owned(), (*name).to_owned())) {
                Some(pod) => Answer::json(
                    200,
                    &json!({
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "metadata": { "name": pod.name, "namespace": pod.namespace, "uid": pod.uid },
                        "spec": { "serviceAccountName": pod.service_account },
                        "status": { "phase": "Running" },
                    }),
                ),
                None => not_found("pods", name),
            }
        }
        _ => not_found_path(),
    }
}

fn request_token(state: &mut State, issuer: &Issuer, namespace: &str, account: &str, call: &Call) -> Answer {
    let Some(mut request) = call.json().filter(|body| body["spec"].is_object()) else {
        return failure(400, "BadRequest", "the object provided is unrecognized");
    };
    let spec = request["spec"].clone();
    let seconds = spec["expirationSeconds"].as_i64();
    if seconds.is_some_and(|seconds| seconds < 600) {
        let message = format!(
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: {}: \
             may not specify a duration less than 10 minutes",
            seconds.unwrap_or_default()
        );
        return failure(422, "Invalid", &message);
    }
    let asked: Vec<String> = spec["audiences"]
        .as_array()
        .map(|audiences| audiences.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let audiences = if asked.is_empty() { vec![ISSUER] } else { asked.iter().map(String::as_str).collect() };
    let bound = spec["boundObjectRef"].is_object().then(|| {
        let member = |name: &str| text(&spec, &format!("/boundObjectRef/{name}"));
        (member("kind"), member("name"), member("uid"))
    });
    let subject = TokenSubject {
        namespace: namespace.to_owned(),
        service_account: account.to_owned(),
        service_account_uid: state.service_account_uid(namespace, account),
        pod: bound.clone().filter(|(kind, ..)| kind == "Pod").map(|(_, name, uid)| (name, uid)),
    };
    let now = unix_now();
    let life = Duration::from_secs(seconds.and_then(|seconds| seconds.try_into().ok()).unwrap_or(3600));
    let token = issuer.mint(&subject, &audiences, now, life);
    request["kind"] = json!("TokenRequest");
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["status"] = json!({ "token": token, "expirationTimestamp": rfc3339_seconds(now + life) });
    state.token_requests.push(TokenRequestView {
        namespace: namespace.to_owned(),
        service_account: account.to_owned(),
        audiences: asked.clone(),
        expiration_seconds: seconds,
        bound_to: bound,
        token,
    });
    Answer::json(201, &request)
}

fn create_secret(state: &mut State, namespace: &str, call: &Call) -> Answer {
    let body = call.json().unwrap_or_default();
    let name = text(&body, "/metadata/name");
    if state.denied.contains(&Right::CreateSecrets) {
        return forbidden("create", "secrets", "", namespace);
    }
    if name.is_empty() {
        return failure(422, "Invalid", "Secret \"\" is invalid: metadata.name: Required value");
    }
    if state.secrets.contains_key(&(namespace.to_owned(), name.clone())) {
        return failure(409, "AlreadyExists", &format!("secrets \"{name}\" already exists"));
    }
    Answer::json(201, &state.insert_secret(namespace, &name, body))
}

fn not_found(resource: &str, name: &str) -> Answer {
    failure(404, "NotFound", &format!("{resource} \"{name}\" not found"))
}

fn not_found_path() -> Answer {
    failure(404, "NotFound", "the server could not find the requested resource")
}

fn forbidden(verb: &str, resource: &str, name: &str, namespace: &str) -> Answer {
    let subject = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
    let kind = resource.split('/').next().unwrap_or_default();
    let message = format!(
        "{kind}{subject} is forbidden: User \"system:serviceaccount:{PROVIDER_NAMESPACE}:{PROVIDER_ACCOUNT}\" cannot \
         {verb} resource \"{resource}\" in API group \"\" in the namespace \"{namespace}\""
    );
    failure(403, "Forbidden", &message)
}
