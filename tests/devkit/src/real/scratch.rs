//! The folders that servers and tests write to, and how they go away.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::{Error, Result};

/// A new folder for one server or test, inside the one folder that is removed when this process ends, however it ends.
///
/// # Errors
/// When it cannot be made.
pub fn scratch_folder(name: &str) -> Result<TempDir> {
    static SCRATCH: OnceLock<io::Result<Scratch>> = OnceLock::new();
    let scratch = SCRATCH.get_or_init(Scratch::create);
    let scratch = scratch.as_ref().map_err(|error| Error::new(format!("make a scratch folder: {error}")))?;
    Ok(tempfile::Builder::new().prefix(name).tempdir_in(&scratch.root)?)
}

/// The folder of everything that this process's servers write, and the child that outlives us to remove it.
struct Scratch {
    root: PathBuf,
    /// Waits until its standard input ends, that is until this process does. Values in statics are never dropped, so
    /// nothing in this process could do it.
    _remover: Child,
}

impl Scratch {
    fn create() -> io::Result<Self> {
        let root = tempfile::Builder::new().prefix("lockkeeper-").tempdir()?.keep();
        // Others may pass through: PostgreSQL runs as a user of its own.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o711))?;
        let script = r#"
            trap '' INT TERM HUP
            cat >/dev/null
            for _ in 1 2 3 4 5 6 7 8 9 10; do
                rm -rf -- "$0" && exit
                sleep 0.3
            done"#;
        let remover = Command::new("sh")
            .args(["-c", script])
            .arg(&root)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { root, _remover: remover })
    }
}
