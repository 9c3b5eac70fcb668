//! How much may go on at once, who may call, and what a class may not ask for.

use std::path::{Component, PathBuf};

use super::flags::Flags;
use super::{Named, SettingsError, numbers};
use crate::class::endpoint::Address;
use crate::class::restrictions::Restrictions;

/// How much may go on at once with one Vault cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Mounts that ask at the same time; at least 1.
    pub concurrent_mounts: usize,
    /// Requests in flight; at least 1.
    pub vault_requests: usize,
}

impl Limits {
    pub(super) fn read(flags: &Flags) -> Result<Self, SettingsError> {
        // What a semaphore can hold, and more than a node will ever ask for.
        const MOST: usize = 1 << 20;
        let count = |name: &str, default| {
            let parse = |text: &str| match numbers::natural::<usize>(text) {
                Some(count @ 1..=MOST) => Ok(count),
                _ => Err("is not a whole number above zero"),
            };
            flags.text(name).map_or(Ok(default), |text| text.read(parse))
        };
        Ok(Self {
            concurrent_mounts: count("max-concurrent-mounts", 256)?,
            vault_requests: count("max-vault-requests", 64)?,
        })
    }
}

/// `-session-sharing`: there is one way so far, and an operator who asks for it now keeps it later.
pub(super) fn check_session_sharing(flags: &Flags) -> Result<(), SettingsError> {
    let parse =
        |text: &str| if text == "pod" { Ok(()) } else { Err("must be pod, the only way of this release") };
    flags.text("session-sharing").map_or(Ok(()), |text| text.read(parse))
}

/// `-allowed-uids`.
pub(super) fn uids(flags: &Flags) -> Result<Vec<u32>, SettingsError> {
    let parse = |text: &str| numbers::natural::<u32>(text).ok_or("is not a list of user ids such as 0,1000");
    let uids = list(flags, "allowed-uids", parse)?;
    Ok(uids.unwrap_or_default())
}

/// What a careful operator switched on.
pub(super) fn restrictions(flags: &Flags) -> Result<Restrictions, SettingsError> {
    const NAME: &str = "allowed-vault-addresses";
    let origin = |text: &str| {
        Address::parse(text, "not an address")
            .map(|address| address.origin())
            .map_err(|error| error.to_string())
    };
    let folder = |text: &str| {
        let path = PathBuf::from(text);
        let clean = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if path.is_absolute() && clean { Ok(path) } else { Err("needs absolute folders without `..`") }
    };
    Ok(Restrictions {
        vault_origins: list(flags, NAME, origin)?,
        audiences: list(flags, "allowed-audiences", |text| Ok::<_, SettingsError>(text.to_owned()))?,
        tls_folders: list(flags, "allowed-tls-paths", folder)?,
        forbid_skip_verify: flags.switch("forbid-skip-verify") == Some(true),
        forbid_token_minting: flags.switch("forbid-token-minting") == Some(true),
    })
}

/// A comma-separated list; `None` when the flag is absent.
fn list<T, E: std::fmt::Display>(
    flags: &Flags,
    name: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<Vec<T>>, SettingsError> {
    let Some(Named { name, text }) = flags.text(name) else { return Ok(None) };
    let items: Vec<T> = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| parse(item).map_err(|problem| SettingsError::of(&name, problem)))
        .collect::<Result<_, _>>()?;
    if items.is_empty() { Err(SettingsError::of(&name, "lists nothing")) } else { Ok(Some(items)) }
}
