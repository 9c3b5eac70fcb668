//! What a stand-in Vault holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Flavour;
use super::auth::{AuthKind, AuthMount, Role};
use super::database::DatabaseEngine;
use super::kv::{Kv1Engine, Kv2Engine};
use super::lease::Lease;
use super::pki::PkiEngine;
use super::token::Token;
use crate::http::Answer;
use crate::jwt::Issuer;

/// Everything; paths begin with their namespace and mounts end with a slash.
pub(super) struct State {
    pub(super) flavour: Flavour,
    pub(super) namespaces: BTreeSet<String>,
    pub(super) engines: BTreeMap<String, Engine>,
    pub(super) auth_mounts: BTreeMap<String, AuthMount>,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) leases: BTreeMap<String, Lease>,
    /// Canned answers by method and path.
    pub(super) raw: BTreeMap<(String, String), Answer>,
}

/// One mount's secrets.
pub(super) enum Engine {
    Kv1(Kv1Engine),
    Kv2(Kv2Engine),
    Database(DatabaseEngine),
    Pki(Box<PkiEngine>),
}

impl Engine {
    pub(super) fn kv1() -> Self {
        Self::Kv1(Kv1Engine::default())
    }

    pub(super) fn kv2() -> Self {
        Self::Kv2(Kv2Engine::default())
    }

    pub(super) fn database() -> Self {
        Self::Database(DatabaseEngine::default())
    }

    pub(super) fn pki() -> Self {
        Self::Pki(Box::default())
    }
}

impl State {
    pub(super) fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            namespaces: BTreeSet::new(),
            engines: BTreeMap::new(),
            auth_mounts: BTreeMap::new(),
            tokens: BTreeMap::new(),
            leases: BTreeMap::new(),
            raw: BTreeMap::new(),
        }
    }

    pub(super) fn enable_auth(&mut self, mount: &str, kind: AuthKind, issuer: &Issuer) {
        self.auth_mounts.insert(mount.to_owned(), AuthMount::new(kind, issuer.clone()));
    }

    pub(super) fn write_role(&mut self, mount: &str, role: Role) {
        self.auth_mounts.get_mut(mount).expect("the auth mount is enabled").write(role);
    }

    pub(super) fn root_token(&mut self, now: Duration) -> String {
        let token = Token::root(self.flavour, now);
        let id = token.id.clone();
        self.tokens.insert(id.clone(), token);
        id
    }

    /// Ends a token and the leases made with it.
    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(token) = self.tokens.get_mut(token) {
            token.revoked = true;
        }
        for lease in self.leases.values_mut().filter(|lease| lease.token == token) {
            lease.revoked = true;
        }
    }

    pub(super) fn revoke_all(&mut self) {
        let tokens: Vec<_> = self.tokens.keys().cloned().collect();
        tokens.iter().for_each(|token| self.revoke(token));
    }
}
