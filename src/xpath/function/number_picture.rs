//! `format-number` pictures (F&O 3.1 §4.7) with the default decimal format, without exponents.

use crate::{
    document::Decimal,
    xpath::{Failure, cast},
};

/// A picture for positive numbers, and perhaps one for negative ones.
#[derive(Debug, PartialEq)]
pub(in crate::xpath) struct NumberPicture {
    positive: Part,
    negative: Option<Part>,
}

#[derive(Debug, Default, PartialEq)]
struct Part {
    prefix: String,
    suffix: String,
    integer_digits: usize,
    fraction_digits: usize,
    most_fraction_digits: usize,
    /// Digits right of each separator, nearest the point first.
    groups: Vec<usize>,
    fraction_groups: Vec<usize>,
    /// Power of ten for `%` and `‰`.
    scale: i64,
}

fn invalid(why: &str) -> Failure {
    Failure::error("FODF1310", format!("the number picture is not valid: {why}"))
}

impl NumberPicture {
    pub fn parse(picture: &str) -> Result<Self, Failure> {
        let mut parts = picture.split(';');
        let positive = Part::parse(parts.next().unwrap_or_default())?;
        let negative = parts.next().map(Part::parse).transpose()?;
        if parts.next().is_some() {
            return Err(invalid("more than one `;`"));
        }
        Ok(Self { positive, negative })
    }

    pub fn format(&self, value: Decimal) -> Result<String, Failure> {
        let (part, sign) = match (&self.negative, value.is_negative()) {
            (Some(part), true) => (part, ""),
            (None, true) => (&self.positive, "-"),
            (_, false) => (&self.positive, ""),
        };
        let body = part.digits(value.abs())?;
        Ok(format!("{sign}{}{body}{}", part.prefix, part.suffix))
    }

    pub fn format_double(&self, value: f64) -> Result<String, Failure> {
        if value.is_nan() {
            return Ok("NaN".to_owned());
        }
        if value.is_infinite() {
            let sign = if value < 0.0 { "-" } else { "" };
            return Ok(format!("{sign}{}Infinity{}", self.positive.prefix, self.positive.suffix));
        }
        let exact = Decimal::from_f64(value)
            .ok_or_else(|| Failure::error("FOCA0002", "the double is too large to be written with a picture"))?;
        self.format(exact)
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, Failure> {
        let active = |c: char| matches!(c, '0'..='9' | '#' | '.' | ',');
        let start = text.find(active).ok_or_else(|| invalid("it has no digit sign"))?;
        let end = text.rfind(active).map_or(start, |at| at + 1);
        let mut part = Self { prefix: text[..start].into(), suffix: text[end..].into(), scale: 1, ..Self::default() };
        for c in part.prefix.chars().chain(part.suffix.chars()) {
            match c {
                '%' if part.scale == 1 => part.scale = 100,
                '‰' if part.scale == 1 => part.scale = 1000,
                '%' | '‰' => return Err(invalid("more than one percent sign")),
                _ => {}
            }
        }
        let body = &text[start..end];
        let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
        if fraction.contains('.') {
            return Err(invalid("more than one point"));
        }
        let mut digits = 0;
        for c in whole.chars().rev() {
            match c {
                ',' if digits == 0 || part.groups.last() == Some(&digits) => {
                    return Err(invalid("a group separator needs digits on both sides"));
                }
                ',' => part.groups.push(digits),
                '0' if part.integer_digits < digits => return Err(invalid("`0` may not stand left of `#` there")),
                '0' => (digits, part.integer_digits) = (digits + 1, part.integer_digits + 1),
                '#' => digits += 1,
                _ => return Err(invalid("digit signs are `0` and `#`")),
            }
        }
        let whole_digits = digits;
        digits = 0;
        for c in fraction.chars() {
            match c {
                ',' if digits == 0 => return Err(invalid("a group separator may not stand next to the point")),
                ',' => part.fraction_groups.push(digits),
                '0' if part.fraction_digits < digits => return Err(invalid("`0` may not stand right of `#` there")),
                '0' => (digits, part.fraction_digits) = (digits + 1, part.fraction_digits + 1),
                '#' => digits += 1,
                _ => return Err(invalid("digit signs are `0` and `#`")),
            }
        }
        if whole_digits + digits == 0 {
            return Err(invalid("it has no digit sign"));
        }
        if part.integer_digits + digits > 100 {
            return Err(invalid("more than 100 digits"));
        }
        part.most_fraction_digits = digits;
        if part.integer_digits == 0 && part.most_fraction_digits == 0 {
            part.integer_digits = 1;
        }
        Ok(part)
    }

    fn digits(&self, value: Decimal) -> Result<String, Failure> {
        let scaled = value.multiply(Decimal::from(self.scale)).map_err(cast::decimal_failure)?;
        let places = i32::try_from(self.most_fraction_digits).unwrap_or(i32::MAX);
        let text = scaled.round_half_to_even(places).to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let whole = if whole == "0" { "" } else { whole };
        let mut whole = format!("{}{whole}", "0".repeat(self.integer_digits.saturating_sub(whole.len())));
        let mut fraction = format!("{fraction}{}", "0".repeat(self.fraction_digits.saturating_sub(fraction.len())));
        if whole.is_empty() && fraction.is_empty() {
            whole.push('0');
        }
        for at in self.group_positions(whole.len()) {
            whole.insert(whole.len() - at, ',');
        }
        for at in self.fraction_groups.iter().rev().filter(|at| **at < fraction.len()).copied().collect::<Vec<_>>() {
            fraction.insert(at, ',');
        }
        Ok(if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") })
    }

    /// Distances from the point where a separator stands, the largest first; regular groups go on (§4.7.4). Inserting
    /// the largest first keeps the smaller distances right.
    fn group_positions(&self, digits: usize) -> Vec<usize> {
        let Some(first) = self.groups.first().copied() else { return Vec::new() };
        let regular = self.groups.iter().enumerate().all(|(index, at)| *at == first * (index + 1));
        let mut positions: Vec<usize> = if regular {
            (1..).map(|times| times * first).take_while(|at| *at < digits).collect()
        } else {
            self.groups.iter().copied().filter(|at| *at < digits).collect()
        };
        positions.reverse();
        positions
    }
}
