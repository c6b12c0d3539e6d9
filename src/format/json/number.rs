//! The grammar of numbers (RFC 8259 §6).

/// How many digits a number with an exponent may have when written out.
pub(super) const MAX_DIGITS: usize = 400;

/// What `number` found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// A number of this many bytes.
    Legal(usize),
    /// One that would have more than [`MAX_DIGITS`] digits written out.
    TooLarge,
    /// Not a number; it goes wrong at this offset.
    Illegal(usize),
}

/// Measures the number at the beginning of `bytes`.
pub(super) fn number(bytes: &[u8]) -> Number {
    let digits = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 {
        return Number::Illegal(at);
    }
    if whole > 1 && bytes[at] == b'0' {
        return Number::Illegal(at);
    }
    at += whole;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        fraction = digits(at);
        if fraction == 0 {
            return Number::Illegal(at);
        }
        at += fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        let length = digits(at);
        if length == 0 {
            return Number::Illegal(at);
        }
        let value = bytes[at..at + length]
            .iter()
            .fold(0_usize, |value, digit| value.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
        if value.saturating_add(whole + fraction) > MAX_DIGITS {
            return Number::TooLarge;
        }
        at += length;
    }
    Number::Legal(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_the_grammar_says() {
        for legal in ["0", "-0", "10", "1.10", "-1.5e+3", "1E-7", "123456789012345678901234567890", "1e399"] {
            assert_eq!(number(legal.as_bytes()), Number::Legal(legal.len()), "{legal}");
        }
        for illegal in ["", "-", "01", "1.", "1.e1", "1e", "1e+", ".5", "+1", "-01"] {
            assert!(matches!(number(illegal.as_bytes()), Number::Illegal(_)), "{illegal}");
        }
        for large in ["1e400", "1e-400", "10e99999999999999999999999"] {
            assert_eq!(number(large.as_bytes()), Number::TooLarge, "{large}");
        }
    }
}
