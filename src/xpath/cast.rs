//! Atomic types and casts between them (F&O 3.1 §19).

use super::{
    Date, DateTime, Duration, DurationKind, Failure, Frame, Item, Time,
    temporal::{self, parse_date, parse_date_time, parse_duration, parse_time},
};
use crate::document::{Decimal, DecimalError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtomicType {
    AnyAtomic,
    Untyped,
    String,
    Boolean,
    Numeric,
    Integer,
    Decimal,
    Double,
    Date,
    Time,
    DateTime,
    Duration,
    YearMonth,
    DayTime,
}

/// Every type by the name it has behind `xs:`.
pub(super) const TYPES: &[(&str, AtomicType)] = &[
    ("anyAtomicType", AtomicType::AnyAtomic),
    ("untypedAtomic", AtomicType::Untyped),
    ("string", AtomicType::String),
    ("boolean", AtomicType::Boolean),
    ("numeric", AtomicType::Numeric),
    ("integer", AtomicType::Integer),
    ("decimal", AtomicType::Decimal),
    ("double", AtomicType::Double),
    ("date", AtomicType::Date),
    ("time", AtomicType::Time),
    ("dateTime", AtomicType::DateTime),
    ("duration", AtomicType::Duration),
    ("yearMonthDuration", AtomicType::YearMonth),
    ("dayTimeDuration", AtomicType::DayTime),
];

impl AtomicType {
    pub fn name(self) -> &'static str {
        self.qualified_name().trim_start_matches("xs:")
    }

    /// The name with its prefix.
    pub fn qualified_name(self) -> &'static str {
        match self {
            Self::AnyAtomic => "xs:anyAtomicType",
            Self::Untyped => "xs:untypedAtomic",
            Self::String => "xs:string",
            Self::Boolean => "xs:boolean",
            Self::Numeric => "xs:numeric",
            Self::Integer => "xs:integer",
            Self::Decimal => "xs:decimal",
            Self::Double => "xs:double",
            Self::Date => "xs:date",
            Self::Time => "xs:time",
            Self::DateTime => "xs:dateTime",
            Self::Duration => "xs:duration",
            Self::YearMonth => "xs:yearMonthDuration",
            Self::DayTime => "xs:dayTimeDuration",
        }
    }

    /// Whether values can be cast to it.
    pub fn is_concrete(self) -> bool {
        !matches!(self, Self::AnyAtomic | Self::Numeric)
    }

    /// `instance of`, subtypes included: every integer is a decimal.
    pub fn covers(self, item: &Item) -> bool {
        match self {
            Self::AnyAtomic => !matches!(item, Item::Node(..)),
            Self::Untyped => matches!(item, Item::Untyped(_)),
            Self::String => matches!(item, Item::String(_)),
            Self::Boolean => matches!(item, Item::Boolean(_)),
            Self::Numeric => super::is_numeric(item),
            Self::Integer => matches!(item, Item::Integer(_)),
            Self::Decimal => matches!(item, Item::Integer(_) | Item::Decimal(_)),
            Self::Double => matches!(item, Item::Double(_)),
            Self::Date => matches!(item, Item::Date(_)),
            Self::Time => matches!(item, Item::Time(_)),
            Self::DateTime => matches!(item, Item::DateTime(_)),
            Self::Duration => matches!(item, Item::Duration(_)),
            Self::YearMonth => matches!(item, Item::Duration(Duration { kind: DurationKind::YearMonth, .. })),
            Self::DayTime => matches!(item, Item::Duration(Duration { kind: DurationKind::DayTime, .. })),
        }
    }
}

pub(super) fn decimal_failure(error: DecimalError) -> Failure {
    match error {
        DecimalError::Syntax => Failure::error("FORG0001", "the value is not a decimal number"),
        DecimalError::Overflow => Failure::error("FOAR0002", "the exact result needs more than 28 digits"),
        DecimalError::DivisionByZero => Failure::error("FOAR0001", "division by zero"),
    }
}

pub(super) fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    match text {
        "INF" | "+INF" => return Some(f64::INFINITY),
        "-INF" => return Some(f64::NEG_INFINITY),
        "NaN" => return Some(f64::NAN),
        _ => {}
    }
    // Rust also reads `inf`, `nan`, `infinity`
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    plain.then(|| text.parse().ok()).flatten()
}

/// Casts an item (a node counts as its untyped text).
pub(super) fn cast(frame: &Frame<'_>, item: &Item, to: AtomicType) -> Result<Item, Failure> {
    if to.covers(item) && to.is_concrete() && !matches!((to, item), (AtomicType::Decimal, Item::Integer(_))) {
        match (to, item) {
            (AtomicType::Duration, Item::Duration(value)) => {
                return Ok(Item::Duration(Duration { kind: DurationKind::Any, ..*value }));
            }
            _ => return Ok(item.clone()),
        }
    }
    let refuse = || {
        Failure::error("XPTY0004", format!("a value of type {} cannot be cast to xs:{}", item.type_name(), to.name()))
    };
    let invalid = || Failure::error("FORG0001", format!("the value has not the form of an xs:{}", to.name()));
    if matches!(item, Item::Node(..) | Item::Untyped(_) | Item::String(_)) {
        let text = frame.text_of(item);
        let trimmed = text.trim_matches([' ', '\t', '\n', '\r']);
        return Ok(match to {
            AtomicType::String => Item::string(&*text),
            AtomicType::Untyped => Item::Untyped((&*text).into()),
            AtomicType::Boolean => match trimmed {
                "true" | "1" => Item::Boolean(true),
                "false" | "0" => Item::Boolean(false),
                _ => return Err(invalid()),
            },
            AtomicType::Integer if trimmed.contains('.') => return Err(invalid()),
            AtomicType::Integer | AtomicType::Decimal => match Decimal::parse(trimmed) {
                Ok(value) if to == AtomicType::Integer => Item::Integer(value),
                Ok(value) => Item::Decimal(value),
                Err(DecimalError::Syntax) => return Err(invalid()),
                Err(other) => return Err(decimal_failure(other)),
            },
            AtomicType::Double => Item::Double(parse_double(trimmed).ok_or_else(invalid)?),
            AtomicType::Date => Item::Date(parse_date(trimmed).ok_or_else(invalid)?),
            AtomicType::Time => Item::Time(parse_time(trimmed).ok_or_else(invalid)?),
            AtomicType::DateTime => Item::DateTime(parse_date_time(trimmed).ok_or_else(invalid)?),
            AtomicType::Duration => Item::Duration(parse_duration(trimmed, DurationKind::Any).ok_or_else(invalid)?),
            AtomicType::YearMonth => {
                Item::Duration(parse_duration(trimmed, DurationKind::YearMonth).ok_or_else(invalid)?)
            }
            AtomicType::DayTime => Item::Duration(parse_duration(trimmed, DurationKind::DayTime).ok_or_else(invalid)?),
            AtomicType::AnyAtomic | AtomicType::Numeric => return Err(refuse()),
        });
    }
    Ok(match (to, item) {
        (AtomicType::String, _) => Item::string(&*frame.text_of(item)),
        (AtomicType::Untyped, _) => Item::Untyped((&*frame.text_of(item)).into()),
        (AtomicType::Boolean, Item::Integer(value) | Item::Decimal(value)) => Item::Boolean(!value.is_zero()),
        (AtomicType::Boolean, Item::Double(value)) => Item::Boolean(*value != 0.0 && !value.is_nan()),
        (AtomicType::Integer, Item::Boolean(value)) => Item::Integer(Decimal::from(i64::from(*value))),
        (AtomicType::Decimal, Item::Boolean(value)) => Item::Decimal(Decimal::from(i64::from(*value))),
        (AtomicType::Double, Item::Boolean(value)) => Item::Double(f64::from(u8::from(*value))),
        (AtomicType::Integer, Item::Decimal(value)) => Item::Integer(value.truncate()),
        (AtomicType::Decimal, Item::Integer(value)) => Item::Decimal(*value),
        (AtomicType::Integer | AtomicType::Decimal, Item::Double(value)) => {
            let exact = Decimal::from_f64(*value)
                .ok_or_else(|| Failure::error("FOCA0002", "the double is not finite or too large for a decimal"))?;
            if to == AtomicType::Integer { Item::Integer(exact.truncate()) } else { Item::Decimal(exact) }
        }
        (AtomicType::Double, Item::Integer(value) | Item::Decimal(value)) => Item::Double(value.to_f64()),
        (AtomicType::Date, Item::DateTime(DateTime { local, offset })) => {
            Item::Date(Date { day: local.date(), offset: *offset })
        }
        (AtomicType::Time, Item::DateTime(DateTime { local, offset })) => {
            Item::Time(Time { time: local.time(), offset: *offset })
        }
        (AtomicType::DateTime, Item::Date(date)) => Item::DateTime(temporal::midnight(*date)),
        (AtomicType::Duration, Item::Duration(value)) => Item::Duration(Duration { kind: DurationKind::Any, ..*value }),
        (AtomicType::YearMonth, Item::Duration(value)) => {
            Item::Duration(Duration { kind: DurationKind::YearMonth, micros: 0, ..*value })
        }
        (AtomicType::DayTime, Item::Duration(value)) => {
            Item::Duration(Duration { kind: DurationKind::DayTime, months: 0, ..*value })
        }
        _ => return Err(refuse()),
    })
}
