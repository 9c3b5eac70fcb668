//! The database engine: static roles that rotate by the clock, dynamic roles with a new user for each read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Envelope, errors, random_text, unsupported_operation};
use super::lease::Lease;
use super::state::{Engine, State};
use super::{Flavour, Vault};
use crate::clock::rfc3339;
use crate::http::{Answer, Call};

/// The roles of a database mount.
#[derive(Default)]
pub(super) struct DatabaseEngine {
    static_roles: BTreeMap<String, StaticState>,
    dynamic_roles: BTreeMap<String, DynamicRole>,
}

/// A static role: one database user whose password rotates. A new one rotates once a day, at once when it is due.
#[derive(Clone, Debug)]
pub struct StaticRole {
    name: String,
    username: String,
    period: Duration,
    schedule: Option<String>,
    lag: Duration,
    stuck: bool,
}

impl StaticRole {
    /// A role for this database user.
    pub fn new(name: &str, username: &str) -> Self {
        Self {
            name: name.to_owned(),
            username: username.to_owned(),
            period: Duration::from_secs(24 * 3600),
            schedule: None,
            lag: Duration::ZERO,
            stuck: false,
        }
    }

    /// How often it rotates.
    #[must_use]
    pub fn rotation_period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// Answers show this schedule instead of a period; it still rotates as [`StaticRole::rotation_period`] says.
    #[must_use]
    pub fn rotation_schedule(mut self, schedule: &str) -> Self {
        self.schedule = Some(schedule.to_owned());
        self
    }

    /// How long `ttl` stays 0 with the old password before it rotates; a real Vault's queue takes up to 5 s.
    #[must_use]
    pub fn lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// It never rotates by itself: `ttl` stays 0 with the old password, as when the database is away.
    #[must_use]
    pub fn stuck(mut self) -> Self {
        self.stuck = true;
        self
    }
}

/// A dynamic role: a new database user for each read. A new one gives leases of one hour, a day at most.
#[derive(Clone, Debug)]
pub struct DynamicRole {
    name: String,
    ttl: Duration,
    max_ttl: Duration,
    renewable: bool,
}

impl DynamicRole {
    /// A role with this name.
    pub fn new(name: &str) -> Self {
        let (ttl, max_ttl) = (Duration::from_secs(3600), Duration::from_secs(24 * 3600));
        Self { name: name.to_owned(), ttl, max_ttl, renewable: true }
    }

    /// How long its leases live unless renewed.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long its leases live at most.
    #[must_use]
    pub fn max_ttl(mut self, ttl: Duration) -> Self {
        self.max_ttl = ttl;
        self
    }

    /// Its leases cannot be renewed.
    #[must_use]
    pub fn not_renewable(mut self) -> Self {
        self.renewable = false;
        self
    }
}

struct StaticState {
    role: StaticRole,
    password: String,
    rotated: Duration,
}

impl StaticState {
    fn rotate(&mut self, at: Duration) {
        self.password = format!("static-{}", random_text(20));
        self.rotated = at;
    }

    /// Carries out the rotations that came due.
    fn catch_up(&mut self, now: Duration) {
        while !self.role.stuck && now >= self.rotated + self.role.period + self.role.lag {
            let due = self.rotated + self.role.period + self.role.lag;
            self.rotate(due);
        }
    }

    fn data(&self, now: Duration) -> Value {
        let left = (self.rotated + self.role.period).saturating_sub(now);
        let mut data = json!({
            "last_vault_rotation": rfc3339(self.rotated),
            "password": self.password,
            "ttl": left.as_secs(),
            "username": self.role.username,
        });
        match &self.role.schedule {
            None => data["rotation_period"] = json!(self.role.period.as_secs()),
            Some(schedule) => {
                data["rotation_schedule"] = json!(schedule);
                data["rotation_window"] = json!(0);
            }
        }
        data
    }
}

/// A handle on a database mount.
pub struct Database {
    vault: Vault,
    mount: String,
}

impl Database {
    pub(super) fn new(vault: &Vault, mount: &str) -> Self {
        Self { vault: vault.clone(), mount: mount.to_owned() }
    }

    /// Writes a static role; one that is there keeps its password.
    pub fn static_role(&self, role: StaticRole) {
        let rotated = self.vault.now();
        self.with(|engine| match engine.static_roles.get_mut(&role.name) {
            Some(state) => state.role = role,
            None => {
                let mut state = StaticState { password: String::new(), rotated, role };
                state.rotate(rotated);
                engine.static_roles.insert(state.role.name.clone(), state);
            }
        });
    }

    /// Writes a dynamic role.
    pub fn dynamic_role(&self, role: DynamicRole) {
        self.with(|engine| engine.dynamic_roles.insert(role.name.clone(), role));
    }

    /// Rotates a static role now, as `rotate-role` does.
    ///
    /// # Panics
    /// When there is no such role.
    pub fn rotate(&self, role: &str) {
        let now = self.vault.now();
        self.with(|engine| engine.static_roles.get_mut(role).expect("the role was written").rotate(now));
    }

    /// A static role's password now.
    ///
    /// # Panics
    /// When there is no such role.
    pub fn password(&self, role: &str) -> String {
        let now = self.vault.now();
        self.with(|engine| {
            let state = engine.static_roles.get_mut(role).expect("the role was written");
            state.catch_up(now);
            state.password.clone()
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut DatabaseEngine) -> T) -> T {
        match self.vault.state().engines.get_mut(&self.mount) {
            Some(Engine::Database(engine)) => change(engine),
            _ => panic!("{} is no database mount", self.mount),
        }
    }
}

/// What a read hands out; a lease is still to be registered.
enum Read {
    Static(Value),
    Dynamic(DynamicRole),
}

impl DatabaseEngine {
    fn read(&mut self, path: &str, now: Duration) -> Result<Read, Answer> {
        let unknown = |role: &str| errors(400, &[&format!("unknown role: {role}")]);
        if let Some(name) = path.strip_prefix("static-creds/") {
            let state = self.static_roles.get_mut(name).ok_or_else(|| unknown(name))?;
            state.catch_up(now);
            return Ok(Read::Static(state.data(now)));
        }
        let name = path.strip_prefix("creds/").ok_or_else(|| errors(404, &[]))?;
        self.dynamic_roles.get(name).cloned().map(Read::Dynamic).ok_or_else(|| unknown(name))
    }
}

/// A read of a database mount by a token.
pub(super) fn answer(
    state: &mut State,
    mount: &str,
    path: &str,
    token: &str,
    call: &Call,
    now: Duration,
) -> Answer {
    if call.method != http::Method::GET {
        return unsupported_operation();
    }
    let flavour: Flavour = state.flavour;
    let Some(Engine::Database(engine)) = state.engines.get_mut(mount) else {
        unreachable!("the mount was just found to be a database's");
    };
    match engine.read(path, now) {
        Err(answer) => answer,
        Ok(Read::Static(data)) => Envelope::data("database", data).answer(flavour, 200),
        Ok(Read::Dynamic(role)) => {
            let path = format!("{mount}{path}");
            let lease = Lease::new(&path, token, role.ttl, role.max_ttl, role.renewable, now);
            let username = format!("v-kubernet-{}-{}-{}", role.name, random_text(20), now.as_secs());
            let data = json!({ "username": username, "password": format!("dynamic-{}", random_text(20)) });
            let answer = lease.envelope("database", data, now).answer(flavour, 200);
            state.leases.insert(lease.id.clone(), lease);
            answer
        }
    }
}
