//! `format-number` pictures (F&O 3.1 §4.7) with the default decimal format.

use crate::{document::Decimal, xpath::Failure};

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
    least_integer: usize,
    least_fraction: usize,
    most_fraction: usize,
    /// Digits right of each separator, nearest the point first.
    groups: Vec<usize>,
    /// Whether the separators go on at the same distance.
    regular: bool,
    fraction_groups: Vec<usize>,
    /// Powers of ten for `%` and `‰`.
    shift: i32,
    /// Digits before the point of a number with an exponent.
    scale: i32,
    /// 0 for no exponent.
    least_exponent: usize,
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

    pub fn format(&self, value: Decimal) -> String {
        let (part, sign) = self.part(value.is_negative());
        if part.is_plain() {
            return part.plain(value.abs(), sign);
        }
        self.written(value.is_negative(), &value.abs().to_string(), part.shift)
    }

    /// A double in the digits it is written with.
    pub fn format_double(&self, value: f64) -> String {
        if value.is_nan() {
            return "NaN".to_owned();
        }
        let negative = value.is_sign_negative();
        let (part, _) = self.part(negative);
        // a double is multiplied as one
        let scaled = value.abs() * 10_f64.powi(part.shift);
        let digits = if scaled.is_infinite() { "Infinity".to_owned() } else { scaled.to_string() };
        self.written(negative, &digits, 0)
    }

    /// The sub-picture for a sign, and the sign it leaves to be written.
    fn part(&self, negative: bool) -> (&Part, &'static str) {
        match (&self.negative, negative) {
            (Some(part), true) => (part, ""),
            (None, true) => (&self.positive, "-"),
            (_, false) => (&self.positive, ""),
        }
    }

    /// `shift` says how far the point is still to be moved.
    fn written(&self, negative: bool, digits: &str, shift: i32) -> String {
        let (part, sign) = self.part(negative);
        let body = if digits == "Infinity" { digits.to_owned() } else { part.written(Digits::parse(digits), shift) };
        format!("{sign}{}{body}{}", part.prefix, part.suffix)
    }
}

/// A number that is not negative: `0.d₁d₂… · 10^point`.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

impl Digits {
    /// Reads plain notation: digits, perhaps a point and more digits.
    fn parse(text: &str) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
        let mut made = Self { digits, point: i32::try_from(whole.len()).unwrap_or(i32::MAX) };
        let zeros = made.digits.iter().take_while(|digit| **digit == 0).count();
        made.digits.drain(..zeros);
        made.point = if made.digits.is_empty() { 0 } else { made.point - i32::try_from(zeros).unwrap_or(i32::MAX) };
        made
    }

    /// Rounds to so many digits after the point, half to even.
    fn round(&mut self, places: usize) {
        let keep = self.point.saturating_add(i32::try_from(places).unwrap_or(i32::MAX));
        let Ok(keep) = usize::try_from(keep) else {
            (self.digits, self.point) = (Vec::new(), 0);
            return;
        };
        if keep >= self.digits.len() {
            return;
        }
        let rest = self.digits.split_off(keep);
        let odd = self.digits.last().is_some_and(|digit| digit % 2 == 1);
        let beyond_half = rest[0] > 5 || rest[0] == 5 && (odd || rest[1..].iter().any(|digit| *digit > 0));
        if !beyond_half {
            return;
        }
        for digit in self.digits.iter_mut().rev() {
            *digit = (*digit + 1) % 10;
            if *digit > 0 {
                return;
            }
        }
        self.digits.insert(0, 1);
        self.point += 1;
    }

    /// The digits before and after the point, without zeros that say nothing.
    fn plain(&self) -> (String, String) {
        let digit = |at: i32| usize::try_from(at).ok().and_then(|at| self.digits.get(at)).copied().unwrap_or(0);
        let text = |from: i32, to: i32| (from..to).map(|at| char::from(b'0' + digit(at))).collect::<String>();
        let length = i32::try_from(self.digits.len()).unwrap_or(i32::MAX);
        let whole = text(0, self.point.max(0));
        let fraction = text(self.point, length.max(self.point));
        (whole.trim_start_matches('0').to_owned(), fraction.trim_end_matches('0').to_owned())
    }
}

impl Part {
    /// Whether it only says how many digits there are.
    fn is_plain(&self) -> bool {
        self.groups.is_empty() && self.fraction_groups.is_empty() && self.shift == 0 && self.least_exponent == 0
    }

    /// [`Self::written`] for a plain part, with prefix and suffix.
    fn plain(&self, value: Decimal, sign: &str) -> String {
        let text = value.round_half_to_even(i32::try_from(self.most_fraction).unwrap_or(i32::MAX)).to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let whole = if whole == "0" { "" } else { whole };
        let mut made = String::with_capacity(self.prefix.len() + text.len() + self.suffix.len() + 8);
        made.push_str(sign);
        made.push_str(&self.prefix);
        (whole.len()..self.least_integer).for_each(|_| made.push('0'));
        made.push_str(whole);
        if self.least_fraction > 0 || !fraction.is_empty() {
            made.push('.');
            made.push_str(fraction);
            (fraction.len()..self.least_fraction).for_each(|_| made.push('0'));
        }
        made.push_str(&self.suffix);
        made
    }

    /// Reads a sub-picture (§4.7.4).
    fn parse(text: &str) -> Result<Self, Failure> {
        let digit = |c: char| c.is_ascii_digit() || c == '#';
        let always = |c: char| digit(c) || matches!(c, '.' | ',');
        let start = text.find(always).ok_or_else(|| invalid("it has no digit sign"))?;
        let end = text.rfind(always).map_or(start, |at| at + 1);
        let mut part = Self { prefix: text[..start].into(), suffix: text[end..].into(), ..Self::default() };
        for c in part.prefix.chars().chain(part.suffix.chars()) {
            match c {
                '%' | '‰' if part.shift > 0 => return Err(invalid("more than one percent sign")),
                '%' => part.shift = 2,
                '‰' => part.shift = 3,
                _ => {}
            }
        }
        let body = &text[start..end];
        let mut parts = body.split('e');
        let mantissa = parts.next().unwrap_or_default();
        let exponent = parts.next();
        if let Some(exponent) = exponent {
            if parts.next().is_some() {
                return Err(invalid("more than one exponent"));
            }
            if part.shift > 0 {
                return Err(invalid("a percent sign and an exponent exclude each other"));
            }
            if exponent.is_empty() || !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(invalid("an exponent consists of digits"));
            }
            part.least_exponent = exponent.len();
        }
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if fraction.contains('.') || whole.ends_with(',') || fraction.starts_with(',') => {
                return Err(invalid("more than one point, or a group separator beside it"));
            }
            Some(parts) => parts,
            None if mantissa.ends_with(',') => return Err(invalid("a group separator at the end")),
            None => (mantissa, ""),
        };
        if mantissa.contains(",,") {
            return Err(invalid("two group separators side by side"));
        }
        if !mantissa.contains(digit) {
            return Err(invalid("it has no digit sign"));
        }
        part.read_integer(whole)?;
        part.read_fraction(fraction)?;
        if part.least_integer == 0 && part.most_fraction == 0 {
            if exponent.is_some() {
                (part.least_fraction, part.most_fraction) = (1, 1);
            } else {
                part.least_integer = 1;
            }
        }
        if exponent.is_some() && part.least_integer == 0 && whole.contains('#') {
            part.least_integer = 1;
        }
        if part.least_integer == 0 && part.least_fraction == 0 {
            part.least_fraction = 1;
        }
        Ok(part)
    }

    fn read_integer(&mut self, text: &str) -> Result<(), Failure> {
        let mut digits = 0;
        for c in text.chars().rev() {
            match c {
                ',' => self.groups.push(digits),
                '#' => digits += 1,
                '0'..='9' if self.least_integer < digits => {
                    return Err(invalid("a digit may not stand left of `#` there"));
                }
                '0'..='9' => (digits, self.least_integer) = (digits + 1, self.least_integer + 1),
                other => return Err(invalid(&format!("`{other}` between digit signs"))),
            }
        }
        self.scale = i32::try_from(self.least_integer).unwrap_or(i32::MAX);
        self.regular = self.groups.first().is_some_and(|first| {
            let even = self.groups.iter().enumerate().all(|(index, at)| *at == first * (index + 1));
            even && first * (self.groups.len() + 1) >= digits
        });
        Ok(())
    }

    fn read_fraction(&mut self, text: &str) -> Result<(), Failure> {
        let mut digits = 0;
        for c in text.chars() {
            match c {
                ',' => self.fraction_groups.push(digits),
                '#' => digits += 1,
                '0'..='9' if self.least_fraction < digits => {
                    return Err(invalid("a digit may not stand right of `#` there"));
                }
                '0'..='9' => (digits, self.least_fraction) = (digits + 1, self.least_fraction + 1),
                other => return Err(invalid(&format!("`{other}` between digit signs"))),
            }
        }
        self.most_fraction = digits;
        Ok(())
    }

    /// The number between prefix and suffix (§4.7.5).
    fn written(&self, mut value: Digits, shift: i32) -> String {
        value.point += if value.digits.is_empty() { 0 } else { shift };
        let mut exponent = 0;
        if self.least_exponent > 0 && !value.digits.is_empty() {
            exponent = value.point - self.scale;
            value.point = self.scale;
        }
        value.round(self.most_fraction);
        let (whole, fraction) = value.plain();
        let mut whole = format!("{}{whole}", "0".repeat(self.least_integer.saturating_sub(whole.len())));
        let mut fraction = format!("{fraction}{}", "0".repeat(self.least_fraction.saturating_sub(fraction.len())));
        for at in self.group_positions(whole.len()) {
            whole.insert(whole.len() - at, ',');
        }
        let inside = self.fraction_groups.iter().rev().filter(|at| **at < fraction.len());
        for at in inside.copied().collect::<Vec<_>>() {
            fraction.insert(at, ',');
        }
        let mut text = if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") };
        if self.least_exponent > 0 {
            let sign = if exponent < 0 { "-" } else { "" };
            text.push_str(&format!("e{sign}{:0width$}", exponent.unsigned_abs(), width = self.least_exponent));
        }
        text
    }

    /// Distances from the point where a separator stands, the largest first. Inserting the largest first keeps the smaller
    /// distances right.
    fn group_positions(&self, digits: usize) -> Vec<usize> {
        let mut positions: Vec<usize> = match self.groups.first() {
            Some(first) if self.regular => (1..).map(|times| times * first).take_while(|at| *at < digits).collect(),
            _ => self.groups.iter().copied().filter(|at| *at < digits).collect(),
        };
        positions.reverse();
        positions
    }
}

#[cfg(test)]
mod tests {
    use super::NumberPicture;

    #[test]
    fn doubles_of_any_size_and_exponents_follow_the_picture() {
        for (value, picture, expected) in [
            (1e25, "#,######", "10,000000,000000,000000,000000"),
            (12345.678, "9.9999e999", "1.2346e004"),
            (0.99999999, "0.0e0", "10.0e-1"),
            (-0.0, "0.0e0", "-0.0e0"),
            (0.00012345678, "9.99e99", "1.23e-04"),
            (12345.678, "#.99e99", "0.12e05"),
            (0.2, ".#e9", ".2e0"),
            (0.2, "#.#", ".2"),
            (0.2, ".#", ".2"),
            (1e-10, "0.00", "0.00"),
            (9.995, "0.00", "10.00"),
            (2.5, "0", "2"),
            (f64::NEG_INFINITY, "0.0%", "-Infinity%"),
            (987654321.0, "###,##0,00.00", "9876,543,21.00"),
        ] {
            let shown = NumberPicture::parse(picture).map(|picture| picture.format_double(value));
            assert_eq!(shown.as_deref(), Ok(expected), "{value} as {picture}");
        }
    }
}
