use std::time::Duration;

use super::*;
use crate::retry::Ended;
use crate::vault::LoginWords;
use crate::wire::tls::TlsFileError;

/// What kubelet takes as final, by the table of the driver's contract.
const FINAL: [Code; 6] = [
    Code::InvalidArgument,
    Code::PermissionDenied,
    Code::NotFound,
    Code::FailedPrecondition,
    Code::OutOfRange,
    Code::Internal,
];

fn tried(last: Option<Trouble>) -> Tried {
    Tried { attempts: 1, elapsed: Duration::ZERO, last, ended: Ended::Final }
}

fn status(status: u16) -> Option<Trouble> {
    Some(Trouble::Status { status, said: String::new(), retry_after: None, sealed: false, hint: None })
}

fn read(last: Option<Trouble>) -> MountError {
    let (request, address) = ("GET secret/data/app".to_owned(), "https://v:8200".to_owned());
    MountError::Vault {
        object: "o".to_owned(),
        error: Box::new(VaultError::Read { request, address, tried: tried(last) }),
    }
}

fn login(last: Option<Trouble>) -> MountError {
    MountError::Vault {
        object: "o".to_owned(),
        error: Box::new(VaultError::Login { who: LoginWords::example(), tried: tried(last) }),
    }
}

fn token(error: KubernetesError) -> MountError {
    let error =
        VaultError::Token { audience: "vault".to_owned(), driver_audiences: vec!["a".to_owned()], error };
    vault(error)
}

fn api(last: Option<Trouble>) -> MountError {
    token(KubernetesError::Api { doing: "mint".to_owned(), tried: tried(last) })
}

#[test]
fn every_failure_has_its_final_code() {
    use Code::*;
    let away = [
        Trouble::Wire(Failure::Refused),
        Trouble::Wire(Failure::Connect("no route".to_owned())),
        Trouble::Wire(Failure::TimedOut(Duration::from_secs(10))),
        Trouble::Wire(Failure::Broken("reset".to_owned())),
        Trouble::Wire(Failure::Tls("expired".to_owned())),
        Trouble::Redirect("to http".to_owned()),
    ];
    let mut table: Vec<(MountError, Code)> = Vec::new();
    for of in [read, login, api] {
        table.extend(away.iter().map(|trouble| (of(Some(trouble.clone())), FailedPrecondition)));
        table.extend([412, 429, 500, 501, 502, 503, 504].map(|code| (of(status(code)), FailedPrecondition)));
        table.extend([
            (of(None), FailedPrecondition),
            (of(Some(Trouble::Wire(Failure::TooBig(1)))), OutOfRange),
            (of(Some(Trouble::Wire(Failure::Unsendable("x".to_owned())))), InvalidArgument),
            (of(Some(Trouble::Malformed("HTML".to_owned()))), Internal),
            (of(Some(Trouble::Forbidden("not allowed".to_owned()))), InvalidArgument),
            (of(Some(Trouble::NoTurn)), FailedPrecondition),
            (of(status(403)), PermissionDenied),
            (of(status(304)), Internal),
        ]);
    }
    table.extend([
        (MountError::Spec(SpecError::field("objects", "is missing")), InvalidArgument),
        (read(status(400)), InvalidArgument),
        (read(status(405)), InvalidArgument),
        (read(status(404)), NotFound),
        (login(status(400)), PermissionDenied),
        (login(status(404)), PermissionDenied),
        (api(status(401)), PermissionDenied),
        (api(status(404)), PermissionDenied),
        (token(KubernetesError::NoCluster("x".to_owned())), FailedPrecondition),
        (token(KubernetesError::Odd("x".to_owned())), Internal),
        (vault(VaultError::Tls(TlsFileError::from("x".to_owned()))), FailedPrecondition),
        (vault(VaultError::Empty { request: "GET x".to_owned(), warnings: Vec::new() }), NotFound),
        (vault(VaultError::Panicked), Internal),
        (
            content(ContentError::NoKey { key: "k".to_owned(), path: "p".to_owned(), keys: Vec::new() }),
            NotFound,
        ),
        (
            content(ContentError::NotEncoded {
                key: "k".to_owned(),
                path: "p".to_owned(),
                encoding: "base64",
            }),
            InvalidArgument,
        ),
        (MountError::TooBig { size: 2, limit: 1 }, OutOfRange),
        (MountError::ShuttingDown, FailedPrecondition),
        (MountError::Internal, Internal),
    ]);
    for (error, code) in table {
        assert_eq!(error.code(), code, "{error}");
        assert!(FINAL.contains(&error.code()), "{error}");
    }
}

fn vault(error: VaultError) -> MountError {
    MountError::Vault { object: "o".to_owned(), error: Box::new(error) }
}

fn content(error: ContentError) -> MountError {
    MountError::Content { object: "o".to_owned(), error }
}

#[test]
fn an_error_names_the_object_the_place_and_the_next_move() {
    for (error, expected) in [
        (
            content(ContentError::NoKey {
                key: "pasword".to_owned(),
                path: "secret/data/db".to_owned(),
                keys: vec!["password".to_owned(), "user".to_owned()],
            }),
            r#"object "o": no key "pasword" at secret/data/db (keys: password, user); check secretKey in the class"#,
        ),
        (
            login(status(403)),
            r#"object "o": login at https://v:8200 by auth mount "kubernetes" as role "app" (service account shop/web, audience "vault"): 403; check that this auth mount exists (vaultAuthMountPath in the class) and that the role is bound to this service account, its namespace and this audience"#,
        ),
        (
            read(status(403)),
            r#"object "o": GET secret/data/app at https://v:8200: 403; check the policy of the role for this path"#,
        ),
        (
            api(status(403)),
            r#"object "o": no service-account token for the audience "vault": the driver sent tokens for a, and minting one failed: cannot mint: the Kubernetes API: 403; add the audience to tokenRequests of the CSIDriver secrets-store.csi.k8s.io, or name one of those in the class (audience)"#,
        ),
        (
            MountError::TooBig { size: 5 << 20, limit: 4 << 20 },
            "the volume's files are 5MiB together, the driver takes 4MiB; split the class, or raise -max-response-bytes here and --max-call-recv-msg-size of the driver",
        ),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}
