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

/// A part of a date that comes again (XSD 1.0 part 2 §3.2.10–3.2.14). The parts it has not are those of 1972-12-31.
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

/// Splits a trailing zone off: `Z`, `+08:00`.
fn split_zone(text: &str) -> Option<(&str, Option<i16>)> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Some((rest, Some(0)));
    }
    let Some(start) = text.len().checked_sub(6) else { return Some((text, None)) };
    let (Some(rest), Some(zone)) = (text.get(..start), text.get(start..)) else { return Some((text, None)) };
    let bytes = zone.as_bytes();
    if !matches!(bytes[0], b'+' | b'-') || bytes[3] != b':' {
        return Some((text, None));
    }
    let (hours, minutes) = (digits(&zone[1..3])?, digits(&zone[4..6])?);
    if minutes > 59 || hours * 60 + minutes > 14 * 60 {
        return None;
    }
    let offset = i16::try_from(hours * 60 + minutes).ok()?;
    Some((rest, Some(if bytes[0] == b'-' { -offset } else { offset })))
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn civil_date(text: &str) -> Option<civil::Date> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut parts = rest.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() < 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let year = i16::try_from(digits(year)?).ok()?;
    let year = if negative { -year } else { year };
    civil::Date::new(year, i8::try_from(digits(month)?).ok()?, i8::try_from(digits(day)?).ok()?).ok()
}

/// The time, and whether it is `24:00:00`, the next day's midnight.
fn civil_time(text: &str) -> Option<(civil::Time, bool)> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    if parts.next().is_some() || hour.len() != 2 || minute.len() != 2 || second.len() != 2 {
        return None;
    }
    let narrow = |text: &str| digits(text).and_then(|value| i8::try_from(value).ok());
    digits(fraction)?;
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos = i32::try_from(digits(&nanos)?).ok()?;
    let (hour, minute, second) = (narrow(hour)?, narrow(minute)?, narrow(second)?);
    if (hour, minute, second, nanos) == (24, 0, 0, 0) {
        return Some((civil::Time::midnight(), true));
    }
    civil::Time::new(hour, minute, second, nanos).ok().map(|time| (time, false))
}

pub(super) fn parse_date(text: &str) -> Option<Date> {
    let (text, offset) = split_zone(text)?;
    civil_date(text).map(|day| Date { day, offset })
}

pub(super) fn parse_time(text: &str) -> Option<Time> {
    let (text, offset) = split_zone(text)?;
    civil_time(text).map(|(time, _)| Time { time, offset })
}

pub(super) fn parse_date_time(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once('T')?;
    let (time, offset) = split_zone(time)?;
    let (time, next_day) = civil_time(time)?;
    let mut day = civil_date(date)?;
    if next_day {
        day = day.tomorrow().ok()?;
    }
    Some(DateTime { local: civil::DateTime::from_parts(day, time), offset })
}

/// `-P1Y2M3DT4H5M6.7S`; the kind says which parts are allowed.
pub(super) fn parse_duration(text: &str, kind: DurationKind) -> Option<Duration> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let (mut months, mut micros) = (0_i64, 0_i64);
    let mut read = |part: &str, units: &[(char, i64, bool)]| -> Option<()> {
        let (mut rest, mut units) = (part, units.iter());
        while !rest.is_empty() {
            let at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, after) = rest.split_at(at);
            let letter = after.chars().next()?;
            let (_, size, is_month) = units.by_ref().find(|(unit, ..)| *unit == letter)?;
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            if letter != 'S' && number.contains('.') {
                return None;
            }
            let amount = digits(whole)?.checked_mul(*size)?;
            if *is_month {
                months = months.checked_add(amount)?;
            } else {
                digits(fraction)?;
                let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(6).collect();
                let fraction = if letter == 'S' { digits(&fraction)? } else { 0 };
                micros = micros.checked_add(amount)?.checked_add(fraction)?;
            }
            rest = &after[letter.len_utf8()..];
        }
        Some(())
    };
    read(days, &[('Y', 12, true), ('M', 1, true), ('D', DAY, false)])?;
    read(time, &[('H', 3_600 * SECOND, false), ('M', 60 * SECOND, false), ('S', SECOND, false)])?;
    let wrong = match kind {
        DurationKind::Any => false,
        DurationKind::YearMonth => days.contains('D') || rest.contains('T'),
        DurationKind::DayTime => days.contains(['Y', 'M']),
    };
    let sign = if negative { -1 } else { 1 };
    (!wrong).then_some(())?;
    Some(Duration { kind, months: i32::try_from(months * sign).ok()?, micros: micros * sign })
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
