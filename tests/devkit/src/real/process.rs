//! Child processes that end with their handle, and with the process that started them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

use super::{Error, Result, eventually};

/// How many bytes of a log an error shows.
const LOG_TAIL: usize = 6000;

/// A program that is about to be started.
pub struct Program {
    name: String,
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    user: Option<String>,
    private_mounts: bool,
    signal: &'static str,
}

impl Program {
    /// The program at `path` (or of that name in PATH), called `name` in logs and errors.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            args: Vec::new(),
            env: Vec::new(),
            user: None,
            private_mounts: false,
            signal: "KILL",
        }
    }

    /// One of the programs that `tests/servers/build` makes.
    ///
    /// # Errors
    /// When it was not built.
    pub(super) fn built(name: &str) -> Result<Self> {
        let path = servers_folder().join(name);
        if !path.exists() {
            return Err(Error::new(format!("{} is not there: run tests/servers/build", path.display())));
        }
        Ok(Self::new(name, path))
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable. Of this process's own variables, the program sees PATH only.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets variables.
    #[must_use]
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        variables.into_iter().fold(self, |program, (name, value)| program.env(name, value))
    }

    /// Runs as that user instead of root. Only root can do that.
    #[must_use]
    pub(super) fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Runs in a mount namespace of its own, so that its mounts are nobody else's and are gone with it.
    #[must_use]
    pub(super) fn private_mounts(mut self) -> Self {
        self.private_mounts = true;
        self
    }

    /// Ends by that signal (KILL otherwise) when its handle is dropped or this process ends.
    #[must_use]
    pub fn ended_by(mut self, signal: &'static str) -> Self {
        self.signal = signal;
        self
    }

    /// Starts the program in `folder`; what it prints goes to a log file there.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(self, folder: &Path) -> Result<Process> {
        let log = folder.join(format!("{}.log", self.name));
        let output = File::create(&log)?;
        let child = spawn(self.command(folder, output)?)
            .map_err(|error| Error::new(format!("start {} ({}): {error}", self.name, self.path.display())))?;
        Ok(Process { name: self.name, child, log, signal: self.signal })
    }

    /// The command line: `setpriv` ties the child to the thread that starts it and changes the user.
    fn command(&self, folder: &Path, output: File) -> io::Result<Command> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", self.signal]);
        if let Some(user) = &self.user {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        command.arg("--");
        if self.private_mounts {
            command.args(["unshare", "--mount", "--"]);
        }
        command.arg(&self.path).args(&self.args).current_dir(folder);
        // The programs of tests/servers end when their standard input does: this pipe's other end is ours alone.
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
        command.env_clear().env("PATH", SEARCH_PATH).envs(self.env.iter().cloned());
        Ok(command)
    }
}

/// Where programs are looked for; some accounts' PATH lacks the system folders.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A running program. Dropping it ends the program and waits until it is gone.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    signal: &'static str,
}

impl Process {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Repeats `probe` until it succeeds. An error, after `bound` or as soon as the program has ended, shows the log's end.
    ///
    /// # Errors
    /// When the time is over or the program has ended.
    pub async fn until<T>(
        &mut self,
        what: &str,
        bound: Duration,
        mut probe: impl AsyncFnMut(&str) -> Result<T>,
    ) -> Result<T> {
        let mut ended = None;
        let found = eventually(what, bound, async || {
            if let Some(status) = self.child.try_wait()? {
                ended = Some(status);
                return Ok(None);
            }
            probe(&self.log()).await.map(Some)
        })
        .await;
        match found {
            Ok(Some(found)) => Ok(found),
            Ok(None) => {
                let how = ended.map(|status| status.to_string()).unwrap_or_default();
                Err(self.failure(&format!("ended ({how}) before {what}")))
            }
            Err(error) => Err(self.failure(&error.to_string())),
        }
    }

    /// Waits until the program has ended, and with a success.
    ///
    /// # Errors
    /// When the time is over or it failed.
    pub async fn finish(&mut self, bound: Duration) -> Result<()> {
        let ended = eventually("its end", bound, async || {
            self.child.try_wait()?.ok_or_else(|| Error::new("it is still running"))
        });
        match ended.await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.failure(&status.to_string())),
            Err(error) => Err(self.failure(&error.to_string())),
        }
    }

    /// Whether it is still running.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal, by name.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) -> Result<()> {
        let script = r#"kill -s "$0" "$1""#;
        let status = Command::new("sh").args(["-c", script, name, &self.id().to_string()]).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::new(format!("send {name} to {}: {status}", self.name)))
        }
    }

    /// An error of this program with the end of its log.
    fn failure(&self, what: &str) -> Error {
        let log = self.log();
        let from = log.len().saturating_sub(LOG_TAIL);
        let tail = log.char_indices().find(|(at, _)| *at >= from).map_or("", |(at, _)| &log[at..]);
        Error::new(format!("{}: {what}; the end of its log:\n{tail}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let asked = self.signal != "KILL" && self.signal(self.signal).is_ok();
            if !(asked && ends_soon(&mut self.child)) {
                let _ = self.child.kill();
            }
        }
        let _ = self.child.wait();
    }
}

/// Whether a child that was asked to end does so within five seconds.
fn ends_soon(child: &mut Child) -> bool {
    for _ in 0..250 {
        if !matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Where `tests/servers/build` puts what it makes.
pub(super) fn servers_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers")
}

/// A command to start, and where the child goes.
type Order = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Starts a child from a thread that lives as long as this process: the kernel ends a child when the *thread* that started
/// it ends, and tests run in threads of their own.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, child) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the thread that starts children is gone");
    spawner.lock().map_err(|_| gone())?.send((command, reply)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// A TCP port that was free a moment ago.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
