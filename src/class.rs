//! Turns a mount request's attributes into a [`MountSpec`], or says which field is wrong.
//!
//! Pure: no file, socket or clock is touched here. Below [`MountSpec`] no code checks a string again.

mod attributes;
pub mod endpoint;
mod file_path;
mod login;
mod object;
mod parameters;
mod request;
pub mod restrictions;
mod volume;
mod yaml;

#[cfg(test)]
mod tests;

use std::fmt;

use attributes::Attributes;
use endpoint::{ClassDefaults, EndpointSpec, Flavour};

pub use file_path::FilePath;
pub use login::LoginSpec;
pub use object::{Encoding, FileMode, ObjectSpec};
pub use request::ReadRequest;
pub use volume::{Pod, VolumeKey, VolumePlace};

/// The four texts of the driver's `MountRequest`, as they came.
#[derive(Clone, Copy)]
pub struct MountRequestText<'a> {
    /// A JSON object of strings: the class's parameters, the pod's `volumeAttributes` and what kubelet adds.
    pub attributes: &'a str,
    /// JSON of the Secret that the pod's `nodePublishSecretRef` names; from Kubernetes 1.35 on also the pod's tokens.
    pub secrets: &'a str,
    /// A decimal integer as JSON text (`420`), empty when a driver no longer sends it.
    pub permission: &'a str,
    /// The folder that the driver mounts, empty when a driver no longer sends it.
    pub target_path: &'a str,
}

/// All that one mount needs to know; its strings are checked.
#[derive(Clone, Debug)]
pub struct MountSpec {
    /// The volume that this call is for; equal in each call of its life.
    pub volume: VolumeKey,
    /// The pod that the files are for.
    pub pod: Pod,
    /// The SecretProviderClass's name, where the driver tells it (1.5.6's rotation does not); for log lines.
    pub class: Option<String>,
    /// Who logs in, and where.
    pub login: LoginSpec,
    /// The Vault cluster, the class's parameters over the defaults.
    pub endpoint: EndpointSpec,
    /// The files in the order of the class's list; never empty, their paths are unique and fit one tree.
    pub objects: Vec<ObjectSpec>,
    /// The first few fields of objects that nobody reads, such as `objects[0].secretkey`; for a warning.
    pub unknown_fields: Vec<String>,
}

impl MountSpec {
    /// Reads the driver's request. The error is the class author's to mend and names the field.
    pub fn parse(
        text: &MountRequestText<'_>,
        flavour: Flavour,
        defaults: &ClassDefaults,
    ) -> Result<Self, SpecError> {
        let attributes = Attributes::parse(text.attributes)?;
        let pod = Pod::parse(&attributes)?;
        let login = LoginSpec::parse(&attributes, text.secrets, flavour, &defaults.auth_mount)?;
        let endpoint = EndpointSpec::parse(&attributes, flavour, &defaults.endpoint)?;
        let permission = FileMode::parse_permission(text.permission)?;
        let list = object::parse_list(attributes.text("objects").unwrap_or_default(), permission)?;
        file_path::check_tree(&list.objects)?;
        Ok(Self {
            volume: VolumeKey::new(&pod, text.target_path, &attributes),
            pod,
            class: attributes.text(volume::CLASS_NAME).map(str::to_owned),
            login,
            endpoint,
            objects: list.objects,
            unknown_fields: list.unknown_fields,
        })
    }
}

/// `namespace/name` of the pod as far as the attributes tell; for the log line of a request that is wrong elsewhere.
pub fn pod_in(attributes: &str) -> Option<String> {
    Attributes::parse(attributes).ok().and_then(|attributes| Pod::parse(&attributes).ok()).map(|pod| {
        let Pod { name, namespace, .. } = pod;
        format!("{namespace}/{name}")
    })
}

/// What is wrong with a class or with the attributes of a call; the class's author mends it (InvalidArgument).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    field: String,
    problem: String,
}

impl SpecError {
    /// A problem with one field, named as the class's author wrote it.
    pub fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for SpecError {}

/// A text of the class as an error shows it: quoted, controls escaped, shortened. Never for a token or an argument.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("\"{}…\"", text[..end].escape_debug()),
    }
}

/// The text, if it holds no control character.
fn printable<'a>(text: &'a str, field: &str) -> Result<&'a str, SpecError> {
    if text.chars().any(char::is_control) {
        return Err(SpecError::field(field, "holds a control character, such as a line break; remove it"));
    }
    Ok(text)
}
