//! Spans of time and sizes as people read them in an error.

use std::time::Duration;

/// `45s`, `1.5s`, `250ms`.
pub fn span(span: Duration) -> String {
    let millis = span.as_millis();
    if millis < 1_000 {
        format!("{millis}ms")
    } else if millis.is_multiple_of(1_000) {
        format!("{}s", millis / 1_000)
    } else {
        format!("{:.1}s", span.as_secs_f64())
    }
}

/// `16MiB`, `3 bytes`.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{:.1}KiB", bytes as f64 / 1_024.0).replace(".0K", "K"),
        _ => format!("{:.1}MiB", bytes as f64 / 1_048_576.0).replace(".0M", "M"),
    }
}

/// What the operating system says, without its number: `No such file or directory`.
pub fn os(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// `1 object`, `2 objects`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Text from outside as one line of bounded length, control characters shown as spaces.
pub fn one_line(text: &str) -> String {
    const MOST: usize = 300;
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > MOST {
            let end = line.floor_char_boundary(MOST);
            line.truncate(end);
            line.push('…');
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_well() {
        assert_eq!(span(Duration::from_secs(45)), "45s");
        assert_eq!(span(Duration::from_millis(1_500)), "1.5s");
        assert_eq!(span(Duration::from_millis(250)), "250ms");
        assert_eq!(size(12), "12 bytes");
        assert_eq!(size(1_024), "1KiB");
        assert_eq!(size(16 << 20), "16MiB");
        assert_eq!(size((16 << 20) + (1 << 19)), "16.5MiB");
        assert_eq!(count(1, "attempt"), "1 attempt");
        assert_eq!(count(3, "attempt"), "3 attempts");
    }

    #[test]
    fn text_from_outside_becomes_one_short_line() {
        assert_eq!(
            one_line("1 error occurred:\n\t* permission denied\n\n"),
            "1 error occurred: * permission denied"
        );
        assert!(one_line(&"é".repeat(1_000)).len() < 310);
        assert_eq!(one_line("a\u{1b}[31mb"), "a [31mb");
    }
}
