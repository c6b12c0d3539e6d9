//! `format-integer` (F&O 3.1 §4.6): digits of any script, letters, Roman numerals, English words, numbering signs.

use std::fmt::Write as _;

use super::string::SPACE;
use crate::{document::Decimal, xpath::Failure};

fn invalid(why: &str) -> Failure {
    Failure::error("FODF1310", format!("the picture of an integer is not valid: {why}"))
}

/// The integer in the form of a picture. Words are English whatever language is asked for.
pub(super) fn format(value: Decimal, picture: &str) -> Result<String, Failure> {
    let (primary, modifier) = picture.rsplit_once(';').unwrap_or((picture, ""));
    if primary.is_empty() {
        return Err(invalid("it is empty"));
    }
    let ordinal =
        modifier_is_ordinal(modifier).ok_or_else(|| invalid("after `;` stand `o` or `c`, `(…)`, `a` or `t`"))?;
    let digits = value.abs().to_string();
    let body = presented(&digits, primary, ordinal)?;
    Ok(if value.is_negative() && !value.is_zero() { format!("-{body}") } else { body })
}

/// `([co](\(.+\))?)?[at]?`: whether it asks for an ordinal; `None` when it is nothing of the kind.
fn modifier_is_ordinal(text: &str) -> Option<bool> {
    let (ordinal, rest) = match text.strip_prefix('o') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('c').unwrap_or(text)),
    };
    let variant = text.starts_with(['o', 'c']);
    let (inner, rest) = match rest.strip_prefix('(').filter(|_| variant) {
        Some(inside) => inside.rsplit_once(')').map(|(inside, rest)| (Some(inside), rest))?,
        None => (None, rest),
    };
    (inner != Some("") && matches!(rest, "" | "a" | "t")).then_some(ordinal)
}

fn presented(digits: &str, primary: &str, ordinal: bool) -> Result<String, Failure> {
    if primary.chars().any(|c| zero_of(c).is_some()) {
        return DigitPattern::parse(primary).map(|pattern| pattern.format(digits, ordinal));
    }
    let small = digits.parse::<u32>().ok();
    let made = match primary {
        "A" => small.and_then(|value| letters(value, 'A', 26)),
        "a" => small.and_then(|value| letters(value, 'a', 26)),
        "I" => small.and_then(roman),
        "i" => small.and_then(roman).map(|text| text.to_lowercase()),
        "W" => Some(words(digits, ordinal).to_uppercase()),
        "w" => Some(words(digits, ordinal)),
        "Ww" => Some(capitalised(&words(digits, ordinal))),
        other => {
            let mut chars = other.chars();
            match (chars.next(), chars.next()) {
                (Some(sign), None) => small.and_then(|value| numbered(value, sign)),
                _ => None,
            }
        }
    };
    Ok(made.unwrap_or_else(|| if ordinal { format!("{digits}{}", suffix(digits)) } else { digits.to_owned() }))
}

/// The zero of the digits a character is one of (Unicode category Nd).
pub(super) fn zero_of(c: char) -> Option<char> {
    // every block of ten digits in Unicode 15 begins at one of these
    const ZEROS: [u32; 64] = [
        0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
        0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
        0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0,
        0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x11F50,
        0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140,
    ];
    let code = u32::from(c);
    let found = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1).and_then(|at| ZEROS.get(at))?;
    (code - found < 10).then(|| char::from_u32(*found)).flatten()
}

/// A decimal-digit-pattern: `#,##0`.
struct DigitPattern {
    zero: char,
    least: usize,
    /// Digits right of each separator, the nearest first, and the separator.
    groups: Vec<(usize, char)>,
    regular: bool,
}

impl DigitPattern {
    fn parse(text: &str) -> Result<Self, Failure> {
        let (mut zero, mut least, mut digits, mut groups) = (None, 0, 0, Vec::new());
        let mut separator_before = true;
        for c in text.chars().rev() {
            let is_separator = match (c, zero_of(c)) {
                (_, Some(found)) => {
                    if zero.is_some_and(|zero| zero != found) {
                        return Err(invalid("its digits are of several scripts"));
                    }
                    if least < digits {
                        return Err(invalid("a digit may not stand left of `#`"));
                    }
                    zero = Some(found);
                    (digits, least) = (digits + 1, least + 1);
                    false
                }
                ('#', _) => {
                    digits += 1;
                    false
                }
                (c, _) if c.is_alphanumeric() => return Err(invalid(&format!("`{c}` between digits"))),
                (c, _) => {
                    if separator_before {
                        return Err(invalid("a separator stands between digits"));
                    }
                    groups.push((digits, c));
                    true
                }
            };
            separator_before = is_separator;
        }
        if separator_before || least == 0 {
            return Err(invalid("it begins with a separator or has no digit"));
        }
        let regular = groups.first().is_some_and(|(first, sign)| {
            let even = groups.iter().enumerate().all(|(index, (at, c))| *at == first * (index + 1) && c == sign);
            even && first * (groups.len() + 1) >= digits
        });
        Ok(Self { zero: zero.unwrap_or('0'), least, groups, regular })
    }

    fn format(&self, digits: &str, ordinal: bool) -> String {
        let padded = format!("{}{digits}", "0".repeat(self.least.saturating_sub(digits.len())));
        let mut text = String::with_capacity(padded.len() * 2);
        for (index, digit) in padded.bytes().enumerate() {
            let right = padded.len() - index;
            let separator = match self.groups.first() {
                Some((first, sign)) if self.regular && right % first == 0 => Some(*sign),
                Some(_) if self.regular => None,
                _ => self.groups.iter().find(|(at, _)| *at == right).map(|(_, sign)| *sign),
            };
            text.extend(separator.filter(|_| index > 0));
            text.extend(char::from_u32(u32::from(self.zero) + u32::from(digit - b'0')));
        }
        if ordinal {
            text.push_str(suffix(digits));
        }
        text
    }
}

/// The English ending of an ordinal number.
fn suffix(digits: &str) -> &'static str {
    let last = digits.as_bytes();
    match (last.iter().rev().nth(1), last.last()) {
        (Some(b'1'), _) => "th",
        (_, Some(b'1')) => "st",
        (_, Some(b'2')) => "nd",
        (_, Some(b'3')) => "rd",
        _ => "th",
    }
}

/// A to Z, AA to AZ and so on.
fn letters(value: u32, first: char, count: u32) -> Option<String> {
    let (mut rest, mut text) = (value, Vec::new());
    while rest > 0 {
        text.push(char::from_u32(u32::from(first) + (rest - 1) % count)?);
        rest = (rest - 1) / count;
    }
    (value > 0).then(|| text.into_iter().rev().collect())
}

fn roman(value: u32) -> Option<String> {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let (mut rest, mut text) = (value, String::new());
    for (size, sign) in SIGNS {
        while rest >= size && value < 10_000 {
            text.push_str(sign);
            rest -= size;
        }
    }
    (!text.is_empty()).then_some(text)
}

/// Numbering signs by their sign for one: circled and bracketed digits, Greek letters, Chinese numerals.
fn numbered(value: u32, one: char) -> Option<String> {
    let single = |last: u32| {
        let sign = char::from_u32(u32::from(one) + value.checked_sub(1)?)?;
        (value <= last).then(|| sign.to_string())
    };
    match one {
        '①' | '⑴' | '⒈' => single(20),
        '❶' | '➀' | '➊' | '⓵' => single(10),
        '⒜' | 'Ⓐ' | 'ⓐ' => single(26),
        'Α' | 'α' => {
            // the code points of the letters have a gap behind rho
            let at = value.checked_sub(1)?;
            let sign = u32::from(one) + if at < 17 { at } else { at + 1 };
            (at < 24).then(|| char::from_u32(sign).map(String::from)).flatten()
        }
        '一' => Some(chinese(value)),
        _ => None,
    }
}

/// A number in Chinese numerals: 一百二十三.
fn chinese(value: u32) -> String {
    const DIGITS: [char; 10] = ['〇', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    const PLACES: [&str; 4] = ["千", "百", "十", ""];
    if value == 0 {
        return DIGITS[0].to_string();
    }
    let text = format!("{value:012}");
    let (mut words, mut begun, mut gap) = (String::new(), false, false);
    for (section, unit) in text.as_bytes().chunks(4).zip(["亿", "万", ""]) {
        let before = words.len();
        for (place, digit) in section.iter().enumerate() {
            let digit = usize::from(digit - b'0');
            if digit == 0 {
                gap = begun;
                continue;
            }
            if gap {
                words.push(DIGITS[0]);
            }
            // ten is 十, not 一十, at the beginning
            if digit != 1 || place != 2 || begun {
                words.push(DIGITS[digit]);
            }
            words.push_str(PLACES[place]);
            (begun, gap) = (true, false);
        }
        if words.len() > before {
            words.push_str(unit);
        }
    }
    words
}

fn words(digits: &str, ordinal: bool) -> String {
    const SCALES: [&str; 10] = [
        "",
        "thousand",
        "million",
        "billion",
        "trillion",
        "quadrillion",
        "quintillion",
        "sextillion",
        "septillion",
        "octillion",
    ];
    let mut parts: Vec<String> = Vec::new();
    let padded = format!("{}{digits}", "0".repeat((3 - digits.len() % 3) % 3));
    let count = padded.len() / 3;
    for (index, three) in padded.as_bytes().chunks(3).enumerate() {
        let value = three.iter().fold(0_usize, |value, digit| value * 10 + usize::from(digit - b'0'));
        let scale = SCALES.get(count - 1 - index).copied().unwrap_or("…");
        if value == 0 {
            continue;
        }
        let joined = scale.is_empty() && value < 100 && !parts.is_empty();
        let mut text = if joined { "and ".to_owned() } else { String::new() };
        text.push_str(&hundreds(value));
        if !scale.is_empty() {
            let _ = write!(text, " {scale}");
        }
        parts.push(text);
    }
    let text = if parts.is_empty() { "zero".to_owned() } else { parts.join(" ") };
    if ordinal { ordinal_words(&text) } else { text }
}

/// 1 to 999 in words.
fn hundreds(value: usize) -> String {
    const SMALL: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let rest = match value % 100 {
        0 => String::new(),
        small @ 1..=19 => SMALL[small].to_owned(),
        tens if tens % 10 == 0 => TENS[tens / 10].to_owned(),
        other => format!("{}-{}", TENS[other / 10], SMALL[other % 10]),
    };
    match (value / 100, rest.is_empty()) {
        (0, _) => rest,
        (hundred, true) => format!("{} hundred", SMALL[hundred]),
        (hundred, false) => format!("{} hundred and {rest}", SMALL[hundred]),
    }
}

/// The words with the last one as an ordinal.
fn ordinal_words(text: &str) -> String {
    let at = text.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (before, last) = text.split_at(at);
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        other => match other.strip_suffix('y') {
            Some(stem) => format!("{stem}ieth"),
            None => format!("{other}th"),
        },
    };
    format!("{before}{last}")
}

fn capitalised(text: &str) -> String {
    let words = text.split(SPACE).map(|word| match word {
        "and" => word.to_owned(),
        word => {
            let mut chars = word.chars();
            chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Decimal, format};

    #[test]
    fn integers_take_the_form_of_their_picture() {
        for (value, picture, expected) in [
            ("123456789", "0,0,00,0", "12345,6,78,9"),
            ("123456789", "00,00,00", "1,23,45,67,89"),
            ("123456789", "000,00,00", "12345,67,89"),
            ("1234", "#;##1;", "1;234"),
            ("-85", "1;o", "-85th"),
            ("85", "A;o", "CG"),
            ("1999", "I", "MCMXCIX"),
            ("0", "I", "0"),
            ("112", "1;o", "112th"),
            ("1015", "w", "one thousand and fifteen"),
            ("121", "Ww;o", "One Hundred and Twenty-first"),
            ("3", "③", "3"),
            ("3", "①", "③"),
            ("110", "一", "一百一十"),
            ("10010", "一", "一万〇一十"),
            ("18", "α", "σ"),
            ("1234", "#,𐒠𐒠𐒠", "𐒡,𐒢𐒣𐒤"),
        ] {
            let value = Decimal::parse(value).expect("an integer");
            assert_eq!(format(value, picture).as_deref(), Ok(expected), "{value} as {picture}");
        }
    }

    #[test]
    fn pictures_that_say_nothing_are_refused() {
        for picture in ["", ";", "0,000,", ",123", "0,00,,000", "11#0,000", "0#", "1;o(", "1;o(-er)z", "123١", "1b"] {
            assert!(format(Decimal::ONE, picture).is_err(), "{picture}");
        }
    }
}
