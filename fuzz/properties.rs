//! What has to hold for any bytes at all. The fuzz targets call these, and an ordinary test calls them with each file of
//! the corpora.

use std::sync::OnceLock;

use lockkeeper::class::endpoint::{Address, ClassDefaults, EndpointSpec, Flavour, TlsSpec};
use lockkeeper::class::{MountRequestText, MountSpec, SpecError};
use lockkeeper::clock::Instant;
use lockkeeper::grpc::authority::{Nonsense, Rewriter};
use lockkeeper::mount::content::content;
use lockkeeper::vault::response::VaultResponse;

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The rewriter takes any connection: it comes to the same end however the bytes are cut, puts out no more than it says,
/// and has nothing to mend in what it has put out.
pub fn authority(data: &[u8]) {
    connection(data);
    if !data.starts_with(PREFACE) {
        connection(&[PREFACE, data].concat());
    }
}

fn connection(input: &[u8]) {
    let mut whole = Vec::new();
    let mut rewriter = Rewriter::new();
    let most = rewriter.most_output(input.len());
    let outcome = rewriter.push(input, &mut whole);
    assert!(whole.len() <= most, "{} bytes became {}", input.len(), whole.len());
    for size in [1, 2 + input.len() % 61] {
        assert_eq!(in_pieces(input, size), (outcome, whole.clone()), "in pieces of {size}");
    }
    if outcome.is_ok() {
        let mut again = Vec::new();
        match Rewriter::new().push(&whole, &mut again) {
            // All but an unfinished frame's head, which is held back.
            Ok(()) => assert!(whole.starts_with(&again) && whole.len() - again.len() < 9),
            // What was spelled out may be too long to be taken a second time.
            Err(nonsense) => assert_eq!(nonsense, Nonsense::TooLong),
        }
    }
}

fn in_pieces(input: &[u8], size: usize) -> (Result<(), Nonsense>, Vec<u8>) {
    let (mut rewriter, mut output) = (Rewriter::new(), Vec::new());
    for piece in input.chunks(size) {
        let (passed, rest) = piece.split_at(rewriter.pass(piece));
        output.extend_from_slice(passed);
        if let Err(nonsense) = rewriter.push(rest, &mut output) {
            return (Err(nonsense), output);
        }
    }
    (Ok(()), output)
}

/// Whatever the driver sends is a [`MountSpec`] that is safe to use, or an error of one line. The four texts of a request
/// are told apart by NUL; the whole is taken as a class's `objects`, too.
pub fn class_attributes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut texts = text.splitn(4, '\0');
    let mut next = |default| texts.next().unwrap_or(default);
    let (attributes, secrets, permission, target_path) =
        (next(""), next("null"), next("420"), next("/target"));
    let request = MountRequestText { attributes, secrets, permission, target_path };
    for flavour in [Flavour::Vault, Flavour::OpenBao] {
        spec(&request, flavour);
    }
    let attributes = good_attributes(text);
    spec(
        &MountRequestText {
            attributes: &attributes,
            secrets: "null",
            permission: "420",
            target_path: "/target",
        },
        Flavour::Vault,
    );
}

fn spec(request: &MountRequestText<'_>, flavour: Flavour) {
    match MountSpec::parse(request, flavour, defaults()) {
        Ok(spec) => is_safe(&spec),
        Err(error) => is_one_line(&error),
    }
}

fn is_safe(spec: &MountSpec) {
    assert!(!spec.objects.is_empty() && !spec.endpoint.addresses.is_empty());
    let mut paths: Vec<&str> = spec.objects.iter().map(|object| object.name.as_str()).collect();
    for path in &paths {
        assert!(!path.starts_with("..") && path.len() <= 4_096, "{path:?}");
        for element in path.split('/') {
            assert!(!matches!(element, "" | "." | "..") && element.len() <= 255, "{path:?}");
            assert!(!element.contains('\0'), "{path:?}");
        }
    }
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), spec.objects.len(), "two files of one path");
    for object in &spec.objects {
        assert!(object.mode.bits() <= 0o777 && object.own_mode <= 0o777);
        let request = &object.request;
        let url = request.url_path();
        assert!(url.is_ascii() && !url.starts_with('/') && !url.contains("//"), "{url:?}");
        assert!(url.split('/').all(|element| !matches!(element, "" | "." | "..")), "{url:?}");
        assert!(!url.contains(['?', '#', ' ', '\r', '\n']), "{url:?}");
        assert!(
            request.query_string().is_none_or(|query| query.is_ascii() && !query.contains(['#', ' ', '\n']))
        );
        assert!(!request.method.is_empty() && !request.method.contains(|c: char| c.is_control() || c == ' '));
    }
}

fn is_one_line(error: &SpecError) {
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 4_096, "an error of {} bytes", text.len());
}

/// Whatever answers in Vault's place is an answer with the contents of files, or is said to be none. A whole answer that was
/// written reads as itself.
pub fn vault_response(data: &[u8]) {
    let Ok(response) = VaultResponse::parse(data, Instant::now()) else { return };
    let (_, _) = (response.is_static_role(), response.warning_texts());
    let [whole, keys @ ..] = objects() else { panic!("the class below has objects") };
    for object in keys {
        let _ = content(object, &response).map_err(|error| error.to_string());
    }
    let written = content(whole, &response).expect("a whole answer has no key that could be missing");
    let read = VaultResponse::parse(&written, response.started).unwrap_or_else(|error| panic!("{error}"));
    let again = content(whole, &read).expect("as before");
    assert!(
        *written == *again,
        "{:?}\n{:?}",
        String::from_utf8_lossy(&written),
        String::from_utf8_lossy(&again)
    );
}

/// The whole answer first, then a key in each encoding.
fn objects() -> &'static [lockkeeper::class::ObjectSpec] {
    static SPEC: OnceLock<MountSpec> = OnceLock::new();
    let spec = SPEC.get_or_init(|| {
        let attributes = good_attributes(
            "- {objectName: whole, secretPath: a}\n\
             - {objectName: text, secretPath: a, secretKey: k}\n\
             - {objectName: base64, secretPath: a, secretKey: k, encoding: base64}\n\
             - {objectName: hex, secretPath: a, secretKey: k, encoding: hex}\n",
        );
        let request =
            MountRequestText { attributes: &attributes, secrets: "null", permission: "420", target_path: "" };
        MountSpec::parse(&request, Flavour::Vault, defaults()).expect("a good class")
    });
    &spec.objects
}

/// A good class of a pod's, with these objects.
fn good_attributes(objects: &str) -> String {
    serde_json::json!({
        "objects": objects,
        "roleName": "app",
        "csi.storage.k8s.io/pod.name": "web-0",
        "csi.storage.k8s.io/pod.namespace": "shop",
        "csi.storage.k8s.io/pod.uid": "11111111-2222-3333-4444-555555555555",
        "csi.storage.k8s.io/serviceAccount.name": "web",
    })
    .to_string()
}

fn defaults() -> &'static ClassDefaults {
    static DEFAULTS: OnceLock<ClassDefaults> = OnceLock::new();
    DEFAULTS.get_or_init(|| ClassDefaults {
        endpoint: EndpointSpec {
            addresses: Address::parse_list("https://127.0.0.1:8200", "-vault-addr").expect("an address"),
            namespace: None,
            tls: TlsSpec::default(),
        },
        auth_mount: "kubernetes".to_owned(),
    })
}
