//! The newcomer's command, `cargo run -p devkit -- demo`, and a look at a provider that runs: `… -- version SOCKET`.

#![allow(clippy::disallowed_methods, reason = "a command of its own, not the product")]

use std::io::Write as _;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = std::io::stdout();
    let outcome = match words.as_slice() {
        ["demo"] => tokio::select! {
            outcome = devkit::demo::run(&mut out) => outcome,
            // Leaving by a return removes what the demo made; dying of the signal would not.
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        },
        ["version", socket] => {
            match devkit::driver::Driver::new(std::path::Path::new(socket)).version().await {
                Ok(answer) => {
                    writeln!(out, "{} {}", answer.runtime_name, answer.runtime_version).map_err(Into::into)
                }
                Err(status) => Err(format!("{:?}: {}", status.code(), status.message()).into()),
            }
        }
        _ => Err("usage: cargo run -p devkit -- demo | version SOCKET".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
