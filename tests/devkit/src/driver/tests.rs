//! The stand-in sends what each release sends, refuses what it refuses, and writes volumes in one swap.

use std::fs;

use serde_json::Value;

use super::answer::check;
use super::*;
use crate::pod::Pod;
use crate::proto::v1alpha1::File;

fn files(list: &[(&str, &str)]) -> BTreeMap<String, MountedFile> {
    let file = |text: &str| MountedFile { mode: 0o640, contents: text.into() };
    list.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect()
}

fn call() -> MountCall {
    MountCall::new(&Pod::new("shop", "web-0").service_account("web"))
        .parameter("roleName", "app")
        .volume_attribute("objects", "- <a & b>")
        .token("vault", "a.b.c")
}

#[tokio::test]
async fn a_first_mount_and_a_rotation_of_each_release_differ_as_observed() {
    let driver = Driver::new(Path::new("/nowhere.sock"));
    let request = driver.request(&call());
    assert!(request.attributes.contains(r#""objects":"- \u003ca \u0026 b\u003e""#), "{}", request.attributes);
    let attributes: Value = serde_json::from_str(&request.attributes).expect("JSON");
    assert_eq!(attributes["csi.storage.k8s.io/ephemeral"], "true");
    assert_eq!(attributes["secretProviderClass"], "app");
    let tokens = attributes["csi.storage.k8s.io/serviceAccount.tokens"].as_str().expect("text");
    assert_eq!(serde_json::from_str::<Value>(tokens).expect("JSON")["vault"]["token"], "a.b.c");
    assert_eq!((request.secrets.as_str(), request.permission.as_str()), ("null", "420"));

    let rotation = attributes::request(&call(), Occasion::DriverRotation, Path::new("/t"), Vec::new());
    let attributes: Value = serde_json::from_str(&rotation.attributes).expect("JSON");
    assert_eq!(
        (attributes.get("csi.storage.k8s.io/ephemeral"), attributes.get("secretProviderClass")),
        (None, None)
    );
    assert_eq!((attributes.get("objects"), rotation.secrets.as_str()), (None, "{}"));

    let request = driver.request(&call().tokens_in_secrets());
    assert!(!request.attributes.contains("serviceAccount.tokens"));
    assert!(request.secrets.contains("serviceAccount.tokens"));
}

#[test]
fn what_the_real_driver_refuses_is_refused() {
    let answer = |path: &str, mode| MountResponse {
        files: vec![File { path: path.to_owned(), mode, contents: Vec::new() }],
        object_version: vec![ObjectVersion { id: "o".to_owned(), version: String::new() }],
        error: None,
    };
    check(&answer("a/b", 0o777)).expect("a good answer");
    let long = "x".repeat(256);
    for path in ["", "/a", "../a", "..a", "a/../b", "a//b", "./a", "a/", long.as_str()] {
        check(&answer(path, 0)).expect_err(path);
    }
    check(&answer("a", 0o1000)).expect_err("a mode too big");
    check(&MountResponse { object_version: Vec::new(), ..answer("a", 0) }).expect_err("no versions");
    check(&MountResponse { files: Vec::new(), ..answer("a", 0) }).expect_err("no files");
}

#[test]
fn a_volume_changes_in_one_swap_and_only_when_its_content_does() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("mount");
    assert!(volume::write(&folder, &files(&[("a", "1"), ("deep/er/b", "2")])).expect("written"));
    assert_eq!(volume::read(&folder).expect("read"), files(&[("a", "1"), ("deep/er/b", "2")]));
    let data = fs::read_link(folder.join("..data")).expect("a link");
    assert_eq!(fs::read_link(folder.join("deep")).expect("a link"), Path::new("..data/deep"));

    let mut other_mode = files(&[("a", "1"), ("deep/er/b", "2")]);
    other_mode.get_mut("a").expect("there").mode = 0o600;
    assert!(!volume::write(&folder, &other_mode).expect("nothing to write"));
    assert_eq!(fs::read_link(folder.join("..data")).expect("a link"), data);

    assert!(volume::write(&folder, &files(&[("a", "new")])).expect("written"));
    assert_eq!(volume::read(&folder).expect("read"), files(&[("a", "new")]));
    assert!(!folder.join(data).exists() && fs::symlink_metadata(folder.join("deep")).is_err());
}
