//! Faults that a test switches on: what goes wrong, for which requests, how often.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;

use super::call::{Answer, Call};
use super::gate::Gate;

/// One thing that goes wrong; for all requests until it is removed, unless narrowed.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) effect: Effect,
    prefix: String,
    method: Option<Method>,
    skip: u64,
    remaining: Option<u64>,
}

/// What a fault does. The first two groups come before the handler runs, the last changes its answer.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Delay(Duration),
    Hold(Gate),

    Answer(Answer),
    Hang,
    Reset,
    Endless,

    LateAnswer(Duration),
    HoldAnswer(Gate),
    ResetMidAnswer,
    HangMidAnswer,
    CutMidAnswer,
    Dribble { bytes: usize, every: Duration },
    ContentLength { more: i64 },
}

impl Fault {
    fn new(effect: Effect) -> Self {
        Self { effect, prefix: String::new(), method: None, skip: 0, remaining: None }
    }

    /// The request is executed only after `delay`, its answer is then fresh.
    pub fn delay(delay: Duration) -> Self {
        Self::new(Effect::Delay(delay))
    }

    /// The request is executed only when `gate` opens, its answer is then fresh.
    pub fn held(gate: &Gate) -> Self {
        Self::new(Effect::Hold(gate.clone()))
    }

    /// The request is executed at once, its answer leaves after `delay` and is then stale.
    pub fn late_answer(delay: Duration) -> Self {
        Self::new(Effect::LateAnswer(delay))
    }

    /// The request is executed at once, its answer leaves when `gate` opens and is then stale.
    pub fn held_answer(gate: &Gate) -> Self {
        Self::new(Effect::HoldAnswer(gate.clone()))
    }

    /// This answer instead of the real one; the request is not executed.
    pub fn answer(answer: Answer) -> Self {
        Self::new(Effect::Answer(answer))
    }

    /// No answer ever, the connection stays open; the request is not executed.
    pub fn hang() -> Self {
        Self::new(Effect::Hang)
    }

    /// The connection is reset (TCP RST) before an answer; the request is not executed.
    pub fn reset() -> Self {
        Self::new(Effect::Reset)
    }

    /// A JSON string without end; the request is not executed.
    pub fn endless_body() -> Self {
        Self::new(Effect::Endless)
    }

    /// The connection is reset (TCP RST) after half of the body.
    pub fn reset_mid_answer() -> Self {
        Self::new(Effect::ResetMidAnswer)
    }

    /// Half of the body, then nothing, the connection stays open.
    pub fn hang_mid_answer() -> Self {
        Self::new(Effect::HangMidAnswer)
    }

    /// Half of the body, then the connection is closed in good order (Content-Length says more).
    pub fn truncated_body() -> Self {
        Self::new(Effect::CutMidAnswer)
    }

    /// The body comes in pieces of `bytes` with a pause of `every` between them.
    pub fn slow_body(bytes: usize, every: Duration) -> Self {
        Self::new(Effect::Dribble { bytes: bytes.max(1), every })
    }

    /// Content-Length is wrong by `more` bytes (negative: it says less than there is).
    pub fn wrong_content_length(more: i64) -> Self {
        Self::new(Effect::ContentLength { more })
    }

    /// Only for paths that start so. For Vault without `v1/`: `secret/data/app`; for Kubernetes: `/api/v1/…`.
    #[must_use]
    pub fn at(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Only for this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only for the next `times` requests that match.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.remaining = Some(times);
        self
    }

    /// Only after `count` requests that match went well.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    fn take(&mut self, path: &str, method: &Method) -> Option<Effect> {
        let matches =
            path.starts_with(&self.prefix) && self.method.as_ref().is_none_or(|wanted| wanted == method);
        if !matches || self.remaining == Some(0) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.remaining = self.remaining.map(|remaining| remaining - 1);
        Some(self.effect.clone())
    }
}

/// A server's faults; a clone is the same set.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    switched_on: Arc<Mutex<Vec<Fault>>>,
}

impl Faults {
    /// Switches a fault on. Several that match one request act together; of several answers the first one counts.
    pub fn add(&self, fault: Fault) {
        self.switched_on.lock().expect("no holder panics").push(fault);
    }

    /// Switches all faults off.
    pub fn clear(&self) {
        self.switched_on.lock().expect("no holder panics").clear();
    }

    /// What goes wrong with this call; `path` is what [`Fault::at`] is compared with.
    pub(crate) fn take(&self, call: &Call, path: &str) -> Vec<Effect> {
        let mut switched_on = self.switched_on.lock().expect("no holder panics");
        switched_on.iter_mut().filter_map(|fault| fault.take(path, &call.method)).collect()
    }
}
