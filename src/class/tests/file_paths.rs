use proptest::prelude::*;

use super::*;

#[test]
fn a_clean_relative_path_is_taken_as_it_is() {
    for name in
        ["o", "a/b/c.txt", ".hidden", "a/..b", "a..", "…", "a b", &"x".repeat(255), &["x"; 2048].join("/")]
    {
        assert_eq!(FilePath::parse(name, "x").expect(name).as_str(), name);
    }
}

#[test]
fn a_path_that_the_driver_would_refuse_is_refused_by_its_fields_name() {
    let long_element = "x".repeat(256);
    let long = ["xxxx"; 820].join("/");
    for (name, why) in [
        ("", "is missing"),
        ("/etc/passwd", "is absolute"),
        ("..", "the element `..`"),
        ("../a", "the element `..`"),
        ("a/../b", "the element `..`"),
        ("a/..", "the element `..`"),
        ("..foo", "starts with `..`"),
        ("..data/x", "starts with `..`"),
        (".", "the element `.`"),
        ("./a", "the element `.`"),
        ("a/.", "the element `.`"),
        ("a//b", "an empty element"),
        ("a/", "an empty element"),
        ("a\0b", "a NUL character"),
        (&long_element, "an element over 255 bytes"),
        (&long, "longer than 4096 bytes"),
    ] {
        let error = error_of(FilePath::parse(name, "objects[1].objectName"));
        assert!(error.starts_with("objects[1].objectName: ") && error.contains(why), "{error}");
        assert!(error.len() < 300 && !error.contains('\0'), "{error}");
    }
}

#[test]
fn a_bad_name_is_told_by_its_place_in_the_list() {
    let error = error_of(objects("- {objectName: a, secretPath: p}\n-\n- {objectName: /b, secretPath: p}"));
    assert_eq!(
        error,
        "objects[2].objectName: \"/b\" is absolute; write a path relative to the volume, without the leading slash"
    );
    let error = error_of(objects("- {secretPath: p}"));
    assert_eq!(error, "objects[0].objectName: is missing; name the file, for example db-password");
}

#[test]
fn two_objects_of_one_name_are_refused() {
    let error = error_of(objects("- {objectName: a, secretPath: p}\n- {objectName: a, secretPath: q}"));
    assert_eq!(error, "object \"a\": objectName stands twice in the list; give each file its own name");
}

#[test]
fn a_file_that_is_another_files_folder_is_refused() {
    for names in [["a", "a/b"], ["a/b", "a"], ["a/b/c/d", "a/b"]] {
        let yaml = names.map(|name| format!("- {{objectName: {name}, secretPath: p}}\n")).concat();
        let error = error_of(objects(&yaml));
        assert!(error.contains("objectName lies in ") && error.ends_with("rename one"), "{error}");
    }
    let siblings = "- {objectName: a, secretPath: p}\n- {objectName: a.b, secretPath: p}\n- {objectName: a-/b, secretPath: p}";
    assert_eq!(objects(siblings).expect("siblings").len(), 3);
}

proptest! {
    #[test]
    fn a_file_path_never_leaves_the_volume(text in "[./a\\x00-]{0,12}") {
        if let Ok(path) = FilePath::parse(&text, "x") {
            prop_assert!(!path.as_str().starts_with("..") && !path.as_str().starts_with('/'));
            prop_assert!(path.as_str().split('/').all(|element| !matches!(element, "" | "." | "..")));
            prop_assert!(!path.as_str().contains('\0'));
            let joined: std::path::PathBuf = std::path::Path::new("/v").join(path.as_str()).components().collect();
            prop_assert_eq!(joined, std::path::Path::new("/v").join(path.as_str()));
        }
    }

    #[test]
    fn any_text_is_a_path_or_an_error(text in any::<String>()) {
        let _ = FilePath::parse(&text, "x");
    }
}
