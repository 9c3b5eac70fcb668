//! What the README claims: time to the first `Version`, a mount of ten objects, against the stand-in Vault on loopback.
//!
//! `cargo bench` starts the release binary. It prints; it decides nothing: machines differ.

#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the machine's own clock")]
#![allow(clippy::print_stdout, reason = "printing is its purpose")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use devkit::driver::{Driver, MountCall};
use devkit::kubernetes::Kubernetes;
use devkit::pod::Pod;
use devkit::vault::{Role, Vault};
use serde_json::json;

const STARTS: usize = 20;
const MOUNTS: usize = 200;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let kubernetes = Kubernetes::start().await;
    let vault = Vault::start().await;
    vault.kubernetes_auth("kubernetes", &kubernetes.issuer());
    vault.role("kubernetes", Role::new("app"));
    let mut objects = String::new();
    for number in 0..10 {
        vault.kv2("secret").put(&format!("app{number}"), json!({"k": "v".repeat(64)}));
        objects +=
            &format!("- {{objectName: o{number}, secretPath: secret/data/app{number}, secretKey: k}}\n");
    }
    let folder = tempfile::tempdir().expect("a folder");

    let mut starts = Vec::new();
    for number in 0..STARTS {
        let socket = folder.path().join(format!("vault{number}.sock"));
        let began = Instant::now();
        let mut provider = Provider::start(&socket, &kubernetes);
        while !socket.exists() {
            assert!(began.elapsed() < Duration::from_secs(10), "the provider never listened");
            tokio::task::yield_now().await;
        }
        Driver::new(&socket).version().await.expect("a version");
        starts.push(began.elapsed());
        provider.end();
    }
    print("start of the process to the first Version", &mut starts);

    let socket = folder.path().join("vault.sock");
    let provider = Provider::start(&socket, &kubernetes);
    let driver = Driver::new(&socket);
    driver.until_ready().await;
    println!("resident memory, idle: {} KiB", provider.resident_kib());
    let mut first = Vec::new();
    let mut again = Vec::new();
    for number in 0..MOUNTS {
        let pod = Pod::new("shop", &format!("web-{number}"));
        let call = MountCall::new(&pod)
            .parameter("roleName", "app")
            .parameter("vaultAddress", vault.address())
            .token("vault", &kubernetes.mint(&pod, "vault"))
            .objects(&objects);
        let request = driver.request(&call);
        for times in [&mut first, &mut again] {
            let request = request.clone();
            let began = Instant::now();
            driver.send(request).await.expect("mounted");
            times.push(began.elapsed());
        }
    }
    print("mount of 10 objects of 10 paths, with a login", &mut first);
    print("the same when the session exists", &mut again);
    println!("resident memory after {} mounts: {} KiB", 2 * MOUNTS, provider.resident_kib());
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!("{what}: median {:.2?}, p99 {:.2?} ({} runs)", at(50), at(99), times.len());
}

struct Provider(Child);

impl Provider {
    fn start(socket: &Path, kubernetes: &Kubernetes) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_lockkeeper"))
            .arg(format!("-endpoint={}", socket.display()))
            .arg("-health-addr=127.0.0.1:0")
            .arg("-log-level=error")
            .arg(format!("-kubernetes-service-account-dir={}", kubernetes.service_account_folder().display()))
            .env_clear()
            .env("KUBERNETES_SERVICE_HOST", kubernetes.host())
            .env("KUBERNETES_SERVICE_PORT", kubernetes.port().to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        Self(child)
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("a status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.end();
    }
}
