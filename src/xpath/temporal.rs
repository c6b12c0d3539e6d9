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

/// Which type a [`Gregorian`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GregorianKind {
    /// `xs:gYear`.
    Year,
    /// `xs:gYearMonth`.
    YearMonth,
    /// `xs:gMonth`.
    Month,
    /// `xs:gMonthDay`.
    MonthDay,
    /// `xs:gDay`.
    Day,
}

/// A part of a date that comes again (XSD 1.0 part 2 §3.2.10–3.2.14). The parts it has not are those of the first day it
/// can be; the year 1972, as a leap year, and December stand for any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gregorian {
    /// Its type.
    pub kind: GregorianKind,
    /// Year, month and day.
    pub day: civil::Date,
    /// Minutes east of UTC.
    pub offset: Option<i16>,
}

impl Gregorian {
    /// The part of a date that a kind is.
    pub(super) fn new(kind: GregorianKind, of: civil::Date, offset: Option<i16>) -> Self {
        let day = match kind {
            GregorianKind::Year => civil::Date::new(of.year(), 1, 1),
            GregorianKind::YearMonth => civil::Date::new(of.year(), of.month(), 1),
            GregorianKind::Month => civil::Date::new(1972, of.month(), 1),
            GregorianKind::MonthDay => civil::Date::new(1972, of.month(), of.day()),
            GregorianKind::Day => civil::Date::new(1972, 12, of.day()),
        };
        Self { kind, day: day.unwrap_or(of), offset }
    }

    pub(super) fn type_name(self) -> &'static str {
        match self.kind {
            GregorianKind::Year => "xs:gYear",
            GregorianKind::YearMonth => "xs:gYearMonth",
            GregorianKind::Month => "xs:gMonth",
            GregorianKind::MonthDay => "xs:gMonthDay",
            GregorianKind::Day => "xs:gDay",
        }
    }
}

/// `2013`, `2013-06`, `--06`, `--06-18`, `---18`, with the zone when there is one.
impl fmt::Display for Gregorian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.day.year() < 0 { "-" } else { "" };
        let (year, month, day) = (self.day.year().unsigned_abs(), self.day.month(), self.day.day());
        match self.kind {
            GregorianKind::Year => write!(f, "{sign}{year:04}")?,
            GregorianKind::YearMonth => write!(f, "{sign}{year:04}-{month:02}")?,
            GregorianKind::Month => write!(f, "--{month:02}")?,
            GregorianKind::MonthDay => write!(f, "--{month:02}-{day:02}")?,
            GregorianKind::Day => write!(f, "---{day:02}")?,
        }
        zone(f, self.offset)
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

/// Microseconds of a second.
pub(super) const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400 * SECOND;

pub(super) fn midnight(date: Date) -> DateTime {
    DateTime { local: date.day.to_datetime(civil::Time::midnight()), offset: date.offset }
}

/// Microseconds of the time of day.
fn time_micros(time: civil::Time) -> i64 {
    let seconds = i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * SECOND + i64::from(time.subsec_nanosecond() / 1_000)
}

/// Days since 1970-01-01.
fn day_number(day: civil::Date) -> i64 {
    let epoch = civil::Date::constant(1970, 1, 1);
    day.duration_since(epoch).as_secs() / 86_400
}

/// Microseconds since 1970 in UTC; without a zone, UTC is meant (the implicit timezone).
pub(super) fn instant(value: DateTime) -> i64 {
    let offset = i64::from(value.offset.unwrap_or(0)) * 60 * SECOND;
    day_number(value.local.date()) * DAY + time_micros(value.local.time()) - offset
}

/// For comparing: the instant at which it begins.
pub(super) fn gregorian_instant(value: Gregorian) -> i64 {
    instant(midnight(Date { day: value.day, offset: value.offset }))
}

/// For comparing times: microseconds on a reference day, in UTC.
pub(super) fn time_instant(value: Time) -> i64 {
    time_micros(value.time) - i64::from(value.offset.unwrap_or(0)) * 60 * SECOND
}

fn from_local_micros(micros: i64, nanos: i32) -> Option<civil::DateTime> {
    let day =
        civil::Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(micros.div_euclid(DAY)).ok()?).ok()?;
    let rest = micros.rem_euclid(DAY);
    let seconds = rest / SECOND;
    let part = |value: i64| i8::try_from(value).ok();
    let nanos = i32::try_from(rest % SECOND).ok()? * 1_000 + nanos;
    let time = civil::Time::new(part(seconds / 3_600)?, part(seconds / 60 % 60)?, part(seconds % 60)?, nanos).ok()?;
    Some(civil::DateTime::from_parts(day, time))
}

/// A moment moved by a duration: months first, the day clipped to the month's end (F&O 3.1 §9.7); `None` beyond the
/// calendar.
pub(super) fn plus(value: DateTime, duration: Duration) -> Option<DateTime> {
    let day = value.local.date().checked_add(jiff::Span::new().try_months(duration.months).ok()?).ok()?;
    let micros = day_number(day) * DAY + time_micros(value.local.time());
    let nanos = value.local.time().subsec_nanosecond() % 1_000;
    let local = from_local_micros(micros.checked_add(duration.micros)?, nanos)?;
    Some(DateTime { local, offset: value.offset })
}

/// A time of day moved by a duration, around the clock.
pub(super) fn time_plus(value: Time, duration: Duration) -> Option<Time> {
    let micros = (time_micros(value.time) + duration.micros % DAY).rem_euclid(DAY);
    let time = from_local_micros(micros, value.time.subsec_nanosecond() % 1_000)?.time();
    Some(Time { time, offset: value.offset })
}
