//! How often and how long something is tried before a budget is spent, and what is said then.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::budget::Budget;
use crate::clock::{Clock, Instant, Jitter};
use crate::task::SharedTask;
use crate::wire::Failure;
use crate::words;

/// The first pause between two attempts; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause, so that a pod starts seconds after Vault is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a caller stays after its time when others still wait for the same work.
const LAST_WORD: Duration = Duration::from_millis(100);

/// How long work that ends with its caller's time may take, on a busy machine, to say what it tried. A budget ends at
/// least twice as long before the caller gives up.
const LONGEST_LAST_WORD: Duration = Duration::from_secs(1);

/// What one attempt ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No answer, or not a whole one.
    Wire(Failure),
    /// An answer with a status that is not success.
    Status {
        /// The status code.
        status: u16,
        /// What the server said, tidied to one line; empty when it said nothing.
        said: String,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
        /// The answer says that the server is sealed: it executed nothing.
        sealed: bool,
        /// More for the reader, found out from the answer: "the current version was deleted".
        hint: Option<String>,
    },
    /// An answer that is none of this server's: HTML, broken JSON, a field of another type.
    Malformed(String),
    /// A redirect that is not followed.
    Redirect(String),
    /// A redirect to where the operator does not let us go.
    Forbidden(String),
    /// Too many others asked; nothing was sent.
    NoTurn,
}

impl Trouble {
    /// The status, if an answer came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether it is worth trying again; a write only where it was certainly not executed.
    fn is_passing(&self, write: bool) -> bool {
        match self {
            Self::NoTurn | Self::Wire(Failure::Refused) => true,
            Self::Wire(Failure::Connect(_) | Failure::TimedOut(_) | Failure::Broken(_)) => !write,
            Self::Status { status: 412 | 429, .. } => true,
            Self::Status { status: 503, sealed, .. } => !write || *sealed,
            Self::Status { status: 501, .. } => false,
            Self::Status { status: 500..=599, .. } => !write,
            Self::Wire(Failure::Tls(_) | Failure::TooBig(_) | Failure::Unsendable(_))
            | Self::Status { .. }
            | Self::Malformed(_)
            | Self::Redirect(_)
            | Self::Forbidden(_) => false,
        }
    }

    /// Whether another node of the same cluster may do better: not reached, sealed, a node's own fault; never a
    /// refusal, and never 429, which is the cluster's quota.
    pub fn is_the_nodes_own(&self) -> bool {
        match self {
            Self::Wire(
                Failure::Refused | Failure::Connect(_) | Failure::TimedOut(_) | Failure::Broken(_),
            ) => true,
            Self::Status { status: 500..=599, .. } => true,
            Self::Wire(_)
            | Self::Status { .. }
            | Self::Malformed(_)
            | Self::Redirect(_)
            | Self::Forbidden(_)
            | Self::NoTurn => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(failure) => failure.fmt(f),
            Self::Status { status, said, hint, .. } => {
                write!(f, "{status}")?;
                if !said.is_empty() {
                    write!(f, " {said}")?;
                }
                hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
            }
            Self::Malformed(why) | Self::Redirect(why) | Self::Forbidden(why) => f.write_str(why),
            Self::NoTurn => f.write_str("no turn among the requests that this node has in flight"),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Wire(failure)
    }
}

/// Why no further attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Trying again would not help.
    Final,
    /// The call's time is over.
    BudgetSpent,
    /// As often as `VAULT_MAX_RETRIES` allows.
    OftenEnough,
    /// The server asks us to wait longer than the call may take.
    AskedToWait(Duration),
}

/// What was tried in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// How many attempts were begun.
    pub attempts: u32,
    /// From the first attempt to the end.
    pub elapsed: Duration,
    /// What the last finished attempt ended with; `None` when none had ended.
    pub last: Option<Trouble>,
    /// Why it ended.
    pub ended: Ended,
}

impl Tried {
    /// The status of the last answer.
    pub fn status(&self) -> Option<u16> {
        self.last.as_ref().and_then(Trouble::status)
    }

    /// Adds to what the reader is told about the last answer.
    pub fn with_hint(mut self, more: Option<String>) -> Self {
        if let (Some(Trouble::Status { hint, .. }), Some(more)) = (&mut self.last, more) {
            *hint = Some(hint.take().map_or_else(|| more.clone(), |hint| format!("{hint}; {more}")));
        }
        self
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.last {
            Some(last) => last.fmt(f)?,
            None => f.write_str("no answer yet")?,
        }
        if self.attempts > 1 || self.ended == Ended::BudgetSpent {
            write!(
                f,
                " ({} in {})",
                words::count(self.attempts as usize, "attempt"),
                words::span(self.elapsed)
            )?;
        }
        match self.ended {
            Ended::Final | Ended::OftenEnough => Ok(()),
            Ended::BudgetSpent => f.write_str("; try again later"),
            Ended::AskedToWait(span) => {
                write!(
                    f,
                    "; it asks to wait {} (Retry-After), longer than this mount may take",
                    words::span(span)
                )
            }
        }
    }
}

/// What those who wait for the same work share: until when somebody waits, and what was tried so far.
#[derive(Clone, Debug)]
pub struct Effort {
    ends: Arc<Mutex<Instant>>,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Debug)]
struct Progress {
    began: Instant,
    attempts: u32,
    last: Option<Trouble>,
}

impl Effort {
    /// Work begun now for a call.
    pub fn begin(now: Instant, budget: Budget) -> Self {
        Self::until(now, Arc::new(Mutex::new(budget.ends())))
    }

    /// A step of the same work, for which the same calls wait, with attempts of its own.
    pub fn step(&self, now: Instant) -> Self {
        Self::until(now, Arc::clone(&self.ends))
    }

    fn until(began: Instant, ends: Arc<Mutex<Instant>>) -> Self {
        Self { ends, progress: Arc::new(Mutex::new(Progress { began, attempts: 0, last: None })) }
    }

    /// Another call waits too.
    pub fn join(&self, budget: Budget) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        *ends = budget.ends().max(*ends);
    }

    /// Until when the most patient call waits.
    pub fn ends(&self) -> Instant {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many attempts were begun.
    pub fn attempts(&self) -> u32 {
        self.progress().attempts
    }

    /// What was tried until now.
    pub fn tried(&self, now: Instant, ended: Ended) -> Tried {
        let state = self.progress();
        Tried {
            attempts: state.attempts,
            elapsed: now.saturating_duration_since(state.began),
            last: state.last.clone(),
            ended,
        }
    }

    /// Waits for the work's outcome until the call's own budget is spent. `None`: it panicked.
    ///
    /// Work that nobody else waits for ends at that moment by itself and knows best why, so it is given time to say so.
    pub async fn wait<T, E>(
        &self,
        task: &SharedTask<Result<T, E>>,
        budget: Budget,
        clock: Clock,
        spent: impl FnOnce(Tried) -> E,
    ) -> Option<Result<T, E>>
    where
        T: Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
    {
        let last_word = if self.ends() > budget.ends() {
            LAST_WORD
        } else {
            LONGEST_LAST_WORD.min(budget.remaining(budget.started()) / 2)
        };
        match tokio::time::timeout_at(budget.ends() + last_word, task.outcome()).await {
            Ok(outcome) => outcome.ok(),
            Err(_) => Some(Err(spent(self.tried(clock.now(), Ended::BudgetSpent)))),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it began; what it brings is as old as that.
    pub started: Instant,
    /// How long it may take.
    pub timeout: Duration,
}

/// How persistent we are.
#[derive(Clone, Debug)]
pub struct Persistence {
    /// The time.
    pub clock: Clock,
    /// Spreads the pauses.
    pub jitter: Jitter,
    /// The longest that one attempt may take.
    pub attempt_timeout: Duration,
    /// How many attempts at most; without it, as many as the budget allows.
    pub attempts: Option<u32>,
    /// Must not run twice.
    pub write: bool,
}

impl Persistence {
    /// Tries until it works, cannot work, or nobody waits any longer.
    pub async fn run<T, F>(&self, effort: &Effort, mut attempt: impl FnMut(Attempt) -> F) -> Result<T, Tried>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let mut pause = FIRST_PAUSE;
        // Of this request; the effort may count another's before it, such as a read with a token that was revoked.
        let mut begun = 0;
        loop {
            let now = self.clock.now();
            let left = effort.ends().saturating_duration_since(now);
            if left.is_zero() {
                return Err(effort.tried(now, Ended::BudgetSpent));
            }
            let number = {
                let mut state = effort.progress();
                state.attempts += 1;
                state.attempts
            };
            begun += 1;
            let timeout = self.attempt_timeout.min(left);
            let outcome = attempt(Attempt { number, started: now, timeout }).await;
            let trouble = match outcome {
                Ok(value) => return Ok(value),
                Err(trouble) => trouble,
            };
            // A read that the budget cut short says less than the attempt before it; a write may have been executed.
            let cut =
                timeout < self.attempt_timeout && matches!(trouble, Trouble::Wire(Failure::TimedOut(_)));
            if begun == 1 || self.write || !cut {
                effort.progress().last = Some(trouble.clone());
            }
            let now = self.clock.now();
            if !trouble.is_passing(self.write) {
                return Err(effort.tried(now, Ended::Final));
            }
            if self.attempts.is_some_and(|most| begun >= most) {
                return Err(effort.tried(now, Ended::OftenEnough));
            }
            let left = effort.ends().saturating_duration_since(now);
            let wait = match trouble.retry_after() {
                Some(asked) if asked >= left => return Err(effort.tried(now, Ended::AskedToWait(asked))),
                Some(asked) => asked + self.jitter.spread(FIRST_PAUSE),
                None => self.jitter.spread(pause),
            };
            pause = (pause * 2).min(LONGEST_PAUSE);
            tokio::time::sleep(wait.min(left)).await;
        }
    }
}

#[cfg(test)]
mod tests;
