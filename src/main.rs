//! Arguments and environment become [`Settings`], these an [`App`]; the exit code says how it ended.

use std::io::{IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use lockkeeper::app::App;
use lockkeeper::settings::{Invocation, LogLevel, Settings};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// As Go's flag package ends after a wrong command line.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the door through which Settings reads the environment")]
    let invocation = Settings::parse(std::env::args_os().skip(1), |name| std::env::var_os(name));
    match invocation {
        Ok(Invocation::Print(text)) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Ok(Invocation::Serve(settings)) => serve(*settings),
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(USAGE)
        }
    }
}

fn serve(settings: Settings) -> ExitCode {
    log_to_stderr(settings.log_level);
    keep_memory_private();
    std::panic::set_hook(Box::new(log_panic));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "lockkeeper starts: {}", settings.summary());
        for notice in &settings.notices {
            tracing::warn!("{notice}");
        }
        let (mut terminate, mut interrupt) =
            match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
                (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
                (Err(error), _) | (_, Err(error)) => {
                    return Err(format!("cannot listen for signals: {error}"));
                }
            };
        let bound = App::bind(settings).await.map_err(|error| error.to_string())?;
        tracing::info!(address = %bound.health_address(), "answering /health/ready");
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        bound.run(shutdown).await.map_err(|error| error.to_string())
    });
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::FAILURE
        }
    }
}

/// No core dumps, and no other process of our user may look into this one: it holds tokens and secrets.
fn keep_memory_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none);
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if let Err(error) = limited.and(hidden) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
}

/// One sentence to standard error, whatever the log level.
fn say(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "lockkeeper: {sentence}");
}

/// Our own lines at the level asked for; libraries warn at most, because their finer lines may show what they carry.
fn log_to_stderr(level: LogLevel) {
    let (ours, theirs) = match level {
        LogLevel::Off => (LevelFilter::OFF, LevelFilter::OFF),
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
        LogLevel::Trace => (LevelFilter::TRACE, LevelFilter::WARN),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(lines)
        .with(Targets::new().with_default(theirs).with_target("lockkeeper", ours))
        .init();
}

/// A panic's place; its message may hold what was being handled.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    tracing::error!(%place, "a panic; the mount it belongs to is answered with an internal error");
}
