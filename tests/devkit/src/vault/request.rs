//! What a call means to Vault.

use crate::http::Call;

impl Call {
    /// The path without `/v1/`.
    pub fn vault_path(&self) -> &str {
        self.path.strip_prefix("/v1/").unwrap_or(&self.path)
    }

    /// The token it carries, by `X-Vault-Token` or as a bearer.
    pub fn vault_token(&self) -> Option<&str> {
        self.header("x-vault-token")
            .or_else(|| self.header("authorization").and_then(|value| value.strip_prefix("Bearer ")))
    }

    /// The namespace it names, as written.
    pub fn vault_namespace(&self) -> Option<&str> {
        self.header("x-vault-namespace")
    }

    /// Whether it carries `X-Vault-Request: true`.
    pub fn is_vault_request(&self) -> bool {
        self.header("x-vault-request") == Some("true")
    }

    /// Whether it is a login.
    pub fn is_login(&self) -> bool {
        let path = self.vault_path();
        path.contains("auth/") && path.ends_with("/login")
    }

    /// Whether it reads or issues a secret: neither a login nor about tokens, leases or health.
    pub fn is_read(&self) -> bool {
        let path = self.vault_path();
        !path.contains("auth/") && !path.starts_with("sys/")
    }
}
