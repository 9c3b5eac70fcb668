//! Writes JSON as Go's `json.Marshal` does.

use super::Json;

pub(super) fn value(json: &Json, out: &mut Vec<u8>) {
    match json {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(text) => out.extend_from_slice(text.as_bytes()),
        Json::String(text) => string(text, out),
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                value(item, out);
            }
            out.push(b']');
        }
        Json::Object(object) => {
            out.push(b'{');
            for (index, (key, item)) in object.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                string(key, out);
                out.push(b':');
                value(item, out);
            }
            out.push(b'}');
        }
    }
}

pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        // U+2028 and U+2029 are E2 80 A8 and E2 80 A9; both are escaped for JavaScript's sake.
        let separator = byte == 0xE2
            && bytes[index..].len() >= 3
            && bytes[index + 1] == 0x80
            && bytes[index + 2] & 0xFE == 0xA8;
        if separator {
            out.extend_from_slice(&bytes[plain..index]);
            out.extend_from_slice(b"\\u202");
            out.push(HEX[usize::from(bytes[index + 2] & 0xF)]);
            index += 3;
            plain = index;
            continue;
        }
        let short = match byte {
            b'"' | b'\\' => Some(byte),
            0x08 => Some(b'b'),
            0x0C => Some(b'f'),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' => Some(b't'),
            _ => None,
        };
        if let Some(letter) = short {
            out.extend_from_slice(&bytes[plain..index]);
            out.extend_from_slice(&[b'\\', letter]);
            plain = index + 1;
        } else if byte < 0x20 || matches!(byte, b'<' | b'>' | b'&') {
            out.extend_from_slice(&bytes[plain..index]);
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xF)]]);
            plain = index + 1;
        }
        index += 1;
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// The most that [`string`] can write for this text.
pub(super) fn string_size(text: &str) -> usize {
    2 + text
        .bytes()
        .map(|byte| if byte < 0x20 || matches!(byte, b'<' | b'>' | b'&') { 6 } else { 2 })
        .sum::<usize>()
}
