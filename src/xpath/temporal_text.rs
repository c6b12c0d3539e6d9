//! Dates, times and durations from text (XSD 1.1 part 2 §3.3.6–3.3.14, §3.4.26, §3.4.27).

use jiff::civil;

use super::{
    Date, DateTime, Duration, DurationKind, Gregorian, GregorianKind, Time,
    temporal::{DAY, SECOND},
};

/// Why a text is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It has not the form.
    Form,
    /// The value is beyond what can be represented: years -9999 to 9999, microseconds in 64 bits.
    Range,
}

use Unreadable::{Form, Range};

type Read<T> = Result<T, Unreadable>;

/// The value of a run of digits, as many as are asked for.
fn digits(text: &str, count: usize) -> Read<i8> {
    let fits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().map_err(|_| Form) } else { Err(Form) }
}

/// The value of a run of digits of any length.
fn amount(text: &str) -> Read<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Form);
    }
    text.parse().map_err(|_| Range)
}

/// Digits after the point as so many decimal places; further ones are cut off.
fn fraction(text: &str, places: u32) -> Read<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Form);
    }
    let kept = &text[..text.len().min(places as usize)];
    let missing = places - u32::try_from(kept.len()).unwrap_or(places);
    kept.parse::<i64>().map(|value| value * 10_i64.pow(missing)).map_err(|_| Form)
}

/// Splits a trailing zone off: `Z`, `+08:00`; minutes east of UTC.
fn split_zone(text: &str) -> Read<(&str, Option<i16>)> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Ok((rest, Some(0)));
    }
    let Some(start) = text.len().checked_sub(6) else { return Ok((text, None)) };
    let (Some(rest), Some(zone)) = (text.get(..start), text.get(start..)) else { return Ok((text, None)) };
    let Some((hours, minutes)) = zone.split_once(':') else { return Ok((text, None)) };
    let (sign, hours) = match (hours.strip_prefix('+'), hours.strip_prefix('-')) {
        (Some(hours), _) => (1, hours),
        (_, Some(hours)) => (-1, hours),
        _ => return Ok((text, None)),
    };
    let (hours, minutes) = (i16::from(digits(hours, 2)?), i16::from(digits(minutes, 2)?));
    if minutes > 59 || hours * 60 + minutes > 14 * 60 {
        return Err(Form);
    }
    Ok((rest, Some(sign * (hours * 60 + minutes))))
}

/// A year of at least four digits, without a leading zero when there are more; and what follows.
fn year(text: &str) -> Read<(Read<i16>, &str)> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (year, rest) = rest.split_at(length);
    if length < 4 || (length > 4 && year.starts_with('0')) {
        return Err(Form);
    }
    let year = match year.parse::<i16>() {
        Ok(year) if year <= 9999 => Ok(if negative { -year } else { year }),
        _ => Err(Range),
    };
    Ok((year, rest))
}

/// A day; a year that cannot be represented is only an error when the rest has the form.
fn day_of(year: Read<i16>, month: i8, day: i8) -> Read<civil::Date> {
    let stand_in = year.unwrap_or(2000);
    let day = civil::Date::new(stand_in, month, day).map_err(|_| Form)?;
    year.map(|_| day)
}

fn civil_date(text: &str) -> Read<civil::Date> {
    let (year, rest) = year(text)?;
    let (month, day) = rest.strip_prefix('-').and_then(|rest| rest.split_once('-')).ok_or(Form)?;
    day_of(year, digits(month, 2)?, digits(day, 2)?)
}

/// The time, and whether it is `24:00:00`, the next day's midnight.
fn civil_time(text: &str) -> Read<(civil::Time, bool)> {
    let (hour, rest) = text.split_once(':').ok_or(Form)?;
    let (minute, second) = rest.split_once(':').ok_or(Form)?;
    let (second, nanos) = match second.split_once('.') {
        Some((second, part)) => (second, fraction(part, 9)?),
        None => (second, 0),
    };
    let nanos = i32::try_from(nanos).map_err(|_| Form)?;
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    if (hour, minute, second, nanos) == (24, 0, 0, 0) {
        return Ok((civil::Time::midnight(), true));
    }
    civil::Time::new(hour, minute, second, nanos).map(|time| (time, false)).map_err(|_| Form)
}

/// `2013-06-18`, perhaps with a zone.
pub(super) fn date(text: &str) -> Read<Date> {
    let (text, offset) = split_zone(text)?;
    civil_date(text).map(|day| Date { day, offset })
}

/// `08:30:00.5`, perhaps with a zone.
pub(super) fn time(text: &str) -> Read<Time> {
    let (text, offset) = split_zone(text)?;
    civil_time(text).map(|(time, _)| Time { time, offset })
}

/// `2013-06-18T08:30:00`, perhaps with a zone.
pub(super) fn date_time(text: &str) -> Read<DateTime> {
    let (date, time) = text.split_once('T').ok_or(Form)?;
    let (time, offset) = split_zone(time)?;
    let (time, next_day) = civil_time(time)?;
    let mut day = civil_date(date)?;
    if next_day {
        day = day.tomorrow().map_err(|_| Range)?;
    }
    Ok(DateTime { local: civil::DateTime::from_parts(day, time), offset })
}

/// `2013`, `2013-06`, `--06`, `--06-18`, `---18`, as the kind says, perhaps with a zone.
pub(super) fn gregorian(text: &str, kind: GregorianKind) -> Read<Gregorian> {
    let (text, offset) = split_zone(text)?;
    let day = match kind {
        GregorianKind::Year => match year(text)? {
            (year, "") => day_of(year, 1, 1),
            _ => Err(Form),
        },
        GregorianKind::YearMonth => {
            let (year, rest) = year(text)?;
            day_of(year, digits(rest.strip_prefix('-').ok_or(Form)?, 2)?, 1)
        }
        GregorianKind::Month => day_of(Ok(1972), digits(text.strip_prefix("--").ok_or(Form)?, 2)?, 1),
        GregorianKind::MonthDay => {
            let (month, day) = text.strip_prefix("--").and_then(|rest| rest.split_once('-')).ok_or(Form)?;
            day_of(Ok(1972), digits(month, 2)?, digits(day, 2)?)
        }
        GregorianKind::Day => day_of(Ok(1972), 12, digits(text.strip_prefix("---").ok_or(Form)?, 2)?),
    }?;
    Ok(Gregorian::new(kind, day, offset))
}

/// `-P1Y2M3DT4H5M6.7S`; the kind says which parts are allowed.
pub(super) fn duration(text: &str, kind: DurationKind) -> Read<Duration> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let rest = rest.strip_prefix('P').ok_or(Form)?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return Err(Form),
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return Err(Form);
    }
    let wrong = match kind {
        DurationKind::Any => false,
        DurationKind::YearMonth => days.contains('D') || !time.is_empty(),
        DurationKind::DayTime => days.contains(['Y', 'M']),
    };
    if wrong {
        return Err(Form);
    }
    // months and microseconds; what is too large is only an error when the rest has the form
    let (mut months, mut micros) = (Ok(0_i64), Ok(0_i64));
    let mut read = |part: &str, units: &[(char, i64)], months_too: bool| -> Read<()> {
        let (mut rest, mut units) = (part, units.iter());
        while !rest.is_empty() {
            let at = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(Form)?;
            let (number, after) = rest.split_at(at);
            let letter = after.chars().next().ok_or(Form)?;
            let (unit, size) = units.by_ref().find(|(unit, _)| *unit == letter).ok_or(Form)?;
            let (whole, part) = match number.split_once('.') {
                Some((whole, part)) if *unit == 'S' => (whole, fraction(part, 6)?),
                Some(_) => return Err(Form),
                None => (number, 0),
            };
            let more = match amount(whole) {
                Err(Form) => return Err(Form),
                Err(Range) => Err(Range),
                Ok(whole) => whole.checked_mul(*size).and_then(|whole| whole.checked_add(part)).ok_or(Range),
            };
            let sum = if months_too && *unit != 'D' { &mut months } else { &mut micros };
            *sum = sum.and_then(|sum| sum.checked_add(more?).ok_or(Range));
            rest = &after[letter.len_utf8()..];
        }
        Ok(())
    };
    read(days, &[('Y', 12), ('M', 1), ('D', DAY)], true)?;
    read(time, &[('H', 3_600 * SECOND), ('M', 60 * SECOND), ('S', SECOND)], false)?;
    let sign = if negative { -1 } else { 1 };
    let months = i32::try_from(months? * sign).map_err(|_| Range)?;
    Ok(Duration { kind, months, micros: micros? * sign })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_or_refused_for_a_reason() {
        for (text, why) in [
            ("2013-06-18", None),
            ("-0044-03-15Z", None),
            ("2013-06-18+14:00", None),
            ("2013-06-18+14:01", Some(Form)),
            ("2013-6-18", Some(Form)),
            ("2013-02-29", Some(Form)),
            ("02013-06-18", Some(Form)),
            ("12013-06-18", Some(Range)),
            ("12013-06-31", Some(Form)),
            ("2013-06-18é00:00", Some(Form)),
        ] {
            assert_eq!(date(text).err(), why, "{text}");
        }
        for (text, why) in [
            ("P1Y2M3DT4H5M6.7S", None),
            ("-PT0.0000001S", None),
            ("P1YT", Some(Form)),
            ("P", Some(Form)),
            ("P1S", Some(Form)),
            ("PT1.S", Some(Form)),
            ("P1M1Y", Some(Form)),
            ("P999999999999Y", Some(Range)),
            ("P999999999999YX", Some(Form)),
        ] {
            assert_eq!(duration(text, DurationKind::Any).err(), why, "{text}");
        }
        assert_eq!(duration("P1D", DurationKind::YearMonth).err(), Some(Form));
        assert_eq!(duration("P1M", DurationKind::DayTime).err(), Some(Form));
    }

    #[test]
    fn parts_of_dates_show_what_was_read() {
        for (kind, text) in [
            (GregorianKind::Year, "-0044"),
            (GregorianKind::YearMonth, "2013-06+08:00"),
            (GregorianKind::Month, "--02Z"),
            (GregorianKind::MonthDay, "--02-29"),
            (GregorianKind::Day, "---31-05:00"),
        ] {
            assert_eq!(gregorian(text, kind).map(|value| value.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(gregorian("--13", GregorianKind::Month), Err(Form));
        assert_eq!(gregorian("--02-30", GregorianKind::MonthDay), Err(Form));
    }
}
