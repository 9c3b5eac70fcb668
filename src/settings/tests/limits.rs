use super::*;

#[test]
fn nothing_is_forbidden_and_the_limits_are_generous_unless_told() {
    let settings = settings(&[], &[]);
    assert_eq!(settings.limits, Limits { concurrent_mounts: 256, vault_requests: 64 });
    assert_eq!(settings.restrictions, Restrictions::default());
    assert!(settings.allowed_uids.is_empty());
}

#[test]
fn limits_and_restrictions_are_read_from_their_flags() {
    let settings = settings(
        &[
            "-max-concurrent-mounts=8",
            "-max-vault-requests",
            "4",
            "-allowed-uids=1000, 65534",
            "-allowed-vault-addresses=https://v.example,http://w:8200/base",
            "-allowed-audiences=vault,other",
            "-allowed-tls-paths=/etc/tls,/run/ca/",
            "-forbid-skip-verify",
            "-session-sharing=pod",
            "-forbid-token-minting=true",
        ],
        &[],
    );
    assert_eq!(settings.limits, Limits { concurrent_mounts: 8, vault_requests: 4 });
    assert_eq!(settings.allowed_uids, [1_000, 65_534]);
    let expected = Restrictions {
        vault_origins: Some(vec!["https://v.example:443".to_owned(), "http://w:8200".to_owned()]),
        audiences: Some(vec!["vault".to_owned(), "other".to_owned()]),
        tls_folders: Some(vec!["/etc/tls".into(), "/run/ca".into()]),
        forbid_skip_verify: true,
        forbid_token_minting: true,
    };
    assert_eq!(settings.restrictions, expected);
}

#[test]
fn a_limit_or_a_list_that_cannot_be_used_is_named() {
    for (argument, expected) in [
        ("-max-concurrent-mounts=0", "-max-concurrent-mounts: is not a whole number above zero"),
        ("-max-vault-requests=many", "-max-vault-requests: is not a whole number above zero"),
        ("-allowed-uids=root", "-allowed-uids: is not a list of user ids such as 0,1000"),
        ("-allowed-uids=4294967296", "-allowed-uids: is not a list of user ids such as 0,1000"),
        ("-session-sharing=account", "-session-sharing: must be pod, the only way of this release"),
        ("-allowed-audiences=,", "-allowed-audiences: lists nothing"),
        ("-allowed-tls-paths=etc", "-allowed-tls-paths: needs absolute folders without `..`"),
        ("-allowed-tls-paths=/etc/../x", "-allowed-tls-paths: needs absolute folders without `..`"),
    ] {
        assert_eq!(error(&[argument], &[]), expected);
    }
    assert!(error(&["-allowed-vault-addresses=v.example"], &[]).starts_with("-allowed-vault-addresses: "));
}
