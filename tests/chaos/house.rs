//! The provider's processes on one socket: started, killed, replaced, handed over.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use devkit::driver::Driver;
use devkit::kubernetes::Kubernetes;
use devkit::real::{Error, Process, Program, scratch_folder};
use tempfile::TempDir;

/// How long a process may take to listen on a busy machine; it takes milliseconds.
const START: Duration = Duration::from_secs(20);
/// How long a process may take to end: its `-shutdown-timeout`, and something for the machine.
const END: Duration = Duration::from_secs(25);

/// One node's providers: the one that serves, and those that are leaving.
pub struct House {
    socket: PathBuf,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    started: u32,
    serving: Option<Process>,
    leaving: Vec<Process>,
    folder: TempDir,
}

impl House {
    /// A house whose first provider answers.
    pub async fn start(kubernetes: &Kubernetes, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = scratch_folder("house-").expect("a folder");
        let socket = folder.path().join("vault.sock");
        let account = kubernetes.service_account_folder().display();
        let mut all = vec![
            format!("-endpoint={}", socket.display()),
            "-health-addr=127.0.0.1:0".to_owned(),
            format!("-kubernetes-service-account-dir={account}"),
        ];
        all.extend(flags.iter().copied().map(str::to_owned));
        let port = kubernetes.port().to_string();
        let cluster = [("KUBERNETES_SERVICE_HOST", kubernetes.host()), ("KUBERNETES_SERVICE_PORT", &port)];
        let environment = cluster
            .iter()
            .chain(environment)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut house =
            Self { socket, flags: all, environment, started: 0, serving: None, leaving: Vec::new(), folder };
        house.replace().await;
        house
    }

    /// The socket that they hand on.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The resident memory of the one that serves, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let id = self.serving.as_ref().expect("one serves").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("a status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    /// Starts a provider; it has the socket and answers when this returns.
    pub async fn replace(&mut self) {
        let before = inode(&self.socket);
        self.started += 1;
        let folder = self.folder.path().join(self.started.to_string());
        fs::create_dir(&folder).expect("a folder for its log");
        let mut process = Program::new("lockkeeper", env!("CARGO_BIN_EXE_lockkeeper"))
            .args(&self.flags)
            .envs(self.environment.clone())
            .start(&folder)
            .expect("the binary starts");
        let socket = &self.socket;
        let answers = process.until("it answers on the socket", START, async |_| {
            if inode(socket) == before {
                return Err(Error::new("the socket is not its own yet"));
            }
            let answer = Driver::new(socket).version().await;
            answer.map(drop).map_err(|status| Error::new(status.message()))
        });
        answers.await.expect("it answers");
        if let Some(old) = self.serving.replace(process) {
            self.leaving.push(old);
        }
    }

    /// Kills the one that serves (SIGKILL); its socket file stays and nobody listens.
    pub fn kill(&mut self) {
        drop(self.serving.take());
    }

    /// Tells the one that serves to leave (SIGTERM).
    pub fn dismiss(&mut self) {
        let old = self.serving.take().expect("one serves");
        old.signal("TERM").expect("a signal");
        self.leaving.push(old);
    }

    /// A successor takes the socket; after `together` the old one is told to leave.
    pub async fn hand_over(&mut self, together: Duration) {
        self.replace().await;
        tokio::time::sleep(together).await;
        self.leaving.last().expect("the old one").signal("TERM").expect("a signal");
    }

    /// Waits until all who were told to leave have left, with success.
    pub async fn all_left(&mut self) {
        for mut process in self.leaving.drain(..) {
            process.finish(END).await.expect("it leaves in time and with success");
        }
    }

    /// The log lines of all so far that hold these words.
    pub fn log_lines(&self, words: &str) -> Vec<String> {
        let logs = (1..=self.started).filter_map(|number| {
            let log = fs::read(self.folder.path().join(format!("{number}/lockkeeper.log"))).ok()?;
            Some(String::from_utf8_lossy(&log).into_owned())
        });
        logs.flat_map(|log| log.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| line.contains(words))
            .collect()
    }
}

/// Which file is at this path.
fn inode(path: &Path) -> Option<(u64, i64, i64)> {
    fs::symlink_metadata(path).ok().map(|meta| (meta.ino(), meta.ctime(), meta.ctime_nsec()))
}
