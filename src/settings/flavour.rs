//! What counts for one flavour's sockets where a class says nothing: flags over environment over defaults.

use std::path::PathBuf;
use std::time::Duration;

use super::client::ClientSettings;
use super::environment::Environment;
use super::flags::Flags;
use super::go_flags::{NOT_A_BOOLEAN, parse_bool};
use super::{Named, SettingsError};
use crate::class::endpoint::{Address, ClassDefaults, EndpointSpec, Flavour, TlsSpec};

/// What counts for the sockets of one flavour.
#[derive(Clone, Debug)]
pub struct FlavourSettings {
    /// Address, namespace, TLS and auth mount where a class names none. Of the three sources of certificate
    /// authorities at most one is set.
    pub defaults: ClassDefaults,
    /// The Kubernetes Secret with the key of the object versions.
    pub hmac_secret_name: String,
    /// How requests are paced and routed.
    pub client: ClientSettings,
}

impl FlavourSettings {
    pub(super) fn read(
        flavour: Flavour,
        flags: &Flags,
        env: &Environment<'_>,
        mount_timeout: Duration,
    ) -> Result<Self, SettingsError> {
        let layers = Layers { flavour, flags, env };
        let endpoint = EndpointSpec {
            addresses: layers.addresses()?,
            namespace: layers.flag_or("namespace", "NAMESPACE")?.map(Named::one_line).transpose()?,
            tls: layers.tls()?,
        };
        Ok(Self {
            defaults: ClassDefaults { endpoint, auth_mount: layers.auth_mount()? },
            hmac_secret_name: hmac_secret_name(flavour, flags)?,
            client: ClientSettings::read(flavour, env, mount_timeout)?,
        })
    }
}

/// The flags and variables of one flavour.
struct Layers<'a> {
    flavour: Flavour,
    flags: &'a Flags,
    env: &'a Environment<'a>,
}

impl Layers<'_> {
    /// The prefixes of this flavour's flags, the one that wins first.
    fn prefixes(&self) -> &'static [&'static str] {
        match self.flavour {
            Flavour::Vault => &["vault"],
            Flavour::OpenBao => &["openbao", "vault"],
        }
    }

    fn flag(&self, name: &str) -> Option<Named> {
        self.prefixes().iter().find_map(|prefix| self.flags.text(&format!("{prefix}-{name}")))
    }

    fn flag_or(&self, flag: &str, variable: &str) -> Result<Option<Named>, SettingsError> {
        match self.flag(flag) {
            Some(value) => Ok(Some(value)),
            None => self.env.twin(self.flavour, variable),
        }
    }

    fn addresses(&self) -> Result<Vec<Address>, SettingsError> {
        let given = match self.flag("addr") {
            Some(flag) => Some(flag),
            None => match self.env.twin(self.flavour, "AGENT_ADDR")? {
                Some(agent) => Some(agent),
                None => self.env.twin(self.flavour, "ADDR")?,
            },
        };
        Ok(match given {
            Some(Named { name, text }) => Address::parse_list(&text, &name)?,
            None => vec![Address::Http {
                tls: true,
                host: "127.0.0.1".to_owned(),
                port: 8200,
                base: String::new(),
            }],
        })
    }

    fn auth_mount(&self) -> Result<String, SettingsError> {
        let Some(given) = self.flag("mount") else {
            return Ok("kubernetes".to_owned());
        };
        let name = given.name.clone();
        let mount = given.one_line()?.trim_matches('/').to_owned();
        if mount.is_empty() { Err(SettingsError::of(&name, "names no mount")) } else { Ok(mount) }
    }

    fn tls(&self) -> Result<TlsSpec, SettingsError> {
        let (client_cert, client_key) = self.client_certificate()?;
        let mut tls = TlsSpec {
            server_name: self
                .flag_or("tls-server-name", "TLS_SERVER_NAME")?
                .map(Named::one_line)
                .transpose()?,
            client_cert,
            client_key,
            skip_verify: self.skip_verify()?,
            ..TlsSpec::default()
        };
        self.certificate_authorities(&mut tls)?;
        Ok(tls)
    }

    /// Sets at most one source of authorities: flags over environment as a whole, in each the file first.
    fn certificate_authorities(&self, tls: &mut TlsSpec) -> Result<(), SettingsError> {
        for prefix in self.prefixes() {
            if let Some(file) = self.flags.text(&format!("{prefix}-tls-ca-cert")) {
                tls.ca_file = Some(file.path()?);
                return Ok(());
            }
            if let Some(folder) = self.flags.text(&format!("{prefix}-tls-ca-directory")) {
                tls.ca_directory = Some(folder.path()?);
                return Ok(());
            }
        }
        if let Some(file) = self.env.twin(self.flavour, "CACERT")? {
            tls.ca_file = Some(file.path()?);
        } else if let Some(pem) = self.env.twin(self.flavour, "CACERT_BYTES")? {
            if !pem.text.contains("-----BEGIN CERTIFICATE-----") {
                return Err(SettingsError::of(&pem.name, "holds no PEM certificate"));
            }
            tls.ca_bytes = Some(pem.text);
        } else if let Some(folder) = self.env.twin(self.flavour, "CAPATH")? {
            tls.ca_directory = Some(folder.path()?);
        }
        Ok(())
    }

    /// Both or neither. The two flags of one prefix belong together; what they leave out the environment may add.
    fn client_certificate(&self) -> Result<(Option<PathBuf>, Option<PathBuf>), SettingsError> {
        let pair = |prefix: &&str| {
            let cert = self.flags.text(&format!("{prefix}-tls-client-cert"));
            let key = self.flags.text(&format!("{prefix}-tls-client-key"));
            (cert.is_some() || key.is_some()).then_some((cert, key))
        };
        let (cert, key) = self.prefixes().iter().find_map(pair).unwrap_or_default();
        let or_variable = |flag: Option<Named>, variable| match flag {
            Some(flag) => Ok(Some(flag)),
            None => self.env.twin(self.flavour, variable),
        };
        match (or_variable(cert, "CLIENT_CERT")?, or_variable(key, "CLIENT_KEY")?) {
            (Some(cert), Some(key)) => Ok((Some(cert.path()?), Some(key.path()?))),
            (None, None) => Ok((None, None)),
            (Some(given), None) | (None, Some(given)) => {
                let written = |prefix: &&&str| given.name.starts_with(&format!("-{prefix}-"));
                let prefix = self.prefixes().iter().find(written).unwrap_or(&self.prefixes()[0]);
                let both = format!(
                    "a client certificate needs both -{prefix}-tls-client-cert and -{prefix}-tls-client-key"
                );
                Err(SettingsError::of(&given.name, both))
            }
        }
    }

    fn skip_verify(&self) -> Result<bool, SettingsError> {
        let flag = |prefix: &&str| self.flags.switch(&format!("{prefix}-tls-skip-verify"));
        if let Some(given) = self.prefixes().iter().find_map(flag) {
            return Ok(given);
        }
        match self.env.twin(self.flavour, "SKIP_VERIFY")? {
            Some(word) => word.read(|word| parse_bool(word).ok_or(NOT_A_BOOLEAN)),
            None => Ok(false),
        }
    }
}

fn hmac_secret_name(flavour: Flavour, flags: &Flags) -> Result<String, SettingsError> {
    let Some(Named { name, text }) = flags.text("hmac-secret-name") else {
        return Ok(match flavour {
            Flavour::Vault => "vault-csi-provider-hmac-key",
            Flavour::OpenBao => "openbao-csi-provider-hmac-key",
        }
        .to_owned());
    };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if text.len() > 253
        || !text.chars().all(fits)
        || text.starts_with(['-', '.'])
        || text.ends_with(['-', '.'])
    {
        return Err(SettingsError::of(&name, format!("{text:?} cannot be the name of a Kubernetes Secret")));
    }
    Ok(text)
}
