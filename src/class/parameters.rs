//! The class's parameters for address, namespace and TLS over the defaults, field by field.

use std::path::PathBuf;

use crate::class::attributes::{Attributes, Parameter};
use crate::class::endpoint::{Address, EndpointSpec, Flavour, TlsSpec};
use crate::class::{SpecError, printable, shown};

impl EndpointSpec {
    pub(super) fn parse(
        attributes: &Attributes,
        flavour: Flavour,
        defaults: &Self,
    ) -> Result<Self, SpecError> {
        let set =
            |suffix: &str| attributes.parameter(flavour, suffix).filter(|found| !found.value.is_empty());
        let addresses = match set("Address") {
            Some(found) => Address::parse_list(printable(found.value, &found.name)?, &found.name)?,
            None => defaults.addresses.clone(),
        };
        let namespace = match set("Namespace") {
            // `/` alone is the root namespace, which no header names.
            Some(found) => Some(printable(found.value, &found.name)?.trim_matches('/').to_owned()),
            None => defaults.namespace.clone(),
        };
        let tls = TlsSpec::parse(attributes, flavour, &defaults.tls)?;
        Ok(Self { addresses, namespace: namespace.filter(|name| !name.is_empty()), tls })
    }
}

impl TlsSpec {
    fn parse(attributes: &Attributes, flavour: Flavour, defaults: &Self) -> Result<Self, SpecError> {
        let set =
            |suffix: &str| attributes.parameter(flavour, suffix).filter(|found| !found.value.is_empty());
        let path = |suffix: &str| {
            let found = set(suffix);
            found.map(|found| Ok(PathBuf::from(printable(found.value, &found.name)?))).transpose()
        };
        // Whom to trust and who we are are taken whole: a class that names a folder of authorities does not mean the
        // flags' file, and its certificate does not go with the flags' key.
        let (mut ca_file, mut ca_directory, mut ca_bytes) = (path("CACertPath")?, path("CADirectory")?, None);
        if ca_file.is_none() && ca_directory.is_none() {
            (ca_file, ca_directory) = (defaults.ca_file.clone(), defaults.ca_directory.clone());
            ca_bytes = defaults.ca_bytes.clone();
        }
        let (mut client_cert, mut client_key) = (path("TLSClientCertPath")?, path("TLSClientKeyPath")?);
        if client_cert.is_none() && client_key.is_none() {
            (client_cert, client_key) = (defaults.client_cert.clone(), defaults.client_key.clone());
        }
        let tls = Self {
            ca_file,
            ca_bytes,
            ca_directory,
            server_name: match set("TLSServerName") {
                Some(found) => Some(printable(found.value, &found.name)?.to_owned()),
                None => defaults.server_name.clone(),
            },
            client_cert,
            client_key,
            skip_verify: match attributes.parameter(flavour, "SkipTLSVerify") {
                Some(found) => go_bool(&found)?,
                None => defaults.skip_verify,
            },
        };
        let lonely = |suffix, missing| {
            let name = set(suffix).map_or_else(|| format!("vault{suffix}"), |found| found.name);
            SpecError::field(
                name,
                format!(
                    "stands without {missing}; a client certificate needs both from one place: the class or flags"
                ),
            )
        };
        match (&tls.client_cert, &tls.client_key) {
            (Some(_), None) => Err(lonely("TLSClientCertPath", "its key (TLSClientKeyPath)")),
            (None, Some(_)) => Err(lonely("TLSClientKeyPath", "its certificate (TLSClientCertPath)")),
            _ => Ok(tls),
        }
    }
}

/// The words of Go's `strconv.ParseBool`.
fn go_bool(found: &Parameter<'_>) -> Result<bool, SpecError> {
    match found.value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => {
            Err(SpecError::field(&found.name, format!("{} is no boolean; write true or false", shown(other))))
        }
    }
}
