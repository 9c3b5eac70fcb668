//! Time and chance, handed in rather than reached for, so that a test can hold both.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;

/// The time. Follows tokio's clock, so `tokio::time::pause` holds the wall clock with the monotonic one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    wall: SystemTime,
}

impl Clock {
    /// The machine's own time.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    pub fn system() -> Self {
        Self::at(SystemTime::now())
    }

    /// A clock whose wall time is `wall` now; for tests.
    pub fn at(wall: SystemTime) -> Self {
        Self { origin: Instant::now(), wall }
    }

    /// Now, for spans of time.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Now as seconds and their fractions since 1970, UTC; for times that others wrote down.
    pub fn unix_time(&self) -> Duration {
        let wall = self.wall + self.now().duration_since(self.origin);
        wall.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// Chance, to spread retries and renewals.
#[derive(Clone, Debug)]
pub struct Jitter(Arc<Mutex<fastrand::Rng>>);

impl Jitter {
    /// Another sequence at each start.
    pub fn random() -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::new())))
    }

    /// The same sequence for the same seed; for tests.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// A span between half of `span` and all of it.
    pub fn spread(&self, span: Duration) -> Duration {
        let share = self.0.lock().unwrap_or_else(PoisonError::into_inner).f64();
        span.mul_f64(0.5 + share / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_moves_with_the_held_clock() {
        let clock = Clock::at(UNIX_EPOCH + Duration::from_secs(1_000));
        tokio::time::advance(Duration::from_millis(2_500)).await;
        assert_eq!(clock.unix_time(), Duration::from_millis(1_002_500));
    }

    #[test]
    fn jitter_stays_between_half_and_all() {
        let jitter = Jitter::seeded(7);
        for _ in 0..1_000 {
            let span = jitter.spread(Duration::from_secs(2));
            assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&span), "{span:?}");
        }
    }
}
