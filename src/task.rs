//! Work that several callers wait for and that ends when the last of them leaves.

use std::future::Future;
use std::sync::{Arc, Weak};

use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A handle on a running piece of work; clones wait for the same. When the last handle is dropped the work is stopped.
#[derive(Debug)]
pub struct SharedTask<T> {
    inner: Arc<Inner<T>>,
}

/// The work ended without an outcome: it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLost;

#[derive(Debug)]
struct Inner<T> {
    outcome: watch::Receiver<Option<T>>,
    abort: AbortHandle,
}

impl<T> Drop for Inner<T> {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl<T> Clone for SharedTask<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Clone + Send + Sync + 'static> SharedTask<T> {
    /// Starts the work.
    pub fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        let (sender, outcome) = watch::channel(None);
        let abort = tokio::spawn(async move {
            let value = work.await;
            sender.send_replace(Some(value));
        })
        .abort_handle();
        Self { inner: Arc::new(Inner { outcome, abort }) }
    }

    /// Waits for the outcome.
    pub async fn outcome(&self) -> Result<T, TaskLost> {
        let mut outcome = self.inner.outcome.clone();
        let value = outcome.wait_for(Option::is_some).await.map_err(|_| TaskLost)?;
        value.clone().ok_or(TaskLost)
    }

    /// A handle that does not keep the work going.
    pub fn downgrade(&self) -> WeakTask<T> {
        WeakTask(Arc::downgrade(&self.inner))
    }
}

/// A handle that does not keep the work going.
#[derive(Debug)]
pub struct WeakTask<T>(Weak<Inner<T>>);

impl<T> WeakTask<T> {
    /// Joins the work if somebody still waits for it.
    pub fn upgrade(&self) -> Option<SharedTask<T>> {
        self.0.upgrade().map(|inner| SharedTask { inner })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_get_the_one_outcome() {
        let task = SharedTask::spawn(async { 7 });
        let other = task.downgrade().upgrade().expect("still held");
        assert_eq!((task.outcome().await, other.outcome().await), (Ok(7), Ok(7)));
    }

    #[tokio::test]
    async fn the_work_ends_when_the_last_waiter_leaves() {
        let (held, dropped) = oneshot::channel::<()>();
        let task = SharedTask::spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        let weak = task.downgrade();
        let second = task.clone();
        drop(task);
        assert!(weak.upgrade().is_some());
        drop(second);
        assert!(weak.upgrade().is_none());
        let ended = tokio::time::timeout(Duration::from_secs(5), dropped).await.expect("stopped in time");
        assert!(ended.is_err(), "the work was dropped, not finished");
    }

    #[tokio::test]
    async fn a_panic_in_the_work_is_told_to_who_waits() {
        let task: SharedTask<()> = SharedTask::spawn(async { std::panic::resume_unwind(Box::new("boom")) });
        assert_eq!(task.outcome().await, Err(TaskLost));
    }
}
