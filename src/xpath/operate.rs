//! Arithmetic and comparison of items (F&O 3.1 §4.2, §4.3, §9), exact.

use std::cmp::Ordering;

use super::{
    DateTime, Duration, DurationKind, Failure, Frame, Item, Value,
    ast::{Arithmetic, Comparison},
    cast::{AtomicType, cast, decimal_failure},
    is_numeric, temporal,
};
use crate::document::{Decimal, DecimalError};

/// A number on its way through arithmetic.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(Decimal),
    Decimal(Decimal),
    Float(f32),
    Double(f64),
}

impl Number {
    pub fn item(self) -> Item {
        match self {
            Self::Integer(value) => Item::Integer(value),
            Self::Decimal(value) => Item::Decimal(value),
            Self::Float(value) => Item::Float(value),
            Self::Double(value) => Item::Double(value),
        }
    }

    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value) | Self::Decimal(value) => value.to_f64(),
            Self::Float(value) => f64::from(value),
            Self::Double(value) => value,
        }
    }

    /// The nearest float.
    fn to_f32(self) -> f32 {
        match self {
            Self::Integer(value) | Self::Decimal(value) => value.to_f32(),
            Self::Float(value) => value,
            // `as` takes the nearest float
            Self::Double(value) => value as f32,
        }
    }

    /// Applies an exact function, or its counterpart on doubles; the type stays.
    pub fn map(self, exact: impl Fn(Decimal) -> Decimal, double: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Integer(value) => Self::Integer(exact(value)),
            Self::Decimal(value) => Self::Decimal(exact(value)),
            Self::Float(value) => Self::Float(double(f64::from(value)) as f32),
            Self::Double(value) => Self::Double(double(value)),
        }
    }
}

fn is_untyped(item: &Item) -> bool {
    matches!(item, Item::Node(..) | Item::Untyped(_))
}

/// The number an item is; untyped text is a decimal.
pub(super) fn number(frame: &Frame<'_>, item: &Item) -> Result<Number, Failure> {
    match item.base() {
        Item::Integer(value) => Ok(Number::Integer(*value)),
        Item::Decimal(value) => Ok(Number::Decimal(*value)),
        Item::Double(value) => Ok(Number::Double(*value)),
        Item::Float(value) => Ok(Number::Float(*value)),
        Item::Node(..) | Item::Untyped(_) => match Decimal::parse(&frame.text_of(item)) {
            Ok(value) => Ok(Number::Decimal(value)),
            Err(DecimalError::Syntax) => {
                Err(Failure::error("FORG0001", format!("{} is not a decimal number", frame.describe(item))))
            }
            Err(other) => Err(decimal_failure(other)),
        },
        other => {
            Err(Failure::error("XPTY0004", format!("a number is needed, not a value of type {}", other.type_name())))
        }
    }
}

/// The one item of an operand; `None` for the empty sequence.
fn operand(value: &Value) -> Result<Option<&Item>, Failure> {
    match value {
        Value::Empty => Ok(None),
        Value::One(item) => Ok(Some(item)),
        Value::Many(items) => {
            Err(Failure::error("XPTY0004", format!("one value is needed here, not a sequence of {}", items.len())))
        }
    }
}

pub(super) fn arithmetic(
    frame: &Frame<'_>,
    operation: Arithmetic,
    left: &Value,
    right: &Value,
) -> Result<Value, Failure> {
    let (Some(left), Some(right)) = (operand(left)?, operand(right)?) else { return Ok(Value::Empty) };
    combine(frame, operation, left, right).map(Value::One)
}

/// One operation on two items.
pub(super) fn combine(frame: &Frame<'_>, operation: Arithmetic, left: &Item, right: &Item) -> Result<Item, Failure> {
    let plain = |item: &Item| is_numeric(item) || is_untyped(item);
    if plain(left) && plain(right) {
        return numbers(operation, number(frame, left)?, number(frame, right)?).map(Number::item);
    }
    temporal_arithmetic(frame, operation, left.base(), right.base())
}

fn numbers(operation: Arithmetic, left: Number, right: Number) -> Result<Number, Failure> {
    use Number::{Double, Float, Integer};
    let (a, b, whole) = match (left, right) {
        (Double(_), _) | (_, Double(_)) => return doubles(operation, left.to_f64(), right.to_f64()),
        (Float(_), _) | (_, Float(_)) => return floats(operation, left.to_f32(), right.to_f32()),
        (Integer(a), Integer(b)) => (a, b, true),
        (Integer(a) | Number::Decimal(a), Integer(b) | Number::Decimal(b)) => (a, b, false),
    };
    let result = match operation {
        Arithmetic::Add => a.add(b),
        Arithmetic::Subtract => a.subtract(b),
        Arithmetic::Multiply => a.multiply(b),
        Arithmetic::Divide => return a.divide(b).map(Number::Decimal).map_err(decimal_failure),
        Arithmetic::IntegerDivide => {
            // the quotient may be rounded up to a whole number; taking the remainder off first keeps it exact
            let exact = a.remainder(b).and_then(|rest| a.subtract(rest)).and_then(|even| even.divide(b));
            return exact.map(|quotient| Integer(quotient.round(0))).map_err(decimal_failure);
        }
        Arithmetic::Modulo => a.remainder(b),
    };
    result.map(if whole { Integer } else { Number::Decimal }).map_err(decimal_failure)
}

fn doubles(operation: Arithmetic, a: f64, b: f64) -> Result<Number, Failure> {
    Ok(Number::Double(match operation {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Modulo => a % b,
        Arithmetic::IntegerDivide => return whole_quotient(a, b),
    }))
}

/// As [`doubles`], each result rounded to a float.
fn floats(operation: Arithmetic, a: f32, b: f32) -> Result<Number, Failure> {
    Ok(Number::Float(match operation {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Modulo => a % b,
        Arithmetic::IntegerDivide => return whole_quotient(f64::from(a), f64::from(b)),
    }))
}

/// `idiv` of doubles (F&O 3.1 §4.2.5).
fn whole_quotient(a: f64, b: f64) -> Result<Number, Failure> {
    if b == 0.0 {
        return Err(decimal_failure(DecimalError::DivisionByZero));
    }
    if b.is_infinite() && a.is_finite() {
        return Ok(Number::Integer(Decimal::ZERO));
    }
    let whole = Decimal::from_f64((a / b).trunc());
    whole.map(Number::Integer).ok_or_else(|| decimal_failure(DecimalError::Overflow))
}

fn temporal_arithmetic(frame: &Frame<'_>, operation: Arithmetic, left: &Item, right: &Item) -> Result<Item, Failure> {
    use Arithmetic::{Add, Divide, Multiply, Subtract};
    let refuse = || {
        let verb = match operation {
            Add => "added",
            Subtract => "subtracted",
            Multiply => "multiplied",
            _ => "divided",
        };
        Failure::error(
            "XPTY0004",
            format!("values of type {} and {} cannot be {verb}", left.type_name(), right.type_name()),
        )
    };
    let overflow = || Failure::error("FODT0001", "the date lies outside the calendar");
    let signed = |duration: Duration| {
        if operation == Subtract {
            Duration { months: duration.months.saturating_neg(), micros: duration.micros.saturating_neg(), ..duration }
        } else {
            duration
        }
    };
    let days = |micros: i64| Item::Duration(Duration { kind: DurationKind::DayTime, months: 0, micros });
    match (operation, left, right) {
        (Add, Item::Duration(_), Item::Date(_) | Item::DateTime(_) | Item::Time(_)) => {
            temporal_arithmetic(frame, operation, right, left)
        }
        (Add | Subtract, Item::Date(date), Item::Duration(by)) if by.kind != DurationKind::Any => {
            let moved = temporal::plus(temporal::midnight(*date), signed(*by)).ok_or_else(overflow)?;
            Ok(Item::Date(super::Date { day: moved.local.date(), offset: date.offset }))
        }
        (Add | Subtract, Item::DateTime(moment), Item::Duration(by)) if by.kind != DurationKind::Any => {
            temporal::plus(*moment, signed(*by)).map(Item::DateTime).ok_or_else(overflow)
        }
        (Add | Subtract, Item::Time(time), Item::Duration(by)) if by.kind == DurationKind::DayTime => {
            temporal::time_plus(*time, signed(*by)).map(Item::Time).ok_or_else(overflow)
        }
        (Subtract, Item::Date(a), Item::Date(b)) => {
            Ok(days(temporal::instant(temporal::midnight(*a)) - temporal::instant(temporal::midnight(*b))))
        }
        (Subtract, Item::DateTime(a), Item::DateTime(b)) => Ok(days(temporal::instant(*a) - temporal::instant(*b))),
        (Subtract, Item::Time(a), Item::Time(b)) => Ok(days(temporal::time_instant(*a) - temporal::time_instant(*b))),
        (Add | Subtract, Item::Duration(a), Item::Duration(b)) if a.kind == b.kind && a.kind != DurationKind::Any => {
            let b = signed(*b);
            let months = a.months.checked_add(b.months).ok_or_else(too_long)?;
            let micros = a.micros.checked_add(b.micros).ok_or_else(too_long)?;
            Ok(Item::Duration(Duration { kind: a.kind, months, micros }))
        }
        (Divide, Item::Duration(a), Item::Duration(b)) if a.kind == b.kind && a.kind != DurationKind::Any => {
            let amount = |duration: &Duration| Decimal::from(i64::from(duration.months) + duration.micros);
            amount(a).divide(amount(b)).map(Item::Decimal).map_err(decimal_failure)
        }
        (Multiply, other, Item::Duration(_)) if is_numeric(other) || is_untyped(other) => {
            temporal_arithmetic(frame, operation, right, left)
        }
        (Multiply | Divide, Item::Duration(a), other)
            if (is_numeric(other) || is_untyped(other)) && a.kind != DurationKind::Any =>
        {
            let by = number(frame, other)?;
            let scale = |amount: i64| scaled(operation, amount, by);
            let months = i32::try_from(scale(i64::from(a.months))?).map_err(|_| too_long())?;
            Ok(Item::Duration(Duration { kind: a.kind, months, micros: scale(a.micros)? }))
        }
        _ => Err(refuse()),
    }
}

fn too_long() -> Failure {
    Failure::error("FODT0002", "the duration is too long")
}

/// Months or microseconds multiplied or divided, rounded to whole ones, halves upwards (F&O 3.1 §8.4).
fn scaled(operation: Arithmetic, amount: i64, by: Number) -> Result<i64, Failure> {
    let double = by.to_f64();
    if double.is_nan() {
        return Err(Failure::error("FOCA0005", "a duration cannot be multiplied or divided by NaN"));
    }
    if double == 0.0 && operation == Arithmetic::Divide {
        return Err(too_long());
    }
    if double.is_infinite() {
        return if operation == Arithmetic::Divide { Ok(0) } else { Err(too_long()) };
    }
    let exact = match by {
        Number::Integer(value) | Number::Decimal(value) => Some(value),
        Number::Float(_) | Number::Double(_) => Decimal::from_f64(double),
    };
    let whole = Decimal::from(amount);
    let quotient = |by| if operation == Arithmetic::Multiply { whole.multiply(by) } else { whole.divide(by) };
    if let Some(Ok(result)) = exact.map(quotient) {
        return result.round(0).to_i64().ok_or_else(too_long);
    }
    let near = if operation == Arithmetic::Multiply { amount as f64 * double } else { amount as f64 / double };
    Decimal::from_f64((near + 0.5).floor()).and_then(Decimal::to_i64).ok_or_else(too_long)
}

impl Comparison {
    /// Whether it asks for an order, not for equality.
    fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    pub(super) fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// A value comparison (XPath 3.1 §3.7.1): empty when an operand is.
pub(super) fn value_comparison(
    frame: &Frame<'_>,
    comparison: Comparison,
    left: &Value,
    right: &Value,
) -> Result<Value, Failure> {
    let (Some(left), Some(right)) = (operand(left)?, operand(right)?) else { return Ok(Value::Empty) };
    Ok(comparison.holds(compared(frame, comparison, left, right)?).into())
}

/// A general comparison (XPath 3.1 §3.7.2): whether any pair compares so.
pub(super) fn general_comparison(
    frame: &Frame<'_>,
    comparison: Comparison,
    left: &Value,
    right: &Value,
) -> Result<bool, Failure> {
    for a in left.items() {
        for b in right.items() {
            frame.budget.take(1)?;
            if comparison.holds(compared(frame, comparison, a, b)?) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// As [`compare`]; a comparison that asks for the order of values that have none is an error.
fn compared(frame: &Frame<'_>, comparison: Comparison, left: &Item, right: &Item) -> Result<Option<Ordering>, Failure> {
    if comparison.orders() {
        let kinds = match (left.base(), right.base()) {
            (Item::Duration(a), Item::Duration(b)) => a.kind == b.kind,
            _ => true,
        };
        if !kinds || !is_ordered(left) || !is_ordered(right) {
            return Err(incomparable(left, right));
        }
    }
    compare(frame, left, right)
}

/// Whether values of the item's type have an order (F&O 3.1 §8, §9.4, §10.2, §11).
pub(super) fn is_ordered(item: &Item) -> bool {
    !matches!(
        item.base(),
        Item::QName(_) | Item::Gregorian(_) | Item::Duration(Duration { kind: DurationKind::Any, .. })
    )
}

fn incomparable(left: &Item, right: &Item) -> Failure {
    let text = format!("values of type {} and {} cannot be compared", left.type_name(), right.type_name());
    Failure::error("XPTY0004", text)
}

/// The order of two items; `None` when one is NaN, or they are different and have none. Untyped text takes the other
/// side's type (a number's: decimal).
pub(super) fn compare(frame: &Frame<'_>, left: &Item, right: &Item) -> Result<Option<Ordering>, Failure> {
    let (left, right) = (left.base(), right.base());
    let textual = |item: &Item| is_untyped(item) || matches!(item, Item::String(_) | Item::Uri(_));
    if textual(left) && textual(right) {
        return Ok(Some(frame.text_of(left).as_ref().cmp(frame.text_of(right).as_ref())));
    }
    let numeric = |item: &Item| is_untyped(item) || is_numeric(item);
    if numeric(left) && numeric(right) {
        return Ok(match (number(frame, left)?, number(frame, right)?) {
            (Number::Integer(a) | Number::Decimal(a), Number::Integer(b) | Number::Decimal(b)) => Some(a.cmp(&b)),
            (a @ Number::Double(_), b) | (a, b @ Number::Double(_)) => a.to_f64().partial_cmp(&b.to_f64()),
            (a, b) => a.to_f32().partial_cmp(&b.to_f32()),
        });
    }
    if is_untyped(left) {
        return compare(frame, &cast(frame, left, type_of(right))?, right);
    }
    if is_untyped(right) {
        return compare(frame, left, &cast(frame, right, type_of(left))?);
    }
    let instant = |moment: &DateTime| temporal::instant(*moment);
    let equal = |is: bool| is.then_some(Ordering::Equal);
    Ok(match (left, right) {
        (Item::Boolean(a), Item::Boolean(b)) => Some(a.cmp(b)),
        (Item::DateTime(a), Item::DateTime(b)) => Some(instant(a).cmp(&instant(b))),
        (Item::Date(a), Item::Date(b)) => Some(instant(&temporal::midnight(*a)).cmp(&instant(&temporal::midnight(*b)))),
        (Item::Time(a), Item::Time(b)) => Some(temporal::time_instant(*a).cmp(&temporal::time_instant(*b))),
        (Item::Gregorian(a), Item::Gregorian(b)) if a.kind == b.kind => {
            equal(temporal::gregorian_instant(*a) == temporal::gregorian_instant(*b))
        }
        (Item::Binary(a, left), Item::Binary(b, right)) if a == b => Some(left.cmp(right)),
        (Item::QName(a), Item::QName(b)) => equal(a.name == b.name),
        (Item::Duration(a), Item::Duration(b)) => match (a.months.cmp(&b.months), a.micros.cmp(&b.micros)) {
            (order, Ordering::Equal) | (Ordering::Equal, order) => Some(order),
            (a, b) if a == b => Some(a),
            _ => None,
        },
        _ => return Err(incomparable(left, right)),
    })
}

/// The type untyped text takes beside an item.
fn type_of(item: &Item) -> AtomicType {
    AtomicType::of(item).unwrap_or(AtomicType::Untyped)
}

/// A key that is equal exactly for items that compare equal (for `distinct-values` and grouping).
pub(super) fn equality_key(frame: &Frame<'_>, item: &Item) -> String {
    let double = |value: f64| match Decimal::from_f64(value) {
        Some(exact) => format!("n{exact}"),
        None => format!("n{value}"),
    };
    match item.base() {
        Item::Integer(value) | Item::Decimal(value) => format!("n{value}"),
        Item::Double(value) => double(*value),
        Item::Float(value) => double(f64::from(*value)),
        Item::Boolean(value) => format!("b{value}"),
        Item::Date(value) => format!("d{}", temporal::instant(temporal::midnight(*value))),
        Item::Time(value) => format!("t{}", temporal::time_instant(*value)),
        Item::DateTime(value) => format!("m{}", temporal::instant(*value)),
        Item::Duration(value) => format!("p{}/{}", value.months, value.micros),
        Item::Gregorian(value) => format!("{}{}", value.type_name(), temporal::gregorian_instant(*value)),
        binary @ Item::Binary(..) => format!("{}{}", binary.type_name(), frame.text_of(binary)),
        Item::QName(name) => format!("q{{{}}}{}", name.name.namespace, name.name.local),
        text => format!("s{}", frame.text_of(text)),
    }
}
