use proptest::prelude::*;

use super::*;

#[test]
fn an_object_has_the_fields_that_the_class_wrote() {
    let found = objects(
        "- objectName: certs/tls.crt\n  secretPath: /v1/pki/issue/web?x=1\n  secretKey: certificate\n  method: put\n  \
         secretArgs: {common_name: web, ttl: 24h}\n  filePermission: 0600\n  encoding: BASE64\n",
    )
    .expect("objects");
    let object = &found[0];
    assert_eq!(object.name.as_str(), "certs/tls.crt");
    assert_eq!(object.secret_path, "/v1/pki/issue/web?x=1");
    assert_eq!(object.secret_key.as_deref(), Some("certificate"));
    assert_eq!((object.method.as_str(), object.request.method.as_str()), ("put", "put"));
    assert_eq!((object.own_mode, object.mode.bits()), (0o600, 0o600));
    assert_eq!((object.encoding, object.encoding_text.as_str()), (Encoding::Base64, "BASE64"));
    assert_eq!(object.request.path, "pki/issue/web");
    assert_eq!(object.request.body, object.secret_args);
    let args = object.secret_args.as_ref().expect("arguments").to_bytes();
    assert_eq!(String::from_utf8_lossy(&args), r#"{"common_name":"web","ttl":"24h"}"#);
}

#[test]
fn what_an_object_leaves_out_is_empty_and_its_mode_the_drivers() {
    for yaml in [
        "- {objectName: o, secretPath: p}",
        "- {objectName: o, secretPath: p, secretKey: , method: ~, secretArgs: null, filePermission: , encoding: ''}",
        "- {objectName: o, secretPath: p, filePermission: 0}",
    ] {
        let found = &objects(yaml).expect(yaml)[0];
        assert_eq!(
            (found.secret_key.as_deref(), found.method.as_str(), &found.secret_args),
            (None, "", &None)
        );
        assert_eq!((found.own_mode, found.mode.bits()), (0, 0o644));
        assert_eq!((found.encoding, found.encoding_text.as_str()), (Encoding::Utf8, ""));
    }
}

#[test]
fn a_class_that_lists_no_object_is_refused() {
    let expected = "objects: lists no object; list at least one with objectName and secretPath";
    for yaml in ["", " ", "# none", "---\n...", "[]", "~", "-\n- ~\n", "- null"] {
        assert_eq!(error_of(objects(yaml)), expected, "{yaml:?}");
    }
    assert_eq!(error_of(parse(&json!({ "objects": null }))), expected);
}

#[test]
fn a_scalar_in_a_text_field_keeps_its_text_whatever_it_looks_like() {
    for (written, key) in [
        ("123", "123"),
        ("0644", "0644"),
        ("true", "true"),
        ("2026-01-02", "2026-01-02"),
        ("1.50", "1.50"),
        ("yes", "yes"),
        ("'~'", "~"),
        ("!!str ~", "~"),
        ("!!binary aGk=", "hi"),
        ("\"\\u00e9\"", "é"),
        ("|-\n    two\n    lines", "two\nlines"),
    ] {
        let found =
            objects(&format!("- objectName: o\n  secretPath: p\n  secretKey: {written}\n")).expect(written);
        assert_eq!(found[0].secret_key.as_deref(), Some(key), "{written}");
    }
}

#[test]
fn a_field_of_the_wrong_kind_is_refused_with_its_object_field_line_and_column() {
    for (yaml, expected) in [
        ("a: b", "objects: line 1, column 1: expected a list"),
        ("text", "objects: line 1, column 1: expected a list"),
        ("- text", "objects[0]: line 1, column 3: expected a map of fields"),
        ("- []", "objects[0]: line 1, column 3: expected a map of fields"),
        ("- objectName: [a]", "objects[0].objectName: line 1, column 15: expected text, found a list"),
        (
            "- objectName: o\n  secretPath: {a: b}",
            "object \"o\": secretPath: line 2, column 15: expected text, found a map",
        ),
        (
            "- objectName: o\n  method: [a]",
            "object \"o\": method: line 2, column 11: expected text, found a list",
        ),
        (
            "- objectName: o\n  secretPath: p\n  secretArgs: canary",
            "object \"o\": secretArgs: line 3, column 15: expected a map of arguments",
        ),
        (
            "- objectName: o\n  secretPath: p\n  secretArgs: [canary]",
            "object \"o\": secretArgs: line 3, column 15: expected a map of arguments",
        ),
        (
            "- objectName: o\n  secretPath: p\n  secretArgs: {a: [.nan]}",
            "object \"o\": secretArgs: line 3, column 20: no number that JSON can hold",
        ),
        (
            "- objectName: o\n  secretPath: p\n  secretArgs: {a: !!int canary}",
            "object \"o\": secretArgs: line 3, column 19: a value that is no !!int, as its tag says",
        ),
        (
            "- objectName: o\n  secretPath:\n",
            "object \"o\": secretPath is missing; name a path in Vault, for example secret/data/app",
        ),
        (
            "- objectName: o\n  secretPath: p\n  encoding: rot13",
            "object \"o\": encoding \"rot13\" is unknown; write utf-8, base64 or hex",
        ),
        (
            "- objectName: o\n  objectName: p",
            "objects[0]: line 2, column 3: mapping key \"objectName\" already defined at line 1",
        ),
    ] {
        assert_eq!(error_of(objects(yaml)), expected, "{yaml}");
    }
}

#[test]
fn a_mode_is_a_whole_number_in_any_of_gos_grammars() {
    for (written, bits) in [
        ("0644", 0o644),
        ("0o640", 0o640),
        ("0x1A4", 0o644),
        ("420", 0o644),
        ("0b110100100", 0o644),
        ("0_600", 0o600),
        ("+384", 0o600),
        ("00444", 0o444),
        ("511", 0o777),
        ("420.0", 0o644),
        ("!!int \"420\"", 0o644),
    ] {
        let found = objects(&format!("- {{objectName: o, secretPath: p, filePermission: {written}}}"))
            .expect(written);
        assert_eq!((found[0].own_mode, found[0].mode.bits()), (bits, bits), "{written}");
    }
}

#[test]
fn a_mode_that_is_none_is_refused_and_names_the_object() {
    for (written, why) in [
        ("512", "512 (0o1000) is above 0777; write an octal number such as 0640"),
        ("644", "644 (0o1204) is above 0777; write an octal number such as 0640"),
        ("18446744073709551615", "is above 0777"),
        ("-1", "negative or far too large"),
        ("1e30", "negative or far too large"),
        ("-.inf", "negative or far too large"),
        (".nan", "negative or far too large"),
        ("\"0644\"", "expected a whole number without quotes, such as 0640"),
        ("rw-r--r--", "expected a whole number without quotes"),
        ("true", "expected a whole number without quotes"),
        ("2026-01-02", "expected a whole number without quotes"),
        ("[420]", "expected a whole number without quotes, such as 0640, found a list"),
    ] {
        let error =
            error_of(objects(&format!("- {{objectName: o, secretPath: p, filePermission: {written}}}")));
        assert!(error.starts_with("object \"o\": filePermission: ") && error.contains(why), "{error}");
    }
}

#[test]
fn an_encoding_is_known_in_any_case() {
    for (written, encoding) in [
        ("utf-8", Encoding::Utf8),
        ("UTF-8", Encoding::Utf8),
        ("Base64", Encoding::Base64),
        ("HEX", Encoding::Hex),
        ("''", Encoding::Utf8),
    ] {
        let found =
            objects(&format!("- {{objectName: o, secretPath: p, encoding: {written}}}")).expect(written);
        assert_eq!(found[0].encoding, encoding);
    }
    for written in ["utf8", "base-64", "base64 "] {
        assert!(
            objects(&format!("- {{objectName: o, secretPath: p, encoding: '{written}'}}")).is_err(),
            "{written}"
        );
    }
}

#[test]
fn unknown_fields_are_taken_and_named_the_first_twenty() {
    let spec = parse(
        &json!({ "objects": "- {objectName: a, secretPath: p}\n- {objectName: b, secretpath: q, secretPath: p, x: {x: 1, x: 2}}" }),
    );
    assert_eq!(spec.expect("a spec").unknown_fields, ["objects[1].secretpath", "objects[1].x"]);
    let many: String = (0..100).map(|index| format!("  f{index}: x\n")).collect();
    let spec =
        parse(&json!({ "objects": format!("- objectName: a\n  secretPath: p\n{many}") })).expect("a spec");
    assert_eq!(spec.unknown_fields.len(), 20);
}

#[test]
fn files_come_in_the_order_of_the_list_and_null_items_are_dropped() {
    let found = objects("- {objectName: z, secretPath: p}\n-\n- {objectName: a, secretPath: p}\n- ~\n")
        .expect("objects");
    let names: Vec<&str> = found.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["z", "a"]);
}

proptest! {
    #[test]
    fn no_text_of_objects_makes_the_parse_panic(text in any::<String>()) {
        let _ = objects(&text);
    }

    #[test]
    fn no_yaml_like_text_makes_the_parse_panic(pieces in proptest::collection::vec(
        proptest::sample::select(vec![
            "- ", "? ", ": ", "\n", "\n  ", "\n    ", "&a ", "*a", "<<: ", "[", "]", "{", "}", ", ", "\"", "'", "|\n", ">-\n",
            "|2+\n", "#", " #c", "!!int ", "!!binary ", "!x ", "!", "%", "---", "...", "\t", "~", "0644", ".5", "2026-01-02",
            "objectName: o", "secretPath: p", "secretArgs: ", "a: b", "é", "\r\n", "\u{feff}", "\u{2028}", "<<",
        ]), 0..24,
    )) {
        let _ = objects(&pieces.concat());
        let _ = objects(&format!("- objectName: o\n  secretPath: p\n  secretArgs: {}", pieces.concat()));
    }
}
