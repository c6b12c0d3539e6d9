//! Which characters may stand where (XML 1.0 §2.2, §2.3; Namespaces §3).

pub(super) use crate::document::{is_name_char, is_name_start, is_ncname};

/// `Char`.
pub(super) fn is_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// `S`.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The offset of the first character that is not `Char`.
pub(super) fn first_illegal(text: &str) -> Option<usize> {
    let is_control = |byte: u8| (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r');
    let bytes = text.as_bytes();
    // Whole chunks without a branch, so that the compiler can use vector instructions.
    let control = bytes.chunks(64).enumerate().find_map(|(chunk, bytes)| {
        let any = bytes.iter().fold(false, |any, byte| any | is_control(*byte));
        any.then(|| chunk * 64 + bytes.iter().position(|byte| is_control(*byte)).unwrap_or_default())
    });
    let is_noncharacter = |at: &usize| matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF]));
    let noncharacter = memchr::memchr_iter(0xEF, bytes).find(is_noncharacter);
    match (control, noncharacter) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
