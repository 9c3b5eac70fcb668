//! The PKI engine: a new certificate for each POST or PUT to `issue/<role>`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::answer::{Envelope, denied, errors, unsupported_operation};
use super::state::Engine;
use super::{Flavour, Vault};
use crate::certificates::Authority;
use crate::http::{Answer, Call};

/// The authority and the roles of a PKI mount.
pub(super) struct PkiEngine {
    authority: Authority,
    roles: BTreeMap<String, Duration>,
}

impl Default for PkiEngine {
    fn default() -> Self {
        Self { authority: Authority::new("Stand-in PKI"), roles: BTreeMap::new() }
    }
}

/// A handle on a PKI mount.
pub struct Pki {
    vault: Vault,
    mount: String,
}

impl Pki {
    pub(super) fn new(vault: &Vault, mount: &str) -> Self {
        Self { vault: vault.clone(), mount: mount.to_owned() }
    }

    /// Writes a role whose certificates live for `ttl`.
    pub fn role(&self, name: &str, ttl: Duration) {
        match self.vault.state().engines.get_mut(&self.mount) {
            Some(Engine::Pki(engine)) => engine.roles.insert(name.to_owned(), ttl),
            _ => panic!("{} is no PKI mount", self.mount),
        };
    }
}

impl PkiEngine {
    pub(super) fn answer(&self, flavour: Flavour, path: &str, call: &Call, now: Duration) -> Answer {
        let Some(role) = path.strip_prefix("issue/") else { return denied() };
        if !matches!(call.method.as_str(), "POST" | "PUT") {
            return unsupported_operation();
        }
        let Some(ttl) = self.roles.get(role) else {
            return errors(400, &[&format!("unknown role: {role}")]);
        };
        let name = call.text("common_name");
        if name.is_empty() {
            return errors(400, &["the common_name field is required, or must be provided in a CSR"]);
        }
        let seconds = call.text("ttl").trim_end_matches('s').parse().ok();
        let life = seconds.map_or(*ttl, Duration::from_secs).min(*ttl);
        let (not_before, expiration) = (now.saturating_sub(Duration::from_secs(30)), now + life);
        let issued = self.authority.issue(&name, not_before, expiration);
        let data = json!({
            "ca_chain": [self.authority.pem().trim_end()],
            "certificate": issued.certificate.certificate_pem.trim_end(),
            "expiration": expiration.as_secs(),
            "issuing_ca": self.authority.pem().trim_end(),
            "not_before": not_before.as_secs(),
            "private_key": issued.certificate.key_pem.trim_end(),
            "private_key_type": "ec",
            "serial_number": issued.serial,
        });
        Envelope::data("pki", data).answer(flavour, 200)
    }
}
