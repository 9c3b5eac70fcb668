//! How many mounts ask one cluster at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A mount's place among those that ask a cluster. It is taken while at least one of the mount's requests is under way,
/// not while they pause between attempts, so that mounts of a dead Vault do not fill the house.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Semaphore>,
    taking: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: usize,
    permit: Option<OwnedSemaphorePermit>,
}

/// One request under way.
#[derive(Debug)]
pub struct Seated<'a>(&'a Seat);

impl Seat {
    /// A place that is not taken yet.
    pub(super) fn among(seats: &Arc<Semaphore>) -> Self {
        Self { seats: Arc::clone(seats), taking: tokio::sync::Mutex::default(), state: Mutex::default() }
    }

    /// Waits for the place, or shares it with another request of the same mount. `None` never happens while the cluster
    /// lives.
    pub(super) async fn take(&self) -> Option<Seated<'_>> {
        if let Some(seated) = self.share() {
            return Some(seated);
        }
        let _taking = self.taking.lock().await;
        if let Some(seated) = self.share() {
            return Some(seated);
        }
        let permit = Arc::clone(&self.seats).acquire_owned().await.ok()?;
        *self.state() = State { requests: 1, permit: Some(permit) };
        Some(Seated(self))
    }

    fn share(&self) -> Option<Seated<'_>> {
        let mut state = self.state();
        state.permit.is_some().then(|| {
            state.requests += 1;
            Seated(self)
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        if state.requests == 0 {
            state.permit = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_mounts_requests_share_one_place_and_leave_it_while_none_is_under_way() {
        let seats = Arc::new(Semaphore::new(1));
        let (one, other) = (Seat::among(&seats), Seat::among(&seats));
        let first = one.take().await.expect("free");
        let second = one.take().await.expect("shared");
        let waits = tokio::time::timeout(Duration::from_secs(1), other.take()).await;
        assert!(waits.is_err(), "the place is taken");
        drop(first);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), other.take()).await.is_err(),
            "one is still under way"
        );
        drop(second);
        let _taken = tokio::time::timeout(Duration::from_secs(1), other.take()).await.expect("free again");
        assert!(
            tokio::time::timeout(Duration::from_secs(1), one.take()).await.is_err(),
            "a pause gave the place away"
        );
    }
}
