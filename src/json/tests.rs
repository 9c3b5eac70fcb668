use proptest::prelude::*;

use super::*;

fn round(text: &str) -> String {
    String::from_utf8(Json::parse(text.as_bytes()).expect(text).to_bytes().to_vec()).expect("UTF-8")
}

#[test]
fn what_go_reads_and_writes_comes_out_as_go_writes_it() {
    for (input, expected) in [
        (r#" {"b":1,"a":2} "#, r#"{"a":2,"b":1}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (
            r#"[1.50,1E+3,-0,123456789012345678901234567890]"#,
            r#"[1.50,1E+3,-0,123456789012345678901234567890]"#,
        ),
        (r#""<>&\u2028\u2029""#, r#""\u003c\u003e\u0026\u2028\u2029""#),
        (r#""\b\f\n\r\t\u0001\u001f\u007f\/""#, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\u{7f}/\""),
        (r#""\ud83d\ude00""#, "\"😀\""),
        (r#""\ud83d""#, "\"\u{FFFD}\""),
        (r#""\ud83dx""#, "\"\u{FFFD}x\""),
        (r#""\ud83d\ud83d\ude00""#, "\"\u{FFFD}😀\""),
        (r#""\ude00\\""#, "\"\u{FFFD}\\\\\""),
        ("[ ]", "[]"),
        ("{ }", "{}"),
        ("[true,false,null]", "[true,false,null]"),
        (r#"{"é":1,"z":2,"Z":3}"#, r#"{"Z":3,"z":2,"é":1}"#),
    ] {
        assert_eq!(round(input), expected);
    }
}

#[test]
fn a_byte_that_is_no_utf8_becomes_the_replacement_character() {
    let value = Json::parse(b"\"a\xff\xe2\x80b\"").expect("JSON");
    assert_eq!(value.as_str(), Some("a\u{FFFD}\u{FFFD}\u{FFFD}b"));
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    for (input, expected) in [
        ("", JsonError::Truncated(0)),
        ("{", JsonError::Truncated(1)),
        (r#"{"a":1"#, JsonError::Truncated(6)),
        (r#"{"a" 1}"#, JsonError::Unexpected(5)),
        ("[1,]", JsonError::Unexpected(3)),
        ("{\"a\":1,}", JsonError::Unexpected(7)),
        ("01", JsonError::Unexpected(1)),
        ("1.", JsonError::Truncated(2)),
        ("-", JsonError::Truncated(1)),
        ("+1", JsonError::Unexpected(0)),
        ("tru", JsonError::Truncated(3)),
        ("trap", JsonError::Unexpected(0)),
        ("\"a", JsonError::Truncated(2)),
        ("\"a\\", JsonError::Truncated(3)),
        ("\"\\x\"", JsonError::Unexpected(1)),
        ("\"\\u12\"", JsonError::Unexpected(1)),
        ("\"a\nb\"", JsonError::Unexpected(2)),
        ("<html>", JsonError::Unexpected(0)),
        ("{} x", JsonError::Unexpected(3)),
    ] {
        assert_eq!(Json::parse(input.as_bytes()).expect_err(input), expected, "{input}");
    }
}

#[test]
fn three_megabytes_of_brackets_are_refused_without_harm() {
    assert_eq!(Json::parse(&vec![b'['; 3 << 20]).expect_err("too deep"), JsonError::TooDeep(MAX_DEPTH));
    let deep = ["[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)].concat();
    assert_eq!(round(&deep), deep);
}

#[test]
fn debug_shows_no_value() {
    let value = Json::parse(br#"{"password":"canary","pin":4711}"#).expect("JSON");
    let text = format!("{value:?} {:?}", value.as_object().and_then(|object| object.field("pin")));
    assert!(!text.contains("canary") && !text.contains("4711"), "{text}");
}

proptest! {
    #[test]
    fn any_text_survives_writing_and_reading(text in any::<String>()) {
        let written = Json::string(text.clone()).to_bytes();
        prop_assert!(written.len() <= write::string_size(&text));
        let read = Json::parse(&written).expect("our own JSON");
        prop_assert_eq!(read.as_str(), Some(text.as_str()));
        let other: serde_json::Value = serde_json::from_slice(&written).expect("serde_json reads it too");
        prop_assert_eq!(other.as_str(), Some(text.as_str()));
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let ours = Json::parse(&bytes);
        if serde_json::from_slice::<serde_json::Value>(&bytes).is_ok() {
            prop_assert!(ours.is_ok());
        }
    }

    #[test]
    fn json_like_texts_are_never_a_panic(text in r#"[\[\]{}":,\\u0-9a-fD8.e+\- tn]{0,60}"#) {
        let _ = Json::parse(text.as_bytes());
    }
}
