//! Reads a duration as Go's `time.ParseDuration` does: `45s`, `1h30m`, `1.5s`, `250ms`, `0`.

use std::time::Duration;

/// Why a text is no duration; the sentence goes after a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    /// Not a sequence of number and unit.
    #[error("is no duration; write it like 45s, 1h30m or 500ms")]
    Syntax,
    /// A number that is followed by no unit.
    #[error("has a number without a unit; write it like 45s, 1h30m or 500ms")]
    NoUnit,
    /// A unit that Go does not know.
    #[error("has an unknown unit; the units are h, m, s, ms, us and ns")]
    UnknownUnit,
    /// Below zero: nothing here lasts less than nothing.
    #[error("must not be negative")]
    Negative,
    /// More than Go's 64 bits of nanoseconds.
    #[error("is longer than 292 years")]
    Overflow,
}

/// Go's largest duration, in nanoseconds.
const MAX: u128 = i64::MAX as u128;

/// A duration of zero or more, in Go's grammar: an optional sign, then numbers with an optional fraction, each with
/// its unit (`h`, `m`, `s`, `ms`, `us`, `µs`, `ns`); a bare `0` needs none. What is below a nanosecond is cut off.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(DurationError::Syntax);
    }
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(DurationError::Syntax);
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let unit = nanoseconds(&after[..end])?;
        total += part(whole, fraction, unit)?;
        if total > MAX {
            return Err(DurationError::Overflow);
        }
        rest = &after[end..];
    }
    if negative && total > 0 {
        return Err(DurationError::Negative);
    }
    u64::try_from(total).map(Duration::from_nanos).map_err(|_| DurationError::Overflow)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn nanoseconds(unit: &str) -> Result<u128, DurationError> {
    Ok(match unit {
        "" => return Err(DurationError::NoUnit),
        "ns" => 1,
        // Both ways to write a micro sign, as in Go.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(DurationError::UnknownUnit),
    })
}

/// `whole.fraction` units, in nanoseconds.
fn part(whole: &str, fraction: &str, unit: u128) -> Result<u128, DurationError> {
    let number = |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<u64>().map(u128::from) };
    let whole = number(whole).map_err(|_| DurationError::Overflow)? * unit;
    // 18 digits are finer than a nanosecond of an hour, and always fit.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(18));
    let fraction = number(fraction).map_err(|_| DurationError::Overflow)? * unit / scale;
    Ok(whole + fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_that_go_reads_is_read() {
        let table = [
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("0s", 0),
            ("-0s", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("5.0s", 5_000_000_000),
            ("5.s", 5_000_000_000),
            (".5s", 500_000_000),
            ("1.5s", 1_500_000_000),
            ("10ns", 10),
            ("11us", 11_000),
            ("12\u{b5}s", 12_000),
            ("12\u{3bc}s", 12_000),
            ("13ms", 13_000_000),
            ("14m", 840_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("3h2m1s", 10_921_000_000_000),
            ("10.5s4m", 250_500_000_000),
            ("1s1s", 2_000_000_000),
            ("1h0.333333333333333333333h", 4_799_999_999_999),
            ("0.100000000000000000000h", 360_000_000_000),
            ("0.9ns", 0),
            ("9223372036854775807ns", 9_223_372_036_854_775_807),
            ("2540400h10m10.000000000s", 9_145_440_610_000_000_000),
        ];
        for (text, nanoseconds) in table {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn everything_else_says_what_is_wrong() {
        use DurationError::{Negative, NoUnit, Overflow, Syntax, UnknownUnit};
        let table = [
            ("", Syntax),
            ("-", Syntax),
            ("+", Syntax),
            ("s", Syntax),
            (".", Syntax),
            (".s", Syntax),
            ("+.s", Syntax),
            ("--1s", Syntax),
            (" 1s", Syntax),
            ("45", NoUnit),
            ("1.5", NoUnit),
            ("1s5", NoUnit),
            ("00", NoUnit),
            ("1.2.3s", NoUnit),
            ("1d", UnknownUnit),
            ("1S", UnknownUnit),
            ("1s ", UnknownUnit),
            ("1e3s", UnknownUnit),
            ("1\u{20ac}", UnknownUnit),
            ("-1ns", Negative),
            ("-1h", Negative),
            ("9223372036854775808ns", Overflow),
            ("3000000h", Overflow),
            ("99999999999999999999999s", Overflow),
            ("18446744073709551615h18446744073709551615h", Overflow),
        ];
        for (text, error) in table {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_that_was_written_is_read_back(nanoseconds in 0..=i64::MAX as u64) {
            let duration = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(parse(&format!("{duration:?}")), Ok(duration));
            let (hours, rest) = (nanoseconds / 3_600_000_000_000, nanoseconds % 3_600_000_000_000);
            let (minutes, rest) = (rest / 60_000_000_000, rest % 60_000_000_000);
            prop_assert_eq!(parse(&format!("{hours}h{minutes}m{rest}ns")), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+]?([0-9]{0,30}[.]?[0-9]{0,30}[hmnsu\u{b5}d ]{0,3}){0,4}|\\PC*") {
            let _ = parse(&text);
        }
    }
}
