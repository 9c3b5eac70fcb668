//! What the driver checks in an answer, and what a test sees of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use tonic::{Code, Status};

use crate::proto::v1alpha1::MountResponse;

/// A file of a volume.
#[derive(Clone, PartialEq, Eq)]
pub struct MountedFile {
    /// Its mode, 0 to 0o777.
    pub mode: u32,
    /// Its content.
    pub contents: Vec<u8>,
}

impl fmt::Debug for MountedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04o} {:?}", self.mode, String::from_utf8_lossy(&self.contents))
    }
}

/// A mount that went well.
#[derive(Clone, Debug)]
pub struct Mounted {
    /// The files that the provider answered, by path.
    pub files: BTreeMap<String, MountedFile>,
    /// The versions that it answered, by object.
    pub versions: BTreeMap<String, String>,
    /// The same versions in the provider's order.
    pub version_order: Vec<(String, String)>,
    /// Whether the volume was written; it is not when it held the same already.
    pub changed: bool,
    /// The volume's folder.
    pub folder: PathBuf,
}

impl Mounted {
    /// A file's content as text.
    ///
    /// # Panics
    /// When there is no such file or it is not UTF-8.
    pub fn text(&self, path: &str) -> &str {
        std::str::from_utf8(self.bytes(path)).expect("text")
    }

    /// A file's content.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn bytes(&self, path: &str) -> &[u8] {
        &self.file(path).contents
    }

    /// A file's mode.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn mode(&self, path: &str) -> u32 {
        self.file(path).mode
    }

    /// An object's version.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn version(&self, object: &str) -> &str {
        self.versions.get(object).unwrap_or_else(|| panic!("no version of {object:?} in {:?}", self.versions))
    }

    fn file(&self, path: &str) -> &MountedFile {
        let names: Vec<_> = self.files.keys().collect();
        self.files.get(path).unwrap_or_else(|| panic!("no file {path:?} among {names:?}"))
    }
}

/// A mount that did not go well.
#[derive(Clone, Debug)]
pub enum MountFailure {
    /// The provider said so.
    Status(Status),
    /// The driver does not accept what the provider answered.
    Refused(String),
}

impl MountFailure {
    /// The status code.
    ///
    /// # Panics
    /// When the provider's answer was good and the driver refused it.
    pub fn code(&self) -> Code {
        self.status().code()
    }

    /// The status text.
    ///
    /// # Panics
    /// As [`MountFailure::code`].
    pub fn message(&self) -> &str {
        self.status().message()
    }

    /// Whether kubelet takes the failure as the end of this try. Where it does not, a driver of release 1.6.0 starts
    /// the pod on an empty volume.
    pub fn is_final(&self) -> bool {
        use Code::{Aborted, Cancelled, DeadlineExceeded, ResourceExhausted, Unavailable};
        match self {
            Self::Refused(_) => true,
            Self::Status(status) => !matches!(
                status.code(),
                Cancelled | DeadlineExceeded | Unavailable | ResourceExhausted | Aborted
            ),
        }
    }

    fn status(&self) -> &Status {
        match self {
            Self::Status(status) => status,
            Self::Refused(why) => panic!("the provider answered, and the driver refused it: {why}"),
        }
    }
}

impl fmt::Display for MountFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => {
                write!(formatter, "rpc error: code = {:?} desc = {}", status.code(), status.message())
            }
            Self::Refused(why) => write!(formatter, "the driver refused the answer: {why}"),
        }
    }
}

/// Why the driver does not accept this answer.
pub(super) fn check(response: &MountResponse) -> Result<(), String> {
    if let Some(error) = response.error.as_ref().filter(|error| !error.code.is_empty()) {
        return Err(format!("mount failed with provider error code {}", error.code));
    }
    if response.object_version.is_empty() {
        return Err("missing object versions".to_owned());
    }
    if response.files.is_empty() {
        return Err("no files: the volume would keep what it has".to_owned());
    }
    for file in &response.files {
        check_path(&file.path)?;
        if !(0..=0o777).contains(&file.mode) {
            return Err(format!("{:?}: mode {} is not within 0 and 511", file.path, file.mode));
        }
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("{path:?}: {why}"));
    if path.is_empty() {
        return refuse("the path is empty");
    }
    if path.starts_with('/') {
        return refuse("the path is absolute");
    }
    if path.starts_with("..") || path.split('/').any(|element| element == "..") {
        return refuse("the path holds or begins with ..");
    }
    if path.split('/').any(|element| element.is_empty() || element == ".") {
        return refuse("the path is not clean");
    }
    if path.len() > 4096 || path.split('/').any(|element| element.len() > 255) {
        return refuse("the path or one of its elements is too long");
    }
    Ok(())
}

/// The files by path (the last of a path wins, as in the driver), and all else that a test sees.
pub(super) fn unpack(response: MountResponse, folder: &Path) -> (BTreeMap<String, MountedFile>, Mounted) {
    let version_order: Vec<_> =
        response.object_version.into_iter().map(|object| (object.id, object.version)).collect();
    let mounted = Mounted {
        files: BTreeMap::new(),
        versions: version_order.iter().cloned().collect(),
        version_order,
        changed: false,
        folder: folder.to_owned(),
    };
    let files = response.files.into_iter().map(|file| {
        let mode = u32::try_from(file.mode).expect("checked before");
        (file.path, MountedFile { mode, contents: file.contents })
    });
    (files.collect(), mounted)
}
