//! Reads whole numbers as Go does, sizes with a binary unit.

/// A whole number in Go's grammar for integer flags: a sign, `0x`, `0o`, `0b` or a leading zero for octal, and `_`
/// between digits.
pub(super) fn go_integer(text: &str) -> Result<i64, &'static str> {
    const WRONG: &str = "is not a whole number";
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    // The digits after a prefix may begin with an underscore, those of a plain number may not.
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, format!("0{}", &lower[2..])),
        [b'0', b'o', ..] => (8, format!("0{}", &lower[2..])),
        [b'0', b'b', ..] => (2, format!("0{}", &lower[2..])),
        [b'0', _, ..] => (8, lower),
        _ => (10, lower),
    };
    let prefixed_nothing = radix != 10 && digits == "0";
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    if prefixed_nothing || misplaced || digits.starts_with(['+', '-']) {
        return Err(WRONG);
    }
    i64::from_str_radix(&format!("{sign}{}", digits.replace('_', "")), radix).map_err(|_| WRONG)
}

/// A size in bytes, above zero: a whole number, bare or with `KiB`, `MiB` or `GiB` behind it.
pub(super) fn size(text: &str) -> Result<usize, &'static str> {
    const WRONG: &str = "is no size; write bytes, or a whole number with KiB, MiB or GiB";
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1_usize << 30)];
    let (digits, unit) = units
        .iter()
        .find_map(|(name, unit)| text.strip_suffix(name).map(|digits| (digits, *unit)))
        .unwrap_or((text, 1));
    let bytes = natural::<usize>(digits).ok_or(WRONG)?.checked_mul(unit).ok_or("is too large")?;
    if bytes == 0 { Err("must be above zero") } else { Ok(bytes) }
}

/// Decimal digits and nothing else, not even a plus sign.
pub(super) fn natural<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_as_go_reads_its_flags() {
        let table = [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("+7", Some(7)),
            ("-1", Some(-1)),
            ("1_000", Some(1000)),
            ("0x3E8", Some(1000)),
            ("0x_3e8", Some(1000)),
            ("0o10", Some(8)),
            ("010", Some(8)),
            ("0b11", Some(3)),
            ("00", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            ("--1", None),
            ("0x", None),
            ("0x-1", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("08", None),
            ("1e3", None),
            ("10 ", None),
            ("\u{664}", None),
        ];
        for (text, number) in table {
            assert_eq!(go_integer(text).ok(), number, "{text:?}");
        }
    }

    #[test]
    fn a_size_is_bytes_or_has_a_binary_unit() {
        let table = [
            ("1", Some(1)),
            ("4194304", Some(4 << 20)),
            ("64KiB", Some(64 << 10)),
            ("16MiB", Some(16 << 20)),
            ("1GiB", Some(1 << 30)),
            ("0", None),
            ("0MiB", None),
            ("", None),
            ("MiB", None),
            ("1MB", None),
            ("1mib", None),
            ("1 MiB", None),
            ("-1", None),
            ("+1", None),
            ("1.5MiB", None),
            ("99999999999999999999", None),
            ("17179869184GiB", None),
        ];
        for (text, bytes) in table {
            assert_eq!(size(text).ok(), bytes, "{text:?}");
        }
    }
}
