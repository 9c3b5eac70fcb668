//! Numbers as Go reads them from YAML and writes them to JSON.

use super::resolve::Scalar;

/// A number in one of Go's grammars: `10`, `-7`, `0644`, `0o644`, `0x1A4`, `0b11`, `1_000`, `.5`, `1e3`.
pub(super) fn parse(text: &str) -> Option<Scalar> {
    match text.as_bytes().first()? {
        // Go leaves these to its own float parser, which takes `_` between digits alone.
        b'.' if grouped(text) => float(&text.replace('_', "")),
        b'0'..=b'9' | b'+' | b'-' => {
            let plain = text.replace('_', "");
            integer(&plain).map(Scalar::Integer).or_else(|| float(&plain))
        }
        _ => None,
    }
}

/// True when each `_` stands between two digits.
fn grouped(text: &str) -> bool {
    let digit = |side: Option<char>| side.is_some_and(|character| character.is_ascii_digit());
    text.match_indices('_')
        .all(|(at, _)| digit(text[..at].chars().next_back()) && digit(text[at + 1..].chars().next()))
}

fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let number = magnitude(digits).map(|number| if negative { -number } else { number });
    // Beyond 63 bits Go reads unsigned numbers, which take no sign.
    let most = if text.starts_with('+') { i128::from(i64::MAX) } else { i128::from(u64::MAX) };
    number
        .or_else(|| signed_after_prefix(text))
        .filter(|number| (i128::from(i64::MIN)..=most).contains(number))
}

fn magnitude(digits: &str) -> Option<i128> {
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let all_digits = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    all_digits.then(|| i128::from_str_radix(digits, radix).ok())?
}

/// `0b-1` and `0o-7`, which yaml.v3 takes for what they look like.
fn signed_after_prefix(text: &str) -> Option<i128> {
    let (radix, digits) = match (text.strip_prefix("0b"), text.strip_prefix("0o")) {
        (Some(digits), _) => (2, digits),
        (_, Some(digits)) => (8, digits),
        _ => return None,
    };
    i64::from_str_radix(digits, radix).ok().map(i128::from)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, unless it is beyond a 64-bit float.
fn float(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    if !number || !digits(exponent) || exponent.is_empty() {
        return None;
    }
    text.parse().ok().filter(|float: &f64| float.is_finite()).map(Scalar::Float)
}

/// The nearest float of a whole number.
#[allow(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
pub(super) fn to_float(number: i128) -> f64 {
    number as f64
}

/// As `json.Marshal` writes a float64: the shortest digits, an exponent below 1e-6 and from 1e21 on.
pub(super) fn go_float(number: f64) -> Option<String> {
    let size = number.abs();
    if !number.is_finite() {
        return None;
    }
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Some(number.to_string());
    }
    // Rust writes 1e21 and 1e-7, Go 1e+21 and 1e-7.
    let text = format!("{number:e}");
    Some(if text.contains("e-") { text } else { text.replace('e', "e+") })
}
