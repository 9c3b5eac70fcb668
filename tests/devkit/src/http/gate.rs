//! A gate that holds requests until a test opens it, so that no test sleeps to be right.

use std::sync::Arc;

use tokio::sync::watch;

/// Holds whoever passes until it is opened; a clone is the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    open: bool,
    waiting: usize,
}

impl Default for Gate {
    fn default() -> Self {
        Self::closed()
    }
}

impl Gate {
    /// A gate that is closed.
    pub fn closed() -> Self {
        Self { state: Arc::new(watch::Sender::new(State { open: false, waiting: 0 })) }
    }

    /// Lets everybody pass, now and from now on.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Holds those who come from now on.
    pub fn close(&self) {
        self.state.send_modify(|state| state.open = false);
    }

    /// How many are held now.
    pub fn waiting(&self) -> usize {
        self.state.borrow().waiting
    }

    /// Returns when at least `count` are held.
    pub async fn until_waiting(&self, count: usize) {
        let mut changes = self.state.subscribe();
        changes.wait_for(|state| state.waiting >= count).await.expect("we hold the sender");
    }

    pub(crate) async fn pass(&self) {
        let mut changes = self.state.subscribe();
        let _held = Held::new(self);
        changes.wait_for(|state| state.open).await.expect("we hold the sender");
    }
}

struct Held<'a>(&'a Gate);

impl<'a> Held<'a> {
    fn new(gate: &'a Gate) -> Self {
        gate.state.send_modify(|state| state.waiting += 1);
        Self(gate)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.waiting -= 1);
    }
}
