//! Dates of mails and web servers (F&O 3.1 §9.9): `Wed, 06 Jun 1994 07:29:35 GMT`, `Sun Nov  6 08:49:37 1994`.

use jiff::civil;

use crate::xpath::DateTime;

const DAYS: [&str; 14] = [
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// Zones with names, hours east of UTC.
const ZONES: [(&str, i16); 11] = [
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
];

/// Reads such a date; `None` when it has not the form, or there is no such day. Without a zone, UTC is meant.
pub(super) fn parse(text: &str) -> Option<DateTime> {
    let mut reader = Reader { rest: text };
    reader.space();
    let mut ahead = reader;
    if DAYS.contains(&ahead.word().as_str()) {
        reader = ahead;
        reader.sign(',');
        reader.space().then_some(())?;
    }
    let (year, month, day, (time, next_day, offset));
    if reader.rest.starts_with(|c: char| c.is_ascii_digit()) {
        day = reader.digits(1, 2)?;
        reader.between()?;
        month = reader.month()?;
        reader.between()?;
        year = reader.year()?;
        reader.space().then_some(())?;
        (time, next_day, offset) = reader.time()?;
    } else {
        month = reader.month()?;
        reader.between()?;
        day = reader.digits(1, 2)?;
        reader.space().then_some(())?;
        (time, next_day, offset) = reader.time()?;
        reader.space().then_some(())?;
        year = reader.year()?;
    }
    reader.space();
    if !reader.rest.is_empty() {
        return None;
    }
    let mut date = civil::Date::new(year, month, i8::try_from(day).ok()?).ok()?;
    if next_day {
        date = date.tomorrow().ok()?;
    }
    Some(DateTime { local: civil::DateTime::from_parts(date, time), offset: Some(offset) })
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Skips white space; whether there was any.
    fn space(&mut self) -> bool {
        let rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let any = rest.len() < self.rest.len();
        self.rest = rest;
        any
    }

    fn sign(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The letters that follow, in small ones.
    fn word(&mut self) -> String {
        let length = self.rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        word.to_ascii_lowercase()
    }

    /// A number of so many digits.
    fn digits(&mut self, least: usize, most: usize) -> Option<i16> {
        let length = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if length < least {
            return None;
        }
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        digits.parse().ok()
    }

    /// What stands between day, month and year: white space or a hyphen.
    fn between(&mut self) -> Option<()> {
        let space = self.space();
        let hyphen = self.sign('-');
        if hyphen {
            self.space();
        }
        (space || hyphen).then_some(())
    }

    fn month(&mut self) -> Option<i8> {
        let word = self.word();
        let at = MONTHS.iter().position(|month| *month == word)?;
        i8::try_from(at + 1).ok()
    }

    /// Two digits are a year of the twentieth century.
    fn year(&mut self) -> Option<i16> {
        let before = self.rest.len();
        let year = self.digits(2, 4)?;
        match before - self.rest.len() {
            2 => Some(1900 + year),
            4 => Some(year),
            _ => None,
        }
    }

    /// The time, whether it is the midnight that ends the day, and minutes east of UTC.
    fn time(&mut self) -> Option<(civil::Time, bool, i16)> {
        let hour = self.digits(1, 2)?;
        self.sign(':').then_some(())?;
        let minute = self.digits(2, 2)?;
        let (mut second, mut nanos) = (0, 0);
        if self.sign(':') {
            second = self.digits(2, 2)?;
            if self.sign('.') {
                let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
                let (fraction, rest) = self.rest.split_at(length);
                self.rest = rest;
                let kept = fraction.get(..length.min(9))?;
                nanos = format!("{kept:0<9}").parse().ok().filter(|_| length > 0)?;
            }
        }
        let mut ahead = *self;
        ahead.space();
        let offset = match ahead.zone() {
            Some(offset) => {
                *self = ahead;
                offset?
            }
            None => 0,
        };
        let narrow = |value: i16| i8::try_from(value).ok();
        let end = (hour, minute, second, nanos) == (24, 0, 0, 0);
        let hour = if end { 0 } else { hour };
        let time = civil::Time::new(narrow(hour)?, narrow(minute)?, narrow(second)?, nanos).ok()?;
        Some((time, end, offset))
    }

    /// Minutes east of UTC; the outer `None` when no zone follows, the inner one when it is wrong.
    fn zone(&mut self) -> Option<Option<i16>> {
        if self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let word = self.word();
            return Some(ZONES.iter().find(|(name, _)| *name == word).map(|(_, hours)| hours * 60));
        }
        let negative = self.sign('-');
        if !negative && !self.sign('+') {
            return None;
        }
        Some(self.offset().map(|minutes| if negative { -minutes } else { minutes }))
    }

    fn offset(&mut self) -> Option<i16> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let hours = self.digits(1, if count == 3 { 1 } else { 2 })?;
        self.sign(':');
        let minutes = if self.rest.starts_with(|c: char| c.is_ascii_digit()) { self.digits(2, 2)? } else { 0 };
        let mut ahead = *self;
        ahead.space();
        if ahead.sign('(') {
            ahead.space();
            let word = ahead.word();
            ahead.space();
            let known = ZONES.iter().any(|(name, _)| *name == word);
            (known && ahead.sign(')')).then_some(())?;
            *self = ahead;
        }
        let offset = hours * 60 + minutes;
        (minutes < 60 && offset <= 14 * 60).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_of_mails_are_read() {
        for (text, shown) in [
            ("Wed, 06 Jun 1994 07:29:35 GMT", Some("1994-06-06T07:29:35Z")),
            ("Wed, 6 Jun 94 07:29:35 GMT", Some("1994-06-06T07:29:35Z")),
            ("Wed Jun 06 11:54:45 EST 2013", Some("2013-06-06T11:54:45-05:00")),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some("1994-11-06T08:49:37Z")),
            ("Wed, 6 Jun 94 07:29:35 +0500", Some("1994-06-06T07:29:35+05:00")),
            (" 6 jun 1994 7:29 -5:30 (EST) ", Some("1994-06-06T07:29:00-05:30")),
            ("Sun Nov  6 08:49:37.5 1994", Some("1994-11-06T08:49:37.5Z")),
            ("Sun, 06 Nov 1994 24:00 GMT", Some("1994-11-07T00:00:00Z")),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 XYZ", None),
            ("Sun, 06 Nov 994 08:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(super::parse(text).map(|moment| moment.to_string()).as_deref(), shown, "{text}");
        }
    }
}
