//! Secrets are nowhere but in the files: in no error that a pod's event shows, in no line of the log.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use devkit::driver::MountCall;
use devkit::http::Fault;
use devkit::kubernetes::Right;
use devkit::pod::Pod;
use devkit::vault::Role;
use serde_json::json;

use crate::binary::World;
use crate::node::{Node, ONE};

/// With little patience, for what is tried again until it is over.
fn hasty(call: &MountCall) -> MountCall {
    call.clone().deadline(Some(Duration::from_secs(1)))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_failure_ever_shows_a_token_a_jwt_a_value_or_an_argument() {
    let node = Node::with_secret(&[]).await;
    node.vault.kv2("secret").put("app", json!({"k": "canary-value", "n": 5}));
    node.vault.role("kubernetes", Role::new("narrow").allow(&["secret/data/nothing"]));
    let pod = Pod::new("shop", "web-0");
    let jwt = node.kubernetes.mint(&pod, "vault");
    let good = node.call(&pod, ONE).token("vault", &jwt);
    let list = |yaml: &str| good.clone().objects(yaml);
    let attributes = node.provider.driver.request(&good).attributes;
    let mut failures = Vec::new();
    for call in [
        good.clone().parameter("roleName", "nope"),
        good.clone().parameter("roleName", "narrow"),
        good.clone().parameter("vaultAuthMountPath", "nowhere"),
        good.clone().raw_attributes(&attributes[..attributes.len() - 1]),
        good.clone().raw_attributes(&attributes.replace(r#"\"token\":"#, "")),
        good.clone().secret("csi.storage.k8s.io/serviceAccount.tokens", &format!("[\"{jwt}\"")),
        list("- {objectName: o, secretPath: secret/data/app, secretKey: k, encoding: base64}"),
        list("- {objectName: o, secretPath: secret/data/app, secretKey: k, encoding: hex}"),
        list("- {objectName: o, secretPath: secret/data/app, secretKey: canary}"),
        list("- {objectName: o, secretPath: secret/data/app, method: PUT, secretArgs: {p: canary-argument}}"),
        list("- {objectName: o, secretPath: secret/data/app, secretArgs: {p: canary-argument: x}}"),
        list("- {objectName: o, secretPath: secret/data/app, secretArgs: canary-argument}"),
        list("- {objectName: o, secretPath: secret/data/app, secretArgs: {p: !!int canary-argument}}"),
    ] {
        failures.push(node.refused(&call).await);
    }
    for fault in [
        Fault::truncated_body(),
        Fault::wrong_content_length(-9),
        Fault::hang_mid_answer(),
        Fault::reset_mid_answer(),
        Fault::redirect(307, "http://user:canary-value@127.0.0.1:1/x?t=canary-value"),
    ] {
        node.vault.fault(fault.at("secret/data/app"));
        failures.push(node.refused(&hasty(&good)).await);
        node.vault.faults().clear();
    }
    let tokens = node.vault.tokens();
    let secrets = tokens.iter().map(|token| token.id.as_str());
    let secrets: Vec<&str> = secrets.chain([jwt.as_str(), "canary-value", "canary-argument"]).collect();
    assert!(secrets.len() > 4, "sessions were made");
    let key = "no key \"canary\" at secret/data/app (keys: k, n)";
    assert!(failures.iter().any(|failure| failure.message().contains(key)), "names of keys are shown");
    for failure in &failures {
        for secret in &secrets {
            assert!(!failure.message().contains(secret), "{secret:?} is in: {failure}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_what_happened_at_every_level_and_no_secret_at_any() {
    let world = World::start().await;
    let running = world.run(&["vault.sock"], &["-log-level=trace"]).await;
    let (pod, other) = (Pod::new("shop", "web-0"), Pod::new("shop", "web-1"));
    let good = world.call(&pod);
    let jwt = world.kubernetes.mint(&pod, "vault");
    let good = good.token("vault", &jwt).secret("canary-name", "canary-secret");
    world.vault.raw(
        "PUT",
        "signer/sign",
        200,
        &[],
        r#"{"data":{"k":"canary-signed"},"warnings":["take care"]}"#,
    );
    let sign = "- {objectName: s, secretPath: signer/sign, method: PUT, secretArgs: {p: canary-argument}, secretkey: k}";
    running.driver.mount(&good).await.expect("mounted");
    running.driver.republish(&good).await.expect("republished");
    running.driver.mount(&good.clone().objects(sign)).await.expect("signed");
    world.vault.revoke_tokens();
    running.driver.mount(&good).await.expect("mounted after a new login");
    let minting = MountCall::new(&other).parameter("roleName", "app").objects(ONE);
    running.driver.mount(&minting).await.expect("mounted by a token of our own");
    world.kubernetes.deny(Right::MintTokens);
    for failing in [
        good.clone().objects("- {objectName: o, secretPath: secret/data/nothing}"),
        good.clone().objects("- {objectName: o, secretPath: [canary-argument}"),
        good.clone().objects(&sign.replace("signer/", "nowhere/")),
        good.clone().parameter("roleName", "nope"),
        good.clone().raw_attributes(&format!("{{\"roleName\": {jwt}}}")),
        minting.clone().parameter("audience", "special"),
    ] {
        running.driver.mount(&failing).await.expect_err("refused");
    }
    for fault in [Fault::truncated_body(), Fault::wrong_content_length(-9), Fault::html_page(), Fault::hang()]
    {
        world.vault.fault(fault.at("secret/"));
        running.driver.mount(&hasty(&good)).await.expect_err("refused");
        world.vault.faults().clear();
    }
    let log = running.process.log();
    for told in [
        "lockkeeper starts",
        "mounted, first",
        "mounted, unchanged",
        "mount failed",
        "pod=\"web-0\"",
        "take care",
        "secret/data/nothing",
        "objects[0].secretkey",
        "code=NotFound",
        "DEBUG",
    ] {
        assert!(log.contains(told), "{told:?} is not in the log:\n{log}");
    }
    let key = world.kubernetes.secret("lockkeeper", "vault-csi-provider-hmac-key").expect("created");
    let mut secrets = vec![hex::encode(&key.data["key"]), STANDARD.encode(&key.data["key"]), jwt];
    secrets.push(std::fs::read_to_string(world.kubernetes.token_file()).expect("our own token"));
    secrets.extend(world.kubernetes.token_requests().into_iter().map(|request| request.token));
    secrets.extend(world.vault.tokens().into_iter().map(|token| token.id));
    secrets.extend(["value", "argument", "signed", "secret"].map(|canary| format!("canary-{canary}")));
    assert!(secrets.len() >= 11, "three sessions and a minted token were made");
    let shown: Vec<_> = secrets.iter().filter(|secret| log.contains(secret.as_str())).collect();
    assert!(shown.is_empty(), "in the log: {shown:?}");
}
