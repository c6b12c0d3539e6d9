//! Sums, means and extremes (F&O 3.1 §14.4). Untyped text counts as a decimal.

use std::cmp::Ordering;

use super::{Call, Function, Yields::Other, collation::Collation, integer};
use crate::{
    document::Decimal,
    xpath::{
        DurationKind, Failure, Item, Value,
        ast::Arithmetic,
        cast::{AtomicType, cast},
        is_numeric,
        operate::{combine, compare, is_ordered, number},
    },
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "sum",
        arity: (1, 2),
        signature: "sum($values as xs:anyAtomicType*, $zero as xs:anyAtomicType? := 0) as xs:anyAtomicType?",
        doc: "The exact sum; 0, or the second argument, when there are no values.",
        examples: &[("sum((0.1, 0.2))", "0.3"), ("sum(())", "0")],
        yields: Other,
        call: |call| match call.value(0) {
            Value::Empty if call.has(1) => Ok(call.value(1).clone()),
            Value::Empty => integer(0),
            _ => Ok(total(call)?.into()),
        },
    },
    Function {
        name: "avg",
        arity: (1, 1),
        signature: "avg($values as xs:anyAtomicType*) as xs:anyAtomicType?",
        doc: "The mean; nothing when there are no values.",
        examples: &[("avg((1, 2))", "1.5"), ("avg(())", "")],
        yields: Other,
        call: |call| match call.value(0) {
            Value::Empty => Ok(Value::Empty),
            values => {
                let sum = total(call)?;
                Ok(combine(call.frame, Arithmetic::Divide, &sum, &Item::integer(values.len()))?.into())
            }
        },
    },
    Function {
        name: "min",
        arity: (1, 2),
        signature: "min($values as xs:anyAtomicType*, $collation as xs:string) as xs:anyAtomicType?",
        doc: "The smallest value; values of nodes must be numbers.",
        examples: &[("min((3, 1.5, 2))", "1.5")],
        yields: Other,
        call: |call| extreme(call, Ordering::Less),
    },
    Function {
        name: "max",
        arity: (1, 2),
        signature: "max($values as xs:anyAtomicType*, $collation as xs:string) as xs:anyAtomicType?",
        doc: "The largest value; values of nodes must be numbers.",
        examples: &[("max((3, 1.5, 2))", "3"), ("max(('a', 'b'))", "b")],
        yields: Other,
        call: |call| extreme(call, Ordering::Greater),
    },
];

/// What an aggregate does with values: they all are of one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Number,
    YearMonth,
    DayTime,
    Text,
    Other(AtomicType),
}

fn family(item: &Item) -> Family {
    match item.base() {
        item if is_numeric(item) => Family::Number,
        Item::Duration(value) if value.kind == DurationKind::YearMonth => Family::YearMonth,
        Item::Duration(value) if value.kind == DurationKind::DayTime => Family::DayTime,
        Item::String(_) | Item::Uri(_) => Family::Text,
        other => Family::Other(AtomicType::of(other).unwrap_or(AtomicType::AnyAtomic)),
    }
}

/// The item as aggregates take it.
fn member(call: &Call<'_>, item: &Item) -> Result<Item, Failure> {
    match item {
        Item::Node(..) | Item::Untyped(_) => Ok(number(call.frame, item)?.item()),
        other => Ok(other.clone()),
    }
}

fn mixed(first: &Item, other: &Item) -> Failure {
    let text = format!("values of type {} and {} do not go together here", first.type_name(), other.type_name());
    Failure::error("FORG0006", text)
}

/// The sum of a sequence that is not empty.
fn total(call: &Call<'_>) -> Result<Item, Failure> {
    let mut sum: Option<Item> = None;
    for item in call.items(0) {
        let item = member(call, item)?;
        let kind = family(&item);
        if matches!(kind, Family::Text | Family::Other(_)) {
            return Err(Failure::error("FORG0006", format!("values of type {} have no sum", item.type_name())));
        }
        sum = Some(match sum {
            None => item,
            Some(sum) if family(&sum) != kind => return Err(mixed(&sum, &item)),
            Some(sum) => combine(call.frame, Arithmetic::Add, &sum, &item)?,
        });
    }
    Ok(sum.unwrap_or(Item::Integer(Decimal::ZERO)))
}

fn extreme(call: &Call<'_>, wanted: Ordering) -> Result<Value, Failure> {
    let collation = Collation::of(call, 1)?;
    let mut best: Option<Item> = None;
    let (mut float, mut double, mut not_a_number, mut string) = (false, false, false, false);
    for item in call.items(0) {
        let item = member(call, item)?;
        float |= matches!(item, Item::Float(_));
        double |= matches!(item, Item::Double(_));
        let nan = match &item {
            Item::Double(value) => value.is_nan(),
            Item::Float(value) => value.is_nan(),
            _ => false,
        };
        not_a_number |= nan;
        string |= matches!(item.base(), Item::String(_));
        match &best {
            None if !is_ordered(&item) => {
                return Err(Failure::error("FORG0006", format!("values of type {} have no order", item.type_name())));
            }
            Some(best) if family(best) != family(&item) => return Err(mixed(best, &item)),
            _ => {}
        }
        let better = match &best {
            None => true,
            Some(best) if family(best) == Family::Text => {
                let text = |item| collation.key(call.frame.text_of(item));
                text(&item).cmp(&text(best)) == wanted
            }
            Some(best) => compare(call.frame, &item, best)? == Some(wanted),
        };
        if better {
            best = Some(item);
        }
    }
    let Some(best) = best else { return Ok(Value::Empty) };
    let best = if not_a_number { Item::Float(f32::NAN) } else { best };
    // values of several types count as the widest of them
    let widest = match (double, float) {
        (true, _) => AtomicType::Double,
        (_, true) => AtomicType::Float,
        _ if string && matches!(best, Item::Uri(_)) => AtomicType::String,
        _ => return Ok(best.into()),
    };
    cast(call.frame, &best, widest).map(Value::One)
}
