//! A node for one test: stand-ins for Vault and Kubernetes, a provider on a socket, the stand-in driver.

use std::path::PathBuf;
use std::time::Duration;

use devkit::driver::{Driver, MountCall, MountFailure, Mounted};
use devkit::kubernetes::Kubernetes;
use devkit::pod::Pod;
use devkit::vault::{Role, Vault};
use lockkeeper::app::{App, AppError};
use lockkeeper::settings::{Invocation, Settings};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Code;

/// The longest that anything in a test may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One file `o` from the secret that most tests read.
pub const ONE: &str = "- {objectName: o, secretPath: secret/data/app, secretKey: k}";

/// The failure has this code, and its message holds each of these.
pub fn assert_says(failure: &MountFailure, code: Code, words: &[&str]) {
    assert_eq!(failure.code(), code, "{failure}");
    for word in words {
        assert!(failure.message().contains(word), "{word:?} is not in: {failure}");
    }
}

/// Waits, but not for ever.
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Everything that one test talks to. Dropped at its end, and with it every server.
pub struct Node {
    /// The Kubernetes API.
    pub kubernetes: Kubernetes,
    /// A Vault with KV 2 at `secret`, KV 1 at `kv`, and a role `app` at the auth mount `kubernetes`.
    pub vault: Vault,
    /// The provider.
    pub provider: Provider,
}

/// A provider in this process, served as the binary serves it.
pub struct Provider {
    /// The driver's way to it.
    pub driver: Driver,
    /// Its socket.
    pub socket: PathBuf,
    /// `http://127.0.0.1:port` of its health address.
    pub health: String,
    /// Dropped without a word it ends the provider, too.
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), AppError>>,
    _folder: TempDir,
}

impl Node {
    /// A node with a Vault that knows the role `app`.
    pub async fn start() -> Self {
        Self::with(Vault::start().await, &[]).await
    }

    /// A node with these flags whose Vault holds `k` = `v` at `secret/data/app`, for [`ONE`].
    pub async fn with_secret(flags: &[&str]) -> Self {
        let node = Self::with(Vault::start().await, flags).await;
        node.vault.kv2("secret").put("app", json!({"k": "v"}));
        node
    }

    /// A node with this Vault and these flags beside the usual ones.
    pub async fn with(vault: Vault, flags: &[&str]) -> Self {
        Self::with_environment(vault, flags, &[]).await
    }

    /// A node whose provider has this environment beside the Kubernetes API's.
    pub async fn with_environment(vault: Vault, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let kubernetes = Kubernetes::start().await;
        vault.kubernetes_auth("kubernetes", &kubernetes.issuer());
        vault.role("kubernetes", Role::new("app"));
        let provider = Provider::start("vault.sock", &kubernetes, flags, environment).await;
        Self { kubernetes, vault, provider }
    }

    /// A mount of these objects for a pod, with the driver's token for the audience `vault`.
    pub fn call(&self, pod: &Pod, objects: &str) -> MountCall {
        self.call_without_token(pod, objects).token("vault", &self.kubernetes.mint(pod, "vault"))
    }

    /// The same without a token from the driver.
    pub fn call_without_token(&self, pod: &Pod, objects: &str) -> MountCall {
        MountCall::new(pod)
            .parameter("roleName", "app")
            .parameter("vaultAddress", self.vault.address())
            .objects(objects)
    }

    /// Mounts, with an end even if the provider has none.
    pub async fn mount(&self, call: &MountCall) -> Result<Mounted, MountFailure> {
        self.provider.mount(call).await
    }

    /// Mounts what has to work.
    pub async fn mounted(&self, call: &MountCall) -> Mounted {
        self.mount(call).await.unwrap_or_else(|failure| panic!("the mount failed: {failure}"))
    }

    /// Mounts what has to fail; the failure's code is final, whatever it is.
    pub async fn refused(&self, call: &MountCall) -> MountFailure {
        let failure = self.mount(call).await.expect_err("the mount fails");
        assert!(failure.is_final(), "{failure}");
        failure
    }
}

impl Provider {
    /// Serves on a socket of this name in a folder of its own.
    pub async fn start(
        name: &str,
        kubernetes: &Kubernetes,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join(name);
        let mut arguments = vec![
            format!("-endpoint={}", socket.display()),
            "-health-addr=127.0.0.1:0".to_owned(),
            format!("-kubernetes-service-account-dir={}", kubernetes.service_account_folder().display()),
        ];
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let (host, port) = (kubernetes.host().to_owned(), kubernetes.port().to_string());
        let environment = |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some(host.clone().into()),
            "KUBERNETES_SERVICE_PORT" => Some(port.clone().into()),
            name => environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into()),
        };
        let invocation =
            Settings::parse(arguments.into_iter().map(Into::into), environment).expect("settings");
        let Invocation::Serve(settings) = invocation else { panic!("not told to print") };
        let bound = App::bind(*settings).await.expect("bound");
        let health = format!("http://{}", bound.health_address());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(bound.run(async {
            let _ = stopped.await;
        }));
        let driver = Driver::new(&socket);
        driver.until_ready().await;
        Self { driver, socket, health, stop: Some(stop), running, _folder: folder }
    }

    /// Tells it to end.
    pub fn stop(&mut self) {
        self.stop = None;
    }

    /// Waits until it has ended, as it should.
    pub async fn ended(&mut self) {
        soon("the provider ends", &mut self.running).await.expect("no panic").expect("no failure");
    }

    /// Mounts, with an end even if the provider has none.
    pub async fn mount(&self, call: &MountCall) -> Result<Mounted, MountFailure> {
        let answer = tokio::time::timeout(3 * PATIENCE, self.driver.mount(call)).await;
        answer.expect("the provider answers before the test's patience ends")
    }
}
