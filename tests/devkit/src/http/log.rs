//! The log of calls and the counters beside it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::call::Call;

/// A call as the log keeps it.
#[derive(Clone, Debug)]
pub struct LoggedCall {
    /// The request.
    pub call: Call,
    /// When its head had come.
    pub started: Instant,
    /// When its answer had left or its client had gone; `None` while it is under way.
    pub ended: Option<Instant>,
    /// The status answered, `None` before that or when there was none.
    pub status: Option<u16>,
    /// The connection it came by, counted from 1.
    pub connection: u64,
}

/// What a server saw; a clone is the same log.
#[derive(Clone, Debug)]
pub struct CallLog {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<LoggedCall>,
    connections: u64,
    handshake_failures: u64,
    in_flight: usize,
    max_in_flight: usize,
}

impl Default for CallLog {
    fn default() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())) }
    }
}

impl CallLog {
    /// All calls so far, oldest first.
    pub fn calls(&self) -> Vec<LoggedCall> {
        self.state.borrow().calls.clone()
    }

    /// The calls that `wanted` picks, oldest first.
    pub fn matching(&self, wanted: impl Fn(&Call) -> bool) -> Vec<LoggedCall> {
        self.state.borrow().calls.iter().filter(|logged| wanted(&logged.call)).cloned().collect()
    }

    /// How many calls `wanted` picks.
    pub fn count(&self, wanted: impl Fn(&Call) -> bool) -> usize {
        self.state.borrow().calls.iter().filter(|logged| wanted(&logged.call)).count()
    }

    /// Connections accepted so far, TLS handshakes that failed included.
    pub fn connections(&self) -> u64 {
        self.state.borrow().connections
    }

    /// TLS handshakes that failed.
    pub fn handshake_failures(&self) -> u64 {
        self.state.borrow().handshake_failures
    }

    /// Calls under way now.
    pub fn in_flight(&self) -> usize {
        self.state.borrow().in_flight
    }

    /// The most calls that were under way at one time.
    pub fn max_in_flight(&self) -> usize {
        self.state.borrow().max_in_flight
    }

    /// Forgets the calls and the counters; calls under way stay counted.
    pub fn clear(&self) {
        self.state.send_modify(|state| {
            let in_flight = state.in_flight;
            *state = State { in_flight, max_in_flight: in_flight, ..State::default() };
        });
    }

    /// Returns when `count` calls that `wanted` picks have come.
    pub async fn until(&self, count: usize, wanted: impl Fn(&Call) -> bool) {
        let enough =
            |state: &State| state.calls.iter().filter(|logged| wanted(&logged.call)).count() >= count;
        self.state.subscribe().wait_for(enough).await.expect("we hold the sender");
    }

    /// Returns when no call is under way.
    pub async fn until_idle(&self) {
        self.state.subscribe().wait_for(|state| state.in_flight == 0).await.expect("we hold the sender");
    }

    pub(crate) fn connected(&self) -> u64 {
        let mut connection = 0;
        self.state.send_modify(|state| {
            state.connections += 1;
            connection = state.connections;
        });
        connection
    }

    pub(crate) fn handshake_failed(&self) {
        self.state.send_modify(|state| state.handshake_failures += 1);
    }

    /// Logs a call; it is under way until the value returned is dropped.
    pub(crate) fn begin(&self, call: &Call, connection: u64) -> UnderWay {
        let started = Instant::now();
        self.state.send_modify(|state| {
            state.in_flight += 1;
            state.max_in_flight = state.max_in_flight.max(state.in_flight);
            state.calls.push(LoggedCall {
                call: call.clone(),
                started,
                ended: None,
                status: None,
                connection,
            });
        });
        UnderWay { log: self.clone(), started, connection, status: None }
    }
}

/// A call under way; dropping it is its end.
pub(crate) struct UnderWay {
    log: CallLog,
    started: Instant,
    connection: u64,
    status: Option<u16>,
}

impl UnderWay {
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = Some(status);
        self.note(|logged| logged.status = Some(status));
    }

    fn note(&self, change: impl FnOnce(&mut LoggedCall)) {
        self.log.state.send_modify(|state| {
            // A test may have cleared the log meanwhile, so it is found by what it is and not by where it was.
            let ours = |logged: &&mut LoggedCall| {
                logged.started == self.started
                    && logged.connection == self.connection
                    && logged.ended.is_none()
            };
            if let Some(logged) = state.calls.iter_mut().find(ours) {
                change(logged);
            }
        });
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.note(|logged| logged.ended = Some(Instant::now()));
        self.log.state.send_modify(|state| state.in_flight -= 1);
    }
}
