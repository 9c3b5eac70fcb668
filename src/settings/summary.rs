//! The settings in one line for the log at start, without anything that may hold a credential.

use std::fmt;

use super::{FlavourSettings, Settings};
use crate::class::endpoint::{Flavour, TlsSpec};

/// Written as `name=value` words; see [`Settings::summary`].
pub struct Summary<'a>(&'a Settings);

impl Settings {
    /// One line of `name=value` words for the log at start: addresses, mounts, limits; of proxies the origin, of
    /// certificates the paths. Only flavours that have an endpoint are shown.
    pub fn summary(&self) -> Summary<'_> {
        Summary(self)
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.0;
        let sockets = settings.endpoints.iter().map(|endpoint| endpoint.socket.display());
        write!(f, "endpoints={}", join(sockets))?;
        write!(f, " health={} log-level={}", settings.health_address, settings.log_level)?;
        write!(f, " cache-size={} max-response-bytes={}", settings.cache_size, settings.max_response_bytes)?;
        let limits = settings.limits;
        write!(
            f,
            " max-concurrent-mounts={} max-vault-requests={}",
            limits.concurrent_mounts, limits.vault_requests
        )?;
        write!(
            f,
            " mount-timeout={:?} shutdown-timeout={:?}",
            settings.mount_timeout, settings.shutdown_timeout
        )?;
        match &settings.kubernetes.host_port {
            Some((host, port)) if host.contains(':') => write!(f, " kubernetes=[{host}]:{port}")?,
            Some((host, port)) => write!(f, " kubernetes={host}:{port}")?,
            None => f.write_str(" kubernetes=none")?,
        }
        for (flavour, name) in [(Flavour::Vault, "vault"), (Flavour::OpenBao, "openbao")] {
            if settings.endpoints.iter().any(|endpoint| endpoint.flavour == flavour) {
                flavour_words(f, name, settings.flavour(flavour))?;
            }
        }
        Ok(())
    }
}

fn flavour_words(f: &mut fmt::Formatter<'_>, name: &str, settings: &FlavourSettings) -> fmt::Result {
    let FlavourSettings { defaults, hmac_secret_name, client } = settings;
    write!(f, " {name}={} {name}-mount={}", join(defaults.endpoint.addresses.iter()), defaults.auth_mount)?;
    if let Some(namespace) = &defaults.endpoint.namespace {
        write!(f, " {name}-namespace={namespace}")?;
    }
    write!(f, " {name}-hmac-secret={hmac_secret_name} {name}-attempt-timeout={:?}", client.attempt_timeout)?;
    if let Some(retries) = client.max_retries {
        write!(f, " {name}-max-retries={retries}")?;
    }
    if let Some(limit) = client.rate_limit {
        write!(f, " {name}-rate-limit={}:{}", limit.per_second, limit.burst)?;
    }
    if let Some(proxy) = &client.proxy {
        write!(f, " {name}-proxy={proxy}")?;
    }
    tls_words(f, name, &defaults.endpoint.tls)
}

fn tls_words(f: &mut fmt::Formatter<'_>, name: &str, tls: &TlsSpec) -> fmt::Result {
    let TlsSpec { ca_file, ca_bytes, ca_directory, server_name, client_cert, client_key: _, skip_verify } =
        tls;
    if let Some(file) = ca_file {
        write!(f, " {name}-ca={}", file.display())?;
    }
    if ca_bytes.is_some() {
        write!(f, " {name}-ca=environment")?;
    }
    if let Some(folder) = ca_directory {
        write!(f, " {name}-ca={}", folder.display())?;
    }
    if let Some(server_name) = server_name {
        write!(f, " {name}-server-name={server_name}")?;
    }
    if let Some(cert) = client_cert {
        write!(f, " {name}-client-cert={}", cert.display())?;
    }
    if *skip_verify {
        write!(f, " {name}-skip-verify=true")?;
    }
    Ok(())
}

fn join(parts: impl Iterator<Item = impl fmt::Display>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(",")
}
