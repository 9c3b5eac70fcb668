//! Who logs in and where: role, auth mount, audience, and the pod's token if the driver sent one.

use std::collections::BTreeSet;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::class::attributes::{Attributes, DRIVER_PREFIX, prefixes};
use crate::class::endpoint::Flavour;
use crate::class::request::escape_path;
use crate::class::{SpecError, printable};
use crate::json::Json;

/// How a pod's session begins. `Debug` shows no token.
#[derive(Clone, Debug)]
pub struct LoginSpec {
    /// The role to log in as; not empty.
    pub role: String,
    /// The auth mount, without slashes at its ends; may hold some between.
    pub mount: String,
    /// The audience as the class wrote it: the one of a token that we mint.
    pub audience: Option<String>,
    /// Which of the driver's tokens counts: the class's audience, else the flavour's.
    pub token_audience: String,
    /// The driver's token for `token_audience`, if it sent one.
    pub token: Option<SecretString>,
    /// The audiences of all tokens that the driver sent, sorted; for error messages.
    pub driver_audiences: Vec<String>,
}

impl LoginSpec {
    /// The path of the login, without `v1/`, ready for a URL: `auth/kubernetes/login`.
    pub fn url_path(&self) -> String {
        format!("auth/{}/login", escape_path(&self.mount))
    }

    pub(super) fn parse(
        attributes: &Attributes,
        secrets: &str,
        flavour: Flavour,
        default_mount: &str,
    ) -> Result<Self, SpecError> {
        let role = role(attributes, flavour)?;
        let mount = mount(attributes, flavour, default_mount)?;
        let audience = attributes.text("audience").map(|text| printable(text, "audience")).transpose()?;
        let token_audience = audience.unwrap_or(flavour.default_audience());
        let tokens = DriverTokens::read(attributes, secrets)?;
        Ok(Self {
            role,
            mount,
            audience: audience.map(str::to_owned),
            token_audience: token_audience.to_owned(),
            token: tokens.for_audience(token_audience),
            driver_audiences: tokens.audiences(),
        })
    }
}

fn role(attributes: &Attributes, flavour: Flavour) -> Result<String, SpecError> {
    let twins = prefixes(flavour).map(|prefix| format!("{prefix}RoleName"));
    let plain = ["roleName".to_owned()];
    let found = match flavour {
        Flavour::Vault => attributes.first_of(flavour, plain.into_iter().chain(twins)),
        Flavour::OpenBao => attributes.first_of(flavour, twins.into_iter().chain(plain)),
    };
    match found {
        Some(role) if !role.value.is_empty() => Ok(printable(role.value, &role.name)?.to_owned()),
        Some(role) => {
            Err(SpecError::field(role.name, "is empty; name the Vault role that the pod logs in as"))
        }
        None => Err(SpecError::field("roleName", "is missing; name the Vault role that the pod logs in as")),
    }
}

fn mount(attributes: &Attributes, flavour: Flavour, default: &str) -> Result<String, SpecError> {
    // A class for the Vault provider may carry OpenBao's twins beside its own; they must not clash with it.
    let own = ["vaultAuthMountPath", "vaultKubernetesMountPath"];
    let names = match flavour {
        Flavour::Vault if own.iter().any(|name| attributes.present(name).is_some()) => {
            &prefixes(flavour)[..1]
        }
        _ => &prefixes(flavour)[..],
    };
    let find =
        |suffix: &str| attributes.first_of(flavour, names.iter().map(|prefix| format!("{prefix}{suffix}")));
    let found = match (find("AuthMountPath"), find("KubernetesMountPath")) {
        (Some(auth), Some(kubernetes)) => {
            return Err(SpecError::field(
                auth.name,
                format!("stands beside {}, its older name; keep one of the two", kubernetes.name),
            ));
        }
        (auth, kubernetes) => auth.or(kubernetes),
    };
    let Some(found) = found.filter(|found| !found.value.is_empty()) else {
        return Ok(default.to_owned());
    };
    let mut parts = printable(found.value, &found.name)?.split('/').filter(|part| !matches!(*part, "" | "."));
    if parts.clone().any(|part| part == "..") {
        return Err(SpecError::field(
            found.name,
            "holds `..`; write the mount's path as `vault auth list` shows it",
        ));
    }
    let Some(first) = parts.next() else {
        return Err(SpecError::field(
            found.name,
            "names no mount; write its path as `vault auth list` shows it",
        ));
    };
    Ok(parts.fold(first.to_owned(), |path, part| path + "/" + part))
}

/// The tokens that the driver sent. From Kubernetes 1.35 on they are among the secrets, before among the attributes.
struct DriverTokens {
    sources: Vec<Json>,
}

impl DriverTokens {
    fn read(attributes: &Attributes, secrets: &str) -> Result<Self, SpecError> {
        let field = format!("{DRIVER_PREFIX}serviceAccount.tokens");
        let mut sources = Vec::new();
        if let Some(text) = secret_text(secrets, &field)? {
            sources.push(tokens(&text, &field)?);
        }
        if let Some(text) = attributes.text(&field) {
            sources.push(tokens(text, &field)?);
        }
        Ok(Self { sources })
    }

    fn for_audience(&self, audience: &str) -> Option<SecretString> {
        self.entries()
            .find(|(name, _)| *name == audience)
            .map(|(_, token)| SecretString::from(token.to_owned()))
    }

    fn audiences(&self) -> Vec<String> {
        let names: BTreeSet<&str> = self.entries().map(|(name, _)| name).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Audience and token, the secrets' first; an entry without a token is none.
    fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.iter().filter_map(Json::as_object).flat_map(|object| object.iter()).filter_map(
            |(name, entry)| {
                let token = entry.as_object()?.field("token")?.as_str()?;
                (!token.is_empty()).then_some((name, token))
            },
        )
    }
}

/// One text of the request's `secrets`, which is `null`, empty or a JSON object.
fn secret_text(secrets: &str, name: &str) -> Result<Option<Zeroizing<String>>, SpecError> {
    if secrets.trim().is_empty() {
        return Ok(None);
    }
    let wrong = |problem| SpecError::field("secrets", format!("{problem}; the driver sends a JSON object"));
    let json = Json::parse(secrets.as_bytes()).map_err(|error| wrong(format!("no JSON: {error}")))?;
    match &json {
        Json::Null => Ok(None),
        Json::Object(object) => {
            let text = object.field(name).and_then(Json::as_str).filter(|text| !text.is_empty());
            Ok(text.map(|text| Zeroizing::new(text.to_owned())))
        }
        _ => Err(wrong("no JSON object".to_owned())),
    }
}

/// `{"<audience>": {"token": "…", …}}`, or `null`. An error never quotes it.
fn tokens(text: &str, field: &str) -> Result<Json, SpecError> {
    let wrong = |problem: String| {
        SpecError::field(field, format!("{problem}; kubelet sends a JSON object of tokens by audience"))
    };
    let json = Json::parse(text.as_bytes()).map_err(|error| wrong(format!("no JSON: {error}")))?;
    if json.is_null() || json.as_object().is_some() {
        Ok(json)
    } else {
        Err(wrong("no JSON object".to_owned()))
    }
}
