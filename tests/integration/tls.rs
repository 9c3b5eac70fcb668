//! TLS as a class, a flag or a variable asks for it: whom the provider trusts, who it is, what it says when that fails.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use devkit::certificates::Authority;
use devkit::driver::MountCall;
use devkit::pod::Pod;
use devkit::vault::{Vault, VaultBuilder};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;

use crate::node::{Node, ONE, Provider, assert_says, soon};

/// What is not tried again is answered long before the 45 s of a mount are over.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A node with a Vault on HTTPS, its authority, and a folder for files.
struct Tls {
    node: Node,
    authority: Authority,
    folder: TempDir,
}

impl Tls {
    async fn start() -> Self {
        let authority = Authority::new("Vault's");
        Self::with(&authority, Vault::builder().tls(&authority)).await
    }

    async fn with(authority: &Authority, builder: VaultBuilder) -> Self {
        let node = Node::with(builder.start().await, &[]).await;
        node.vault.kv2("secret").put("app", json!({"k": "v"}));
        Self { node, authority: authority.clone(), folder: tempfile::tempdir().expect("a folder") }
    }

    /// A mount by a new pod, with these class parameters.
    fn call(&self, parameters: &[(&str, &str)]) -> MountCall {
        let call = self.node.call(&Pod::new("shop", "web-0"), ONE);
        parameters.iter().fold(call, |call, (name, value)| call.parameter(name, value))
    }

    fn ca(&self) -> String {
        text(&self.authority.write_to(self.folder.path(), "ca.crt"))
    }

    async fn mounts(&self, parameters: &[(&str, &str)]) {
        assert_eq!(self.node.mounted(&self.call(parameters)).await.text("o"), "v", "{parameters:?}");
    }

    /// Refused at once, with this code and these words.
    async fn refuses(&self, parameters: &[(&str, &str)], code: Code, words: &[&str]) {
        let began = Instant::now();
        let failure = soon("an answer", self.node.refused(&self.call(parameters))).await;
        assert_says(&failure, code, words);
        assert!(!failure.message().contains("canary"), "{failure}");
        assert!(began.elapsed() < AT_ONCE, "{:?}: {failure}", began.elapsed());
    }

    /// A mount by a provider with these flags and variables; the class says nothing of TLS.
    async fn mounts_with(&self, flags: &[&str], environment: &[(&str, &str)]) {
        let provider = Provider::start("vault.sock", &self.node.kubernetes, flags, environment).await;
        let mounted = provider.mount(&self.call(&[])).await;
        let mounted = mounted.unwrap_or_else(|failure| panic!("{flags:?} {environment:?}: {failure}"));
        assert_eq!(mounted.text("o"), "v");
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_names_its_authority_by_file_or_by_folder() {
    let tls = Tls::start().await;
    let (ca, folder) = (tls.ca(), tempfile::tempdir().expect("a folder"));
    tls.mounts(&[("vaultCACertPath", &ca)]).await;
    tls.mounts(&[("vaultCADirectory", &text(tls.folder.path()))]).await;
    tls.mounts(&[("vaultCACertPath", &ca), ("vaultCADirectory", "/nonexistent")]).await;
    // As kubelet lays out a ConfigMap's volume.
    let dated = folder.path().join("..2026_11_21_10_00_00.1");
    std::fs::create_dir(&dated).expect("our folder");
    std::fs::create_dir(folder.path().join("sub")).expect("our folder");
    Authority::new("another").write_to(&dated, "a.crt");
    tls.authority.write_to(&dated, "ca.crt");
    symlink(&dated, folder.path().join("..data")).expect("our folder");
    for name in ["a.crt", "ca.crt"] {
        symlink(Path::new("..data").join(name), folder.path().join(name)).expect("our folder");
    }
    tls.mounts(&[("vaultCADirectory", &text(folder.path()))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_and_variables_count_where_the_class_says_nothing() {
    let tls = Tls::start().await;
    let (ca, folder, pem) = (tls.ca(), text(tls.folder.path()), tls.authority.pem());
    tls.mounts_with(&[&format!("-vault-tls-ca-cert={ca}")], &[("VAULT_CACERT", "/nonexistent")]).await;
    tls.mounts_with(&[&format!("-vault-tls-ca-directory={folder}")], &[]).await;
    tls.mounts_with(&[], &[("VAULT_CACERT", &ca)]).await;
    tls.mounts_with(&[], &[("VAULT_CACERT_BYTES", &pem)]).await;
    tls.mounts_with(&[], &[("VAULT_CAPATH", &folder)]).await;
    tls.mounts_with(&["-vault-tls-skip-verify"], &[]).await;
    tls.mounts_with(&[], &[("VAULT_SKIP_VERIFY", "1")]).await;
    tls.mounts(&[("vaultSkipTLSVerify", "true")]).await;
    // The class over the flags, in both directions.
    let flags = ["-vault-tls-ca-cert=/nonexistent", "-vault-tls-skip-verify=true"];
    let provider = Provider::start("vault.sock", &tls.node.kubernetes, &flags, &[]).await;
    let sure = [("vaultCACertPath", ca.as_str()), ("vaultSkipTLSVerify", "false")];
    assert_eq!(provider.mount(&tls.call(&sure)).await.expect("mounted").text("o"), "v");
    let other = text(&Authority::new("another").write_to(tls.folder.path(), "other.crt"));
    let unsure = [("vaultCACertPath", other.as_str()), ("vaultSkipTLSVerify", "false")];
    let failure = provider.mount(&tls.call(&unsure)).await.expect_err("not trusted");
    assert_says(&failure, Code::FailedPrecondition, &["not among the trusted ones"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_trusted_is_refused_at_once_and_says_why() {
    let authority = Authority::new("Vault's");
    let other = Authority::new("another");
    let names = &["127.0.0.1"];
    let elsewhere = authority.server(&["vault.internal"]);
    for (builder, why) in [
        (Vault::builder().tls(&other), "not among the trusted ones, \"CN=another\"; check the CA"),
        (Vault::builder().certificate(authority.expired_server(names)), "has expired"),
        (Vault::builder().certificate(elsewhere), "is not for \"127.0.0.1\" but for vault.internal"),
        (Vault::builder().certificate(authority.client("x")), "certificate"),
    ] {
        let tls = Tls::with(&authority, builder).await;
        let words = ["object \"o\"", tls.node.vault.address(), "as role \"app\"", "TLS: ", why];
        tls.refuses(&[("vaultCACertPath", &tls.ca())], Code::FailedPrecondition, &words).await;
        assert_eq!(tls.node.vault.log().connections(), 1, "not tried again: {why}");
        assert!(tls.node.vault.log().calls().is_empty(), "no JWT went there: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_client_certificate_gets_no_token_without_one() {
    let (authority, clients) = (Authority::new("Vault's"), Authority::new("clients'"));
    let builder = Vault::builder().tls(&authority).require_client_certificate(&clients);
    let tls = Tls::with(&authority, builder).await;
    let call = tls.call(&[("vaultCACertPath", &tls.ca())]).deadline(Some(Duration::from_secs(2)));
    let failure = tls.node.refused(&call).await;
    assert_says(&failure, Code::FailedPrecondition, &[tls.node.vault.address(), "as role \"app\""]);
    assert!(tls.node.vault.log().calls().is_empty(), "no JWT went there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_client_certificate_is_left_at_once_with_that_word() {
    let (authority, clients) = (Authority::new("Vault's"), Authority::new("clients'"));
    let builder = Vault::builder().tls(&authority).require_client_certificate(&clients);
    let tls = Tls::with(&authority, builder).await;
    let words = ["TLS: ", "it may want a client certificate"];
    let failure = tls.node.refused(&tls.call(&[("vaultCACertPath", &tls.ca())])).await;
    assert_says(&failure, Code::FailedPrecondition, &words);
    assert!(!failure.message().contains("attempts"), "not tried again: {failure}");
    assert!(tls.node.vault.log().calls().is_empty(), "no JWT went there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_name_stands_in_for_the_addresss_host() {
    let authority = Authority::new("Vault's");
    for name in ["vault.internal", "10.9.8.7"] {
        let tls = Tls::with(&authority, Vault::builder().certificate(authority.server(&[name]))).await;
        let ca = tls.ca();
        tls.mounts(&[("vaultCACertPath", &ca), ("vaultTLSServerName", name)]).await;
        let flags = [format!("-vault-tls-ca-cert={ca}"), format!("-vault-tls-server-name={name}")];
        tls.mounts_with(&[&flags[0], &flags[1]], &[]).await;
        tls.mounts_with(&[&flags[0]], &[("VAULT_TLS_SERVER_NAME", name)]).await;
        for wrong in ["other.internal", "10.9.8.8"] {
            let parameters = [("vaultCACertPath", ca.as_str()), ("vaultTLSServerName", wrong)];
            tls.refuses(
                &parameters,
                Code::FailedPrecondition,
                &["TLS: ", &format!("is not for {wrong:?} but for {name}")],
            )
            .await;
        }
    }
    let tls = Tls::with(&authority, Vault::builder().tls(&authority).host("localhost")).await;
    tls.mounts(&[("vaultCACertPath", &tls.ca()), ("vaultTLSServerName", "127.0.0.1")]).await;
    tls.mounts(&[("vaultCACertPath", &tls.ca())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let (authority, clients) = (Authority::new("Vault's"), Authority::new("clients'"));
    let builder = Vault::builder().tls(&authority).require_client_certificate(&clients);
    let tls = Tls::with(&authority, builder).await;
    let ca = tls.ca();
    let files = clients.client("lockkeeper").write_to(tls.folder.path(), "client");
    let (cert, key) = (text(&files.certificate), text(&files.key));
    let class = |cert, key| {
        [("vaultCACertPath", ca.as_str()), ("vaultTLSClientCertPath", cert), ("vaultTLSClientKeyPath", key)]
    };
    tls.mounts(&class(&cert, &key)).await;
    let flags = [
        format!("-vault-tls-ca-cert={ca}"),
        format!("-vault-tls-client-cert={cert}"),
        format!("-vault-tls-client-key={key}"),
    ];
    tls.mounts_with(&[&flags[0], &flags[1], &flags[2]], &[]).await;
    let environment =
        [("VAULT_CACERT", ca.as_str()), ("VAULT_CLIENT_CERT", &cert), ("VAULT_CLIENT_KEY", &key)];
    tls.mounts_with(&[], &environment).await;

    let lonely = [("vaultCACertPath", ca.as_str()), ("vaultTLSClientCertPath", &cert)];
    let words = ["vaultTLSClientCertPath", "TLSClientKeyPath", "needs both"];
    tls.refuses(&lonely, Code::InvalidArgument, &words).await;
    let lonely = [("vaultCACertPath", ca.as_str()), ("vaultTLSClientKeyPath", &key)];
    let words = ["vaultTLSClientKeyPath", "TLSClientCertPath", "needs both"];
    tls.refuses(&lonely, Code::InvalidArgument, &words).await;
    let other = text(&clients.client("other").write_to(tls.folder.path(), "other").key);
    let words = ["TLS settings", &cert, &other, "do not fit together"];
    tls.refuses(&class(&cert, &other), Code::FailedPrecondition, &words).await;
    let words = ["TLS settings", cert.as_str(), "no private key"];
    tls.refuses(&class(&cert, &cert), Code::FailedPrecondition, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_used_is_named_and_neither_quoted_nor_waited_for() {
    let tls = Tls::start().await;
    let (ca, place) = (tls.ca(), |name: &str| tls.folder.path().join(name));
    mknodat(CWD, place("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    std::fs::create_dir(place("pipes")).expect("our folder");
    std::fs::create_dir(place("empty-folder")).expect("our folder");
    mknodat(CWD, place("pipes/pipe"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    std::fs::write(place("large"), vec![b'x'; (1 << 20) + 1]).expect("our folder");
    std::fs::write(place("canary.txt"), "canary-content: no PEM at all").expect("our folder");
    std::fs::write(place("broken"), "-----BEGIN CERTIFICATE-----\ncanary\n").expect("our folder");
    let pem = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
    std::fs::write(place("no-certificate"), pem).expect("our folder");
    std::fs::write(place("empty"), "").expect("our folder");
    for (name, why) in [
        ("pipe", "not a regular file"),
        ("pipes", "not a regular file"),
        ("large", "longer than 1MiB"),
        ("broken", "PEM"),
        ("no-certificate", "certificate"),
        ("empty", "holds no certificate"),
        ("nothing", "No such file"),
    ] {
        let path = text(&place(name));
        let words = ["object \"o\"", "TLS settings", &path, why];
        tls.refuses(&[("vaultCACertPath", &path)], Code::FailedPrecondition, &words).await;
        let parameters = [
            ("vaultCACertPath", ca.as_str()),
            ("vaultTLSClientCertPath", &path),
            ("vaultTLSClientKeyPath", &path),
        ];
        tls.refuses(&parameters, Code::FailedPrecondition, &["TLS settings", &path]).await;
    }
    let not_pem = place("canary.txt");
    let quoted = tls.call(&[("vaultCACertPath", &text(&not_pem))]);
    let failure = tls.node.refused(&quoted).await;
    assert_says(&failure, Code::FailedPrecondition, &["canary.txt", "no certificate in PEM form"]);
    assert!(!failure.message().contains("canary-content"), "{failure}");
    for (name, why) in
        [("pipes", "not a regular file"), ("empty-folder", "no file in it"), ("nothing", "No such file")]
    {
        let path = text(&place(name));
        let words = ["object \"o\"", "TLS settings", &path, why];
        tls.refuses(&[("vaultCADirectory", &path)], Code::FailedPrecondition, &words).await;
    }
    assert_eq!(tls.node.vault.log().connections(), 0, "nobody was spoken to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_counts_for_the_next_mount_and_a_broken_one_changes_nothing() {
    let tls = Tls::start().await;
    let ca = text(&Authority::new("another").write_to(tls.folder.path(), "ca.crt"));
    let parameters = [("vaultCACertPath", ca.as_str())];
    let unknown = ["TLS: ", "not among the trusted ones"];
    tls.refuses(&parameters, Code::FailedPrecondition, &unknown).await;
    tls.ca();
    let call = tls.call(&parameters);
    assert_eq!(tls.node.mounted(&call).await.text("o"), "v");
    for broken in ["", "no PEM", "-----BEGIN CERTIFICATE-----\n"] {
        std::fs::write(&ca, broken).expect("our file");
        assert_eq!(tls.node.mounted(&call).await.text("o"), "v", "while it is being written");
    }
    Authority::new("a third").write_to(tls.folder.path(), "ca.crt");
    tls.refuses(&parameters, Code::FailedPrecondition, &unknown).await;
    assert_says(&tls.node.refused(&call).await, Code::FailedPrecondition, &unknown);
    tls.ca();
    assert_eq!(tls.node.mounted(&call).await.text("o"), "v");
}
