//! From a call to the part of Vault that answers it: namespace, token, policy, mount.

use std::time::Duration;

use serde_json::json;

use super::answer::{bare_denied, denied, errors, invalid_token};
use super::state::{Engine, State};
use super::{Flavour, auth, database, lease, token};
use crate::http::{Answer, Call};

/// Answers one call.
pub(super) fn answer(state: &mut State, call: &Call, now: Duration) -> Answer {
    let Some(path) = call.path.strip_prefix("/v1/") else { return Answer::new(404, "404 page not found\n") };
    let Some((namespace, path)) = resolve(state, call, path) else {
        return errors(404, &["namespace not found"]);
    };
    let full = format!("{namespace}{path}");
    let canned = state.raw.get(&(call.method.as_str().to_owned(), full.clone())).cloned();
    if path == "sys/health" {
        return canned.unwrap_or_else(|| health(now));
    }
    if let Some(mount) = path.strip_prefix("auth/").and_then(|path| path.strip_suffix("/login")) {
        let mount = format!("{namespace}{mount}/");
        return canned.unwrap_or_else(|| auth::login(state, &namespace, &mount, call, now));
    }
    let caller = match admit(state, call, &namespace, path, now) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    if let Some(canned) = canned {
        return canned;
    }
    if !state.tokens[&caller].may_reach(path) {
        return denied();
    }
    if let Some(verb) = path.strip_prefix("auth/token/") {
        return token::on_itself(state, verb, &caller, call, now);
    }
    if let Some(verb) = path.strip_prefix("sys/leases/") {
        return lease::on_leases(state, verb, call, now);
    }
    read(state, &full, &caller, call, now)
}

/// The namespace (empty for the root, else with a slash at its end) and the path inside it; `None` when the header
/// names one that is not there. Vault's open-source server knows none and ignores the header.
fn resolve<'a>(state: &State, call: &Call, path: &'a str) -> Option<(String, &'a str)> {
    if state.namespaces.is_empty() && state.flavour == Flavour::Vault {
        return Some((String::new(), path));
    }
    let header = call.vault_namespace().unwrap_or_default().trim_matches('/');
    let mut namespace = if header.is_empty() { String::new() } else { format!("{header}/") };
    if !namespace.is_empty() && !state.namespaces.contains(&namespace) {
        return None;
    }
    let mut rest = path;
    while let Some((first, after)) = rest.split_once('/') {
        let deeper = format!("{namespace}{first}/");
        if !state.namespaces.contains(&deeper) {
            break;
        }
        namespace = deeper;
        rest = after;
    }
    Some((namespace, rest))
}

/// The caller's token, when it is one that may speak here; one use of it is spent.
fn admit(
    state: &mut State,
    call: &Call,
    namespace: &str,
    path: &str,
    now: Duration,
) -> Result<String, Answer> {
    let flavour = state.flavour;
    let id = call.vault_token().ok_or_else(bare_denied)?;
    let token =
        state.tokens.get_mut(id).filter(|token| token.is_alive(now)).ok_or_else(|| invalid_token(flavour))?;
    // Its own endpoints work from everywhere, as with a real server, where the token names its namespace.
    let own = path.starts_with("auth/token/") || path.starts_with("sys/leases/");
    if !own && !namespace.starts_with(&token.namespace) {
        return Err(denied());
    }
    token.uses_left = token.uses_left.map(|uses| uses - 1);
    Ok(token.id.clone())
}

fn read(state: &mut State, full: &str, caller: &str, call: &Call, now: Duration) -> Answer {
    let flavour = state.flavour;
    let mounts = state.engines.iter().filter(|(mount, _)| full.starts_with(mount.as_str()));
    let Some((mount, engine)) = mounts.max_by_key(|(mount, _)| mount.len()) else { return denied() };
    let path = &full[mount.len()..];
    match engine {
        Engine::Kv1(engine) => engine.answer(flavour, path, call),
        Engine::Kv2(engine) => engine.answer(flavour, path, call),
        Engine::Pki(engine) => engine.answer(flavour, path, call, now),
        Engine::Database(_) => {
            let mount = mount.clone();
            database::answer(state, &mount, path, caller, call, now)
        }
    }
}

fn health(now: Duration) -> Answer {
    let body = json!({
        "initialized": true,
        "sealed": false,
        "standby": false,
        "performance_standby": false,
        "server_time_utc": now.as_secs(),
        "version": "1.21.4",
        "cluster_name": "stand-in",
    });
    Answer::json(200, &body)
}
