//! Who we are to Vault: one login per pod and parameters, however many reads wait for it; a new one when it is due
//! or was refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::budget::Budget;
use crate::class::endpoint::EndpointSpec;
use crate::class::{LoginSpec, MountSpec, Pod};
use crate::clock::{Clock, Instant};
use crate::json::{Json, Object};
use crate::kubernetes::Kubernetes;
use crate::recent::Recent;
use crate::retry::{Effort, Trouble};
use crate::task::{SharedTask, WeakTask};
use crate::vault::cluster::{Answered, Call, Cluster, Home};
use crate::vault::seat::Seat;
use crate::vault::{Share, VaultError};
use crate::wire::secret_header;

/// After a refused token brought a new login, the next such login of the same pod may come this much later.
const RELOGIN_PAUSE: Duration = Duration::from_secs(5);

/// A session is made anew after this time at the latest.
const SESSION_MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// A login's token with what Vault said of it.
#[derive(Debug)]
pub struct Session {
    token: SecretString,
    started: Instant,
    // When it is made anew: at two thirds of its life.
    due: Instant,
    // u64::MAX: as often as we like.
    uses_left: AtomicU64,
    home: Home,
}

impl Session {
    /// The token, for a request's header alone.
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// The node it was made at: reads go there first.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// True when it was made for this call: the login began after the call did.
    pub fn is_fresh_for(&self, budget: Budget) -> bool {
        self.started >= budget.started()
    }

    /// Takes one use of it, if it is not due and has one left.
    fn take_use(&self, now: Instant) -> bool {
        let fewer = |left: u64| match left {
            u64::MAX => Some(u64::MAX),
            left => left.checked_sub(1),
        };
        now < self.due && self.uses_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok()
    }
}

/// Everything a login needs, and the pod's place among the sessions.
pub struct Login {
    /// Where.
    pub cluster: Arc<Cluster>,
    /// Who.
    pub pod: Pod,
    /// By which mount, role, audience.
    pub how: LoginSpec,
    /// What the mount takes of Vault.
    pub share: Arc<Share>,
    /// The mount's place among those that ask the cluster.
    pub seat: Seat,
    // Mints the pod's token where the driver sent none.
    kubernetes: Arc<Kubernetes>,
    slot: Arc<Slot>,
}

/// What two mounts must have in common to use one token: the pod and every parameter but the objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SessionKey {
    pod: Pod,
    role: String,
    mount: String,
    audience: String,
    endpoint: EndpointSpec,
}

type Outcome = Result<Arc<Session>, VaultError>;

/// The sessions of one flavour, at most as many as `-cache-size` says.
#[derive(Debug)]
pub struct Sessions {
    table: Mutex<Recent<SessionKey, Arc<Slot>>>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    session: Option<Arc<Session>>,
    login: Option<(WeakTask<Outcome>, Effort)>,
    relogged: Option<Instant>,
}

impl Sessions {
    /// No session yet, room for `cache_size`.
    pub fn new(cache_size: usize, clock: Clock) -> Self {
        Self { table: Mutex::new(Recent::with_capacity(cache_size)), clock }
    }

    /// The login of a mount. All reads of the mount use this one, and so one session, even where none is kept.
    pub fn login(
        &self,
        spec: &MountSpec,
        cluster: Arc<Cluster>,
        kubernetes: Arc<Kubernetes>,
        share: Arc<Share>,
    ) -> Arc<Login> {
        let key = SessionKey {
            pod: spec.pod.clone(),
            role: spec.login.role.clone(),
            mount: spec.login.mount.clone(),
            audience: spec.login.token_audience.clone(),
            endpoint: spec.endpoint.clone(),
        };
        let slot = {
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            let known = table.touch(&key).map(|slot| Arc::clone(slot));
            known.unwrap_or_else(|| {
                let slot = Arc::new(Slot::default());
                table.insert(key, Arc::clone(&slot));
                slot
            })
        };
        let (pod, how) = (spec.pod.clone(), spec.login.clone());
        let seat = cluster.seat();
        Arc::new(Login { cluster, pod, how, share, seat, kubernetes, slot })
    }

    /// The pod's session: the one it has, or a new one. `denied` is the session whose token was just refused; `None`
    /// is answered when it may not be replaced yet.
    pub async fn session_for(
        &self,
        login: &Arc<Login>,
        budget: Budget,
        denied: Option<&Arc<Session>>,
    ) -> Result<Option<Arc<Session>>, VaultError> {
        let slot = &login.slot;
        loop {
            let now = self.clock.now();
            let (task, effort) = {
                let mut state = slot.state();
                let is_denied = |held: &Arc<Session>| denied.is_some_and(|denied| Arc::ptr_eq(denied, held));
                if let Some(session) =
                    state.session.as_ref().filter(|session| !is_denied(session) && session.take_use(now))
                {
                    return Ok(Some(Arc::clone(session)));
                }
                if state.session.as_ref().is_some_and(is_denied) {
                    if state.relogged.is_some_and(|last| now < last + RELOGIN_PAUSE) {
                        return Ok(None);
                    }
                    state.relogged = Some(now);
                }
                state.session = None;
                match state.login.as_ref().and_then(|(task, effort)| Some((task.upgrade()?, effort.clone())))
                {
                    Some((task, effort)) => {
                        effort.join(budget);
                        (task, effort)
                    }
                    None => {
                        let effort = Effort::begin(now, budget);
                        let task = SharedTask::spawn(log_in(Arc::clone(login), effort.clone()));
                        state.login = Some((task.downgrade(), effort.clone()));
                        (task, effort)
                    }
                }
            };
            let spent = |tried| VaultError::login(login, tried);
            let session =
                effort.wait(&task, budget, self.clock, spent).await.unwrap_or(Err(VaultError::Panicked))?;
            if session.take_use(self.clock.now()) {
                return Ok(Some(session));
            }
            // Others used it up first, or it lives for less than a moment: log in again while there is time.
            if budget.remaining(self.clock.now()).is_zero() {
                return Err(VaultError::login(
                    login,
                    effort.tried(self.clock.now(), crate::retry::Ended::BudgetSpent),
                ));
            }
        }
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn log_in(login: Arc<Login>, effort: Effort) -> Outcome {
    login.share.logins.fetch_add(1, Ordering::Relaxed);
    let outcome = log_in_once(&login, &effort).await;
    login.share.retried(effort.attempts());
    let mut state = login.slot.state();
    state.login = None;
    if let Ok(session) = &outcome {
        state.session = Some(Arc::clone(session));
    }
    outcome
}

async fn log_in_once(login: &Login, effort: &Effort) -> Outcome {
    let minted;
    let jwt = match &login.how.token {
        Some(token) => token,
        None => {
            minted = login
                .kubernetes
                .mint(&login.pod, login.how.audience.as_deref(), &effort.step(Instant::now()))
                .await
                .map_err(|error| VaultError::Token {
                    audience: login.how.token_audience.clone(),
                    driver_audiences: login.how.driver_audiences.clone(),
                    error,
                })?;
            &minted
        }
    };
    let body = Json::Object(Object::from_entries(vec![
        ("jwt".to_owned(), Json::string(jwt.expose_secret())),
        ("role".to_owned(), Json::string(login.how.role.as_str())),
    ]));
    let call = Call {
        method: "POST",
        target: login.how.url_path(),
        body: Some(&body),
        token: None,
        write: false,
        home: None,
        seat: &login.seat,
        allowance: &login.share.allowance,
    };
    let answered =
        login.cluster.call(&call, effort).await.map_err(|tried| VaultError::login(login, tried))?;
    login.share.allowance.give_back(answered.body.len());
    session_of(&answered).map_err(|trouble| VaultError::login_answer(login, trouble))
}

/// Reads the token out of a login's answer.
fn session_of(answered: &Answered) -> Result<Arc<Session>, Trouble> {
    let without = |what: &str| {
        Trouble::Malformed(format!(
            "the login's answer has no {what}; check that the address is Vault's and the mount an auth method"
        ))
    };
    let answer = Json::parse(&answered.body)
        .map_err(|error| Trouble::Malformed(format!("the login's answer is no JSON: {error}")))?;
    let auth = answer
        .as_object()
        .and_then(|fields| fields.field("auth"))
        .and_then(Json::as_object)
        .ok_or_else(|| without("auth"))?;
    let token = auth
        .field("client_token")
        .and_then(Json::as_str)
        // One that no header can carry would fail each read for as long as the session is kept.
        .filter(|token| !token.is_empty() && secret_header(token).is_some())
        .ok_or_else(|| without("token"))?;
    let number = |name: &str| auth.field(name).and_then(Json::as_u64).filter(|number| *number > 0);
    let life =
        number("lease_duration").map_or(SESSION_MAX_AGE, |seconds| Duration::from_secs(seconds) * 2 / 3);
    Ok(Arc::new(Session {
        token: SecretString::from(token),
        started: answered.started,
        due: answered.started + life.min(SESSION_MAX_AGE),
        uses_left: AtomicU64::new(number("num_uses").unwrap_or(u64::MAX)),
        home: answered.home.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn read(body: &str, started: Instant) -> Result<Arc<Session>, Trouble> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        session_of(&Answered { body, started, home: Home::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_due_at_two_thirds_of_its_life_and_after_an_hour_at_the_latest() {
        let now = Instant::now();
        let due = |body: &str| read(body, now).expect(body).due.duration_since(now).as_secs();
        assert_eq!(due(r#"{"auth":{"client_token":"t","lease_duration":900}}"#), 600);
        assert_eq!(due(r#"{"auth":{"client_token":"t","lease_duration":864000}}"#), 3_600);
        assert_eq!(due(r#"{"auth":{"client_token":"t","lease_duration":0}}"#), 3_600);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_of_three_uses_is_used_three_times() {
        let now = Instant::now();
        let session = read(r#"{"auth":{"client_token":"t","num_uses":3}}"#, now).expect("a session");
        let taken: Vec<bool> = (0..5).map(|_| session.take_use(now)).collect();
        assert_eq!(taken, [true, true, true, false, false]);
    }

    #[test]
    fn a_login_answer_without_a_token_is_none() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"auth":null}"#,
            r#"{"auth":{}}"#,
            r#"{"auth":{"client_token":""}}"#,
            r#"{"auth":{"client_token":"hvs.a\nb"}}"#,
            "<html>",
        ] {
            let trouble = read(body, Instant::now()).expect_err(body);
            assert!(matches!(trouble, Trouble::Malformed(_)), "{body}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let session = read(r#"{"auth":{"client_token":"hvs.canary"}}"#, Instant::now()).expect("a session");
        assert!(!format!("{session:?}").contains("canary"));
    }
}
