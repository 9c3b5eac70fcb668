//! The key-value engines, both versions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Envelope, errors, unsupported_operation};
use super::state::Engine;
use super::{Flavour, Vault};
use crate::clock::rfc3339;
use crate::http::{Answer, Call};

/// The secrets of a KV 1 mount.
#[derive(Default)]
pub(super) struct Kv1Engine {
    secrets: BTreeMap<String, Value>,
}

/// The secrets of a KV 2 mount.
#[derive(Default)]
pub(super) struct Kv2Engine {
    secrets: BTreeMap<String, Vec<Version>>,
}

struct Version {
    data: Value,
    created: Duration,
    deleted: Option<Duration>,
    destroyed: bool,
}

/// A handle on a KV 1 mount.
pub struct Kv1 {
    vault: Vault,
    mount: String,
}

/// A handle on a KV 2 mount.
pub struct Kv2 {
    vault: Vault,
    mount: String,
}

impl Kv1 {
    pub(super) fn new(vault: &Vault, mount: &str) -> Self {
        Self { vault: vault.clone(), mount: mount.to_owned() }
    }

    /// Writes a secret.
    pub fn put(&self, path: &str, data: Value) {
        self.with(|engine| engine.secrets.insert(path.to_owned(), data));
    }

    /// Deletes a secret.
    pub fn delete(&self, path: &str) {
        self.with(|engine| engine.secrets.remove(path));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Kv1Engine) -> T) -> T {
        match self.vault.state().engines.get_mut(&self.mount) {
            Some(Engine::Kv1(engine)) => change(engine),
            _ => panic!("{} is no KV 1 mount", self.mount),
        }
    }
}

impl Kv2 {
    pub(super) fn new(vault: &Vault, mount: &str) -> Self {
        Self { vault: vault.clone(), mount: mount.to_owned() }
    }

    /// Writes a new version of the secret at `path` (without `data/`) and returns its number.
    pub fn put(&self, path: &str, data: Value) -> usize {
        let created = self.vault.now();
        self.with(|engine| {
            let versions = engine.secrets.entry(path.to_owned()).or_default();
            versions.push(Version { data, created, deleted: None, destroyed: false });
            versions.len()
        })
    }

    /// Deletes the latest version; it could be undeleted.
    ///
    /// # Panics
    /// When there is none.
    pub fn delete(&self, path: &str) {
        let now = self.vault.now();
        self.with(|engine| latest(engine, path).deleted = Some(now));
    }

    /// Destroys the latest version.
    ///
    /// # Panics
    /// When there is none.
    pub fn destroy(&self, path: &str) {
        self.with(|engine| latest(engine, path).destroyed = true);
    }

    /// Deletes all versions and the metadata; numbers start over.
    pub fn delete_metadata(&self, path: &str) {
        self.with(|engine| engine.secrets.remove(path));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Kv2Engine) -> T) -> T {
        match self.vault.state().engines.get_mut(&self.mount) {
            Some(Engine::Kv2(engine)) => change(engine),
            _ => panic!("{} is no KV 2 mount", self.mount),
        }
    }
}

fn latest<'a>(engine: &'a mut Kv2Engine, path: &str) -> &'a mut Version {
    engine.secrets.get_mut(path).and_then(|versions| versions.last_mut()).expect("the secret was written")
}

impl Kv1Engine {
    pub(super) fn answer(&self, flavour: Flavour, path: &str, call: &Call) -> Answer {
        if call.method != http::Method::GET {
            return unsupported_operation();
        }
        match self.secrets.get(path) {
            None => errors(404, &[]),
            Some(data) => {
                let plain = Envelope::data("kv", data.clone());
                Envelope { lease_duration: 2_764_800, ..plain }.answer(flavour, 200)
            }
        }
    }
}

impl Kv2Engine {
    pub(super) fn answer(&self, flavour: Flavour, path: &str, call: &Call) -> Answer {
        let Some(path) = path.strip_prefix("data/") else { return without_data(flavour) };
        if call.method != http::Method::GET {
            return unsupported_operation();
        }
        if path.ends_with('/') && flavour == Flavour::OpenBao {
            return errors(500, &["1 error occurred:\n\t* internal error\n\n"]);
        }
        let Some(versions) = self.secrets.get(path) else { return errors(404, &[]) };
        let asked = call.query_pairs().get("version").and_then(|values| values[0].parse().ok()).unwrap_or(0);
        let number: usize = if asked == 0 { versions.len() } else { asked };
        let Some(version) = number.checked_sub(1).and_then(|index| versions.get(index)) else {
            return errors(404, &[]);
        };
        let gone = version.destroyed || version.deleted.is_some();
        let data = json!({
            "data": if gone { Value::Null } else { version.data.clone() },
            "metadata": {
                "created_time": rfc3339(version.created),
                "custom_metadata": null,
                "deletion_time": version.deleted.map(rfc3339).unwrap_or_default(),
                "destroyed": version.destroyed,
                "version": number,
            },
        });
        Envelope::data("kv", data).answer(flavour, if gone { 404 } else { 200 })
    }
}

/// A KV 2 mount read as if it were a KV 1 mount.
fn without_data(flavour: Flavour) -> Answer {
    let tool =
        if flavour == Flavour::Vault { "Vault CLI, use 'vault kv get'" } else { "CLI, use 'bao kv get'" };
    let warning = format!(
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. \
         If using the {tool} for this operation."
    );
    let plain = Envelope::data("kv", Value::Null);
    Envelope { warnings: vec![warning], ..plain }.answer(flavour, 404)
}
