//! Chinese numbers of persons, companies and vehicles: normalised and checked.

use super::{Call, Function, Yields::Other, boolean, integration::narrowed, string};
use crate::xpath::{Failure, Value};

macro_rules! pair {
    ($name:literal, $what:literal, $normal:ident, $valid:ident, $examples:expr, $valid_examples:expr) => {
        [
            Function {
                name: $name,
                arity: (1, 1),
                signature: concat!($name, "($value as xs:anyAtomicType?) as xs:string?"),
                doc: concat!("The ", $what, " in its normal form; an error when it is not valid."),
                examples: $examples,
                yields: Other,
                call: |call| normalised(call, $what, $normal, $valid),
            },
            Function {
                name: concat!($name, "-valid"),
                arity: (1, 1),
                signature: concat!($name, "-valid($value as xs:anyAtomicType?) as xs:boolean"),
                doc: concat!("Whether the value is a valid ", $what, "."),
                examples: $valid_examples,
                yields: Other,
                call: |call| {
                    let text = call.any_text(0)?.unwrap_or_default();
                    boolean($valid(&$normal(&text)))
                },
            },
        ]
    };
}

const PAIRS: [[Function; 2]; 5] = [
    pair!(
        "mobile",
        "Chinese mobile number",
        mobile,
        mobile_valid,
        &[("mobile('+86 138-0000-0000')", "13800000000")],
        &[("mobile-valid('12345')", "false")]
    ),
    pair!(
        "id-card",
        "resident identity number (GB 11643)",
        compact,
        id_card_valid,
        &[("id-card('11010519491231002x')", "11010519491231002X")],
        &[("id-card-valid('110105194912310021')", "false")]
    ),
    pair!(
        "uscc",
        "unified social credit code (GB 32100)",
        compact,
        uscc_valid,
        &[("uscc('91350100m000100y43')", "91350100M000100Y43")],
        &[("uscc-valid('91350100M000100Y44')", "false")]
    ),
    pair!(
        "vin",
        "vehicle identification number (ISO 3779)",
        compact,
        vin_valid,
        &[("vin(' 1m8gdm9axkp042788')", "1M8GDM9AXKP042788")],
        &[("vin-valid('1M8GDM9A1KP042788')", "false")]
    ),
    pair!(
        "plate",
        "Chinese number plate",
        compact,
        plate_valid,
        &[("plate('京a·12345')", "京A12345"), ("plate('沪ad12345')", "沪AD12345")],
        &[("plate-valid('A12345')", "false")]
    ),
];

pub(super) const TABLE: &[Function] = PAIRS.as_flattened();

fn normalised(
    call: &Call<'_>,
    what: &str,
    normal: fn(&str) -> String,
    valid: fn(&str) -> bool,
) -> Result<Value, Failure> {
    let Some(item) = call.optional(0)? else { return Ok(Value::Empty) };
    let text = normal(&call.frame.text_of(item));
    if valid(&text) {
        return string(text);
    }
    Err(Failure::error("FORG0001", format!("{} is not a valid {what}", call.frame.describe(item))))
}

/// ASCII, capital letters, without spaces, dashes and dots.
fn compact(text: &str) -> String {
    let kept = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '·' | '•' | '.' | '・' | '－');
    narrowed(text).chars().filter(kept).flat_map(char::to_uppercase).collect()
}

fn mobile(text: &str) -> String {
    let text = compact(text);
    let text = text.strip_prefix('+').or_else(|| text.strip_prefix("00")).unwrap_or(&text);
    match text.strip_prefix("86") {
        Some(rest) if rest.len() == 11 => rest.to_owned(),
        _ => text.to_owned(),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn mobile_valid(text: &str) -> bool {
    text.len() == 11 && is_digits(text) && text.starts_with('1') && matches!(text.as_bytes()[1], b'3'..=b'9')
}

/// GB 11643-1999: six digits of the region, the day of birth, a serial, and a check character after ISO 7064 MOD 11-2.
fn id_card_valid(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    /// The first two digits of the regions of GB/T 2260; from 91 on, permanent residents from abroad.
    const REGIONS: [std::ops::RangeInclusive<u8>; 9] =
        [11..=15, 21..=23, 31..=37, 41..=46, 50..=54, 61..=65, 71..=71, 81..=83, 91..=96];
    if text.len() != 18 || !text.is_ascii() || !is_digits(&text[..17]) {
        return false;
    }
    let region: u8 = text[..2].parse().unwrap_or_default();
    if !REGIONS.iter().any(|range| range.contains(&region)) {
        return false;
    }
    let born = (text[6..10].parse(), text[10..12].parse(), text[12..14].parse());
    let (Ok(year), Ok(month), Ok(day)) = born else { return false };
    if jiff::civil::Date::new(year, month, day).is_err() {
        return false;
    }
    let sum: u32 = text.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    text.as_bytes()[17] == CHECKS[(sum % 11) as usize]
}

/// GB 32100-2015: department and kind, six digits of the region, the organization's code, and a check character modulo 31
/// with weights 3^i.
fn uscc_valid(text: &str) -> bool {
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    if text.len() != 18 || !text.is_ascii() || !is_digits(&text[2..8]) {
        return false;
    }
    let (mut sum, mut weight) = (0, 1);
    for (index, c) in text.chars().enumerate() {
        let Some(value) = ALPHABET.find(c) else { return false };
        if index == 17 {
            return value == (31 - sum % 31) % 31;
        }
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    false
}

/// ISO 3779 with the check digit in position 9 that GB 16735 prescribes.
fn vin_valid(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    if text.len() != 17 {
        return false;
    }
    let mut sum = 0;
    for (byte, weight) in text.bytes().zip(WEIGHTS) {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'H' => byte - b'A' + 1,
            b'J'..=b'N' => byte - b'J' + 1,
            b'P' => 7,
            b'R' => 9,
            b'S'..=b'Z' => byte - b'S' + 2,
            _ => return false,
        };
        sum += u32::from(value) * weight;
    }
    let check = char::from_digit(sum % 11, 10).unwrap_or('X');
    char::from(text.as_bytes()[8]) == check
}

/// Province, letter, five characters; special endings such as 学 count as one. New-energy vehicles have six: a letter, a
/// character and four digits, or five digits and a letter (GA 36-2018).
fn plate_valid(text: &str) -> bool {
    const PROVINCES: &str = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新";
    let mut chars = text.chars();
    let (Some(province), Some(office)) = (chars.next(), chars.next()) else { return false };
    let serial: Vec<char> = chars.collect();
    let allowed = |c: &char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !matches!(c, 'I' | 'O'));
    let special = |c: &char| matches!(c, '学' | '警' | '挂' | '港' | '澳' | '领');
    let Some((end, start)) = serial.split_last() else { return false };
    PROVINCES.contains(province)
        && office.is_ascii_uppercase()
        && start.iter().all(allowed)
        && match serial.len() {
            5 => allowed(end) || special(end),
            6 => {
                let kind = |c: &char| matches!(c, 'A'..='H' | 'J' | 'K');
                let digits = |all: &[char]| all.iter().all(char::is_ascii_digit);
                (kind(&serial[0]) && allowed(&serial[1]) && digits(&serial[2..])) || (digits(start) && kind(end))
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::{compact, id_card_valid, mobile, mobile_valid, plate_valid, uscc_valid, vin_valid};

    #[test]
    fn check_digits_are_those_of_the_standards() {
        // the examples of GB 11643-1999
        for text in ["11010519491231002X", "440524188001010014"] {
            assert!(id_card_valid(text), "{text}");
        }
        for text in ["110105194912310021", "11010519491331002X", "99010519491231002X", "1101051949123100２X", ""] {
            assert!(!id_card_valid(text), "{text}");
        }
        // the example of GB 32100-2015
        assert!(uscc_valid("91350100M000100Y43"));
        for text in ["91350100M000100Y44", "91350100M000100I43", "9135O100M000100Y43", "91350100M000100Y4"] {
            assert!(!uscc_valid(text), "{text}");
        }
        // every character of these is 1, and a check character X
        for text in ["11111111111111111", "1M8GDM9AXKP042788", "5GZCZ43D13S812715"] {
            assert!(vin_valid(text), "{text}");
        }
        for text in ["1M8GDM9A1KP042788", "1M8GDM9AXKP04278", "IM8GDM9AXKP042788", "1M8GDM9AXKP04278Q"] {
            assert!(!vin_valid(text), "{text}");
        }
    }

    #[test]
    fn any_wrong_character_is_found() {
        let changed = |text: &str, valid: fn(&str) -> bool| {
            for (at, old) in text.char_indices() {
                let new = if old == '1' { "2" } else { "1" };
                let other = format!("{}{new}{}", &text[..at], &text[at + 1..]);
                assert!(!valid(&other), "{other}");
            }
        };
        changed("11010519491231002X", id_card_valid);
        changed("91350100M000100Y43", uscc_valid);
    }

    #[test]
    fn plates_and_mobile_numbers_have_their_forms() {
        for text in ["京A12345", "京AD12345", "粤B12345D", "粤Z1234港", "京A1234学", "沪AF0A123", "苏AAB1234"]
        {
            let valid = plate_valid(&compact(text));
            assert_eq!(valid, text != "沪AF0A123", "{text}");
        }
        for text in ["A12345", "京A1234", "京AI2345", "京AL12345", "京A123456", "京1A2345"] {
            assert!(!plate_valid(text), "{text}");
        }
        for text in ["+86 138-0000-0000", "0086 13800000000", "１３８００００００００", "8613800000000"] {
            assert_eq!(mobile(text), "13800000000", "{text}");
        }
        assert!(mobile_valid("19912345678") && !mobile_valid("12912345678") && !mobile_valid("1381234567"));
    }
}
