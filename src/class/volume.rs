//! Which pod and which of its volumes a call is for.

use sha2::{Digest, Sha256};

use crate::class::attributes::{Attributes, DRIVER_PREFIX};
use crate::class::{SpecError, shown};
use crate::json::write_string;

/// The attribute that holds the class's name.
pub(super) const CLASS_NAME: &str = "secretProviderClass";

/// The pod that a volume is mounted for, as kubelet names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// The service account that it runs as, in its own namespace.
    pub service_account: String,
}

/// A volume of a pod: equal in each call of its life, different for two volumes of one class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VolumeKey {
    /// The pod's uid.
    pub pod_uid: String,
    /// Which of the pod's volumes.
    pub place: VolumePlace,
}

/// What tells the volumes of one pod apart: the best that the driver sends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VolumePlace {
    /// The folder that the driver mounts.
    TargetPath(String),
    /// The SecretProviderClass's name, without a target path.
    Class(String),
    /// SHA-256 in hexadecimal of the class's parameters, without either.
    Parameters(String),
}

impl Pod {
    pub(super) fn parse(attributes: &Attributes) -> Result<Self, SpecError> {
        let name = |field: &str, why: &str| {
            let field = format!("{DRIVER_PREFIX}{field}");
            let value = attributes.text(&field).ok_or_else(|| SpecError::field(&field, why))?;
            // These become parts of URLs and log lines; Kubernetes allows no more in any of them.
            let fits = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
            if !fits || value == "." || value == ".." {
                return Err(SpecError::field(field, format!("{} is no Kubernetes name", shown(value))));
            }
            Ok(value.to_owned())
        };
        const DRIVER: &str = "is missing; the CSIDriver object must say podInfoOnMount: true";
        const ACCOUNT: &str = "is missing: a static pod, or a pod without a service account, cannot log in to Vault; \
                               run it as a pod with a service account";
        Ok(Self {
            name: name("pod.name", DRIVER)?,
            namespace: name("pod.namespace", DRIVER)?,
            uid: name("pod.uid", DRIVER)?,
            service_account: name("serviceAccount.name", ACCOUNT)?,
        })
    }
}

impl VolumeKey {
    pub(super) fn new(pod: &Pod, target_path: &str, attributes: &Attributes) -> Self {
        let place = match (target_path, attributes.text(CLASS_NAME)) {
            ("", None) => VolumePlace::Parameters(parameters_hash(attributes)),
            ("", Some(class)) => VolumePlace::Class(class.to_owned()),
            (path, _) => VolumePlace::TargetPath(path.to_owned()),
        };
        Self { pod_uid: pod.uid.clone(), place }
    }
}

/// Over what comes from the class: what kubelet adds changes from call to call.
fn parameters_hash(attributes: &Attributes) -> String {
    let mut text = Vec::new();
    for (name, value) in
        attributes.iter().filter(|(name, _)| !name.starts_with(DRIVER_PREFIX) && *name != CLASS_NAME)
    {
        // As JSON strings, so that no two sets of parameters run together to the same bytes.
        write_string(name, &mut text);
        write_string(value, &mut text);
    }
    hex::encode(Sha256::digest(&text))
}
