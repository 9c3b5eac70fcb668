//! Who may call a provider's socket, seen from processes of other users. Only root can play them.

#![allow(clippy::disallowed_methods, reason = "tests, not the product")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use devkit::kubernetes::Kubernetes;
use devkit::provider::Provider;
use tokio::process::Command;

const STRANGER: &str = "65534";

/// Asks for the version as this user; what the command says, on either side.
async fn ask_as(user: &str, command: &Path, socket: &Path) -> (bool, String) {
    let mut setpriv = Command::new("setpriv");
    setpriv
        .args(["--reuid", user, "--regid", user, "--clear-groups"])
        .arg(command)
        .arg("version")
        .arg(socket);
    let output = setpriv.output().await.expect("setpriv starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The command where any user can run it, and the socket where any user can reach it: the socket's own mode and folder
/// would turn a stranger away already.
fn open_to_all(socket: &Path) -> (tempfile::TempDir, PathBuf) {
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let command = folder.path().join("devkit");
    std::fs::copy(env!("CARGO_BIN_EXE_devkit"), &command).expect("copied");
    mode(folder.path(), 0o755);
    mode(&command, 0o755);
    mode(socket.parent().expect("a folder"), 0o755);
    mode(socket, 0o666);
    (folder, command)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_root_and_listed_users_may_call() {
    if !rustix::process::geteuid().is_root() {
        println!("left out: only root can play other users");
        return;
    }
    let kubernetes = Kubernetes::start().await;
    let strict = Provider::start(&kubernetes, &[]).await;
    let (_folder, command) = open_to_all(strict.socket());
    let (allowed, said) = ask_as("0", &command, strict.socket()).await;
    assert!(allowed && said.starts_with("lockkeeper "), "{said}");
    let (allowed, said) = ask_as(STRANGER, &command, strict.socket()).await;
    assert!(!allowed && said.starts_with("PermissionDenied: user 65534 may not call"), "{said}");

    let open = Provider::start(&kubernetes, &["-allowed-uids=1000,65534"]).await;
    let (_folder, command) = open_to_all(open.socket());
    let (allowed, said) = ask_as(STRANGER, &command, open.socket()).await;
    assert!(allowed, "{said}");
}
