//! `format-integer` (F&O 3.1 §4.6): digits of any script, letters, Roman numerals, English words, numbering signs.

use super::{
    numeral::{DigitPattern, chinese, english, english_suffix, letters, roman, zero_of},
    string::SPACE,
};
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
        let pattern = DigitPattern::parse(primary, false).ok_or_else(|| {
            invalid("its digits are of one script, `#` stands left of them, separators between, and no letter")
        })?;
        let least = pattern.mandatory;
        let written = pattern.write(&format!("{digits:0>least$}"));
        return Ok(if ordinal { written + english_suffix(digits) } else { written });
    }
    let small = digits.parse::<u32>().ok();
    let made = match primary {
        "A" => small.and_then(letters),
        "a" => small.and_then(letters).map(|text| text.to_lowercase()),
        "I" => small.and_then(roman),
        "i" => small.and_then(roman).map(|text| text.to_lowercase()),
        "W" => Some(english(digits, ordinal).to_uppercase()),
        "w" => Some(english(digits, ordinal)),
        "Ww" => Some(capitalised(&english(digits, ordinal))),
        other => {
            let mut chars = other.chars();
            match (chars.next(), chars.next()) {
                (Some(sign), None) => small.and_then(|value| numbered(value, sign)),
                _ => None,
            }
        }
    };
    Ok(made.unwrap_or_else(|| if ordinal { format!("{digits}{}", english_suffix(digits)) } else { digits.to_owned() }))
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
