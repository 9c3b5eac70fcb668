//! The attributes of a call: a JSON object of strings.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::class::SpecError;
use crate::class::endpoint::Flavour;
use crate::json::Json;

/// The prefix of what kubelet and the driver add; what else there is comes from the class or the pod.
pub(super) const DRIVER_PREFIX: &str = "csi.storage.k8s.io/";

/// The attributes by name, sorted. Holds the pod's tokens: no `Debug`.
pub(super) struct Attributes(BTreeMap<String, Zeroizing<String>>);

/// A parameter with the name under which it was found, for errors.
pub(super) struct Parameter<'a> {
    pub(super) name: String,
    pub(super) value: &'a str,
}

impl Attributes {
    /// Reads `attributes`. `null` as a value counts as the empty string, as in Go.
    pub(super) fn parse(text: &str) -> Result<Self, SpecError> {
        let wrong = |problem: String| {
            SpecError::field("attributes", format!("{problem}; the driver sends a JSON object of strings"))
        };
        let json = Json::parse(text.as_bytes()).map_err(|error| wrong(format!("no JSON: {error}")))?;
        let object = json.as_object().ok_or_else(|| wrong("no JSON object".to_owned()))?;
        let mut attributes = BTreeMap::new();
        for (name, value) in object.iter() {
            let value = match value {
                Json::String(text) => text.clone(),
                Json::Null => Zeroizing::default(),
                _ => return Err(SpecError::field(name, "is not a string; quote the value in the class")),
            };
            attributes.insert(name.to_owned(), value);
        }
        Ok(Self(attributes))
    }

    /// An attribute that is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.present(name).filter(|value| !value.is_empty())
    }

    /// An attribute that is there, even when empty.
    pub(super) fn present(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// All attributes, sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The parameter `<prefix><suffix>` under the flavour's prefixes.
    ///
    /// OpenBao's: the first that is present, even when empty. Vault's: `vault…` if set, else its twins; an empty one
    /// is an unset one, and answered only where no twin says more.
    pub(super) fn parameter(&self, flavour: Flavour, suffix: &str) -> Option<Parameter<'_>> {
        self.first_of(flavour, prefixes(flavour).map(|prefix| format!("{prefix}{suffix}")))
    }

    /// The first of these names by the flavour's rule.
    pub(super) fn first_of(
        &self,
        flavour: Flavour,
        names: impl IntoIterator<Item = String>,
    ) -> Option<Parameter<'_>> {
        let mut empty = None;
        for name in names {
            match self.present(&name) {
                Some("") if flavour == Flavour::Vault => {
                    empty.get_or_insert(Parameter { name, value: "" });
                }
                Some(value) => return Some(Parameter { name, value }),
                None => {}
            }
        }
        empty
    }
}

/// The prefixes of parameters in the order of their weight.
pub(super) fn prefixes(flavour: Flavour) -> [&'static str; 3] {
    match flavour {
        Flavour::Vault => ["vault", "bao", "openbao"],
        Flavour::OpenBao => ["bao", "openbao", "vault"],
    }
}
