//! A real PostgreSQL server from the machine's packages, whose ordinary users need a password.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use super::process::free_port;
use super::scratch::scratch_folder;
use super::{Error, Process, Program, Result};

/// How long PostgreSQL may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);
/// The user that the server runs as when the tests run as root, which it refuses to.
const SYSTEM_USER: &str = "postgres";
/// Who may connect: the superuser as it likes, everybody else by password.
const ACCESS: &str = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// A running PostgreSQL on loopback, ended when dropped.
pub struct Postgres {
    binaries: PathBuf,
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Postgres {
    /// Makes a database cluster, starts its server and waits until it answers.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let binaries = find_binaries()?;
        let folder = scratch_folder("postgres-")?;
        let user = system_user()?;
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        let as_user = |program: Program| match &user {
            Some(_) => program.user(SYSTEM_USER),
            None => program,
        };
        let data = folder.path().join("data");

        let mut initdb = as_user(Program::new("initdb", binaries.join("initdb")))
            .args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C"])
            .args(["--no-sync", "--pgdata"])
            .arg(&data)
            .start(folder.path())?;
        initdb.finish(START).await?;
        fs::write(data.join("pg_hba.conf"), ACCESS)?;

        let port = free_port()?;
        let sockets = format!("unix_socket_directories={}", folder.path().display());
        let process = as_user(Program::new("postgres", binaries.join("postgres")))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", &sockets])
            .args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"])
            .args(["-c", "shared_buffers=16MB", "-c", "max_connections=50"])
            // Killed, it would leave a shared memory segment behind.
            .ended_by("INT")
            .start(folder.path())?;
        let mut server = Self { binaries, port, _process: process, _folder: folder };
        let (psql, port) = (server.psql_path(), server.port);
        server
            ._process
            .until("PostgreSQL answers", START, async |_| run(&psql, port, "postgres", None, "select 1"))
            .await?;
        Ok(server)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's URL, as Vault's database engine takes it.
    #[must_use]
    pub fn connection_url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Runs SQL as the superuser and returns what it printed, without headings.
    ///
    /// # Errors
    /// When the SQL fails; the message is PostgreSQL's.
    pub fn run(&self, sql: &str) -> Result<String> {
        run(&self.psql_path(), self.port, "postgres", None, sql)
    }

    /// Whether an ordinary user can log in with that password, over TCP and checked by the server.
    ///
    /// # Errors
    /// When the answer is neither yes nor a refused password.
    pub fn can_log_in(&self, user: &str, password: &str) -> Result<bool> {
        match run(&self.psql_path(), self.port, user, Some(password), "select current_user") {
            Ok(name) => Ok(name == user),
            Err(error) if error.to_string().contains("password authentication failed") => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn psql_path(&self) -> PathBuf {
        self.binaries.join("psql")
    }
}

/// One psql session of one command.
fn run(psql: &Path, port: u16, user: &str, password: Option<&str>, sql: &str) -> Result<String> {
    let mut command = Command::new(psql);
    command
        .args(["--no-psqlrc", "--no-password", "--quiet", "--no-align", "--tuples-only"])
        .args(["--set", "ON_ERROR_STOP=1", "--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--username", user, "--dbname", "postgres", "--command", sql])
        .env("PGCONNECT_TIMEOUT", "10");
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    let Output { status, stdout, stderr } = command.output()?;
    if status.success() {
        Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
    } else {
        Err(Error::new(format!("psql as {user}: {status}: {}", String::from_utf8_lossy(&stderr).trim())))
    }
}

/// The newest PostgreSQL that Debian's packages have put here.
fn find_binaries() -> Result<PathBuf> {
    let missing = || Error::new("PostgreSQL is missing: install Debian's package postgresql");
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .map_err(|_| missing())?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|binaries| binaries.join("postgres").exists())
        .collect();
    found.sort_by_key(|binaries| {
        let version = binaries.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|version| version.parse::<u32>().ok())
    });
    found.pop().ok_or_else(missing)
}

/// A user's numbers.
struct SystemUser {
    uid: u32,
    gid: u32,
}

/// The user to run the server as, when we are root.
fn system_user() -> Result<Option<SystemUser>> {
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    Ok(Some(SystemUser { uid: id(&["-u", SYSTEM_USER])?, gid: id(&["-g", SYSTEM_USER])? }))
}

/// What `id` answers, as a number.
fn id(args: &[&str]) -> Result<u32> {
    let Output { stdout, stderr, .. } = Command::new("id").args(args).output()?;
    let said = String::from_utf8_lossy(&stderr).trim().to_owned();
    String::from_utf8_lossy(&stdout).trim().parse().map_err(|_| Error::new(format!("id {args:?}: {said}")))
}
