//! Binary values as text (XSD 1.1 part 2 §3.3.15, §3.3.16).

use super::BinaryKind;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The canonical form.
pub(super) fn text(kind: BinaryKind, bytes: &[u8]) -> String {
    match kind {
        BinaryKind::Hex => {
            let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0').to_ascii_uppercase();
            bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
        }
        BinaryKind::Base64 => {
            let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
            for three in bytes.chunks(3) {
                let bits =
                    three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
                for place in 0..4 {
                    let digit = (bits >> (18 - 6 * place)) & 63;
                    text.push(if place <= three.len() { char::from(DIGITS[digit as usize]) } else { '=' });
                }
            }
            text
        }
    }
}

/// The bytes a text stands for, white space at its ends removed; `None` when it has not the form.
pub(super) fn read(kind: BinaryKind, text: &str) -> Option<Vec<u8>> {
    match kind {
        BinaryKind::Hex => {
            let half = |digit: u8| char::from(digit).to_digit(16).and_then(|half| u8::try_from(half).ok());
            let pairs = text.as_bytes().chunks(2);
            pairs.map(|pair| Some(half(*pair.first()?)? << 4 | half(*pair.get(1)?)?)).collect()
        }
        BinaryKind::Base64 => base64(text),
    }
}

/// White space may stand between any two digits.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut digits, mut padding) = (0_u32, 0_usize, 0_usize);
    for sign in text.bytes().filter(|sign| !matches!(sign, b' ' | b'\t' | b'\n' | b'\r')) {
        let value = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        digits += 1;
        if digits == 4 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, digits) = (0, 0);
        }
    }
    // the bits of the last digit that no byte needs are zero
    match (digits, padding) {
        (0, 0) => {}
        (2, 2) if bits & 0xF == 0 => bytes.push((bits >> 4) as u8),
        (3, 1) if bits & 0x3 == 0 => bytes.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => return None,
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_read_and_shown() {
        for (kind, written, shown) in [
            (BinaryKind::Hex, "0fB7", Some("0FB7")),
            (BinaryKind::Hex, "", Some("")),
            (BinaryKind::Hex, "0fb", None),
            (BinaryKind::Hex, "0g", None),
            (BinaryKind::Hex, "é", None),
            (BinaryKind::Base64, "aGVs bG8=", Some("aGVsbG8=")),
            (BinaryKind::Base64, "aA==", Some("aA==")),
            (BinaryKind::Base64, "aB==", None),
            (BinaryKind::Base64, "aGVsbG9=", None),
            (BinaryKind::Base64, "aGVsbG8", None),
            (BinaryKind::Base64, "a=Vs", None),
            (BinaryKind::Base64, "====", None),
        ] {
            let read = read(kind, written).map(|bytes| text(kind, &bytes));
            assert_eq!(read.as_deref(), shown, "{written}");
        }
    }
}
