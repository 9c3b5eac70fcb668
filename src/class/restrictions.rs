//! What a careful operator forbids: class parameters and the pod's own attributes arrive merged, so a pod's author can
//! change address, role and objects, and the pod's token goes where the class says.

use std::path::{Component, Path, PathBuf};

use crate::class::endpoint::ClassDefaults;
use crate::class::{MountSpec, SpecError};

/// What a class may not ask for. Addresses and files of the operator's own flags and environment are
/// always allowed. Nothing is forbidden by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// `-allowed-vault-addresses`: the only origins, `https://host:port`.
    pub vault_origins: Option<Vec<String>>,
    /// `-allowed-audiences`: the only audiences of tokens.
    pub audiences: Option<Vec<String>>,
    /// `-allowed-tls-paths`: the only folders for a class's TLS files.
    pub tls_folders: Option<Vec<PathBuf>>,
    /// `-forbid-skip-verify`.
    pub forbid_skip_verify: bool,
    /// `-forbid-token-minting`.
    pub forbid_token_minting: bool,
}

impl Restrictions {
    /// Refuses what is forbidden, naming the flag.
    pub fn check(&self, spec: &MountSpec, defaults: &ClassDefaults) -> Result<(), SpecError> {
        self.check_addresses(spec, defaults)?;
        self.check_audience(spec)?;
        self.check_tls(spec, defaults)
    }

    /// The origins that a redirect may lead to; `None` when any.
    pub fn origins(&self, defaults: &ClassDefaults) -> Option<Vec<String>> {
        let own = defaults.endpoint.addresses.iter().map(|address| address.origin());
        self.vault_origins.as_ref().map(|listed| listed.iter().cloned().chain(own).collect())
    }

    fn check_addresses(&self, spec: &MountSpec, defaults: &ClassDefaults) -> Result<(), SpecError> {
        let Some(allowed) = self.origins(defaults) else { return Ok(()) };
        let stranger = spec.endpoint.addresses.iter().find(|address| !allowed.contains(&address.origin()));
        match stranger {
            None => Ok(()),
            Some(address) => Err(SpecError::field(
                "vaultAddress",
                format!(
                    "{address} is not among the addresses that the operator allows (-allowed-vault-addresses)"
                ),
            )),
        }
    }

    fn check_audience(&self, spec: &MountSpec) -> Result<(), SpecError> {
        let login = &spec.login;
        let minted = login.token.is_none();
        if minted && self.forbid_token_minting {
            let audience = &login.token_audience;
            let sent = if login.driver_audiences.is_empty() {
                "none".to_owned()
            } else {
                login.driver_audiences.join(", ")
            };
            return Err(SpecError::field(
                "audience",
                format!(
                    "the driver sent no token for {audience:?} (it sent tokens for {sent}) and the operator forbids minting one \
                     (-forbid-token-minting); add the audience to tokenRequests of the CSIDriver secrets-store.csi.k8s.io"
                ),
            ));
        }
        let Some(allowed) = &self.audiences else { return Ok(()) };
        let used = if minted { login.audience.as_deref().unwrap_or_default() } else { &login.token_audience };
        if allowed.iter().any(|audience| audience == used) {
            return Ok(());
        }
        let what = if used.is_empty() {
            "none, which means a token for the API server,".to_owned()
        } else {
            format!("{used:?}")
        };
        Err(SpecError::field(
            "audience",
            format!("{what} is not among the audiences that the operator allows (-allowed-audiences)"),
        ))
    }

    fn check_tls(&self, spec: &MountSpec, defaults: &ClassDefaults) -> Result<(), SpecError> {
        let (tls, own) = (&spec.endpoint.tls, &defaults.endpoint.tls);
        if tls.skip_verify && self.forbid_skip_verify {
            return Err(SpecError::field(
                "vaultSkipTLSVerify",
                "the operator forbids accepting any certificate (-forbid-skip-verify); name the CA instead",
            ));
        }
        let Some(folders) = &self.tls_folders else { return Ok(()) };
        let is_below = |path: &Path| {
            let clean =
                path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
            clean && folders.iter().any(|folder| path.starts_with(folder))
        };
        let named = [
            ("vaultCACertPath", &tls.ca_file, &own.ca_file),
            ("vaultCADirectory", &tls.ca_directory, &own.ca_directory),
            ("vaultTLSClientCertPath", &tls.client_cert, &own.client_cert),
            ("vaultTLSClientKeyPath", &tls.client_key, &own.client_key),
        ];
        for (field, path, own) in named {
            if let Some(path) = path.as_deref().filter(|path| own.as_deref() != Some(path) && !is_below(path))
            {
                let problem = format!(
                    "{} is not below a folder that the operator allows (-allowed-tls-paths)",
                    path.display()
                );
                return Err(SpecError::field(field, problem));
            }
        }
        Ok(())
    }
}
