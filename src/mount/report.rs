//! What one mount took: for the log line now, for metrics later.

use std::time::Duration;

/// What one mount took, however it ended.
#[derive(Clone, Debug)]
pub struct MountReport {
    /// Files asked for.
    pub objects: usize,
    /// Requests to Vault, without logins and repetitions.
    pub reads: u32,
    /// Logins begun by this mount.
    pub logins: u32,
    /// Attempts beyond the first.
    pub retries: u32,
    /// How the content compares with what the volume held; `None` when the mount failed.
    pub change: Option<Change>,
    /// From the call to its answer.
    pub elapsed: Duration,
}

/// A volume's content against what this process served to it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This process had served nothing to this volume.
    First,
    /// The same bytes and modes.
    Unchanged,
    /// Other bytes or modes.
    Changed,
}

impl Change {
    /// One word for a log line.
    pub fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
        }
    }
}
