//! Looks a variable up: empty is unset, for OpenBao `BAO_*` comes before its `VAULT_*` twin.

use std::ffi::OsString;

use super::{Named, SettingsError};
use crate::class::endpoint::Flavour;

/// The process's environment, as [`super::Settings::parse`] was handed it.
pub(super) struct Environment<'a> {
    read: &'a dyn Fn(&str) -> Option<OsString>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(read: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { read }
    }

    /// A variable's text; `None` when it is unset or empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<Named>, SettingsError> {
        match (self.read)(name) {
            Some(value) => named(name, value),
            None => Ok(None),
        }
    }

    /// `VAULT_<name>`; for OpenBao `BAO_<name>`, which hides its twin even when it is empty.
    pub(super) fn twin(&self, flavour: Flavour, name: &str) -> Result<Option<Named>, SettingsError> {
        if flavour == Flavour::OpenBao {
            let bao = format!("BAO_{name}");
            if let Some(value) = (self.read)(&bao) {
                return named(&bao, value);
            }
        }
        self.text(&format!("VAULT_{name}"))
    }
}

fn named(name: &str, value: OsString) -> Result<Option<Named>, SettingsError> {
    match value.into_string() {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(Named { name: name.to_owned(), text })),
        Err(_) => Err(SettingsError::of(name, "is not UTF-8 text")),
    }
}
