//! Dates, times and durations (XSD 1.0 part 2 §3.2.6–3.2.9) and their arithmetic (F&O 3.1 §9).

use std::fmt;

use jiff::civil;

/// An `xs:date`, perhaps with a time zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Date {
    /// The day.
    pub day: civil::Date,
    /// Minutes east of UTC.
    pub offset: Option<i16>,
}

/// An `xs:time`, perhaps with a time zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// The time of day.
    pub time: civil::Time,
    /// Minutes east of UTC.
    pub offset: Option<i16>,
}

/// An `xs:dateTime`, perhaps with a time zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DateTime {
    /// Day and time.
    pub local: civil::DateTime,
    /// Minutes east of UTC.
    pub offset: Option<i16>,
}

/// Which duration type a [`Duration`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationKind {
    /// `xs:duration`.
    Any,
    /// `xs:yearMonthDuration`.
    YearMonth,
    /// `xs:dayTimeDuration`.
    DayTime,
}

/// A duration: months and microseconds, both of the same sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Duration {
    /// Its type.
    pub kind: DurationKind,
    /// Months.
    pub months: i32,
    /// Microseconds.
    pub micros: i64,
}

impl Duration {
    pub(super) fn type_name(self) -> &'static str {
        match self.kind {
            DurationKind::Any => "xs:duration",
            DurationKind::YearMonth => "xs:yearMonthDuration",
            DurationKind::DayTime => "xs:dayTimeDuration",
        }
    }
}

fn zone(f: &mut fmt::Formatter<'_>, offset: Option<i16>) -> fmt::Result {
    match offset {
        None => Ok(()),
        Some(0) => f.write_str("Z"),
        Some(minutes) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let minutes = minutes.unsigned_abs();
            write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    }
}

fn day(f: &mut fmt::Formatter<'_>, day: civil::Date) -> fmt::Result {
    let sign = if day.year() < 0 { "-" } else { "" };
    write!(f, "{sign}{:04}-{:02}-{:02}", day.year().unsigned_abs(), day.month(), day.day())
}

fn time(f: &mut fmt::Formatter<'_>, time: civil::Time) -> fmt::Result {
    write!(f, "{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())?;
    match time.subsec_nanosecond() {
        0 => Ok(()),
        nanos => write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// `2013-06-18`, with the zone when there is one.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        day(f, self.day)?;
        zone(f, self.offset)
    }
}

/// `08:30:00`, with the zone when there is one.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        time(f, self.time)?;
        zone(f, self.offset)
    }
}

/// `2013-06-18T08:30:00`, with the zone when there is one.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        day(f, self.local.date())?;
        f.write_str("T")?;
        time(f, self.local.time())?;
        zone(f, self.offset)
    }
}

/// The canonical form: `P1Y2M`, `P3DT4H5.5S`, `PT0S`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months == 0 && self.micros == 0 {
            return f.write_str(if self.kind == DurationKind::YearMonth { "P0M" } else { "PT0S" });
        }
        let sign = if self.months < 0 || self.micros < 0 { "-" } else { "" };
        write!(f, "{sign}P")?;
        let months = self.months.unsigned_abs();
        let micros = self.micros.unsigned_abs();
        let part = |f: &mut fmt::Formatter<'_>, amount: u64, unit: char| match amount {
            0 => Ok(()),
            amount => write!(f, "{amount}{unit}"),
        };
        part(f, u64::from(months / 12), 'Y')?;
        part(f, u64::from(months % 12), 'M')?;
        part(f, micros / 86_400_000_000, 'D')?;
        let rest = micros % 86_400_000_000;
        if rest == 0 {
            return Ok(());
        }
        f.write_str("T")?;
        part(f, rest / 3_600_000_000, 'H')?;
        part(f, rest / 60_000_000 % 60, 'M')?;
        let (seconds, fraction) = (rest / 1_000_000 % 60, rest % 1_000_000);
        match (seconds, fraction) {
            (0, 0) => Ok(()),
            (seconds, 0) => write!(f, "{seconds}S"),
            (seconds, fraction) => write!(f, "{seconds}.{}S", format!("{fraction:06}").trim_end_matches('0')),
        }
    }
}
