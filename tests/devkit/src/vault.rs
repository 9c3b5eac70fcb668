//! A stand-in Vault: a real HTTP server with engines, auth mounts, tokens and leases in memory.
//!
//! Its answers and its errors are those of Vault 1.21, or of OpenBao 2.6 where the builder says so.

mod answer;
mod auth;
mod builder;
mod database;
mod faults;
mod kv;
mod lease;
mod pki;
mod request;
mod route;
mod state;
mod token;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;

use crate::clock::StandInClock;
use crate::http::{Answer, CallLog, Fault, Faults, HttpServer, LoggedCall};
use crate::jwt::Issuer;

pub use auth::Role;
pub use builder::VaultBuilder;
pub use database::{Database, DynamicRole, StaticRole};
pub use kv::{Kv1, Kv2};
pub use lease::LeaseView;
pub use pki::Pki;
pub use token::TokenView;

use auth::AuthKind;
use state::{Engine, State};

/// Whose answers the stand-in gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// HashiCorp Vault: `hvs.` tokens, `mount_type` in each answer.
    #[default]
    Vault,
    /// OpenBao: `s.` tokens, no `mount_type`, namespaces enforced.
    OpenBao,
}

/// A running stand-in, or one namespace of it; a clone is the same server, which ends with its last handle.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
    /// Empty for the root namespace, else with a slash at its end.
    namespace: String,
}

struct Inner {
    server: HttpServer,
    address: String,
    clock: Arc<StandInClock>,
    state: Arc<Mutex<State>>,
}

impl Vault {
    /// A Vault on plain HTTP with an empty KV 2 at `secret` and an empty KV 1 at `kv`, and no auth mount.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Chooses how the server is reached and whose answers it gives.
    pub fn builder() -> VaultBuilder {
        VaultBuilder::default()
    }

    /// The address as a class names it: `http://127.0.0.1:1234`, `https://…/base`, `unix:///…`.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// The same server's namespace `path`, which is created.
    pub fn namespace(&self, path: &str) -> Self {
        let namespace = format!("{}{}/", self.namespace, path.trim_matches('/'));
        self.state().namespaces.insert(namespace.clone());
        Self { inner: self.inner.clone(), namespace }
    }

    /// The KV 1 engine at `mount`, which is enabled when it is not there.
    pub fn kv1(&self, mount: &str) -> Kv1 {
        Kv1::new(self, &self.enable(mount, Engine::kv1))
    }

    /// The KV 2 engine at `mount`, which is enabled when it is not there.
    pub fn kv2(&self, mount: &str) -> Kv2 {
        Kv2::new(self, &self.enable(mount, Engine::kv2))
    }

    /// The database engine at `mount`, which is enabled when it is not there.
    pub fn database(&self, mount: &str) -> Database {
        Database::new(self, &self.enable(mount, Engine::database))
    }

    /// The PKI engine at `mount`, which is enabled (with a new authority) when it is not there.
    pub fn pki(&self, mount: &str) -> Pki {
        Pki::new(self, &self.enable(mount, Engine::pki))
    }

    fn enable(&self, mount: &str, engine: fn() -> Engine) -> String {
        let path = format!("{}{}/", self.namespace, mount.trim_matches('/'));
        self.state().engines.entry(path.clone()).or_insert_with(engine);
        path
    }

    /// Enables Kubernetes auth at `mount` (`kubernetes`, or with slashes in it), for tokens of this issuer.
    pub fn kubernetes_auth(&self, mount: &str, issuer: &Issuer) {
        self.enable_auth(mount, AuthKind::Kubernetes, issuer);
    }

    /// Enables JWT auth at `mount`, for tokens of this issuer.
    pub fn jwt_auth(&self, mount: &str, issuer: &Issuer) {
        self.enable_auth(mount, AuthKind::Jwt, issuer);
    }

    fn enable_auth(&self, mount: &str, kind: AuthKind, issuer: &Issuer) {
        let path = format!("{}{}/", self.namespace, mount.trim_matches('/'));
        self.state().enable_auth(&path, kind, issuer);
    }

    /// Writes a role of an auth mount.
    ///
    /// # Panics
    /// When there is no such mount.
    pub fn role(&self, mount: &str, role: Role) {
        let path = format!("{}{}/", self.namespace, mount.trim_matches('/'));
        self.state().write_role(&path, role);
    }

    /// Answers `method` at `path` (without `v1/`, query not looked at) with exactly this, for any token that is valid.
    pub fn raw(&self, method: &str, path: &str, status: u16, headers: &[(&str, &str)], body: &str) {
        let plain = Answer::new(status, body.to_owned()).header("content-type", "application/json");
        let answer = headers.iter().fold(plain, |answer, (name, value)| answer.header(name, value));
        let path = format!("{}{}", self.namespace, path.trim_start_matches('/'));
        self.state().raw.insert((method.to_owned(), path), answer);
    }

    /// A token that may do everything, as a root token may.
    pub fn root_token(&self) -> String {
        let now = self.inner.clock.now();
        self.state().root_token(now)
    }

    /// Revokes all tokens and their leases.
    pub fn revoke_tokens(&self) {
        self.state().revoke_all();
    }

    /// All tokens made so far, those that ended too.
    pub fn tokens(&self) -> Vec<TokenView> {
        let now = self.inner.clock.now();
        self.state().tokens.values().map(|token| token.view(now)).collect()
    }

    /// All leases made so far, those that ended too.
    pub fn leases(&self) -> Vec<LeaseView> {
        let now = self.inner.clock.now();
        self.state().leases.values().map(|lease| lease.view(now)).collect()
    }

    /// Lets `duration` pass for tokens, leases and rotations.
    pub fn pass_time(&self, duration: Duration) {
        self.inner.clock.pass(duration);
    }

    /// Switches a fault on.
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

    /// Closes the connections there are; new ones are welcome.
    pub async fn disconnect(&self) {
        self.inner.server.disconnect().await;
    }

    /// The log of calls, with counters of connections and calls under way.
    pub fn log(&self) -> &CallLog {
        self.inner.server.log()
    }

    /// Logins asked for so far.
    pub fn logins(&self) -> usize {
        self.log().count(|call| call.is_login())
    }

    /// Calls so far that are neither logins nor about tokens, leases or health.
    pub fn reads(&self) -> usize {
        self.log().count(|call| call.is_read())
    }

    /// The calls so far at this path (without `v1/`), oldest first.
    pub fn calls_to(&self, path: &str) -> Vec<LoggedCall> {
        self.log().matching(|call| call.vault_path() == path)
    }

    /// The login bodies so far, oldest first.
    pub fn login_bodies(&self) -> Vec<Value> {
        let logins = self.log().matching(|call| call.is_login());
        logins.iter().filter_map(|logged| logged.call.json()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("no handler panics")
    }

    fn now(&self) -> Duration {
        self.inner.clock.now()
    }
}

#[cfg(test)]
mod tests;
