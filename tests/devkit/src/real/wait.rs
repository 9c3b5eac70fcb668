//! Waiting for a condition, for as long as it may take and no longer.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Error, Result};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// Repeats `probe` until it succeeds, and returns what it found; after `bound` the error says `what` was waited for and
/// what the last try said.
///
/// # Errors
/// When `bound` is over.
pub async fn eventually<T>(
    what: &str,
    bound: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let end = Instant::now() + bound;
    loop {
        match probe().await {
            Ok(found) => return Ok(found),
            Err(last) if Instant::now() >= end => {
                return Err(last.while_doing(format_args!("waited {bound:?} for {what}")));
            }
            Err(_) => sleep(INTERVAL).await,
        }
    }
}

/// A condition that may not hold yet: `Ok` when it does, else an error that says `otherwise`.
pub(super) fn holds(condition: bool, otherwise: &str) -> Result<()> {
    if condition { Ok(()) } else { Err(Error::new(otherwise)) }
}
