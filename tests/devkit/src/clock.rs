//! The stand-ins' clock: real time, and what a test let pass on top of it.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Real time plus an offset that only grows.
#[derive(Default)]
pub(crate) struct StandInClock {
    passed: Mutex<Duration>,
}

impl StandInClock {
    /// Lets `duration` pass at once.
    pub(crate) fn pass(&self, duration: Duration) {
        *self.passed.lock().expect("no holder panics") += duration;
    }

    /// Time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        unix_now() + *self.passed.lock().expect("no holder panics")
    }
}

/// Real time since the Unix epoch.
pub(crate) fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970")
}

/// `at` (since the Unix epoch) as RFC 3339 with the digits it has.
pub(crate) fn rfc3339(at: Duration) -> String {
    (OffsetDateTime::UNIX_EPOCH + at).format(&Rfc3339).expect("a year of four digits")
}

/// `at` (since the Unix epoch) as RFC 3339 in whole seconds, as Kubernetes writes times.
pub(crate) fn rfc3339_seconds(at: Duration) -> String {
    rfc3339(Duration::from_secs(at.as_secs()))
}
