//! Whole numbers written out: after a pattern of digits, as Roman numerals, letters or words (F&O 3.1 §4.6, §9.8.4).

use std::fmt::Write as _;

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

/// A digit of the family a zero begins.
pub(super) fn digit_of(zero: char, value: u32) -> char {
    char::from_u32(u32::from(zero) + value).unwrap_or(zero)
}

/// A pattern of digits: `#,##9`. Beyond the point, optional digits follow the mandatory ones instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DigitPattern {
    pub mandatory: usize,
    pub optional: usize,
    pub zero: char,
    /// How many digits stand after a separator in the pattern, and the separator.
    pub separators: Vec<(usize, char)>,
}

impl DigitPattern {
    /// Reads a pattern; `None` when it has no digit, digits of two families, or signs out of order.
    pub fn parse(text: &str, fraction: bool) -> Option<Self> {
        let (mut zero, mut signs, mut marks) = (None, Vec::new(), Vec::new());
        for c in text.chars() {
            match zero_of(c) {
                Some(family) if zero.is_none_or(|zero| zero == family) => {
                    zero = Some(family);
                    signs.push(true);
                }
                Some(_) => return None,
                None if c == '#' => signs.push(false),
                None if c.is_alphanumeric() => return None,
                None => marks.push((signs.len(), c)),
            }
        }
        let ordered = if fraction { signs.is_sorted_by(|a, b| a >= b) } else { signs.is_sorted() };
        let mandatory = signs.iter().filter(|sign| **sign).count();
        let apart = marks.iter().all(|(at, _)| *at > 0 && *at < signs.len());
        if !ordered || !apart || marks.windows(2).any(|two| two[0].0 == two[1].0) {
            return None;
        }
        let separators = marks.into_iter().map(|(at, c)| (signs.len() - at, c)).collect();
        Some(Self { mandatory, optional: signs.len() - mandatory, zero: zero?, separators })
    }

    /// All digits of the pattern.
    pub fn size(&self) -> usize {
        self.mandatory + self.optional
    }

    /// Digits in the pattern's family, with its separators. Where all groups of a pattern are alike, they go on to the
    /// left.
    pub fn write(&self, digits: &str) -> String {
        let group = match self.separators.as_slice() {
            [] => None,
            all => {
                let (size, mark) = all[all.len() - 1];
                let alike = all.iter().rev().enumerate().all(|(at, found)| *found == ((at + 1) * size, mark));
                (alike && self.size() <= (all.len() + 1) * size).then_some((size, mark))
            }
        };
        let mut made = String::with_capacity(digits.len());
        for (at, digit) in digits.chars().enumerate() {
            let after = digits.len() - at;
            let mark = match group {
                Some((size, mark)) if after.is_multiple_of(size) => Some(mark),
                Some(_) => None,
                None => self.separators.iter().find(|(place, _)| *place == after).map(|(_, mark)| *mark),
            };
            if let Some(mark) = mark.filter(|_| at > 0) {
                made.push(mark);
            }
            made.push(digit_of(self.zero, digit.to_digit(10).unwrap_or(0)));
        }
        made
    }

    /// Digits after the point, with the separators counted from the point.
    pub fn write_fraction(&self, digits: &str) -> String {
        let mut made = String::with_capacity(digits.len());
        for (at, digit) in digits.chars().enumerate() {
            let mark = self.separators.iter().find(|(place, _)| self.size() - place == at);
            if let Some((_, mark)) = mark {
                made.push(*mark);
            }
            made.push(digit_of(self.zero, digit.to_digit(10).unwrap_or(0)));
        }
        made
    }
}

/// A Roman numeral in capitals; none for zero and numbers above 9999.
pub(super) fn roman(value: u32) -> Option<String> {
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

/// A to Z, AA to AZ and so on; none for zero.
pub(super) fn letters(value: u32) -> Option<String> {
    let (mut rest, mut text) = (value, Vec::new());
    while rest > 0 {
        text.push(char::from_u32(u32::from('A') + (rest - 1) % 26)?);
        rest = (rest - 1) / 26;
    }
    (value > 0).then(|| text.into_iter().rev().collect())
}

/// The English ending of an ordinal number.
pub(super) fn english_suffix(digits: &str) -> &'static str {
    let last = digits.as_bytes();
    match (last.iter().rev().nth(1), last.last()) {
        (Some(b'1'), _) => "th",
        (_, Some(b'1')) => "st",
        (_, Some(b'2')) => "nd",
        (_, Some(b'3')) => "rd",
        _ => "th",
    }
}

/// A number in Chinese numerals: 一百二十三.
pub(super) fn chinese(value: u32) -> String {
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

/// English words in small letters: `one hundred and twenty-three`, `one hundred and twenty-third`.
pub(super) fn english(digits: &str, ordinal: bool) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_out() {
        assert_eq!(roman(1990).as_deref(), Some("MCMXC"));
        for (value, shown) in [(0, None), (1, Some("A")), (26, Some("Z")), (27, Some("AA")), (702, Some("ZZ"))] {
            assert_eq!(letters(value).as_deref(), shown, "{value}");
        }
        for (value, plain, ordinal) in [
            ("0", "zero", "zeroth"),
            ("12", "twelve", "twelfth"),
            ("30", "thirty", "thirtieth"),
            ("123", "one hundred and twenty-three", "one hundred and twenty-third"),
            ("1990", "one thousand nine hundred and ninety", "one thousand nine hundred and ninetieth"),
            ("2000", "two thousand", "two thousandth"),
        ] {
            assert_eq!((english(value, false).as_str(), english(value, true).as_str()), (plain, ordinal));
        }
        for (value, shown) in [(10, "十"), (12, "十二"), (105, "一百〇五"), (2013, "二千〇一十三"), (10_000, "一万")]
        {
            assert_eq!(chinese(value), shown);
        }
        let suffixed = ["1", "2", "3", "4", "11", "12", "13", "21", "111"];
        let suffixed = suffixed.map(|value| format!("{value}{}", english_suffix(value)));
        assert_eq!(suffixed.join(" "), "1st 2nd 3rd 4th 11th 12th 13th 21st 111th");
    }

    #[test]
    fn patterns_say_digits_and_groups() {
        let written = |pattern: &str, digits: &str| DigitPattern::parse(pattern, false).map(|it| it.write(digits));
        assert_eq!(written("#,##0", "1234567").as_deref(), Some("1,234,567"));
        assert_eq!(written("9,99-9", "2012").as_deref(), Some("2,01-2"));
        assert_eq!(written("#.0", "16").as_deref(), Some("1.6"));
        assert_eq!(written("๐๐๐๑", "2003").as_deref(), Some("๒๐๐๓"));
        for bad in ["9#", "#", "", ",9", "9,", "9,,9", "9๑", "9a"] {
            assert_eq!(DigitPattern::parse(bad, false), None, "{bad}");
        }
        assert_eq!(DigitPattern::parse("#9", true), None);
        assert_eq!(DigitPattern::parse("00'0", true).map(|it| it.write_fraction("135")).as_deref(), Some("13'5"));
    }
}
