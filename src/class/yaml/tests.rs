mod differences;

use std::time::{Duration, Instant};

use super::*;

/// What the text is as arguments, in JSON.
fn json(yaml: &str) -> Result<String, String> {
    let document = Document::parse(yaml).map_err(|problem| problem.to_string())?;
    let root = document.root().ok_or("empty")?;
    let json = root.arguments().map_err(|problem| problem.to_string())?.ok_or("null")?;
    Ok(String::from_utf8_lossy(&json.to_bytes()).into_owned())
}

#[test]
fn a_plain_scalar_means_what_it_means_to_yaml_v3() {
    for (written, expected) in [
        ("", "null"),
        ("~", "null"),
        ("Null", "null"),
        ("nULL", r#""nULL""#),
        ("TRUE", "true"),
        ("tRUE", r#""tRUE""#),
        ("yes", r#""yes""#),
        ("off", r#""off""#),
        ("0644", "420"),
        ("0o17", "15"),
        ("0O17", "15"),
        ("-0o17", "-15"),
        ("0b101", "5"),
        ("0b-1", "-1"),
        ("-0x1F", "-31"),
        ("08", "8"),
        ("09.5", "9.5"),
        ("1_000", "1000"),
        ("_1", r#""_1""#),
        ("+12", "12"),
        ("-0", "0"),
        ("-0.0", "-0"),
        ("1.10", "1.1"),
        (".5", "0.5"),
        (".5_0", "0.5"),
        (".5__0", r#"".5__0""#),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1e21", "1e+21"),
        ("123456789012345680000", "123456789012345680000"),
        ("0.000001", "0.000001"),
        ("1e-7", "1e-7"),
        ("5e-324", "5e-324"),
        ("1e999", r#""1e999""#),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "18446744073709552000"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("-9223372036854775809", "-9223372036854776000"),
        ("+18446744073709551615", "18446744073709552000"),
        ("0x1FFFFFFFFFFFFFFFF", r#""0x1FFFFFFFFFFFFFFFF""#),
        ("1.2.3", r#""1.2.3""#),
        ("10.0.0.0/8", r#""10.0.0.0/8""#),
        ("24h", r#""24h""#),
        ("2026-01-02", r#""2026-01-02T00:00:00Z""#),
        ("2026-1-2", r#""2026-01-02T00:00:00Z""#),
        ("2026-02-29", r#""2026-02-29""#),
        ("2024-02-29", r#""2024-02-29T00:00:00Z""#),
        ("2026-01-02T3:4:5.120+01:00", r#""2026-01-02T03:04:05.12+01:00""#),
        ("2026-01-02t03:04:05-00:00", r#""2026-01-02T03:04:05Z""#),
        ("2026-01-02 03:04:05", r#""2026-01-02T03:04:05Z""#),
        ("2026-01-02T03:04:05", r#""2026-01-02T03:04:05""#),
        ("2026-01-02T24:00:00Z", r#""2026-01-02T24:00:00Z""#),
        ("'2026-01-02'", r#""2026-01-02""#),
        ("\"0644\"", r#""0644""#),
        ("!!str 0644", r#""0644""#),
        ("!!int \"0644\"", "420"),
        ("!!float 3", "3"),
        ("!!bool \"true\"", "true"),
        ("!!binary \"aGVs\\nbG8=\"", r#""hello""#),
        ("!!timestamp \"2026-01-02\"", r#""2026-01-02T00:00:00Z""#),
        ("!local 12", r#""12""#),
        ("! 12", "12"),
        ("!<tag:yaml.org,2002:int> 7", "7"),
        ("<<", r#""\u003c\u003c""#),
    ] {
        assert_eq!(json(&format!("k: {written}\n")), Ok(format!(r#"{{"k":{expected}}}"#)), "{written}");
    }
}

#[test]
fn what_json_cannot_hold_or_a_tag_does_not_fit_is_an_error() {
    for written in [
        ".nan",
        "-.inf",
        "!!int 1.5",
        "!!int x",
        "!!bool yes",
        "!!null x",
        "!!float x",
        "!!binary x",
        "!!timestamp x",
        "2026-01-02T03:04:05+24:00",
    ] {
        let error = json(&format!("a: 1\nk: {written}\n")).expect_err(written);
        assert!(error.starts_with("line 2, column "), "{error}");
        assert!(!error.contains(written), "{error}");
    }
}

#[test]
fn keys_are_texts_and_stand_once() {
    for (yaml, expected) in [
        ("{1: a, true: b, 1.0: c}", Ok(r#"{"1":"a","1.0":"c","true":"b"}"#)),
        ("{~: a, b: c}", Ok(r#"{"b":"c"}"#)),
        ("{a: 1, 'a': 2}", Err("line 1, column 8: mapping key \"a\" already defined at line 1")),
        ("{[a]: b}", Err("line 1, column 2: expected text as a key, found a list")),
        ("? {a: b}\n: c", Err("line 1, column 3: expected text as a key, found a map")),
    ] {
        assert_eq!(json(yaml), expected.map(str::to_owned).map_err(str::to_owned), "{yaml}");
    }
}

#[test]
fn merges_give_what_the_map_itself_does_not_say() {
    for (yaml, expected) in [
        ("{a: 1, <<: {a: 2, b: 3}}", Ok(r#"{"a":1,"b":3}"#)),
        ("{<<: [{a: 1}, {a: 2, b: 3}], b: ~}", Ok(r#"{"a":1,"b":null}"#)),
        ("{<<: {<<: {c: 1, a: 0}, a: 1}, b: 2}", Ok(r#"{"a":1,"b":2,"c":1}"#)),
        ("{x: &x {a: 1}, y: {<<: *x}}", Ok(r#"{"x":{"a":1},"y":{"a":1}}"#)),
        ("{'<<': {a: 1}}", Ok(r#"{"\u003c\u003c":{"a":1}}"#)),
        ("{<<: []}", Ok("{}")),
        ("{<<: a}", Err("line 1, column 6: a merge (<<) takes a map or a list of maps")),
        ("{<<: ~}", Err("line 1, column 6: a merge (<<) takes a map or a list of maps")),
        ("{x: &x [{a: 1}], <<: *x}", Err("line 1, column 22: a merge (<<) takes a map or a list of maps")),
    ] {
        assert_eq!(json(yaml), expected.map(str::to_owned).map_err(str::to_owned), "{yaml}");
    }
}

#[test]
fn only_the_first_document_counts() {
    for yaml in ["a: 1\n---\n]", "--- {a: 1}\n...\n]", "%YAML 1.1\n---\na: 1\n", "\u{feff}a: 1\r\n"] {
        assert_eq!(json(yaml), Ok(r#"{"a":1}"#.to_owned()), "{yaml:?}");
    }
}

#[test]
fn white_space_that_go_does_not_ask_for_is_not_asked_for() {
    for (yaml, expected) in [
        ("x:\n  a: {\n    b: c\n  }\n", r#"{"x":{"a":{"b":"c"}}}"#),
        ("x:\n  a: {\n\nb: c,\nd: [\n1,\n2\n]\n}\n", r#"{"x":{"a":{"b":"c","d":[1,2]}}}"#),
        ("x: {a: b,#c\n}#d\ny: \"z\"#e\n", r#"{"x":{"a":"b"},"y":"z"}"#),
        ("a:\tb\nc:\t \td\n", r#"{"a":"b","c":"d"}"#),
        ("a: |\n  x\n  y", r#"{"a":"x\ny"}"#),
        ("a: |+\n  x\n\n  ", r#"{"a":"x\n\n"}"#),
        ("a: >\n  x\n  y", r#"{"a":"x y"}"#),
        ("a: |\n  x\n# c", r#"{"a":"x\n"}"#),
        ("a: |\n  x\n", r#"{"a":"x\n"}"#),
    ] {
        assert_eq!(json(yaml), Ok(expected.to_owned()), "{yaml:?}");
    }
}

#[test]
fn broken_yaml_is_told_with_its_line_and_column() {
    for (yaml, place) in [
        ("a: [", "line 2, column 1: broken YAML: "),
        ("a: 1\nb: ]", "line 2, column 4: broken YAML: "),
        ("a: \"x", "line 1, column 4: broken YAML: "),
        ("a: 1\n\tb: 2", "line 1, column 4: broken YAML: "),
        ("a: *x", "line 1, column 4: broken YAML: "),
        ("a: 1\nb: \"\u{1}\"", "line 2, column 5: a control character"),
        ("x:\n  a: {\n  b: ]", "line 3, column 6: broken YAML: "),
    ] {
        let error = json(yaml).expect_err(yaml);
        assert!(error.starts_with(place), "{yaml:?}: {error}");
    }
}

/// A debug build reads a quarter of what a release build reads.
const HOSTILE_BYTES: usize = if cfg!(debug_assertions) { MAX_BYTES / 4 } else { MAX_BYTES };

/// Texts that cost a careless reader minutes or its stack.
fn hostile() -> Vec<(&'static str, String)> {
    let full = |piece: &str| piece.repeat(HOSTILE_BYTES / piece.len());
    let staircase = |step: &str| {
        let mut text = String::new();
        for depth in 0.. {
            let line = " ".repeat(depth) + step;
            if text.len() + line.len() > HOSTILE_BYTES {
                break;
            }
            text += &line;
        }
        text
    };
    let laughs = |item: &str| {
        let mut text = format!("a0: &a0 {{k: {item}}}\n");
        for level in 1..30 {
            let below = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} {{x: {below}, y: {below}}}\n");
        }
        text
    };
    let merges: String = (1..30).fold("a0: &a0 {k: v}\n".to_owned(), |text, level| {
        let below = level - 1;
        text + &format!("a{level}: &a{level} {{<<: [*a{below}, *a{below}], k{level}: v}}\n")
    });
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a,".repeat(100_000));
    let wide: String = (0..20_000).map(|index| format!("k{index}: v\n")).collect();
    let mut all: Vec<(&str, String)> = [
        "[",
        "{",
        "- ",
        "? ",
        "- ? ",
        "[{",
        "{a: ",
        "[? ",
        "a:\n- ",
        "- a\n",
        "a: b\n",
        "- [a]\n",
        "- {a: b}\n",
        "&a ",
        "*a ",
        "!a ",
        "a",
        "a ",
        "a\n",
        " ",
        "\n",
        "#",
        "# a\n",
        "%",
        "%A\n",
        "\t",
        "\"",
        "'",
        "|",
        "- |\n a\n",
        "---\n",
        "...\n",
        "é",
        ",",
        "[]",
        "{\n",
        "- a:\n  ",
        "\r",
    ]
    .into_iter()
    .map(|piece| (piece, full(piece)))
    .collect();
    all.extend([
        ("staircase of maps", staircase("a:\n")),
        ("staircase of lists", staircase("-\n")),
        ("a billion laughs", laughs("v")),
        ("a billion long laughs", laughs(&"v".repeat(10_000))),
        ("a billion merges", merges),
        ("aliases of a long text", long),
        ("many keys", wide),
        ("an anchor in itself", "a: &a [*a, *a]\n".to_owned()),
        ("an anchor merged into itself", "a: &a {<<: *a}\n".to_owned()),
        ("many lines to mend", format!("- x: {{\n{}", "a,\n".repeat(300_000))),
        ("many lines to mend in a small text", format!("- x: {{\n{}", "a,\n".repeat(3_000))),
        ("many tabs to mend", "a:\tb\n".repeat(200_000)),
        ("one long line", format!("a: {}", "x".repeat(MAX_BYTES - 3))),
        ("one long key", format!("{}: b", "x".repeat(MAX_BYTES - 3))),
        ("one long literal", format!("a: |\n{}", " x\n".repeat(300_000))),
        ("one long quoted text", format!("a: \"{}\"", "x\n ".repeat(300_000))),
        ("deep with many siblings", "[".repeat(90) + &"[],".repeat(50_000)),
    ]);
    all
}

#[allow(clippy::disallowed_methods, reason = "real time is what is measured")]
#[test]
fn hostile_texts_end_soon() {
    for (name, text) in hostile() {
        let start = Instant::now();
        let result = json(&text);
        let took = start.elapsed();
        // In a debug build on a busy machine; a release build needs a twentieth.
        assert!(took < Duration::from_secs(10), "{name}: {took:?}");
        if let Err(error) = result {
            assert!(error.len() < 300, "{name}: {error}");
        }
    }
}

#[test]
fn texts_that_are_too_long_too_deep_or_too_wide_are_refused() {
    for (yaml, expected) in [
        (" ".repeat(MAX_BYTES + 1), "is longer than 1048576 bytes"),
        ("- ".repeat(101), "line 1, column 201: nested deeper than 100 levels"),
        ("- a\n".repeat(100_000), "over 100000 values"),
        ("a: &a [*a]".to_owned(), "an anchor that contains itself"),
        ("a: &a {<<: *a}".to_owned(), "an anchor that contains itself"),
    ] {
        let error = json(&yaml).expect_err("too much");
        assert!(error.contains(expected), "{error}");
    }
    assert!(json(&format!("a: {}{}", "[".repeat(90), "]".repeat(90))).is_ok());
}
