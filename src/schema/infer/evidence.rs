//! The values seen in one place, and the type they fit.

use std::collections::BTreeMap;

use crate::schema::{Simple, SimpleKind};

/// Distinct values told apart, at most; with more there is no enumeration.
const MOST_DISTINCT: usize = 200;
/// An enumeration has at most so many values, each at most so long, …
const MOST_ENUMERATED: usize = 8;
const LONGEST_ENUMERATED: usize = 40;
/// … from at least so many places, each value so often on average.
const FEWEST_ENUMERATED: u64 = 20;
const OFTEN: u64 = 5;
/// A number with more digits is an identifier.
const MOST_DIGITS: usize = 18;

/// The types tried, narrowest first; text fits always.
const TRIED: [(&str, SimpleKind); 6] = [
    ("boolean", SimpleKind::Boolean),
    ("integer", SimpleKind::Integer),
    ("decimal", SimpleKind::Decimal),
    ("date", SimpleKind::Date),
    ("dateTime", SimpleKind::DateTime),
    ("time", SimpleKind::Time),
];

/// Values of one element or attribute name.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    count: u64,
    empty: u64,
    /// How many values fit each of the types tried.
    fits: [u64; TRIED.len()],
    distinct: BTreeMap<String, u64>,
    many: bool,
}

impl Values {
    pub fn add(&mut self, text: &str) {
        self.count += 1;
        self.empty += u64::from(text.is_empty());
        for ((_, kind), fits) in TRIED.iter().zip(&mut self.fits) {
            *fits += u64::from(fits_kind(text, *kind));
        }
        if !self.many {
            if let Some(known) = self.distinct.get_mut(text) {
                *known += 1;
            } else if self.distinct.len() < MOST_DISTINCT {
                self.distinct.insert(text.to_owned(), 1);
            } else {
                self.many = true;
                self.distinct.clear();
            }
        }
    }

    /// Whether there was any text.
    pub fn is_text(&self) -> bool {
        self.count > self.empty
    }

    /// The type all values fit: the local name of a built-in one.
    pub fn kind(&self) -> &'static str {
        let fitting = TRIED.iter().zip(self.fits).find(|(_, fits)| *fits == self.count && self.count > 0);
        fitting.map_or("string", |((name, _), _)| name)
    }

    /// The values, when they are few and come again and again.
    pub fn enumeration(&self) -> Vec<&str> {
        let distinct = self.distinct.len();
        let often = self.count >= FEWEST_ENUMERATED.max(OFTEN * u64::try_from(distinct).unwrap_or(u64::MAX));
        let plain =
            |text: &String| !text.is_empty() && text.trim() == text && text.chars().count() <= LONGEST_ENUMERATED;
        let closed = !self.many
            && (1..=MOST_ENUMERATED).contains(&distinct)
            && often
            && self.kind() == "string"
            && self.distinct.iter().all(|(text, times)| *times > 1 && plain(text));
        if closed { self.distinct.keys().map(String::as_str).collect() } else { Vec::new() }
    }

    /// The evidence in words: how many values, and how many fit each type tried. No value is repeated.
    pub fn evidence(&self) -> String {
        let tried: Vec<String> =
            TRIED.iter().zip(self.fits).map(|((name, _), fits)| format!("{name} {fits}")).collect();
        let distinct = if self.many { format!("over {MOST_DISTINCT}") } else { self.distinct.len().to_string() };
        format!("{} values, {distinct} distinct, {} empty; fit: {}", self.count, self.empty, tried.join(", "))
    }
}

/// Whether a text is of a kind, and is likely meant so: `007` and 30 digits are identifiers, `1` is no boolean.
fn fits_kind(text: &str, kind: SimpleKind) -> bool {
    let trimmed = text.trim_matches([' ', '\t', '\n', '\r']);
    if (Simple { kind, ..Simple::default() }).misfit(text).is_some() {
        return false;
    }
    match kind {
        SimpleKind::Boolean => matches!(trimmed, "true" | "false"),
        SimpleKind::Integer | SimpleKind::Decimal => {
            let digits = trimmed.trim_start_matches(['-', '+']);
            let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
            digits.bytes().filter(u8::is_ascii_digit).count() <= MOST_DIGITS && !padded
        }
        SimpleKind::Date | SimpleKind::DateTime => is_real_day(trimmed),
        SimpleKind::Time => !trimmed.starts_with("24"),
        _ => true,
    }
}

/// Whether a text that has the form of a date, with or without a time, names a day there is.
fn is_real_day(text: &str) -> bool {
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u32>().ok());
    let (Some(year), Some(month), Some(day)) = (number(0, 4), number(5, 7), number(8, 10)) else { return false };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let hour = number(11, 13).filter(|_| text.as_bytes().get(10) == Some(&b'T'));
    year > 0 && day <= days && hour.is_none_or(|hour| hour < 24) && is_real_clock(text)
}

/// Whether minutes and seconds are below 60 in a text that has the form of a date and time.
fn is_real_clock(text: &str) -> bool {
    let Some((_, time)) = text.split_once('T') else { return true };
    let below = |at: usize| time.get(at..at + 1).is_some_and(|digit| digit < "6");
    below(3) && below(6)
}
