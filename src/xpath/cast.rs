//! Casts between atomic types (F&O 3.1 §19).

use std::{borrow::Cow, sync::Arc};

pub(super) use super::atomic_type::{AtomicType, TYPES};
use super::{
    BinaryKind, Date, DateTime, Derived, Duration, DurationKind, Failure, Frame, Gregorian, GregorianKind, Item,
    Qualified, Time, Value, binary, evaluate::only, is_numeric, temporal, temporal_text, temporal_text::Unreadable,
};
use crate::document::{Decimal, DecimalError, QName, is_ncname};

/// The namespaces a cast to `xs:QName` knows (XPath 3.1 §3.14.2).
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    /// Prefix and namespace; the empty prefix is the default element namespace.
    pub known: Vec<(Arc<str>, Arc<str>)>,
}

impl Prefixes {
    /// The namespace of a prefix; without a declaration the empty prefix has none.
    fn namespace(&self, prefix: &str) -> Option<Arc<str>> {
        let found = self.known.iter().find(|(known, _)| **known == *prefix).map(|(_, uri)| uri.clone());
        found.or_else(|| prefix.is_empty().then(|| "".into()))
    }
}

pub(super) fn decimal_failure(error: DecimalError) -> Failure {
    match error {
        DecimalError::Syntax => Failure::error("FORG0001", "the value is not a decimal number"),
        DecimalError::Overflow => Failure::error("FOAR0002", "the exact result needs more than 28 digits"),
        DecimalError::DivisionByZero => Failure::error("FOAR0001", "division by zero"),
    }
}

/// Without the white space at its ends.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// The `xs:double` or `xs:float` a text stands for (XSD 1.1 part 2 §3.3.4, §3.3.5).
fn floating<F: std::str::FromStr>(text: &str) -> Option<F> {
    let text = match trimmed(text) {
        "INF" | "+INF" => "inf",
        "-INF" => "-inf",
        "NaN" => "nan",
        // Rust also reads `inf`, `nan`, `infinity`
        plain if plain.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => plain,
        _ => return None,
    };
    text.parse().ok()
}

/// White space as the type wants it (XSD 1.1 part 2 §4.3.6): kept, replaced, or collapsed.
fn spaced(text: &str, to: AtomicType) -> Cow<'_, str> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    match to {
        AtomicType::String | AtomicType::Untyped => Cow::Borrowed(text),
        AtomicType::NormalizedString if !text.contains(['\t', '\n', '\r']) => Cow::Borrowed(text),
        AtomicType::NormalizedString => Cow::Owned(text.replace(['\t', '\n', '\r'], " ")),
        _ if !text.contains(is_space) => Cow::Borrowed(text),
        _ => {
            let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
            Cow::Owned(words.join(" "))
        }
    }
}

/// Casts an atomized value, which must be one item, or nothing where that is allowed. A list type yields a sequence.
pub(super) fn cast_value(
    frame: &Frame<'_>,
    value: &Value,
    to: AtomicType,
    optional: bool,
    prefixes: Option<&Prefixes>,
) -> Result<Value, Failure> {
    if value.is_empty() && optional {
        return Ok(Value::Empty);
    }
    let item = only(value)?;
    let Some(of) = to.of_list() else {
        let made = cast_in(frame, item, to, prefixes)?;
        frame.budget.take_text(match made.base() {
            Item::String(text) | Item::Untyped(text) | Item::Uri(text) => text.len(),
            Item::Binary(_, bytes) => bytes.len(),
            _ => 0,
        })?;
        return Ok(Value::One(made));
    };
    if !matches!(item.base(), Item::Node(..) | Item::Untyped(_) | Item::String(_)) {
        return Err(refused(item, to));
    }
    let text = frame.text_of(item);
    let words = text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty());
    let items: Value = words.map(|word| cast(frame, &Item::string(word), of)).collect::<Result<_, _>>()?;
    frame.budget.take_items(items.len())?;
    if items.is_empty() { Err(invalid(to)) } else { Ok(items) }
}

fn refused(item: &Item, to: AtomicType) -> Failure {
    Failure::error("XPTY0004", format!("a value of type {} cannot be cast to xs:{}", item.type_name(), to.name()))
}

fn invalid(to: AtomicType) -> Failure {
    Failure::error("FORG0001", format!("the value has not the form of an xs:{}", to.name()))
}

/// Casts an item (a node counts as its untyped text) where no prefixes are known.
pub(super) fn cast(frame: &Frame<'_>, item: &Item, to: AtomicType) -> Result<Item, Failure> {
    cast_in(frame, item, to, None)
}

fn cast_in(frame: &Frame<'_>, item: &Item, to: AtomicType, prefixes: Option<&Prefixes>) -> Result<Item, Failure> {
    match (to, item) {
        (AtomicType::Error, _) => return Err(Failure::error("FORG0001", "no value is of type xs:error")),
        (AtomicType::Numeric, _) if is_numeric(item) => return Ok(item.clone()),
        (AtomicType::Numeric, _) => return cast_in(frame, item, AtomicType::Double, prefixes),
        _ if !to.is_concrete() || to.of_list().is_some() => return Err(refused(item, to)),
        (_, Item::Map(_)) => return Err(Failure::error("FOTY0013", "a map has no value that could be cast")),
        (_, Item::Array(_)) => return Err(refused(item, to)),
        _ if AtomicType::of(item) == Some(to) => return Ok(item.clone()),
        _ => {}
    }
    let base = to.base();
    if base == to {
        return match item.base() {
            text @ (Item::Node(..) | Item::Untyped(_) | Item::String(_)) => from_text(frame, text, to, prefixes),
            item => from_value(frame, item, to),
        };
    }
    if base == AtomicType::String {
        let text = frame.text_of(item);
        let text = spaced(&text, to);
        if !to.allows(&text) {
            return Err(invalid(to));
        }
        return Ok(Item::Derived(Arc::new(Derived { of: to, base: Item::string(&*text) })));
    }
    let value = match cast_in(frame, item, base, prefixes) {
        // what needs so many digits is beyond any bound
        Err(Failure::Error { w3c, .. })
            if matches!(&*w3c, "FOAR0002" | "FOCA0003") && matches!(to.range(), (Some(_), Some(_))) =>
        {
            return Err(invalid(to));
        }
        other => other?.base().clone(),
    };
    let fits = match &value {
        Item::Integer(value) => {
            let (least, most) = to.range();
            least.is_none_or(|least| *value >= least) && most.is_none_or(|most| *value <= most)
        }
        Item::DateTime(moment) => moment.offset.is_some(),
        _ => true,
    };
    if !fits {
        return Err(Failure::error("FORG0001", format!("the value lies outside the type xs:{}", to.name())));
    }
    Ok(Item::Derived(Arc::new(Derived { of: to, base: value })))
}

/// Casts a text to a type that is not derived.
fn from_text(frame: &Frame<'_>, item: &Item, to: AtomicType, prefixes: Option<&Prefixes>) -> Result<Item, Failure> {
    let whole = frame.text_of(item);
    let text = trimmed(&whole);
    let form = || invalid(to);
    let moment = |why: Unreadable| match why {
        Unreadable::Form => invalid(to),
        Unreadable::Range => Failure::error("FODT0001", "the date lies outside the years -9999 to 9999"),
    };
    let duration = |kind: DurationKind| match temporal_text::duration(text, kind) {
        Ok(value) => Ok(Item::Duration(value)),
        Err(Unreadable::Form) => Err(invalid(to)),
        Err(Unreadable::Range) => Err(Failure::error("FODT0002", "the duration is too long")),
    };
    let gregorian = |kind: GregorianKind| temporal_text::gregorian(text, kind).map(Item::Gregorian).map_err(moment);
    let bytes = |kind: BinaryKind| binary::read(kind, text).map(|bytes| Item::Binary(kind, bytes.into()));
    Ok(match to {
        AtomicType::String => match item {
            Item::String(text) | Item::Untyped(text) => Item::String(text.clone()),
            _ => Item::string(&*whole),
        },
        AtomicType::Untyped => match item {
            Item::String(text) | Item::Untyped(text) => Item::Untyped(text.clone()),
            _ => Item::Untyped((&*whole).into()),
        },
        AtomicType::Boolean => match text {
            "true" | "1" => Item::Boolean(true),
            "false" | "0" => Item::Boolean(false),
            _ => return Err(form()),
        },
        AtomicType::Integer if text.contains('.') => return Err(form()),
        AtomicType::Integer | AtomicType::Decimal => match Decimal::parse(text) {
            Ok(value) if to == AtomicType::Integer => Item::Integer(value),
            Ok(value) => Item::Decimal(value),
            Err(DecimalError::Syntax) => return Err(form()),
            Err(other) => return Err(decimal_failure(other)),
        },
        AtomicType::Double => Item::Double(floating(text).ok_or_else(form)?),
        AtomicType::Float => Item::Float(floating(text).ok_or_else(form)?),
        AtomicType::Date => Item::Date(temporal_text::date(text).map_err(moment)?),
        AtomicType::Time => Item::Time(temporal_text::time(text).map_err(moment)?),
        AtomicType::DateTime => Item::DateTime(temporal_text::date_time(text).map_err(moment)?),
        AtomicType::Duration => duration(DurationKind::Any)?,
        AtomicType::YearMonth => duration(DurationKind::YearMonth)?,
        AtomicType::DayTime => duration(DurationKind::DayTime)?,
        AtomicType::GYear => gregorian(GregorianKind::Year)?,
        AtomicType::GYearMonth => gregorian(GregorianKind::YearMonth)?,
        AtomicType::GMonth => gregorian(GregorianKind::Month)?,
        AtomicType::GMonthDay => gregorian(GregorianKind::MonthDay)?,
        AtomicType::GDay => gregorian(GregorianKind::Day)?,
        AtomicType::Uri => Item::Uri((&*spaced(text, to)).into()),
        AtomicType::Hex => bytes(BinaryKind::Hex).ok_or_else(form)?,
        AtomicType::Base64 => bytes(BinaryKind::Base64).ok_or_else(form)?,
        AtomicType::QName => qualified(text, prefixes)?,
        _ => return Err(refused(item, to)),
    })
}

fn qualified(text: &str, prefixes: Option<&Prefixes>) -> Result<Item, Failure> {
    let Some(prefixes) = prefixes else {
        return Err(Failure::error("XPTY0117", "untyped text does not become an xs:QName by itself; use xs:QName(…)"));
    };
    let (prefix, local) = text.split_once(':').unwrap_or(("", text));
    if !is_ncname(local) || (text.contains(':') && !is_ncname(prefix)) {
        return Err(invalid(AtomicType::QName));
    }
    let namespace = prefixes.namespace(prefix);
    let namespace = namespace.ok_or_else(|| Failure::error("FONS0004", "the prefix of the name is not declared"))?;
    Ok(Item::QName(Arc::new(Qualified { name: QName::new(namespace, local), prefix: prefix.into() })))
}

/// Casts a value that is neither text nor of a derived type to a type that is not derived.
fn from_value(frame: &Frame<'_>, item: &Item, to: AtomicType) -> Result<Item, Failure> {
    let exact = |value: f64| {
        if !value.is_finite() {
            return Err(Failure::error("FOCA0002", format!("{value} is no xs:{}", to.name())));
        }
        let w3c = if to == AtomicType::Integer { "FOCA0003" } else { "FOCA0001" };
        Decimal::from_f64(value)
            .ok_or_else(|| Failure::error(w3c, format!("the number is too large for an xs:{}", to.name())))
    };
    let gregorian = |kind, day, offset| Item::Gregorian(Gregorian::new(kind, day, offset));
    let kind = match to {
        AtomicType::GYear => Some(GregorianKind::Year),
        AtomicType::GYearMonth => Some(GregorianKind::YearMonth),
        AtomicType::GMonth => Some(GregorianKind::Month),
        AtomicType::GMonthDay => Some(GregorianKind::MonthDay),
        AtomicType::GDay => Some(GregorianKind::Day),
        _ => None,
    };
    Ok(match (to, item) {
        (AtomicType::String, Item::Uri(text)) => Item::String(text.clone()),
        (AtomicType::String, _) => Item::string(&*frame.text_of(item)),
        (AtomicType::Untyped, _) => Item::Untyped((&*frame.text_of(item)).into()),
        (AtomicType::Boolean, Item::Integer(value) | Item::Decimal(value)) => Item::Boolean(!value.is_zero()),
        (AtomicType::Boolean, Item::Double(value)) => Item::Boolean(*value != 0.0 && !value.is_nan()),
        (AtomicType::Boolean, Item::Float(value)) => Item::Boolean(*value != 0.0 && !value.is_nan()),
        (AtomicType::Integer, Item::Boolean(value)) => Item::Integer(Decimal::from(i64::from(*value))),
        (AtomicType::Decimal, Item::Boolean(value)) => Item::Decimal(Decimal::from(i64::from(*value))),
        (AtomicType::Double, Item::Boolean(value)) => Item::Double(f64::from(u8::from(*value))),
        (AtomicType::Float, Item::Boolean(value)) => Item::Float(f32::from(u8::from(*value))),
        (AtomicType::Integer, Item::Decimal(value)) => Item::Integer(value.truncate()),
        (AtomicType::Decimal, Item::Integer(value)) => Item::Decimal(*value),
        (AtomicType::Integer, Item::Double(value)) => Item::Integer(exact(*value)?.truncate()),
        (AtomicType::Integer, Item::Float(value)) => Item::Integer(exact(f64::from(*value))?.truncate()),
        (AtomicType::Decimal, Item::Double(value)) => Item::Decimal(exact(*value)?),
        (AtomicType::Decimal, Item::Float(value)) => Item::Decimal(exact(f64::from(*value))?),
        (AtomicType::Double, Item::Integer(value) | Item::Decimal(value)) => Item::Double(value.to_f64()),
        (AtomicType::Double, Item::Float(value)) => Item::Double(f64::from(*value)),
        (AtomicType::Float, Item::Integer(value) | Item::Decimal(value)) => Item::Float(value.to_f32()),
        // `as` takes the nearest float
        (AtomicType::Float, Item::Double(value)) => Item::Float(*value as f32),
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
        (AtomicType::Hex, Item::Binary(_, bytes)) => Item::Binary(BinaryKind::Hex, bytes.clone()),
        (AtomicType::Base64, Item::Binary(_, bytes)) => Item::Binary(BinaryKind::Base64, bytes.clone()),
        // a value of a type derived from this one
        _ if AtomicType::of(item) == Some(to) => item.clone(),
        (_, Item::Date(date)) => match kind {
            Some(kind) => gregorian(kind, date.day, date.offset),
            None => return Err(refused(item, to)),
        },
        (_, Item::DateTime(moment)) => match kind {
            Some(kind) => gregorian(kind, moment.local.date(), moment.offset),
            None => return Err(refused(item, to)),
        },
        _ => return Err(refused(item, to)),
    })
}
