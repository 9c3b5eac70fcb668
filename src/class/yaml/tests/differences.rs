//! Where the YAML that we read is not the YAML that yaml.v3 reads. `docs/compatibility.md` says each for people; what
//! yaml.v3 does was tried with it.

use super::*;

#[test]
fn what_yaml_v3_reads_and_we_do_not_is_refused_with_its_line_and_column() {
    for (yaml, place) in [
        // A lone dash in flow style.
        ("k: {v: -}\n", "line 1, column 8: "),
        ("k: [-]\n", "line 1, column 5: "),
        // A colon without a blank behind it at the end of a value in flow style.
        ("k: {v: a:}\n", "line 1, column 9: "),
        // A directive right behind the content.
        ("k: v\n%YAML 1.1\n", "line 2, column 1: "),
        ("k: v\n%YAML 1.1\n---\nx: y\n", "line 2, column 1: "),
        // A quoted text whose next line is no deeper than its key.
        ("k: \"a\nb\"\n", "line 1, column 4: "),
        ("k:\n  v: 'a\n  b'\n", "line 2, column 6: "),
        ("k:\n  v: [\"a\n  b\"]\n", "line 2, column 7: "),
        // A line of a flow collection inside a block that begins with a tab.
        ("k:\n  v: {a: b,\n\tc: d}\n", "line 3, column 2: "),
        ("k:\n  v: [\n\ta]\n", "line 3, column 2: "),
        // U+0085, U+2028 and U+2029 as line breaks.
        ("k: a\u{85}l: b\n", "line 1, column 7: "),
        ("k: a\u{2028}l: b\n", "line 1, column 7: "),
        ("k: a\u{2029}l: b\n", "line 1, column 7: "),
        // A byte order mark that is not the first character.
        ("k: \u{feff}v\n", "line 1, column 4: "),
    ] {
        let error = json(yaml).expect_err(yaml);
        assert!(error.starts_with(place), "{yaml:?}: {error}");
    }
}

#[test]
fn the_near_twins_of_what_we_refuse_are_read_as_yaml_v3_reads_them() {
    for (yaml, expected) in [
        ("k: {v: '-'}\n", r#"{"k":{"v":"-"}}"#),
        ("k: {v: -x}\n", r#"{"k":{"v":"-x"}}"#),
        ("k: {v: 'a:'}\n", r#"{"k":{"v":"a:"}}"#),
        ("k: v\n...\n%YAML 1.1\n---\nx: y\n", r#"{"k":"v"}"#),
        ("k: \"a\n b\"\n", r#"{"k":"a b"}"#),
        ("k:\n  v: 'a\n   b'\n", r#"{"k":{"v":"a b"}}"#),
        ("k: {a: b,\n\tc: d}\n", r#"{"k":{"a":"b","c":"d"}}"#),
        ("k:\n  v: {a: b,\n  \tc: d}\n", r#"{"k":{"v":{"a":"b","c":"d"}}}"#),
        ("k: \"a\\u0085b\"\n", "{\"k\":\"a\u{85}b\"}"),
        ("k: \"a\u{2028}b\"\n", r#"{"k":"a\u2028b"}"#),
    ] {
        assert_eq!(json(yaml), Ok(expected.to_owned()), "{yaml:?}");
    }
}

#[test]
fn a_colon_before_a_bracket_in_flow_style_ends_a_key() {
    // To yaml.v3 the colon belongs to the text: {"k":{"v:":null}} and {"k":["a:"]}.
    for (yaml, expected) in [("k: {v:}\n", r#"{"k":{"v":null}}"#), ("k: [a:]\n", r#"{"k":[{"a":null}]}"#)] {
        assert_eq!(json(yaml), Ok(expected.to_owned()), "{yaml:?}");
    }
}

#[test]
fn only_line_feeds_and_carriage_returns_break_lines() {
    // To yaml.v3 U+0085 breaks a line: "a b", "a\nb\n", and a comment that ends before `l`.
    for (yaml, expected) in [
        ("k: \"a\u{85}b\"\n", "{\"k\":\"a\u{85}b\"}"),
        ("k: |\n  a\u{85}  b\n", "{\"k\":\"a\u{85}  b\\n\"}"),
        ("k: a # c\u{85}l: b\n", r#"{"k":"a"}"#),
    ] {
        assert_eq!(json(yaml), Ok(expected.to_owned()), "{yaml:?}");
    }
}

#[test]
fn keys_of_inner_maps_are_texts_too() {
    // yaml.v3 reads these, and then Go finds no JSON for them.
    for (yaml, expected) in [
        ("k: {1: a, true: b, 1.50: c, 0x10: d}\n", r#"{"k":{"0x10":"d","1":"a","1.50":"c","true":"b"}}"#),
        ("k: [{2026-01-02: a}]\n", r#"{"k":[{"2026-01-02":"a"}]}"#),
        ("k: {~: a, b: c}\n", r#"{"k":{"b":"c"}}"#),
    ] {
        assert_eq!(json(yaml), Ok(expected.to_owned()), "{yaml:?}");
    }
}

#[test]
fn some_texts_that_yaml_v3_refuses_are_read() {
    for (yaml, expected) in [
        ("k: {a: ?b}\n", r#"{"k":{"a":"?b"}}"#),
        ("k:\n  \tv: a\n", r#"{"k":{"v":"a"}}"#),
        ("k: &a.b v\nl: *a.b\n", r#"{"k":"v","l":"v"}"#),
        ("k: \"\\/\"\n", r#"{"k":"/"}"#),
        ("k: v\n...\n%x\n", r#"{"k":"v"}"#),
    ] {
        assert_eq!(json(yaml), Ok(expected.to_owned()), "{yaml:?}");
    }
}

#[test]
fn a_control_character_is_refused_with_its_line_and_column() {
    for control in ['\u{0}', '\u{1}', '\u{1b}', '\u{7f}', '\u{80}', '\u{9f}', '\u{fffe}', '\u{ffff}'] {
        for yaml in [format!("a: b\nk: x{control}\n"), format!("a: b\nk: '{control}'\n")] {
            let place = "line 2, column 5: a control character; remove it";
            assert_eq!(json(&yaml), Err(place.to_owned()), "{control:?}");
        }
    }
}
