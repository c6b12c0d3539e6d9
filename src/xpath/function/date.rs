//! Functions on dates, times and durations (F&O 3.1 §8, §9).

use super::{Call, Function, Yields::Other, date_picture, string};
use crate::{
    document::Decimal,
    xpath::{
        Date, DateTime, Duration, Failure, Item, Time, Value,
        cast::{AtomicType, cast},
        temporal::{DAY, SECOND},
    },
};

macro_rules! component {
    ($name:literal, $of:literal, $doc:literal, $example:literal, $shown:literal, $type:ident, |$value:ident| $part:expr) => {
        Function {
            name: $name,
            arity: (1, 1),
            signature: concat!($name, "($value as ", $of, "?) as xs:integer?"),
            doc: $doc,
            examples: &[($example, $shown)],
            yields: Other,
            call: |call| {
                component(call, AtomicType::$type, |item| match item {
                    Item::$type($value) => Some(Item::Integer(Decimal::from(i64::from($part)))),
                    _ => None,
                })
            },
        }
    };
}

macro_rules! seconds {
    ($name:literal, $of:literal, $example:literal, $shown:literal, $type:ident, |$value:ident| $time:expr) => {
        Function {
            name: $name,
            arity: (1, 1),
            signature: concat!($name, "($value as ", $of, "?) as xs:decimal?"),
            doc: "The seconds, with fraction.",
            examples: &[($example, $shown)],
            yields: Other,
            call: |call| {
                component(call, AtomicType::$type, |item| match item {
                    Item::$type($value) => {
                        seconds(i64::from($time.second()), i64::from($time.subsec_nanosecond()), 1_000_000_000)
                    }
                    _ => None,
                })
            },
        }
    };
}

macro_rules! part {
    ($name:literal, $doc:literal, $example:literal, $shown:literal, |$value:ident| $part:expr) => {
        Function {
            name: $name,
            arity: (1, 1),
            signature: concat!($name, "($value as xs:duration?) as xs:integer?"),
            doc: $doc,
            examples: &[($example, $shown)],
            yields: Other,
            call: |call| {
                component(call, AtomicType::Duration, |item| match item {
                    Item::Duration($value) => Some(Item::Integer(Decimal::from($part))),
                    _ => None,
                })
            },
        }
    };
}

pub(super) const TABLE: &[Function] = &[
    component!("year-from-date", "xs:date", "The year.", "year-from-date(xs:date('2013-06-18'))", "2013", Date, |v| v
        .day
        .year()),
    component!("month-from-date", "xs:date", "The month.", "month-from-date(xs:date('2013-06-18'))", "6", Date, |v| v
        .day
        .month()),
    component!(
        "day-from-date",
        "xs:date",
        "The day of the month.",
        "day-from-date(xs:date('2013-06-18'))",
        "18",
        Date,
        |v| v.day.day()
    ),
    component!(
        "year-from-dateTime",
        "xs:dateTime",
        "The year.",
        "year-from-dateTime(xs:dateTime('2013-06-18T08:30:05'))",
        "2013",
        DateTime,
        |v| v.local.year()
    ),
    component!(
        "month-from-dateTime",
        "xs:dateTime",
        "The month.",
        "month-from-dateTime(xs:dateTime('2013-06-18T08:30:05'))",
        "6",
        DateTime,
        |v| v.local.month()
    ),
    component!(
        "day-from-dateTime",
        "xs:dateTime",
        "The day of the month.",
        "day-from-dateTime(xs:dateTime('2013-06-18T08:30:05'))",
        "18",
        DateTime,
        |v| v.local.day()
    ),
    component!(
        "hours-from-dateTime",
        "xs:dateTime",
        "The hour.",
        "hours-from-dateTime(xs:dateTime('2013-06-18T08:30:05'))",
        "8",
        DateTime,
        |v| v.local.hour()
    ),
    component!(
        "minutes-from-dateTime",
        "xs:dateTime",
        "The minute.",
        "minutes-from-dateTime(xs:dateTime('2013-06-18T08:30:05'))",
        "30",
        DateTime,
        |v| v.local.minute()
    ),
    seconds!(
        "seconds-from-dateTime",
        "xs:dateTime",
        "seconds-from-dateTime(xs:dateTime('2013-06-18T08:30:05.5'))",
        "5.5",
        DateTime,
        |v| v.local
    ),
    component!("hours-from-time", "xs:time", "The hour.", "hours-from-time(xs:time('08:30:05'))", "8", Time, |v| v
        .time
        .hour()),
    component!(
        "minutes-from-time",
        "xs:time",
        "The minute.",
        "minutes-from-time(xs:time('08:30:05'))",
        "30",
        Time,
        |v| v.time.minute()
    ),
    seconds!("seconds-from-time", "xs:time", "seconds-from-time(xs:time('08:30:05'))", "5", Time, |v| v.time),
    part!("years-from-duration", "The whole years.", "years-from-duration(xs:yearMonthDuration('P14M'))", "1", |v| {
        i64::from(v.months / 12)
    }),
    part!(
        "months-from-duration",
        "The months beyond whole years.",
        "months-from-duration(xs:yearMonthDuration('P14M'))",
        "2",
        |v| i64::from(v.months % 12)
    ),
    part!(
        "days-from-duration",
        "The whole days.",
        "days-from-duration(xs:date('2013-06-18') - xs:date('2013-06-01'))",
        "17",
        |v| v.micros / DAY
    ),
    part!(
        "hours-from-duration",
        "The hours beyond whole days.",
        "hours-from-duration(xs:dayTimeDuration('P1DT5H'))",
        "5",
        |v| v.micros / (3_600 * SECOND) % 24
    ),
    part!(
        "minutes-from-duration",
        "The minutes beyond whole hours.",
        "minutes-from-duration(xs:dayTimeDuration('PT65M'))",
        "5",
        |v| v.micros / (60 * SECOND) % 60
    ),
    Function {
        name: "seconds-from-duration",
        arity: (1, 1),
        signature: "seconds-from-duration($value as xs:duration?) as xs:decimal?",
        doc: "The seconds beyond whole minutes.",
        examples: &[("seconds-from-duration(xs:dayTimeDuration('PT65.5S'))", "5.5")],
        yields: Other,
        call: |call| {
            component(call, AtomicType::Duration, |item| match item {
                Item::Duration(Duration { micros, .. }) => seconds(0, micros % (60 * SECOND), SECOND),
                _ => None,
            })
        },
    },
    Function {
        name: "dateTime",
        arity: (2, 2),
        signature: "dateTime($date as xs:date?, $time as xs:time?) as xs:dateTime?",
        doc: "A date and a time of day together.",
        examples: &[("dateTime(xs:date('2013-06-18'), xs:time('08:30:00'))", "2013-06-18T08:30:00")],
        yields: Other,
        call: |call| {
            let (Some(date), Some(time)) = (typed(call, 0, AtomicType::Date)?, typed(call, 1, AtomicType::Time)?)
            else {
                return Ok(Value::Empty);
            };
            let (Item::Date(date), Item::Time(time)) = (date, time) else { return Ok(Value::Empty) };
            let offset = match (date.offset, time.offset) {
                (Some(a), Some(b)) if a != b => {
                    return Err(Failure::error("FORG0008", "date and time have different time zones"));
                }
                (a, b) => a.or(b),
            };
            Ok(Item::DateTime(DateTime { local: date.day.to_datetime(time.time), offset }).into())
        },
    },
    Function {
        name: "format-date",
        arity: (2, 2),
        signature: "format-date($value as xs:date?, $picture as xs:string) as xs:string?",
        doc: "The date written after a picture: `[Y0001]` year, `[M01]` month, `[D01]` day, `[MNn]` month name, `[F]` weekday.",
        examples: &[
            ("format-date(xs:date('2013-06-08'), '[Y0001]-[M01]-[D01]')", "2013-06-08"),
            ("format-date(xs:date('2013-06-08'), '[D].[M].[Y01]')", "8.6.13"),
            ("format-date(xs:date('2013-06-08'), '[Y]年[M]月[D]日')", "2013年6月8日"),
        ],
        yields: Other,
        call: |call| formatted(call, AtomicType::Date),
    },
    Function {
        name: "format-dateTime",
        arity: (2, 2),
        signature: "format-dateTime($value as xs:dateTime?, $picture as xs:string) as xs:string?",
        doc: "Date and time written after a picture; also `[H01]` hour, `[h]` of 12, `[P]` am/pm, `[m01]`, `[s01]`, `[f001]`, `[Z]`.",
        examples: &[(
            "format-dateTime(xs:dateTime('2013-06-18T08:30:05'), '[Y0001][M01][D01] [H01]:[m01]:[s01]')",
            "20130618 08:30:05",
        )],
        yields: Other,
        call: |call| formatted(call, AtomicType::DateTime),
    },
    Function {
        name: "format-time",
        arity: (2, 2),
        signature: "format-time($value as xs:time?, $picture as xs:string) as xs:string?",
        doc: "The time written after a picture.",
        examples: &[("format-time(xs:time('20:30:05'), '[h]:[m01] [PN]')", "8:30 PM")],
        yields: Other,
        call: |call| formatted(call, AtomicType::Time),
    },
    Function {
        name: "adjust-dateTime-to-timezone",
        arity: (2, 2),
        signature: "adjust-dateTime-to-timezone($value as xs:dateTime?, $zone as xs:dayTimeDuration?) as xs:dateTime?",
        doc: "The same moment in another zone; without a zone before, or for an empty one, only the zone is changed.",
        examples: &[
            (
                "adjust-dateTime-to-timezone(xs:dateTime('2026-01-31T17:00:00Z'), xs:dayTimeDuration('PT8H'))",
                "2026-02-01T01:00:00+08:00",
            ),
            ("adjust-dateTime-to-timezone(xs:dateTime('2026-01-31T17:00:00Z'), ())", "2026-01-31T17:00:00"),
        ],
        yields: Other,
        call: adjust,
    },
];

fn seconds(whole: i64, fraction: i64, unit: i64) -> Option<Item> {
    let fraction = Decimal::from(fraction).divide(Decimal::from(unit)).ok()?;
    Decimal::from(whole).add(fraction).ok().map(Item::Decimal)
}

/// The argument as a type; untyped text and strings are cast.
fn typed(call: &Call<'_>, at: usize, to: AtomicType) -> Result<Option<Item>, Failure> {
    let Some(item) = call.optional(at)? else { return Ok(None) };
    let castable = matches!(item, Item::Node(..) | Item::Untyped(_) | Item::String(_)) || to.covers(item);
    let shortened = to == AtomicType::Date && matches!(item, Item::DateTime(_));
    if !castable && !shortened {
        let text = format!("argument {} must be an xs:{}, not a value of type {}", at + 1, to.name(), item.type_name());
        return Err(Failure::error("XPTY0004", text));
    }
    cast(call.frame, item, to).map(Some)
}

/// `fn:adjust-dateTime-to-timezone` (F&O 3.1 §9.6.1).
fn adjust(call: &Call<'_>) -> Result<Value, Failure> {
    let Some(Item::DateTime(DateTime { local, offset })) = typed(call, 0, AtomicType::DateTime)? else {
        return Ok(Value::Empty);
    };
    let Some(Item::Duration(zone)) = typed(call, 1, AtomicType::DayTime)? else {
        return Ok(Item::DateTime(DateTime { local, offset: None }).into());
    };
    let minutes = zone.micros / (60 * SECOND);
    let whole = minutes * 60 * SECOND == zone.micros && zone.months == 0 && minutes.abs() <= 14 * 60;
    let (true, Ok(minutes)) = (whole, i16::try_from(minutes)) else {
        return Err(Failure::error("FODT0003", "a time zone is whole minutes from -PT14H to PT14H"));
    };
    let moved = i64::from(minutes - offset.unwrap_or(minutes));
    let local = local
        .checked_add(jiff::SignedDuration::from_mins(moved))
        .map_err(|_| Failure::error("FODT0001", "the moment lies outside the years that can be represented"))?;
    Ok(Item::DateTime(DateTime { local, offset: Some(minutes) }).into())
}

fn component(call: &Call<'_>, of: AtomicType, part: fn(&Item) -> Option<Item>) -> Result<Value, Failure> {
    Ok(typed(call, 0, of)?.and_then(|item| part(&item)).into())
}

fn formatted(call: &Call<'_>, of: AtomicType) -> Result<Value, Failure> {
    let Some(item) = typed(call, 0, of)? else { return Ok(Value::Empty) };
    let parts = match item {
        Item::Date(Date { day, offset }) => date_picture::Moment { day: Some(day), time: None, offset },
        Item::Time(Time { time, offset }) => date_picture::Moment { day: None, time: Some(time), offset },
        Item::DateTime(DateTime { local, offset }) => {
            date_picture::Moment { day: Some(local.date()), time: Some(local.time()), offset }
        }
        _ => return Ok(Value::Empty),
    };
    string(date_picture::format(&call.string(1)?, &parts)?)
}
