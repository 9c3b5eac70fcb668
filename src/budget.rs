//! How long one Mount may take, from the call down to each request.

use std::time::Duration;

use crate::clock::Instant;

/// The time of one Mount: min(M, max(t - 2 s, t / 2)), M being `-mount-timeout` and t the call's `grpc-timeout`.
///
/// Earlier than the call's own deadline, because tonic would answer that one with Cancelled, which is not final: the
/// driver would start the pod on an empty volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    started: Instant,
    ends: Instant,
}

impl Budget {
    /// The budget of a call that began at `now`.
    pub fn of_call(now: Instant, mount_timeout: Duration, grpc_timeout: Option<Duration>) -> Self {
        let patience = grpc_timeout.map(|t| t.saturating_sub(Duration::from_secs(2)).max(t / 2));
        let span = patience.map_or(mount_timeout, |patience| patience.min(mount_timeout));
        Self { started: now, ends: now + span }
    }

    /// When the call began; whatever answers it must not be older.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// When the call must be answered.
    pub fn ends(&self) -> Instant {
        self.ends
    }

    /// What is left; zero when it is spent.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.ends.saturating_duration_since(now)
    }

    /// A budget of the same call that ends at the latest `span` from `now`.
    pub fn capped(&self, now: Instant, span: Duration) -> Self {
        Self { started: self.started, ends: self.ends.min(now + span) }
    }
}

/// Parses a `grpc-timeout` header: up to eight digits and a unit (`H`, `M`, `S`, `m`, `u`, `n`).
pub fn parse_grpc_timeout(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_budget_is_the_shorter_of_our_own_and_the_calls() {
        let now = Instant::now();
        let span = |mount: u64, grpc: Option<u64>| {
            Budget::of_call(now, Duration::from_millis(mount), grpc.map(Duration::from_millis))
                .remaining(now)
                .as_millis()
        };
        assert_eq!(span(45_000, None), 45_000);
        assert_eq!(span(45_000, Some(120_000)), 45_000);
        assert_eq!(span(45_000, Some(10_000)), 8_000);
        assert_eq!(span(45_000, Some(4_000)), 2_000);
        assert_eq!(span(45_000, Some(3_000)), 1_500);
        assert_eq!(span(1_000, Some(10_000)), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_spent_budget_is_zero_and_a_cap_never_lengthens() {
        let now = Instant::now();
        let budget = Budget::of_call(now, Duration::from_secs(5), None);
        assert_eq!(budget.remaining(now + Duration::from_secs(9)), Duration::ZERO);
        assert_eq!(budget.capped(now, Duration::from_secs(9)), budget);
        assert_eq!(budget.capped(now, Duration::from_secs(1)).remaining(now), Duration::from_secs(1));
    }

    #[test]
    fn grpc_timeouts_are_read_as_grpc_writes_them() {
        for (header, expected) in [
            ("120S", Some(Duration::from_secs(120))),
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("119999m", Some(Duration::from_millis(119_999))),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("5n", Some(Duration::from_nanos(5))),
            ("", None),
            ("S", None),
            ("1s", None),
            ("123456789S", None),
            ("-1S", None),
            ("1é", None),
        ] {
            assert_eq!(parse_grpc_timeout(header), expected, "{header}");
        }
    }
}
