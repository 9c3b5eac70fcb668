//! Which flags there are, and what the command line gave for them.

use std::any::TypeId;
use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Named, SettingsError, go_flags};

/// Where every pod finds its service account.
pub(super) const SERVICE_ACCOUNT_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// One flag as its help shows it.
struct Flag {
    name: &'static str,
    /// What its value is called; empty for a boolean.
    value: &'static str,
    meaning: &'static str,
    default: &'static str,
    /// The variables it stands above, without `VAULT_` or `BAO_`.
    variables: &'static [&'static str],
}

const fn flag(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    variables: &'static [&'static str],
    meaning: &'static str,
) -> Flag {
    Flag { name, value, meaning, default, variables }
}

const ADDRESS: &str = "https://127.0.0.1:8200";

#[rustfmt::skip]
const SERVING: &[Flag] = &[
    flag("endpoint", "path", "/tmp/vault.sock", &[],
        "Unix socket to listen on for the driver. May be given more than once; a socket named openbao.sock or \
         bao.sock is OpenBao's, any other is Vault's."),
    flag("health-addr", "address", ":8080", &[], "TCP address that answers /health/ready."),
    flag("log-level", "level", "info", &[], "off, error, warn, info, debug or trace; any other word means info."),
    flag("debug", "", "", &[], "Deprecated: use -log-level=debug. Counts only without -log-level."),
    flag("mount-timeout", "duration", "45s", &[], "The longest a mount may take."),
    flag("shutdown-timeout", "duration", "20s", &[],
        "How long the process may go on after SIGTERM to finish what it began."),
    flag("max-response-bytes", "size", "4MiB", &[],
        "The largest response to the driver. The driver's own limit is 4 MiB unless it was raised there too."),
    flag("cache-size", "count", "1000", &[], "How many Vault sessions are kept; 0 keeps none."),
    flag("hmac-secret-name", "name", "vault-csi-provider-hmac-key, openbao-csi-provider-hmac-key", &[],
        "Kubernetes Secret in the provider's namespace with the key of the object versions; one name for Vault's and \
         OpenBao's sockets."),
    flag("kubernetes-service-account-dir", "folder", SERVICE_ACCOUNT_DIR, &[],
        "Folder of the provider's own token, ca.crt and namespace, for running outside a pod."),
];

#[rustfmt::skip]
const LIMITS: &[Flag] = &[
    flag("max-concurrent-mounts", "count", "256", &[],
        "Mounts that ask one Vault cluster at the same time; further ones wait, within their time."),
    flag("max-vault-requests", "count", "64", &[], "Requests in flight to one Vault cluster."),
    flag("allowed-uids", "list", "0", &[],
        "Comma-separated user ids that may call on the driver's socket, beside 0."),
    flag("allowed-vault-addresses", "list", "", &[],
        "Comma-separated origins (https://host:port) that a class, or a redirect of Vault's, may lead to, beside those \
         of the flags and the environment. Without it, any."),
    flag("allowed-audiences", "list", "", &[],
        "Comma-separated audiences whose tokens a class may use. Without it, any."),
    flag("allowed-tls-paths", "list", "", &[],
        "Comma-separated folders below which a class may name files for TLS. Without it, anywhere."),
    flag("forbid-skip-verify", "", "false", &[], "Refuse mounts that would accept any certificate of Vault's."),
    flag("session-sharing", "how", "pod", &[],
        "pod: each pod logs in itself, and so is one identity in Vault's audit log. The only way of this release."),
    flag("forbid-token-minting", "", "false", &[],
        "Refuse mounts for which the driver sent no token of the audience."),
];

#[rustfmt::skip]
const VAULT: &[Flag] = &[
    flag("vault-addr", "address", ADDRESS, &["AGENT_ADDR", "ADDR"],
        "Address of Vault, or a comma-separated list of one cluster's; http, https or unix:///path."),
    flag("vault-mount", "mount", "kubernetes", &[], "Auth mount, of Kubernetes or JWT kind, to log in at."),
    flag("vault-namespace", "namespace", "", &["NAMESPACE"], "Vault namespace of logins and reads."),
    flag("vault-tls-ca-cert", "file", "", &["CACERT", "CACERT_BYTES"],
        "PEM file of certificate authorities, in place of the system's. Wins over -vault-tls-ca-directory."),
    flag("vault-tls-ca-directory", "folder", "", &["CAPATH"], "Folder of PEM files of certificate authorities."),
    flag("vault-tls-server-name", "name", "", &["TLS_SERVER_NAME"],
        "Name that Vault's certificate must have, in place of the address's host."),
    flag("vault-tls-client-cert", "file", "", &["CLIENT_CERT"],
        "PEM file of our certificate; needs -vault-tls-client-key."),
    flag("vault-tls-client-key", "file", "", &["CLIENT_KEY"],
        "PEM file of our certificate's key; needs -vault-tls-client-cert."),
    flag("vault-tls-skip-verify", "", "false", &["SKIP_VERIFY"],
        "Accept any certificate. Every pod's token then goes to whoever answers."),
];

#[rustfmt::skip]
const OPENBAO: &[Flag] = &[
    flag("openbao-addr", "address", ADDRESS, &["AGENT_ADDR", "ADDR"], "As -vault-addr."),
    flag("openbao-mount", "mount", "kubernetes", &[], "As -vault-mount."),
    flag("openbao-namespace", "namespace", "", &["NAMESPACE"], "As -vault-namespace."),
    flag("openbao-tls-ca-cert", "file", "", &["CACERT", "CACERT_BYTES"],
        "As -vault-tls-ca-cert. With either of OpenBao's CA flags neither of Vault's counts."),
    flag("openbao-tls-ca-directory", "folder", "", &["CAPATH"], "As -vault-tls-ca-directory."),
    flag("openbao-tls-server-name", "name", "", &["TLS_SERVER_NAME"], "As -vault-tls-server-name."),
    flag("openbao-tls-client-cert", "file", "", &["CLIENT_CERT"],
        "As -vault-tls-client-cert. With either of OpenBao's client flags neither of Vault's counts."),
    flag("openbao-tls-client-key", "file", "", &["CLIENT_KEY"], "As -vault-tls-client-key."),
    flag("openbao-tls-skip-verify", "", "false", &["SKIP_VERIFY"], "As -vault-tls-skip-verify."),
];

#[rustfmt::skip]
const PRINTING: &[Flag] = &[
    flag("version", "", "", &[], "Print the version and leave."),
    flag("output", "format", "json", &[], "Format of -version: json, json-pretty or yaml."),
    flag("help", "", "", &[], "Print this and leave; -h is the same."),
];

/// Each group of flags with its heading and the prefixes of its variables.
const GROUPS: &[(&str, &[&str], &[Flag])] = &[
    ("Serving", &[], SERVING),
    ("Limits, and what a careful operator may switch on", &[], LIMITS),
    ("Vault, where a class says nothing else", &["VAULT_"], VAULT),
    ("OpenBao; a -vault-* flag counts where its -openbao-* twin is absent", &["BAO_", "VAULT_"], OPENBAO),
    ("Printing", &[], PRINTING),
];

/// The flags of one command line.
pub(super) struct Flags(ArgMatches);

impl Flags {
    /// Reads a command line in Go's grammar; `None` when it asks for help.
    pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, SettingsError> {
        let command = command();
        match go_flags::normalise(args, &command)? {
            None => Ok(None),
            // Every argument is of the form `--known=value` by now.
            Some(args) => command
                .try_get_matches_from(args)
                .map(|matches| Some(Self(matches)))
                .map_err(|error| SettingsError(format!("the command line cannot be read: {}", error.kind()))),
        }
    }

    /// No flag at all.
    pub(super) fn none() -> Self {
        Self(command().get_matches_from([""; 0]))
    }

    /// A flag's last value; `None` when it is absent or empty.
    pub(super) fn text(&self, name: &str) -> Option<Named> {
        let text = self.0.get_one::<String>(name).filter(|text| !text.is_empty())?;
        Some(Named { name: format!("-{name}"), text: text.clone() })
    }

    /// All values of a flag that may be repeated, empty ones too.
    pub(super) fn texts(&self, name: &str) -> Vec<Named> {
        let texts = self.0.get_many::<String>(name).into_iter().flatten();
        texts.map(|text| Named { name: format!("-{name}"), text: text.clone() }).collect()
    }

    /// A boolean's last value; `None` when it is absent.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.0.get_one::<bool>(name).copied()
    }

    /// A flag that was given and begins so, with its dash.
    pub(super) fn given_with_prefix(&self, prefix: &str) -> Option<String> {
        let mut ids = self.0.ids().map(clap::Id::as_str);
        ids.find(|id| id.starts_with(prefix)).map(|id| format!("-{id}"))
    }
}

fn command() -> Command {
    let arg = |flag: &Flag| {
        let arg = Arg::new(flag.name).long(flag.name).num_args(1);
        match (flag.value, flag.name) {
            ("", _) => arg.value_parser(clap::value_parser!(bool)),
            (_, "endpoint") => arg.action(ArgAction::Append),
            _ => arg,
        }
    };
    Command::new(env!("CARGO_PKG_NAME"))
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .args(GROUPS.iter().flat_map(|(_, _, flags)| *flags).map(arg))
}

impl go_flags::Known for Command {
    fn is_switch(&self, name: &str) -> Option<bool> {
        let arg = self.get_arguments().find(|arg| arg.get_long() == Some(name))?;
        Some(arg.get_value_parser().type_id() == TypeId::of::<bool>())
    }

    fn names(&self) -> Vec<&str> {
        self.get_arguments().filter_map(Arg::get_long).collect()
    }
}

/// The text of `-help`: each flag with its meaning, default and variables.
pub(super) fn help() -> String {
    let mut text = format!(
        "{}: {}.\n\nUsage: {0} [flags]\n\nOne dash or two; -flag=value or -flag value. Environment < flag < class.\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_DESCRIPTION")
    );
    for (heading, prefixes, flags) in GROUPS {
        text.push_str(&format!("\n{heading}:\n"));
        for flag in *flags {
            let value = if flag.value.is_empty() { String::new() } else { format!(" <{}>", flag.value) };
            text.push_str(&format!("  -{}{value}\n", flag.name));
            let variables: Vec<String> = flag
                .variables
                .iter()
                .flat_map(|variable| prefixes.iter().map(move |prefix| format!("{prefix}{variable}")))
                .collect();
            let mut notes = Vec::new();
            if !flag.default.is_empty() {
                notes.push(format!("default: {}", flag.default));
            }
            if !variables.is_empty() {
                notes.push(format!("environment: {}", variables.join(", ")));
            }
            let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
            wrap(&mut text, &format!("{}{notes}", flag.meaning));
        }
    }
    text.push_str("\nVariables without a flag: VAULT_CLIENT_TIMEOUT, VAULT_MAX_RETRIES, VAULT_RATE_LIMIT, VAULT_PROXY_ADDR,\nVAULT_HTTP_PROXY, each with its BAO_ twin for OpenBao's sockets.\n");
    text
}

/// Appends words in lines of at most 100 characters, indented by six.
fn wrap(text: &mut String, words: &str) {
    let mut width = 0;
    for word in words.split(' ') {
        if width == 0 || width + 1 + word.len() > 100 {
            text.push_str(if width == 0 { "      " } else { "\n      " });
            width = 6;
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += word.len();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_agree_with_each_other() {
        command().debug_assert();
    }

    #[test]
    fn help_shows_every_flag_with_one_dash_its_default_and_its_variables() {
        let help = help();
        for (_, prefixes, flags) in GROUPS {
            for flag in *flags {
                let shown = help.split(&format!("\n  -{}", flag.name)).nth(1).expect(flag.name);
                let own = shown.split("\n  -").next().unwrap().replace("\n     ", "");
                assert!(own.contains(flag.meaning) && own.contains(flag.default), "{own}");
                for variable in flag.variables {
                    assert!(
                        prefixes.iter().all(|prefix| own.contains(&format!("{prefix}{variable}"))),
                        "{own}"
                    );
                }
            }
        }
        assert!(help.lines().all(|line| line.len() <= 110), "{help}");
    }

    #[test]
    fn the_reference_names_every_flag_and_variable() {
        let reference = include_str!("../../docs/configuration.md");
        for (_, prefixes, flags) in GROUPS {
            for flag in *flags {
                assert!(reference.contains(&format!("`-{}`", flag.name)), "-{}", flag.name);
                for name in
                    flag.variables.iter().flat_map(|v| prefixes.iter().map(move |p| format!("`{p}{v}`")))
                {
                    assert!(reference.contains(&name), "{name}");
                }
            }
        }
    }
}
