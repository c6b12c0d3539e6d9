//! Strings: checking, unescaping, escaping (RFC 8259 §7).

use crate::{base::Problem, format::output::Output};

/// A string as it lies in the source, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawString {
    /// Bytes between the quotes.
    pub length: usize,
    pub has_escapes: bool,
}

/// Measures the string whose opening quote was just passed.
///
/// # Errors
/// The offset and what is wrong there.
pub(super) fn measure(bytes: &[u8]) -> Result<RawString, (usize, &'static str)> {
    let (mut at, mut has_escapes) = (0, false);
    loop {
        match bytes.get(at) {
            None => return Err((at, "the document ends inside a string")),
            Some(b'"') => return Ok(RawString { length: at, has_escapes }),
            Some(b'\\') => {
                has_escapes = true;
                at += escape(&bytes[at..]).map_err(|text| (at, text))?;
            }
            Some(0..=0x1F) => return Err((at, "a control character stands in a string; it must be escaped")),
            Some(_) => at += 1,
        }
    }
}

/// The length of the escape at the beginning of `bytes`.
fn escape(bytes: &[u8]) -> Result<usize, &'static str> {
    match bytes.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => match unit(bytes) {
            Some(0xD800..=0xDBFF) => match bytes.get(6..).and_then(unit) {
                Some(0xDC00..=0xDFFF) => Ok(12),
                _ => Err("a high surrogate is not followed by a low one"),
            },
            Some(0xDC00..=0xDFFF) => Err("a low surrogate stands alone"),
            Some(_) => Ok(6),
            None => Err("`\\u` is not followed by four hexadecimal digits"),
        },
        _ => Err("`\\` begins an escape that JSON does not have"),
    }
}

/// The code unit of a `\uXXXX`.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// Appends what a measured string stands for.
pub(super) fn unescape(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = &rest.as_bytes()[at..];
        let (length, character) = match escape.get(1) {
            Some(b'b') => (2, '\u{8}'),
            Some(b'f') => (2, '\u{C}'),
            Some(b'n') => (2, '\n'),
            Some(b'r') => (2, '\r'),
            Some(b't') => (2, '\t'),
            Some(b'u') => match (unit(escape), escape.get(6..).and_then(unit)) {
                (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => {
                    (12, char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).unwrap_or('\u{FFFD}'))
                }
                (Some(unit), _) => (6, char::from_u32(unit).unwrap_or('\u{FFFD}')),
                (None, _) => (2, 'u'),
            },
            Some(other) => (2, char::from(*other)),
            None => (1, '\\'),
        };
        out.push(character);
        rest = rest.get(at + length..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// Appends `\uXXXX`, twice when the character needs a pair.
fn unit_escape(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// Appends a string in quotes, escaped.
pub(super) fn push_string(out: &mut Output<'_>, text: &str) -> Result<(), Problem> {
    out.text.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let Some(escape) = short_escape(byte) else { continue };
        out.plain(&text[from..at], unit_escape)?;
        if escape.is_empty() {
            unit_escape(&mut out.text, char::from(byte))
        } else {
            out.text.push_str(escape)
        }
        from = at + 1;
    }
    out.plain(&text[from..], unit_escape)?;
    out.text.push('"');
    Ok(())
}

/// The short escape of a byte that must be escaped in a string; an empty one for other control characters.
fn short_escape(byte: u8) -> Option<&'static str> {
    match byte {
        b'"' => Some("\\\""),
        b'\\' => Some("\\\\"),
        b'\n' => Some("\\n"),
        b'\r' => Some("\\r"),
        b'\t' => Some("\\t"),
        0x08 => Some("\\b"),
        0x0C => Some("\\f"),
        0..=0x1F => Some(""),
        _ => None,
    }
}
