//! Points in time in YAML as yaml.v3 reads them, and as Go's `time.Time` goes into JSON.

use std::fmt::Write as _;

/// Reads one of yaml.v3's four forms: a date, a date and a time after a space, or after `T` or `t` with a zone.
///
/// The inner `None` is a time that Go reads but cannot write as JSON (an offset of 24 hours).
#[allow(clippy::option_option, reason = "no time at all, or one that JSON does not take")]
pub(super) fn parse(text: &str) -> Option<Option<String>> {
    let mut reader = Reader(text);
    let year = reader.digits(4, 4)?;
    reader.skip("-")?;
    let month = reader.digits(1, 2)?;
    reader.skip("-")?;
    let day = reader.digits(1, 2)?;
    if !(1..=12).contains(&month) || !(1..=days_in(month, year)).contains(&day) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if reader.0.is_empty() {
        return Some(Some(format!("{date}T00:00:00Z")));
    }
    let zoned = match reader.0.as_bytes()[0] {
        b'T' | b't' => true,
        b' ' => false,
        _ => return None,
    };
    reader.0 = &reader.0[1..];
    if !zoned {
        // Go's layouts take any number of spaces for one.
        reader.0 = reader.0.trim_start_matches(' ');
    }
    let time = time(&mut reader)?;
    let zone = if zoned { zone(&mut reader)? } else { Some("Z".to_owned()) };
    reader.0.is_empty().then(|| zone.map(|zone| format!("{date}T{time}{zone}")))
}

/// Hours, minutes, seconds and a fraction of up to nine digits, its zeros at the end dropped.
fn time(reader: &mut Reader<'_>) -> Option<String> {
    let hour = reader.digits(1, 2).filter(|hour| *hour < 24)?;
    reader.skip(":")?;
    let minute = reader.digits(1, 2).filter(|minute| *minute < 60)?;
    reader.skip(":")?;
    let second = reader.digits(1, 2).filter(|second| *second < 60)?;
    let mut time = format!("{hour:02}:{minute:02}:{second:02}");
    if let Some(rest) = reader.0.strip_prefix(['.', ',']) {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        if length > 0 {
            let digits = rest[..length.min(9)].trim_end_matches('0');
            if !digits.is_empty() {
                let _ = write!(time, ".{digits}");
            }
            reader.0 = &rest[length..];
        }
    }
    Some(time)
}

/// `Z` or `±hh:mm`.
#[allow(clippy::option_option, reason = "no zone at all, or one that JSON does not take")]
fn zone(reader: &mut Reader<'_>) -> Option<Option<String>> {
    if reader.skip("Z").is_some() {
        return Some(Some("Z".to_owned()));
    }
    let sign = if reader.skip("+").is_some() { '+' } else { reader.skip("-").map(|()| '-')? };
    let hours = reader.digits(2, 2).filter(|hours| *hours <= 24)?;
    reader.skip(":")?;
    let minutes = reader.digits(2, 2).filter(|minutes| *minutes <= 60)?;
    let minutes = hours * 60 + minutes;
    Some(match minutes {
        0 => Some("Z".to_owned()),
        1..1440 => Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)),
        _ => None,
    })
}

fn days_in(month: u32, year: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    /// So many digits at least, so many at most.
    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if length < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        digits.parse().ok()
    }

    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }
}
