//! What a mount is asked for: the class, the pod, its tokens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::pod::Pod;

/// One volume of one pod. A new one has no tokens, permission 0644, 2 minutes of patience and a target path that the
/// driver chooses.
#[derive(Clone, Debug)]
pub struct MountCall {
    pub(super) pod: Pod,
    pub(super) volume: String,
    pub(super) class: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) volume_attributes: BTreeMap<String, String>,
    pub(super) tokens: BTreeMap<String, String>,
    pub(super) tokens_in_secrets: bool,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) permission: Option<String>,
    pub(super) target_path: Option<PathBuf>,
    pub(super) without_target_path: bool,
    pub(super) overrides: BTreeMap<String, Option<String>>,
    pub(super) raw_attributes: Option<String>,
    pub(super) deadline: Option<Duration>,
}

impl MountCall {
    /// A volume of this pod with no class parameters yet.
    pub fn new(pod: &Pod) -> Self {
        Self {
            pod: pod.clone(),
            volume: "secrets".to_owned(),
            class: "app".to_owned(),
            parameters: BTreeMap::new(),
            volume_attributes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            tokens_in_secrets: false,
            secrets: BTreeMap::new(),
            permission: Some("420".to_owned()),
            target_path: None,
            without_target_path: false,
            overrides: BTreeMap::new(),
            raw_attributes: None,
            deadline: Some(Duration::from_secs(120)),
        }
    }

    /// Sets a class parameter (`roleName`, `vaultAddress`, `objects`, …).
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the class parameter `objects`, YAML text.
    #[must_use]
    pub fn objects(self, yaml: &str) -> Self {
        self.parameter("objects", yaml)
    }

    /// Takes a class parameter away.
    #[must_use]
    pub fn without_parameter(mut self, name: &str) -> Self {
        self.parameters.remove(name);
        self
    }

    /// Names the class; `app` otherwise.
    #[must_use]
    pub fn class(mut self, name: &str) -> Self {
        name.clone_into(&mut self.class);
        self
    }

    /// Names the pod's volume; `secrets` otherwise. Two volumes of one pod need two names.
    #[must_use]
    pub fn volume(mut self, name: &str) -> Self {
        name.clone_into(&mut self.volume);
        self
    }

    /// Adds the driver's token for an audience.
    #[must_use]
    pub fn token(mut self, audience: &str, jwt: &str) -> Self {
        self.tokens.insert(audience.to_owned(), jwt.to_owned());
        self
    }

    /// Hands the tokens over in `secrets` and not in the attributes, as from Kubernetes 1.35 on.
    #[must_use]
    pub fn tokens_in_secrets(mut self) -> Self {
        self.tokens_in_secrets = true;
        self
    }

    /// Adds an attribute that the pod's volume has of its own.
    #[must_use]
    pub fn volume_attribute(mut self, name: &str, value: &str) -> Self {
        self.volume_attributes.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a member of the Secret that `nodePublishSecretRef` names.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The permission as sent; `420` otherwise.
    #[must_use]
    pub fn permission(mut self, text: &str) -> Self {
        self.permission = Some(text.to_owned());
        self
    }

    /// Sends no permission.
    #[must_use]
    pub fn without_permission(mut self) -> Self {
        self.permission = None;
        self
    }

    /// Writes the volume into this folder, and names it to the provider.
    #[must_use]
    pub fn target_path(mut self, folder: &Path) -> Self {
        self.target_path = Some(folder.to_owned());
        self
    }

    /// Sends no target path.
    #[must_use]
    pub fn without_target_path(mut self) -> Self {
        self.without_target_path = true;
        self
    }

    /// Sets an attribute at the very end, for example one that the driver itself would set.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.overrides.insert(name.to_owned(), Some(value.to_owned()));
        self
    }

    /// Takes an attribute away at the very end.
    #[must_use]
    pub fn without_attribute(mut self, name: &str) -> Self {
        self.overrides.insert(name.to_owned(), None);
        self
    }

    /// Sends this text as attributes, whatever else was said.
    #[must_use]
    pub fn raw_attributes(mut self, text: &str) -> Self {
        self.raw_attributes = Some(text.to_owned());
        self
    }

    /// How long the caller waits (`grpc-timeout`); `None` sends none. Rotation calls of 1.5.6 never send one.
    #[must_use]
    pub fn deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }
}
