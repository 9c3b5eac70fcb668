//! The empty-volume trap: after an answer that is not final, driver 1.6.0 says OK to kubelet's next call with nothing
//! mounted, and the pod starts on an empty folder for good. Here with the real driver, and a kubelet that keeps the folder
//! and calls again after half a second, or removes it, as the codes say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use devkit::http::{Answer, Fault};
use devkit::pod::Pod;
use devkit::real::{Driver, Kubelet, Result, ServiceAccountFolder, Volume};
use devkit::vault::Vault;
use futures_util::stream;
use lockkeeper::grpc::v1alpha1::csi_driver_provider_server::{CsiDriverProvider, CsiDriverProviderServer};
use lockkeeper::grpc::v1alpha1::{
    File, MountRequest, MountResponse, ObjectVersion, VersionRequest, VersionResponse,
};
use serde_json::json;
use tokio::net::UnixListener;
use tokio::sync::OnceCell;
use tonic::{Code, Request, Response, Status};

use crate::cluster::{Application, Cluster};
use crate::provider::{Launch, Provider};

/// kubelet's pause after an answer that is not final; after a final one it waits longer, which only makes us slower.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a pod may wait for its secrets when Vault is well again.
const HEALED: Duration = Duration::from_secs(20);
const OBJECTS: &str = "- { objectName: password, secretPath: secret/data/app, secretKey: password }\n";

/// The driver that this module's tests share, or `None` where this machine lets nobody mount.
pub(crate) async fn driver(cluster: &Cluster) -> Option<&'static Driver> {
    static SHARED: OnceCell<Result<Driver>> = OnceCell::const_new();
    if std::env::var_os("LOCKKEEPER_TEST_NO_MOUNT").is_some() {
        return None;
    }
    let driver = SHARED.get_or_init(|| Driver::start(&cluster.kubernetes)).await;
    Some(driver.as_ref().expect("the real driver starts"))
}

/// A Vault that fails as it is told to. It takes every login: the tokens are of the real API server, which it does not know.
pub(crate) async fn vault() -> Vault {
    let vault = Vault::start().await;
    let login = json!({
        "request_id": "r",
        "auth": { "client_token": vault.root_token(), "lease_duration": 1200, "renewable": true },
    });
    vault.raw("POST", "auth/kubernetes/login", 200, &[], &login.to_string());
    vault.kv2("secret").put("app", json!({ "password": "all of it" }));
    vault
}

/// Creates the SecretProviderClass `app` of the provider that is called as the application is.
pub(crate) async fn create_class(application: &Application<'_>) {
    let class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": { "name": "app" },
        "spec": {
            "provider": application.name,
            "parameters": { "roleName": application.name, "objects": OBJECTS },
        },
    });
    let collection =
        format!("/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{}/secretproviderclasses", application.name);
    application.kubernetes.create(&collection, &class).await.unwrap();
}

/// A provider of that Vault, where the driver looks for one of the application's name.
pub(crate) async fn provider(
    cluster: &Cluster,
    driver: &Driver,
    (vault, name, home): (&Vault, &str, &ServiceAccountFolder),
    flags: &[&str],
) -> Provider {
    let launch = Launch::new(cluster).vault(vault.address()).socket(driver.provider_socket(name));
    flags.iter().fold(launch, |launch, flag| launch.flag(flag)).start(home).await.unwrap()
}

/// What one call of kubelet's led to.
enum Start<'a> {
    /// The pod's containers start, and see these files' text.
    Started(Volume<'a>),
    /// They wait.
    Waits(Status),
}

/// One call, and what the pod would see if it led to its start. A pod on an empty volume is a failed test.
async fn start<'a>(kubelet: &Kubelet<'a>, pod: &Pod) -> Start<'a> {
    match kubelet.publish(pod, "app").await {
        Err(status) => Start::Waits(status),
        Ok(volume) => {
            let files = volume.files().unwrap();
            assert!(!files.is_empty(), "{} starts on an empty volume", pod.name);
            assert_eq!(files["password"], "all of it");
            Start::Started(volume)
        }
    }
}

/// A pod's first mounts while Vault has this fault (or refuses connections), so many, each within this time; and after it.
async fn is_never_empty(
    name: &'static str,
    faults: Option<Vec<Fault>>,
    flags: &[&str],
    (calls, bound): (u32, Duration),
) {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let application = cluster.application(name).await.unwrap();
    let home = cluster.home(&format!("home-{name}")).await.unwrap();
    let vault = vault().await;
    let _provider = provider(cluster, driver, (&vault, name, &home), flags).await;
    create_class(&application).await;
    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);
    let pod = application.pod("app-0").await.unwrap();

    match faults {
        Some(faults) => faults.into_iter().for_each(|fault| vault.fault(fault)),
        None => vault.refuse().await,
    }
    for attempt in 1..=calls {
        let began = Instant::now();
        match start(&kubelet, &pod).await {
            Start::Started(_) => panic!("attempt {attempt}: there was nothing to mount"),
            Start::Waits(status) => {
                let final_codes = [Code::FailedPrecondition, Code::Internal, Code::NotFound];
                assert!(final_codes.contains(&status.code()), "attempt {attempt}: {status}");
                assert!(began.elapsed() < bound, "attempt {attempt} took {:?}", began.elapsed());
            }
        }
        tokio::time::sleep(AGAIN).await;
    }

    vault.faults().clear();
    vault.accept().await;
    let healed = Instant::now();
    let volume = loop {
        match start(&kubelet, &pod).await {
            Start::Started(volume) => break volume,
            Start::Waits(status) => assert!(healed.elapsed() < HEALED, "it still waits: {status}"),
        }
        tokio::time::sleep(AGAIN).await;
    };
    volume.unpublish().await.unwrap();
}

/// A mount that is short, for a test that is.
const SHORT: &[&str] = &["-mount-timeout=2s"];
/// So many of them, each with something for the machine.
const SOON: (u32, Duration) = (3, Duration::from_secs(8));

#[tokio::test]
async fn a_pod_waits_while_vault_refuses_connections() {
    is_never_empty("empty-refused", None, SHORT, SOON).await;
}

#[tokio::test]
async fn a_pod_waits_while_vault_hangs_before_its_answer() {
    is_never_empty("empty-hangs", Some(vec![Fault::hang()]), SHORT, SOON).await;
}

#[tokio::test]
async fn a_pod_waits_while_vault_hangs_in_the_middle_of_a_body() {
    let fault = Fault::hang_mid_answer().at("secret/");
    is_never_empty("empty-half", Some(vec![fault]), SHORT, SOON).await;
}

#[tokio::test]
async fn a_pod_waits_while_vault_is_said_to_be_sealed() {
    is_never_empty("empty-sealed", Some(vec![Fault::vault_sealed()]), SHORT, SOON).await;
}

#[tokio::test]
async fn a_pod_waits_while_vault_sends_a_byte_a_second() {
    let fault = Fault::slow_body(1, Duration::from_secs(1));
    is_never_empty("empty-slow", Some(vec![fault]), SHORT, SOON).await;
}

#[tokio::test]
async fn a_pod_waits_while_vault_resets_connections_and_is_overloaded() {
    let faults = vec![Fault::reset().at("auth/").times(5), Fault::vault_quota(None)];
    is_never_empty("empty-reset", Some(faults), SHORT, SOON).await;
}

#[tokio::test]
async fn a_pod_waits_while_vault_answers_nonsense() {
    let json = |body: &'static str| Fault::answer(Answer::new(200, body)).times(1);
    let faults = vec![json("{\"data\":").at("secret/"), json("null").at("secret/"), Fault::html_page()];
    is_never_empty("empty-nonsense", Some(faults), SHORT, SOON).await;
}

/// With the flags that everybody has, who set none: before kubelet's own 2 minutes are over.
#[tokio::test]
async fn a_pod_waits_as_long_as_a_mount_may_take_while_vault_hangs() {
    let faults = Some(vec![Fault::hang()]);
    is_never_empty("empty-default", faults, &[], (1, Duration::from_secs(60))).await;
}

/// A provider that answers every mount with one code until it is told to be well.
#[derive(Clone)]
struct Careless {
    code: Code,
    is_well: Arc<AtomicBool>,
    mounts: Arc<AtomicU32>,
}

#[tonic::async_trait]
impl CsiDriverProvider for Careless {
    async fn version(
        &self,
        _: Request<VersionRequest>,
    ) -> std::result::Result<Response<VersionResponse>, Status> {
        Ok(Response::new(VersionResponse {
            version: "v1alpha1".to_owned(),
            runtime_name: "careless".to_owned(),
            runtime_version: "0.0.1".to_owned(),
        }))
    }

    async fn mount(&self, _: Request<MountRequest>) -> std::result::Result<Response<MountResponse>, Status> {
        self.mounts.fetch_add(1, Ordering::Relaxed);
        if !self.is_well.load(Ordering::Relaxed) {
            return Err(Status::new(self.code, "try again"));
        }
        let file = File { path: "password".to_owned(), mode: 0o644, contents: "all of it".into() };
        let version = ObjectVersion { id: "password".to_owned(), version: "1".to_owned() };
        Ok(Response::new(MountResponse { files: vec![file], object_version: vec![version], error: None }))
    }
}

/// That the tests above can fail: the first mount ends with this code, and the second, by the same kubelet, is a pod's
/// start on an empty volume, though the provider is well by then. The driver calls it this often.
async fn is_a_trap(name: &'static str, code: Code, calls: u32) {
    let cluster = Cluster::shared().await;
    let Some(driver) = driver(cluster).await else { return };
    let application = cluster.application(name).await.unwrap();
    let careless = Careless { code, is_well: Arc::default(), mounts: Arc::default() };
    let listener = UnixListener::bind(driver.provider_socket(name)).unwrap();
    let connections = stream::unfold(listener, |listener| async move {
        let connection = listener.accept().await.map(|(stream, _)| stream);
        Some((connection, listener))
    });
    let server = tonic::transport::Server::builder()
        .add_service(CsiDriverProviderServer::new(careless.clone()))
        .serve_with_incoming(connections);
    let server = tokio::spawn(server);
    create_class(&application).await;
    let kubelet = Kubelet::new(&cluster.kubernetes, driver, &["vault"]);
    let pod = application.pod("app-0").await.unwrap();

    let status = kubelet.publish(&pod, "app").await.err().expect("a failure");
    assert_eq!(status.code(), code, "the driver passes the code on: {status}");
    careless.is_well.store(true, Ordering::Relaxed);
    tokio::time::sleep(AGAIN).await;
    let volume = kubelet.publish(&pod, "app").await.unwrap();
    let files = volume.files().unwrap();
    assert!(files.is_empty(), "the driver has mended its ways, which is good news: {files:?}");
    assert_eq!(careless.mounts.load(Ordering::Relaxed), calls, "nobody asked the provider again");

    // Of a pod that comes later it is asked, so it is not the provider's state that was wrong.
    let next = application.pod("app-1").await.unwrap();
    let Start::Started(full) = start(&kubelet, &next).await else { panic!("a provider that is well") };
    full.unpublish().await.unwrap();
    volume.unpublish().await.unwrap();
    server.abort();
}

#[tokio::test]
async fn a_provider_that_answers_deadline_exceeded_would_be_caught_starting_a_pod_on_an_empty_volume() {
    is_a_trap("empty-deadline", Code::DeadlineExceeded, 1).await;
}

#[tokio::test]
async fn a_provider_that_answers_unavailable_would_be_caught_starting_a_pod_on_an_empty_volume() {
    is_a_trap("empty-unavailable", Code::Unavailable, 3).await;
}
