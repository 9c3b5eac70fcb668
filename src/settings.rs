//! Turns command line and environment into [`Settings`], or says in one sentence which flag or variable is wrong.
//!
//! The only reader of either: everything below takes what it needs from these values. Precedence is environment,
//! then flag, then (elsewhere) the class. A value that a higher layer overrides is not looked at.

mod client;
pub(crate) mod duration;
mod environment;
mod flags;
mod flavour;
pub(crate) mod go_flags;
mod limits;
mod listen;
mod numbers;
mod summary;
#[cfg(test)]
mod tests;
mod version;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use client::{ClientSettings, Proxy, RateLimit};
pub use flavour::FlavourSettings;
pub use limits::Limits;
pub use listen::{Endpoint, HealthAddress};

use crate::class::SpecError;
use crate::class::endpoint::Flavour;
use crate::class::restrictions::Restrictions;
use environment::Environment;
use flags::Flags;

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Serve the driver until told to stop.
    Serve(Box<Settings>),
    /// Write this text (it ends with a newline) to standard output and leave with success: `-version`, `-help`.
    Print(String),
}

/// Everything an operator may choose for one process. `Debug` shows no credentials.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The sockets for the driver, each with its flavour; at least one, no path twice.
    pub endpoints: Vec<Endpoint>,
    /// What is logged.
    pub log_level: LogLevel,
    /// Where `/health/ready` is answered.
    pub health_address: HealthAddress,
    /// How many sessions are kept; 0 keeps none.
    pub cache_size: usize,
    /// The longest a mount may take, queueing included; above zero.
    pub mount_timeout: Duration,
    /// How long the process may go on after SIGTERM to finish what it began.
    pub shutdown_timeout: Duration,
    /// The largest response to the driver, in bytes; above zero.
    pub max_response_bytes: usize,
    /// The way to the Kubernetes API.
    pub kubernetes: KubernetesSettings,
    /// What counts for Vault's sockets; the built-in defaults where no endpoint is Vault's.
    pub vault: FlavourSettings,
    /// What counts for OpenBao's sockets; the built-in defaults where no endpoint is OpenBao's.
    pub openbao: FlavourSettings,
    /// User ids that may call on the driver's sockets, beside 0.
    pub allowed_uids: Vec<u32>,
    /// How much may go on at once.
    pub limits: Limits,
    /// What a class may not ask for.
    pub restrictions: Restrictions,
    /// Sentences for the operator that are worth a warning at start; they hold no credentials.
    pub notices: Vec<String>,
}

/// The way to the Kubernetes API, as every pod is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSettings {
    /// The folder that holds `token`, `ca.crt` and `namespace`.
    pub service_account_dir: PathBuf,
    /// Host (an IPv6 address without brackets) and port of the API; `None` outside a pod.
    pub host_port: Option<(String, u16)>,
}

/// What is logged; each level holds those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed for good.
    Error,
    /// What an operator should look at.
    Warn,
    /// One line per call, and the process's own life.
    Info,
    /// Each step of a call.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level of a word, in any case; `None` for words that are no level.
    fn of_word(word: &str) -> Option<Self> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "off" => Self::Off,
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return None,
        })
    }
}

/// The level's lower-case word, as log filters take it.
impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

/// One sentence that names the flag or variable that is wrong and never a value that may hold a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl SettingsError {
    /// `name` is a flag with its dash, or a variable.
    fn of(name: &str, problem: impl fmt::Display) -> Self {
        Self(format!("{name}: {problem}"))
    }
}

/// The error of a parser that was told the flag or variable as its field.
impl From<SpecError> for SettingsError {
    fn from(error: SpecError) -> Self {
        Self(error.to_string())
    }
}

/// The text of one flag or variable, with the name an error shows.
#[derive(Clone)]
struct Named {
    name: String,
    text: String,
}

impl Named {
    /// The text through a parser; its error becomes a sentence with the name in front.
    fn read<T, E: fmt::Display>(&self, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, SettingsError> {
        parse(&self.text).map_err(|problem| SettingsError::of(&self.name, problem))
    }

    /// The text, unless it holds a control character.
    fn one_line(self) -> Result<String, SettingsError> {
        if self.text.chars().any(char::is_control) {
            return Err(SettingsError::of(&self.name, "holds a control character"));
        }
        Ok(self.text)
    }

    /// The text as a path.
    fn path(self) -> Result<PathBuf, SettingsError> {
        if self.text.contains('\0') {
            return Err(SettingsError::of(&self.name, "holds a NUL character"));
        }
        Ok(PathBuf::from(self.text))
    }
}

impl Settings {
    /// Reads `args` (without the program's name) and the variables it asks `env` for; touches nothing else.
    ///
    /// # Errors
    /// One sentence on the first flag or variable that cannot be used.
    pub fn parse(
        args: impl IntoIterator<Item = OsString>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Invocation, SettingsError> {
        let Some(flags) = Flags::parse(args)? else {
            return Ok(Invocation::Print(flags::help()));
        };
        if flags.switch("version") == Some(true) {
            return Ok(Invocation::Print(version::text(flags.text("output").as_ref())?));
        }
        let settings = Self::assemble(&flags, &Environment::new(&env))?;
        Ok(Invocation::Serve(Box::new(settings)))
    }

    fn assemble(flags: &Flags, env: &Environment<'_>) -> Result<Self, SettingsError> {
        let mut notices = Vec::new();
        let log_level = log_level(flags, &mut notices);
        let endpoints = listen::endpoints(flags.texts("endpoint"))?;
        let mount_timeout = span(flags, "mount-timeout", Duration::from_secs(45))?;
        if mount_timeout.is_zero() {
            return Err(SettingsError::of("-mount-timeout", "must be longer than zero"));
        }
        limits::check_session_sharing(flags)?;
        let serves = |flavour| endpoints.iter().any(|endpoint| endpoint.flavour == flavour);
        let of = |flavour| {
            if serves(flavour) {
                FlavourSettings::read(flavour, flags, env, mount_timeout)
            } else {
                // Nobody asks for them, so neither may a variable of the other world stop this one.
                FlavourSettings::read(flavour, &Flags::none(), &Environment::new(&|_| None), mount_timeout)
            }
        };
        if !serves(Flavour::OpenBao)
            && let Some(name) = flags.given_with_prefix("openbao-")
        {
            notices
                .push(format!("{name} has no effect: no -endpoint is OpenBao's (openbao.sock or bao.sock)"));
        }
        Ok(Self {
            vault: of(Flavour::Vault)?,
            openbao: of(Flavour::OpenBao)?,
            log_level,
            health_address: match flags.text("health-addr") {
                Some(address) => address.read(HealthAddress::parse)?,
                None => HealthAddress { host: None, port: 8080 },
            },
            cache_size: match flags.text("cache-size") {
                Some(size) => usize::try_from(size.read(numbers::go_integer)?).unwrap_or(0),
                None => 1000,
            },
            mount_timeout,
            shutdown_timeout: span(flags, "shutdown-timeout", Duration::from_secs(20))?,
            max_response_bytes: match flags.text("max-response-bytes") {
                Some(size) => size.read(numbers::size)?,
                None => 4 << 20,
            },
            kubernetes: kubernetes(flags, env)?,
            allowed_uids: limits::uids(flags)?,
            limits: Limits::read(flags)?,
            restrictions: limits::restrictions(flags)?,
            endpoints,
            notices,
        })
    }

    /// What counts for the sockets of a flavour.
    pub fn flavour(&self, flavour: Flavour) -> &FlavourSettings {
        match flavour {
            Flavour::Vault => &self.vault,
            Flavour::OpenBao => &self.openbao,
        }
    }
}

fn log_level(flags: &Flags, notices: &mut Vec<String>) -> LogLevel {
    let debug = flags.switch("debug") == Some(true);
    if debug {
        notices.push("-debug is deprecated, use -log-level=debug".to_owned());
    }
    match flags.text("log-level") {
        Some(word) => LogLevel::of_word(&word.text).unwrap_or_else(|| {
            notices.push(format!("-log-level {:?} is no level, info is used", word.text));
            LogLevel::Info
        }),
        None if debug => LogLevel::Debug,
        None => LogLevel::Info,
    }
}

fn span(flags: &Flags, name: &str, default: Duration) -> Result<Duration, SettingsError> {
    flags.text(name).map_or(Ok(default), |text| text.read(duration::parse))
}

fn kubernetes(flags: &Flags, env: &Environment<'_>) -> Result<KubernetesSettings, SettingsError> {
    let service_account_dir = match flags.text("kubernetes-service-account-dir") {
        Some(folder) => folder.path()?,
        None => PathBuf::from(flags::SERVICE_ACCOUNT_DIR),
    };
    let host = env.text("KUBERNETES_SERVICE_HOST")?;
    let port = env.text("KUBERNETES_SERVICE_PORT")?;
    let host_port = match (host, port) {
        (Some(host), Some(port)) => {
            let host = host.read(listen::host)?;
            Some((host, port.read(listen::port)?))
        }
        _ => None,
    };
    Ok(KubernetesSettings { service_account_dir, host_port })
}
