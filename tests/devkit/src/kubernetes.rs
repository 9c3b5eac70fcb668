//! A stand-in Kubernetes API: HTTPS, TokenRequest, Secrets and Pods, with RBAC to switch off and faults.

mod faults;
mod route;
mod state;
mod status;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::certificates::{Authority, server_config};
use crate::clock::unix_now;
use crate::http::{CallLog, Fault, Faults, HttpServer, Place, ServerOptions};
use crate::jwt::{Issuer, TokenSubject};
use crate::pod::Pod;

pub use state::{Right, SecretView, TokenRequestView};

use state::State;

/// A running stand-in; a clone is the same server, which ends with its last handle.
#[derive(Clone)]
pub struct Kubernetes {
    inner: Arc<Inner>,
}

struct Inner {
    server: HttpServer,
    port: u16,
    authority: Authority,
    issuer: Issuer,
    state: Arc<Mutex<State>>,
    folder: TempDir,
}

/// The namespace and the service account that the provider itself runs with.
pub const PROVIDER_NAMESPACE: &str = "lockkeeper";
const PROVIDER_ACCOUNT: &str = "lockkeeper";

impl Kubernetes {
    /// An API server where the provider's service account (`lockkeeper` in the namespace `lockkeeper`) may mint tokens
    /// and read and create its Secret, but not read pods.
    ///
    /// # Panics
    /// When it cannot listen or write its folder.
    pub async fn start() -> Self {
        let authority = Authority::new("Stand-in Kubernetes");
        let issuer = Issuer::new();
        let state = Arc::new(Mutex::new(State::new()));
        let options = ServerOptions {
            place: Place::any_port(),
            tls: Some(server_config(
                &authority.server(&["127.0.0.1", "localhost", "kubernetes.default.svc"]),
                None,
            )),
            base_path: String::new(),
            fault_path_strips: "",
        };
        let handler = {
            let (state, issuer) = (state.clone(), issuer.clone());
            move |call: &_| route::answer(&mut state.lock().expect("no handler panics"), &issuer, call)
        };
        let server = HttpServer::start(options, Arc::new(handler)).expect("a free port");
        let Place::Tcp(address) = *server.place() else { unreachable!("it listens at a port") };
        let folder = TempDir::with_prefix("serviceaccount-").expect("a temporary folder");
        authority.write_to(folder.path(), "ca.crt");
        std::fs::write(folder.path().join("namespace"), PROVIDER_NAMESPACE).expect("our own folder");
        let kubernetes = Self {
            inner: Arc::new(Inner { server, port: address.port(), authority, issuer, state, folder }),
        };
        kubernetes.renew_provider_token();
        kubernetes
    }

    /// The host, as `KUBERNETES_SERVICE_HOST` names it.
    pub fn host(&self) -> &str {
        "127.0.0.1"
    }

    /// The port, as `KUBERNETES_SERVICE_PORT` names it.
    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// The whole address.
    pub fn address(&self) -> String {
        format!("https://{}:{}", self.host(), self.port())
    }

    /// The folder with `token`, `ca.crt` and `namespace`, as a pod finds it under
    /// `/var/run/secrets/kubernetes.io/serviceaccount`.
    pub fn service_account_folder(&self) -> &Path {
        self.inner.folder.path()
    }

    /// The file with the provider's own token.
    pub fn token_file(&self) -> PathBuf {
        self.inner.folder.path().join("token")
    }

    /// The authority of the API server's certificate.
    pub fn authority(&self) -> &Authority {
        &self.inner.authority
    }

    /// What signs and checks this cluster's service-account tokens: for `Vault::kubernetes_auth` and `jwt_auth`.
    pub fn issuer(&self) -> Issuer {
        self.inner.issuer.clone()
    }

    /// Writes a new token of the provider into its folder; the one before is not accepted any more.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn renew_provider_token(&self) {
        let subject = self.subject(PROVIDER_NAMESPACE, PROVIDER_ACCOUNT, None);
        let life = Duration::from_secs(3600);
        let token = self.inner.issuer.mint(&subject, &[crate::jwt::ISSUER], unix_now(), life);
        std::fs::write(self.token_file(), &token).expect("our own folder");
        self.state().provider_token = token;
    }

    /// A token of the pod's service account, as kubelet hands it to the driver: one audience, one hour, bound to the pod.
    pub fn mint(&self, pod: &Pod, audience: &str) -> String {
        self.mint_for(pod, &[audience], Duration::from_secs(3600))
    }

    /// The same with any audiences and life.
    pub fn mint_for(&self, pod: &Pod, audiences: &[&str], life: Duration) -> String {
        let subject = self.subject(&pod.namespace, &pod.service_account, Some(pod));
        self.inner.issuer.mint(&subject, audiences, unix_now(), life)
    }

    fn subject(&self, namespace: &str, account: &str, pod: Option<&Pod>) -> TokenSubject {
        TokenSubject {
            namespace: namespace.to_owned(),
            service_account: account.to_owned(),
            service_account_uid: self.service_account_uid(namespace, account),
            pod: pod.map(|pod| (pod.name.clone(), pod.uid.clone())),
        }
    }

    /// The uid of a service account, which exists from the first time it is named.
    pub fn service_account_uid(&self, namespace: &str, name: &str) -> String {
        self.state().service_account_uid(namespace, name)
    }

    /// Deletes a service account and creates it again: its uid changes, tokens of the old one fail their review.
    pub fn recreate_service_account(&self, namespace: &str, name: &str) {
        let old = self.state().forget_service_account(namespace, name);
        self.inner.issuer.forget(&old);
    }

    /// Takes a right from the provider's service account: the API then answers 403.
    pub fn deny(&self, right: Right) {
        self.state().denied.insert(right);
    }

    /// Gives a right to the provider's service account.
    pub fn allow(&self, right: Right) {
        self.state().denied.remove(&right);
    }

    /// Writes a Secret, as somebody else would; `data` is not encoded yet.
    pub fn write_secret(&self, namespace: &str, name: &str, data: &[(&str, &[u8])]) {
        self.state().write_secret(namespace, name, data);
    }

    /// A Secret, when it is there.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<SecretView> {
        self.state().secret(namespace, name)
    }

    /// Deletes a Secret.
    pub fn delete_secret(&self, namespace: &str, name: &str) {
        self.state().secrets.remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Makes a pod known to the API.
    pub fn create_pod(&self, pod: &Pod) {
        self.state().pods.insert((pod.namespace.clone(), pod.name.clone()), pod.clone());
    }

    /// Deletes a pod.
    pub fn delete_pod(&self, pod: &Pod) {
        self.state().pods.remove(&(pod.namespace.clone(), pod.name.clone()));
    }

    /// The TokenRequests that were granted, oldest first.
    pub fn token_requests(&self) -> Vec<TokenRequestView> {
        self.state().token_requests.clone()
    }

    /// Switches a fault on; [`Fault::at`] takes whole paths such as `/api/v1/namespaces/`.
    pub fn fault(&self, fault: Fault) {
        self.faults().add(fault);
    }

    /// The faults, for example to clear them.
    pub fn faults(&self) -> &Faults {
        self.inner.server.faults()
    }

    /// From now on connections are refused, and those there were are closed.
    pub async fn refuse(&self) {
        self.inner.server.refuse().await;
    }

    /// Connections are accepted again, at the same address.
    pub async fn accept(&self) {
        self.inner.server.accept().await;
    }

    /// The log of calls.
    pub fn log(&self) -> &CallLog {
        self.inner.server.log()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("no handler panics")
    }
}

/// A member of a JSON object as text; empty when it is not there.
fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
