//! The demo: three stand-ins, a real provider, the classes of `examples/`, a rotation and a mistake.

mod example;
mod page;

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use serde_json::json;

use crate::driver::{Driver, MountCall};
use crate::kubernetes::Kubernetes;
use crate::pod::Pod;
use crate::provider::Provider;
use crate::vault::{Role, StaticRole, Vault};

use example::Example;
use page::Page;

/// The example whose class the demo prints whole.
const SHOWN: &str = "examples/kv.yaml";

/// Runs the demo and writes it to `out`; what it made on the way is gone when this returns.
///
/// # Errors
/// When `out` cannot be written, an example cannot be read or a mount that should work does not.
pub async fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let mut page = Page::new(out);
    let kubernetes = Kubernetes::start().await;
    let vault = furnished_vault(&kubernetes).await;
    let begun = Instant::now();
    let provider = Provider::start(&kubernetes, &[&format!("-vault-addr={}", vault.address())]).await;
    let driver = Driver::new(provider.socket());
    driver.until_ready().await;
    let ready = begun.elapsed();
    let version = driver.version().await?;

    page.title("Lockkeeper, on this machine only: no cluster, no Vault to install")?;
    page.facts(&[
        ("Vault", &format!("{}  (stand-in)", vault.address())),
        ("Kubernetes API", &format!("{}  (stand-in)", kubernetes.address())),
        ("CSI driver", "1.6.0  (stand-in)"),
        ("provider", &format!("{} {}, real", version.runtime_name, version.runtime_version)),
        ("", &format!("{}, answering after {ready:.1?}", provider.socket().display())),
    ])?;

    page.title("1. Three pods start; the driver asks the provider to mount their secrets")?;
    let mut volumes = Vec::new();
    for example in example::all()? {
        let call = call_for(&example, &kubernetes);
        page.class(&example, example.file == SHOWN)?;
        let begun = Instant::now();
        let mounted = driver.mount(&call).await.map_err(|failure| failure.to_string())?;
        page.mounted(&mounted, begun.elapsed())?;
        volumes.push((example, call, mounted));
    }
    let (_, call, _) = volumes.first().ok_or("no examples")?;
    page.tree(&driver.folder(call))?;

    page.title("2. Somebody writes a new api-key, and Vault rotates the database password")?;
    vault.kv2("secret").put("shop/api", api("77e1d0"));
    vault.database("database").rotate("shop");
    page.paragraph(&[
        "vault kv put secret/shop/api key=77e1d0 url=https://api.example.com",
        "vault write -f database/rotate-role/shop",
    ])?;

    page.title("3. The driver asks again, as it does every 80 s or so while a pod runs")?;
    for (example, call, before) in &volumes {
        let after = driver.republish(call).await.map_err(|failure| failure.to_string())?;
        page.difference(example, before, &after)?;
    }
    page.paragraph(&[
        "An object's version changes when its content does; Reloader restarts pods by it. Beside the secret itself,",
        "a whole response holds Vault's request_id, which is new with each read: the file changes, the version does not.",
    ])?;

    page.title("4. A class with a mistake: the pod waits, and `kubectl describe pod` says why")?;
    let (example, call, _) = &volumes[0];
    let wrong = call
        .clone()
        .volume("mistaken")
        .objects("- objectName: api-key\n  secretPath: secret/data/shop/api\n  secretKey: kye\n");
    let failure = driver.mount(&wrong).await.err().ok_or("a class with a mistake was mounted")?;
    page.event(&example.pod, &failure)?;

    page.title("What Vault was asked for")?;
    let made = format!("{} logins, {} reads for 7 mounts of 3 pods", vault.logins(), vault.reads());
    page.paragraph(&[&made, "All of it is gone now: servers, sockets and files."])?;
    provider.stop().await?;
    Ok(())
}

/// A Vault with what the examples read.
async fn furnished_vault(kubernetes: &Kubernetes) -> Vault {
    let vault = Vault::start().await;
    vault.kubernetes_auth("kubernetes", &kubernetes.issuer());
    let policy = ["secret/data/shop/", "kv/shop/", "database/static-creds/shop"];
    let role = Role::new("shop").accounts(&["shop"]).namespaces(&["shop"]).audience("vault").allow(&policy);
    vault.role("kubernetes", role);
    vault.kv2("secret").put("shop/api", api("4f9c2b"));
    vault.kv2("secret").put("shop/settings", json!({ "theme": "dark" }));
    vault.kv1("kv").put("shop/legacy", json!({ "licence": "A-1700" }));
    vault.database("database").static_role(StaticRole::new("shop", "shop_app"));
    vault
}

fn api(key: &str) -> serde_json::Value {
    json!({ "key": key, "url": "https://api.example.com" })
}

/// What the driver knows about the example's pod.
fn call_for(example: &Example, kubernetes: &Kubernetes) -> MountCall {
    let pod: &Pod = &example.pod;
    let call = MountCall::new(pod).class(&example.class).token("vault", &kubernetes.mint(pod, "vault"));
    example.parameters.iter().fold(call, |call, (name, value)| call.parameter(name, value))
}

#[cfg(test)]
mod tests {
    /// Whoever changes an example or a message sees here what a newcomer then sees.
    #[tokio::test]
    async fn the_demo_shows_what_changed_and_what_did_not_and_leaves_nothing() {
        let mut out = Vec::new();
        super::run(&mut out).await.expect("a demo that runs");
        let text = String::from_utf8(out).expect("text");
        for part in ["examples/kv.yaml", "4f9c2b", "77e1d0", "shop_app", "FailedMount", "kye", "same"] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        let socket = text.split_whitespace().find(|word| word.contains("/vault.sock")).expect("the socket");
        let folder = std::path::Path::new(socket.trim_end_matches(',')).parent().expect("its folder");
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}
