//! Whole numbers written out: after a pattern of digits, as Roman numerals, letters or words (F&O 3.1 §4.6, §9.8.4).

/// The zero of the decimal digits a character belongs to (Unicode general category Nd).
pub(super) fn zero_of(digit: char) -> Option<char> {
    const ZEROS: &[u32] = &[
        0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
        0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
        0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0,
        0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60,
        0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
    ];
    let code = u32::from(digit);
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_u32(*zero)
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

/// A Roman numeral in capitals; zero and numbers above 9999 in digits.
pub(super) fn roman(value: u64) -> String {
    const SIGNS: &[(u64, &str)] = &[
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
    if value == 0 || value > 9999 {
        return value.to_string();
    }
    let (mut rest, mut made) = (value, String::new());
    for (size, sign) in SIGNS {
        while rest >= *size {
            made.push_str(sign);
            rest -= size;
        }
    }
    made
}

/// A, B, … Z, AA, AB, …; zero in digits.
pub(super) fn letters(value: u64) -> String {
    if value == 0 {
        return "0".to_owned();
    }
    let (mut rest, mut made) = (value, Vec::new());
    while rest > 0 {
        rest -= 1;
        made.push(b'A' + (rest % 26) as u8);
        rest /= 26;
    }
    made.iter().rev().map(|letter| char::from(*letter)).collect()
}

/// `st`, `nd`, `rd` or `th`.
pub(super) fn english_suffix(value: u64) -> &'static str {
    match (value % 10, value % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

const SMALL: [(&str, &str); 20] = [
    ("zero", "zeroth"),
    ("one", "first"),
    ("two", "second"),
    ("three", "third"),
    ("four", "fourth"),
    ("five", "fifth"),
    ("six", "sixth"),
    ("seven", "seventh"),
    ("eight", "eighth"),
    ("nine", "ninth"),
    ("ten", "tenth"),
    ("eleven", "eleventh"),
    ("twelve", "twelfth"),
    ("thirteen", "thirteenth"),
    ("fourteen", "fourteenth"),
    ("fifteen", "fifteenth"),
    ("sixteen", "sixteenth"),
    ("seventeen", "seventeenth"),
    ("eighteen", "eighteenth"),
    ("nineteen", "nineteenth"),
];

const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// English words in small letters: `one hundred and twenty-three`, `one hundred and twenty-third`.
pub(super) fn english(value: u64, ordinal: bool) -> String {
    const LARGE: &[(u64, &str)] = &[
        (1_000_000_000_000_000_000, "quintillion"),
        (1_000_000_000_000_000, "quadrillion"),
        (1_000_000_000_000, "trillion"),
        (1_000_000_000, "billion"),
        (1_000_000, "million"),
        (1_000, "thousand"),
        (100, "hundred"),
    ];
    let small = |value: u64| SMALL.get(value as usize).map_or("", |(plain, th)| if ordinal { th } else { plain });
    if value < 20 {
        return small(value).to_owned();
    }
    if value < 100 {
        let tens = TENS.get((value / 10) as usize).copied().unwrap_or_default();
        return match value % 10 {
            0 if ordinal => format!("{}ieth", tens.trim_end_matches('y')),
            0 => tens.to_owned(),
            ones => format!("{tens}-{}", small(ones)),
        };
    }
    let (size, name) = LARGE.iter().find(|(size, _)| value >= *size).copied().unwrap_or((100, "hundred"));
    let front = format!("{} {name}", english(value / size, false));
    match value % size {
        0 if ordinal => format!("{front}th"),
        0 => front,
        rest if rest < 100 => format!("{front} and {}", english(rest, ordinal)),
        rest => format!("{front} {}", english(rest, ordinal)),
    }
}

/// Chinese numerals: `二千零一十三`, `十二`.
pub(super) fn chinese(value: u64) -> String {
    const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    const LARGE: [&str; 5] = ["", "万", "亿", "万亿", "亿亿"];
    if value == 0 {
        return "零".to_owned();
    }
    let text = value.to_string();
    let (mut made, mut gap) = (String::new(), false);
    for (at, digit) in text.chars().enumerate() {
        let place = text.len() - 1 - at;
        match digit.to_digit(10).unwrap_or(0) as usize {
            0 => gap = true,
            digit => {
                if gap {
                    made.push('零');
                }
                gap = false;
                // a number does not begin with 一十
                if !(digit == 1 && place % 4 == 1 && at == 0) {
                    made.push(DIGITS[digit]);
                }
                made.push_str(["", "十", "百", "千"][place % 4]);
            }
        }
        let four = text.get(text.len().saturating_sub(place + 4)..text.len() - place);
        if place.is_multiple_of(4) && place > 0 && four.is_some_and(|four| four.bytes().any(|digit| digit != b'0')) {
            made.push_str(LARGE[place / 4]);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_out() {
        assert_eq!(roman(1990), "MCMXC");
        assert_eq!(letters(1), "A");
        assert_eq!(letters(26), "Z");
        assert_eq!(letters(27), "AA");
        assert_eq!(letters(702), "ZZ");
        for (value, plain, ordinal) in [
            (0, "zero", "zeroth"),
            (12, "twelve", "twelfth"),
            (30, "thirty", "thirtieth"),
            (123, "one hundred and twenty-three", "one hundred and twenty-third"),
            (1990, "one thousand nine hundred and ninety", "one thousand nine hundred and ninetieth"),
            (2000, "two thousand", "two thousandth"),
        ] {
            assert_eq!((english(value, false).as_str(), english(value, true).as_str()), (plain, ordinal));
        }
        for (value, shown) in [
            (10, "十"),
            (12, "十二"),
            (20, "二十"),
            (105, "一百零五"),
            (110, "一百一十"),
            (2013, "二千零一十三"),
            (10_000, "一万"),
            (100_200_003, "一亿零二十万零三"),
        ] {
            assert_eq!(chinese(value), shown);
        }
        let suffixed: Vec<String> =
            [1, 2, 3, 4, 11, 12, 13, 21, 111].map(|value| format!("{value}{}", english_suffix(value))).into();
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
