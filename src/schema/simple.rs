//! Simple types: what the text of an element or attribute may be.

use std::sync::Arc;

use super::Pattern;
use crate::document::Decimal;

/// The built-in type a simple type comes from, as far as mappings care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SimpleKind {
    /// Any text.
    #[default]
    String,
    /// `xs:decimal`.
    Decimal,
    /// `xs:integer` and the types derived from it.
    Integer,
    /// `xs:float`, `xs:double`.
    Double,
    /// `xs:boolean`.
    Boolean,
    /// `xs:date`.
    Date,
    /// `xs:dateTime`.
    DateTime,
    /// `xs:time`.
    Time,
}

impl SimpleKind {
    /// Whether values are numbers.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Decimal | Self::Integer | Self::Double)
    }
}

/// A simple type (XSD 1.0 part 2 §4.1): its kind and the facets that are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    /// The built-in type behind it.
    pub kind: SimpleKind,
    /// A list of such values, separated by white space.
    pub list: bool,
    /// The allowed values; empty for any.
    pub enumeration: Vec<Arc<str>>,
    /// The fewest characters.
    pub min_length: Option<u32>,
    /// The most characters.
    pub max_length: Option<u32>,
    /// The most digits.
    pub total_digits: Option<u32>,
    /// The most digits after the point.
    pub fraction_digits: Option<u32>,
    /// The forms it must have, all of them.
    pub patterns: Vec<Pattern>,
    /// The least number, and whether that itself is too small.
    pub least: Option<(Decimal, bool)>,
    /// The greatest number, and whether that itself is too great.
    pub greatest: Option<(Decimal, bool)>,
}

impl Simple {
    /// Why a text does not fit, without repeating it; `None` when it does.
    #[must_use]
    pub fn misfit(&self, text: &str) -> Option<String> {
        if self.list {
            return None;
        }
        let collapsed = text.trim_matches([' ', '\t', '\n', '\r']);
        if let Some(wrong) = self.misfit_kind(collapsed) {
            return Some(wrong);
        }
        if !self.enumeration.is_empty() && !self.enumeration.iter().any(|known| **known == *text) {
            let known = self.enumeration.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
            return Some(format!("it is not one of {known}"));
        }
        if let Some(pattern) = self.patterns.iter().find(|pattern| !pattern.holds(self.normalised(text))) {
            return Some(format!("it does not have the form `{pattern}`"));
        }
        if let Some(wrong) = self.misfit_bounds(collapsed) {
            return Some(wrong);
        }
        if self.min_length.is_none() && self.max_length.is_none() {
            return None;
        }
        let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        match (self.min_length, self.max_length) {
            (_, Some(most)) if length > most => Some(format!("it has {length} characters, at most {most} are allowed")),
            (Some(fewest), _) if length < fewest => {
                Some(format!("it has {length} characters, at least {fewest} are needed"))
            }
            _ => None,
        }
    }

    /// What its values are, in words; `None` for any text.
    #[must_use]
    pub fn kind_in_words(&self) -> Option<&'static str> {
        match self.kind {
            SimpleKind::String => None,
            SimpleKind::Decimal => Some("a decimal number"),
            SimpleKind::Integer => Some("a whole number"),
            SimpleKind::Double => Some("a number"),
            SimpleKind::Boolean => Some("`true`, `false`, `1` or `0`"),
            SimpleKind::Date => Some("a date (`2026-01-31`)"),
            SimpleKind::DateTime => Some("a date and time (`2026-01-31T08:00:00+08:00`)"),
            SimpleKind::Time => Some("a time (`08:00:00`)"),
        }
    }

    /// The text patterns are held against: only strings keep white space around them.
    fn normalised<'t>(&self, text: &'t str) -> &'t str {
        if self.kind == SimpleKind::String { text } else { text.trim_matches([' ', '\t', '\n', '\r']) }
    }

    fn misfit_bounds(&self, text: &str) -> Option<String> {
        if self.least.is_none() && self.greatest.is_none() {
            return None;
        }
        let value = Decimal::parse(text).ok()?;
        if let Some((least, out)) = self.least
            && (value < least || (out && value == least))
        {
            let than = if out { "greater than" } else { "at least" };
            return Some(format!("it must be {than} {least}"));
        }
        if let Some((greatest, out)) = self.greatest
            && (value > greatest || (out && value == greatest))
        {
            let than = if out { "less than" } else { "at most" };
            return Some(format!("it must be {than} {greatest}"));
        }
        None
    }

    fn misfit_kind(&self, text: &str) -> Option<String> {
        let wrong = || self.kind_in_words().map(|expected| format!("it is not {expected}"));
        match self.kind {
            SimpleKind::String => None,
            SimpleKind::Decimal | SimpleKind::Integer => {
                let integer = self.kind == SimpleKind::Integer;
                if !is_decimal(text) || (integer && text.contains('.')) {
                    return wrong();
                }
                self.misfit_digits(text)
            }
            SimpleKind::Double => match text {
                "INF" | "-INF" | "NaN" => None,
                _ if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
                    && text.parse::<f64>().is_ok() =>
                {
                    None
                }
                _ => wrong(),
            },
            SimpleKind::Boolean => {
                if matches!(text, "true" | "false" | "0" | "1") {
                    None
                } else {
                    wrong()
                }
            }
            SimpleKind::Date => {
                if is_date(text) {
                    None
                } else {
                    wrong()
                }
            }
            SimpleKind::DateTime => match text.split_once('T') {
                Some((date, time)) if is_date(date) && is_time(time) => None,
                _ => wrong(),
            },
            SimpleKind::Time => {
                if is_time(text) {
                    None
                } else {
                    wrong()
                }
            }
        }
    }

    fn misfit_digits(&self, text: &str) -> Option<String> {
        if self.total_digits.is_none() && self.fraction_digits.is_none() {
            return None;
        }
        let digits = text.trim_start_matches(['+', '-']);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let (whole, fraction) = (whole.trim_start_matches('0').len(), fraction.trim_end_matches('0').len());
        if let Some(most) = self.fraction_digits
            && fraction > most as usize
        {
            return Some(format!("it has {fraction} digits after the point, at most {most} are allowed"));
        }
        match self.total_digits {
            Some(most) if whole + fraction > most as usize => {
                Some(format!("it has {} digits, at most {most} are allowed", whole + fraction))
            }
            _ => None,
        }
    }
}

/// The `xs:decimal` lexical form, of any length.
fn is_decimal(text: &str) -> bool {
    use crate::document::DecimalError;
    !matches!(Decimal::parse(text), Err(DecimalError::Syntax | DecimalError::DivisionByZero))
}

fn zone_removed(text: &str) -> &str {
    if let Some(bare) = text.strip_suffix('Z') {
        return bare;
    }
    match text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) {
        Some((bare, zone))
            if zone.starts_with(['+', '-']) && digits_at(zone, &[1, 2, 4, 5]) && zone.as_bytes()[3] == b':' =>
        {
            bare
        }
        _ => text,
    }
}

fn digits_at(text: &str, at: &[usize]) -> bool {
    at.iter().all(|at| text.as_bytes().get(*at).is_some_and(u8::is_ascii_digit))
}

fn is_date(text: &str) -> bool {
    let bare = zone_removed(text);
    bare.len() == 10
        && digits_at(bare, &[0, 1, 2, 3, 5, 6, 8, 9])
        && bare.as_bytes()[4] == b'-'
        && bare.as_bytes()[7] == b'-'
        && ("01"..="12").contains(&&bare[5..7])
        && ("01"..="31").contains(&&bare[8..10])
}

fn is_time(text: &str) -> bool {
    let bare = zone_removed(text);
    let (clock, fraction) = bare.split_once('.').unwrap_or((bare, "0"));
    clock.len() == 8
        && digits_at(clock, &[0, 1, 3, 4, 6, 7])
        && clock.as_bytes()[2] == b':'
        && clock.as_bytes()[5] == b':'
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_their_kind_or_the_reason_is_given_without_the_text() {
        let kinds = [
            (SimpleKind::Decimal, "1.50", true),
            (SimpleKind::Decimal, "1e5", false),
            (SimpleKind::Integer, "-3", true),
            (SimpleKind::Integer, "3.0", false),
            (SimpleKind::Boolean, "yes", false),
            (SimpleKind::Date, "2026-02-28", true),
            (SimpleKind::Date, "2026-02-28+08:00", true),
            (SimpleKind::Date, "2026-13-01", false),
            (SimpleKind::Date, "2026-2-1", false),
            (SimpleKind::Date, "二〇二六年一月一日", false),
            (SimpleKind::DateTime, "2026-02-28T00:00:00+08:00", true),
            (SimpleKind::DateTime, "2026-02-28T00:00:00.5Z", true),
            (SimpleKind::DateTime, "2026-02-28 00:00:00", false),
            (SimpleKind::Time, "08:00", false),
            (SimpleKind::Double, "1e5", true),
            (SimpleKind::Double, "inf", false),
        ];
        for (kind, text, fits) in kinds {
            assert_eq!(Simple { kind, ..Simple::default() }.misfit(text).is_none(), fits, "{kind:?} {text}");
        }
    }

    #[test]
    fn facets_are_checked() {
        let money =
            Simple { kind: SimpleKind::Decimal, total_digits: Some(5), fraction_digits: Some(2), ..Simple::default() };
        assert_eq!(money.misfit("0123.450"), None);
        assert_eq!(money.misfit("1.234").as_deref(), Some("it has 3 digits after the point, at most 2 are allowed"));
        assert_eq!(money.misfit("12345.6").as_deref(), Some("it has 6 digits, at most 5 are allowed"));
        let name = Simple { min_length: Some(1), max_length: Some(2), ..Simple::default() };
        assert_eq!(name.misfit("二字"), None);
        assert_eq!(name.misfit("三个字").as_deref(), Some("it has 3 characters, at most 2 are allowed"));
        assert!(name.misfit("").is_some());
        let code = Simple { patterns: vec![Pattern::new(&["[A-Z]{3}", "x"])], ..Simple::default() };
        assert_eq!((code.misfit("CNY"), code.misfit("x")), (None, None));
        assert_eq!(code.misfit("CNYX").as_deref(), Some("it does not have the form `[A-Z]{3}|x`"));
        let least = Some((Decimal::from(1), false));
        let line = Simple { kind: SimpleKind::Integer, least, ..Simple::default() };
        assert_eq!((line.misfit("1"), line.misfit("0").as_deref()), (None, Some("it must be at least 1")));
        let flag = Simple { enumeration: vec!["0".into(), "1".into()], ..Simple::default() };
        assert_eq!(flag.misfit("2").as_deref(), Some("it is not one of `0`, `1`"));
    }
}
