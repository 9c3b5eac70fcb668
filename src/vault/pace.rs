//! How fast one address may be asked: VAULT_RATE_LIMIT.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Instant};
use crate::settings::RateLimit;

/// A token bucket of one address.
#[derive(Debug)]
pub(super) struct Pace {
    limit: RateLimit,
    // When the bucket would be full again.
    full_at: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(limit: RateLimit, now: Instant) -> Self {
        Self { limit, full_at: Mutex::new(now) }
    }

    /// Waits until one more request may go. A caller that leaves has used up its turn.
    pub(super) async fn turn(&self, clock: Clock) {
        let each = Duration::from_secs_f64(1.0 / self.limit.per_second);
        let turn = {
            let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
            let now = clock.now();
            *full_at = (*full_at).max(now) + each;
            let ahead = each.saturating_mul(self.limit.burst);
            full_at.checked_sub(ahead).map_or(now, |turn| turn.max(now))
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_limit_lets_the_burst_through_and_then_keeps_the_pace() {
        let clock = Clock::at(std::time::UNIX_EPOCH);
        let pace = Pace::new(RateLimit { per_second: 10.0, burst: 3 }, clock.now());
        let began = clock.now();
        let mut waited = Vec::new();
        for _ in 0..6 {
            pace.turn(clock).await;
            waited.push(clock.now().duration_since(began).as_millis());
        }
        assert_eq!(waited, [0, 0, 0, 100, 200, 300]);
    }
}
