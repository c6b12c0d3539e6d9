//! Functions on dates, times and durations (F&O 3.1 §8, §9): their parts, zones, and text forms.

use jiff::civil;

use super::{
    Call, Function,
    Yields::Other,
    date_format::{self, Moment},
    ietf_date, string,
};
use crate::{
    document::Decimal,
    xpath::{
        Date, DateTime, Duration, DurationKind, Failure, Item, Time, Value,
        temporal::{DAY, SECOND},
    },
};

macro_rules! picture {
    () => {
        "$picture as xs:string, $language as xs:string? := (), $calendar as xs:string? := (), \
         $place as xs:string? := ()) as xs:string?"
    };
}

macro_rules! zone {
    ($name:literal, $of:literal, $example:literal) => {
        Function {
            name: $name,
            arity: (1, 1),
            signature: concat!($name, "($value as ", $of, "?) as xs:dayTimeDuration?"),
            doc: "The time zone; nothing without one.",
            examples: &[($example, "PT8H")],
            yields: Other,
            call: |call| component(call, zone_of),
        }
    };
}

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
                component(call, |item| match item {
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
                component(call, |item| match item {
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
                component(call, |item| match item {
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
            component(call, |item| match item {
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
            let (Some(Item::Date(date)), Some(Item::Time(time))) = (base(call, 0)?, base(call, 1)?) else {
                return Ok(Value::Empty);
            };
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
        arity: (2, 5),
        signature: concat!("format-date($value as xs:date?, ", picture!()),
        doc: "The date written after a picture: `[Y0001]` year, `[M01]` month, `[D01]` day, `[MNn]` month name, `[FNn]` weekday.",
        examples: &[
            ("format-date(xs:date('2013-06-08'), '[Y0001]-[M01]-[D01]')", "2013-06-08"),
            ("format-date(xs:date('2013-06-08'), '[D].[M].[Y01]')", "8.6.13"),
            ("format-date(xs:date('2013-06-08'), '[Y]年[M]月[D]日')", "2013年6月8日"),
            ("format-date(xs:date('2013-06-08'), '[FNn], [D1o] [MNn]', 'en', (), ())", "Saturday, 8th June"),
            ("format-date(xs:date('2013-06-08'), '[MNn][FNn]', 'zh', (), ())", "六月星期六"),
        ],
        yields: Other,
        call: formatted,
    },
    Function {
        name: "format-dateTime",
        arity: (2, 5),
        signature: concat!("format-dateTime($value as xs:dateTime?, ", picture!()),
        doc: "Date and time written after a picture; also `[H01]` hour, `[h]` of 12, `[P]` am/pm, `[m01]`, `[s01]`, `[f001]`, `[Z]`.",
        examples: &[(
            "format-dateTime(xs:dateTime('2013-06-18T08:30:05'), '[Y0001][M01][D01] [H01]:[m01]:[s01]')",
            "20130618 08:30:05",
        )],
        yields: Other,
        call: formatted,
    },
    Function {
        name: "format-time",
        arity: (2, 5),
        signature: concat!("format-time($value as xs:time?, ", picture!()),
        doc: "The time written after a picture.",
        examples: &[("format-time(xs:time('20:30:05'), '[h]:[m01] [PN]')", "8:30 PM")],
        yields: Other,
        call: formatted,
    },
    zone!("timezone-from-date", "xs:date", "timezone-from-date(xs:date('2013-06-18+08:00'))"),
    zone!("timezone-from-dateTime", "xs:dateTime", "timezone-from-dateTime(xs:dateTime('2013-06-18T08:30:00+08:00'))"),
    zone!("timezone-from-time", "xs:time", "timezone-from-time(xs:time('08:30:00+08:00'))"),
    Function {
        name: "implicit-timezone",
        arity: (0, 0),
        signature: "implicit-timezone() as xs:dayTimeDuration",
        doc: "The zone that is meant where none is written: UTC.",
        examples: &[("implicit-timezone()", "PT0S")],
        yields: Other,
        call: |_| Ok(zone_item(0).into()),
    },
    Function {
        name: "adjust-date-to-timezone",
        arity: (1, 2),
        signature: "adjust-date-to-timezone($value as xs:date?, $zone as xs:dayTimeDuration? := implicit-timezone()) as xs:date?",
        doc: "The day its first moment lies on in another zone; without a zone before, or for an empty one, only the zone is changed.",
        examples: &[
            ("adjust-date-to-timezone(xs:date('2026-01-31+08:00'), xs:dayTimeDuration('PT0S'))", "2026-01-30Z"),
            ("adjust-date-to-timezone(xs:date('2026-01-31+08:00'), ())", "2026-01-31"),
        ],
        yields: Other,
        call: adjust,
    },
    Function {
        name: "adjust-dateTime-to-timezone",
        arity: (1, 2),
        signature: "adjust-dateTime-to-timezone($value as xs:dateTime?, $zone as xs:dayTimeDuration? := implicit-timezone()) as xs:dateTime?",
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
    Function {
        name: "adjust-time-to-timezone",
        arity: (1, 2),
        signature: "adjust-time-to-timezone($value as xs:time?, $zone as xs:dayTimeDuration? := implicit-timezone()) as xs:time?",
        doc: "The same time of day in another zone; without a zone before, or for an empty one, only the zone is changed.",
        examples: &[
            ("adjust-time-to-timezone(xs:time('17:00:00Z'), xs:dayTimeDuration('PT8H'))", "01:00:00+08:00"),
            ("adjust-time-to-timezone(xs:time('17:00:00Z'), ())", "17:00:00"),
        ],
        yields: Other,
        call: adjust,
    },
    Function {
        name: "parse-ietf-date",
        arity: (1, 1),
        signature: "parse-ietf-date($value as xs:string?) as xs:dateTime?",
        doc: "The moment of a date as mails and web servers write it.",
        examples: &[("parse-ietf-date('Wed, 06 Jun 1994 07:29:35 GMT')", "1994-06-06T07:29:35Z")],
        yields: Other,
        call: |call| match call.optional_string(0)? {
            None => Ok(Value::Empty),
            Some(text) => match ietf_date::parse(&text) {
                Some(moment) => Ok(Item::DateTime(moment).into()),
                None => Err(Failure::error("FORG0010", "the text is no date of a mail")),
            },
        },
    },
];

fn seconds(whole: i64, fraction: i64, unit: i64) -> Option<Item> {
    let fraction = Decimal::from(fraction).divide(Decimal::from(unit)).ok()?;
    Decimal::from(whole).add(fraction).ok().map(Item::Decimal)
}

/// The argument without its derived type.
fn base<'a>(call: &Call<'a>, at: usize) -> Result<Option<&'a Item>, Failure> {
    Ok(call.optional(at)?.map(Item::base))
}

fn component(call: &Call<'_>, part: fn(&Item) -> Option<Item>) -> Result<Value, Failure> {
    Ok(base(call, 0)?.and_then(part).into())
}

/// A zone as a duration, from minutes east of UTC.
fn zone_item(minutes: i16) -> Item {
    let micros = i64::from(minutes) * 60 * SECOND;
    Item::Duration(Duration { kind: DurationKind::DayTime, months: 0, micros })
}

fn zone_of(item: &Item) -> Option<Item> {
    match item {
        Item::Date(Date { offset, .. }) | Item::Time(Time { offset, .. }) | Item::DateTime(DateTime { offset, .. }) => {
            offset.map(zone_item)
        }
        _ => None,
    }
}

/// `fn:adjust-dateTime-to-timezone` and the two beside it (F&O 3.1 §9.6).
fn adjust(call: &Call<'_>) -> Result<Value, Failure> {
    let Some(value) = base(call, 0)? else { return Ok(Value::Empty) };
    let zone = match base(call, 1)? {
        Some(Item::Duration(zone)) => {
            let minutes = zone.micros / (60 * SECOND);
            let whole = minutes * 60 * SECOND == zone.micros && zone.months == 0 && minutes.abs() <= 14 * 60;
            match i16::try_from(minutes) {
                Ok(minutes) if whole => Some(minutes),
                _ => return Err(Failure::error("FODT0003", "a time zone is whole minutes from -PT14H to PT14H")),
            }
        }
        _ if call.has(1) => None,
        _ => Some(0),
    };
    let moved = |local: civil::DateTime, offset: Option<i16>| {
        let minutes = zone.map_or(0, |zone| i64::from(zone - offset.unwrap_or(zone)));
        local
            .checked_add(jiff::SignedDuration::from_mins(minutes))
            .map_err(|_| Failure::error("FODT0001", "the moment lies outside the years that can be represented"))
    };
    Ok(match value {
        Item::Date(Date { day, offset }) => {
            let local = moved(day.to_datetime(civil::Time::midnight()), *offset)?;
            Item::Date(Date { day: local.date(), offset: zone })
        }
        Item::Time(Time { time, offset }) => {
            let local = moved(civil::Date::constant(1972, 12, 31).to_datetime(*time), *offset)?;
            Item::Time(Time { time: local.time(), offset: zone })
        }
        Item::DateTime(DateTime { local, offset }) => {
            Item::DateTime(DateTime { local: moved(*local, *offset)?, offset: zone })
        }
        _ => return Ok(Value::Empty),
    }
    .into())
}

fn formatted(call: &Call<'_>) -> Result<Value, Failure> {
    if matches!(call.arguments.len(), 3 | 4) {
        return Err(Failure::error("XPST0017", "the function takes two arguments or five"));
    }
    let Some(item) = base(call, 0)? else { return Ok(Value::Empty) };
    let moment = match item {
        Item::Date(Date { day, offset }) => Moment { day: Some(*day), time: None, offset: *offset },
        Item::Time(Time { time, offset }) => Moment { day: None, time: Some(*time), offset: *offset },
        Item::DateTime(DateTime { local, offset }) => {
            Moment { day: Some(local.date()), time: Some(local.time()), offset: *offset }
        }
        _ => return Ok(Value::Empty),
    };
    let (language, calendar) = (call.optional_string(2)?, call.optional_string(3)?);
    let picture = call.date_picture(1)?;
    string(date_format::format(&picture, &moment, language.as_deref(), calendar.as_deref())?)
}
