//! Why a mount failed, whose turn it is, and the one table to gRPC codes.
//!
//! The code is behaviour: driver 1.6.0 starts a pod on an empty volume after a code that kubelet does not take as
//! final, so only final codes are here.

use std::fmt;

use tonic::Code;

use crate::class::{ObjectSpec, SpecError};
use crate::kubernetes::KubernetesError;
use crate::mount::content::ContentError;
use crate::retry::{Tried, Trouble};
use crate::vault::VaultError;
use crate::wire::Failure;
use crate::words;

/// Why a mount failed. Its text names the object, the place and the next move, and never holds a secret: it becomes
/// the pod's event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountError {
    /// The class or the attributes.
    Spec(SpecError),
    /// Vault, the login or the pod's token, for the first object that needs it.
    Vault {
        /// The object's name.
        object: String,
        /// Why.
        error: Box<VaultError>,
    },
    /// Vault answered, but not what the object asks for.
    Content {
        /// The object's name.
        object: String,
        /// Why.
        error: ContentError,
    },
    /// The files together are more than the driver takes.
    TooBig {
        /// Bytes of the answer.
        size: usize,
        /// `-max-response-bytes`.
        limit: usize,
    },
    /// This process is being replaced.
    ShuttingDown,
    /// Our own fault.
    Internal,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The author of the class.
    ClassAuthor,
    /// Who gives out access in Vault or Kubernetes.
    Admin,
    /// Who puts secrets into Vault, or the class's author: what is asked for is not there.
    Nothing,
    /// Vault or Kubernetes is away, or its certificate is not right: try again later.
    Operator,
    /// Too much is asked for.
    TooMuch,
    /// Ours, or what answers is not Vault.
    Ours,
}

impl Turn {
    /// The code of each. All are final: kubelet forgets the call and begins anew.
    fn code(self) -> Code {
        match self {
            Self::ClassAuthor => Code::InvalidArgument,
            Self::Admin => Code::PermissionDenied,
            Self::Nothing => Code::NotFound,
            Self::Operator => Code::FailedPrecondition,
            Self::TooMuch => Code::OutOfRange,
            Self::Ours => Code::Internal,
        }
    }
}

impl MountError {
    /// A failure of Vault for an object.
    pub fn vault(object: &ObjectSpec, error: VaultError) -> Self {
        Self::Vault { object: object.name.as_str().to_owned(), error: Box::new(error) }
    }

    /// A failure of the answer's content for an object.
    pub fn content(object: &ObjectSpec, error: ContentError) -> Self {
        Self::Content { object: object.name.as_str().to_owned(), error }
    }

    /// The gRPC code; always a final one.
    pub fn code(&self) -> Code {
        self.turn().code()
    }

    /// Whose turn it is.
    pub fn turn(&self) -> Turn {
        match self {
            Self::Spec(_) => Turn::ClassAuthor,
            Self::Vault { error, .. } => match &**error {
                VaultError::Tls(_) => Turn::Operator,
                VaultError::Token { error, .. } => match error {
                    KubernetesError::NoCluster(_) => Turn::Operator,
                    KubernetesError::Api { tried, .. } => of_tried(tried, |status| match status {
                        400..=499 => Turn::Admin,
                        _ => Turn::Ours,
                    }),
                    KubernetesError::Odd(_) => Turn::Ours,
                },
                VaultError::Login { tried, .. } => of_tried(tried, |status| match status {
                    400..=499 => Turn::Admin,
                    _ => Turn::Ours,
                }),
                VaultError::Read { tried, .. } => of_tried(tried, |status| match status {
                    401 | 403 => Turn::Admin,
                    404 => Turn::Nothing,
                    400..=499 => Turn::ClassAuthor,
                    _ => Turn::Ours,
                }),
                VaultError::Empty { .. } => Turn::Nothing,
                VaultError::Panicked => Turn::Ours,
            },
            Self::Content { error, .. } => match error {
                ContentError::NoKey { .. } => Turn::Nothing,
                ContentError::NotEncoded { .. } => Turn::ClassAuthor,
            },
            Self::TooBig { .. } => Turn::TooMuch,
            Self::ShuttingDown => Turn::Operator,
            Self::Internal => Turn::Ours,
        }
    }
}

/// Whose turn it is after attempts in vain; `of_status` for a status that says no, not that somebody is away.
fn of_tried(tried: &Tried, of_status: impl Fn(u16) -> Turn) -> Turn {
    match &tried.last {
        None => Turn::Operator,
        Some(Trouble::Wire(failure)) => match failure {
            Failure::Refused
            | Failure::Connect(_)
            | Failure::TimedOut(_)
            | Failure::Broken(_)
            | Failure::Tls(_) => Turn::Operator,
            Failure::TooBig(_) => Turn::TooMuch,
            Failure::Unsendable(_) => Turn::ClassAuthor,
        },
        Some(Trouble::Status { status: 412 | 429 | 500..=599, .. }) => Turn::Operator,
        Some(Trouble::Status { status, .. }) => of_status(*status),
        Some(Trouble::Malformed(_)) => Turn::Ours,
        Some(Trouble::Redirect(_) | Trouble::NoTurn) => Turn::Operator,
        Some(Trouble::Forbidden(_)) => Turn::ClassAuthor,
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spec(error) => write!(f, "SecretProviderClass: {error}"),
            Self::Vault { object, error } => write!(f, "object {object:?}: {error}"),
            Self::Content { object, error } => write!(f, "object {object:?}: {error}"),
            Self::TooBig { size, limit } => write!(
                f,
                "the volume's files are {} together, the driver takes {}; split the class, or raise -max-response-bytes here and \
                 --max-call-recv-msg-size of the driver",
                words::size(*size),
                words::size(*limit)
            ),
            Self::ShuttingDown => f.write_str("the provider on this node is being replaced; try again later"),
            Self::Internal => f.write_str("an internal error of the provider; its log has the place"),
        }
    }
}

impl std::error::Error for MountError {}

impl From<SpecError> for MountError {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}

#[cfg(test)]
mod tests;
