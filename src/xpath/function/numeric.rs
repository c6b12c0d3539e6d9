//! Functions on numbers (F&O 3.1 §4).

use super::{Call, Function, Yields::Other};
use crate::{
    document::Decimal,
    xpath::{
        Failure, Item, Value,
        cast::{AtomicType, cast},
    },
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "number",
        arity: (0, 1),
        signature: "number($value as xs:anyAtomicType? := .) as xs:double",
        doc: "The value as a double; NaN when it is no number.",
        examples: &[("number('12')", "12"), ("number('x')", "NaN")],
        yields: Other,
        call: |call| {
            let number = match call.or_context(0)? {
                None => Ok(Item::Double(f64::NAN)),
                Some(item) => cast(call.frame, item, AtomicType::Double),
            };
            Ok(number.unwrap_or(Item::Double(f64::NAN)).into())
        },
    },
    Function {
        name: "abs",
        arity: (1, 1),
        signature: "abs($value as xs:numeric?) as xs:numeric?",
        doc: "The value without its sign.",
        examples: &[("abs(-10.5)", "10.5")],
        yields: Other,
        call: |call| mapped(call, Decimal::abs, f64::abs),
    },
    Function {
        name: "ceiling",
        arity: (1, 1),
        signature: "ceiling($value as xs:numeric?) as xs:numeric?",
        doc: "The smallest whole number not below the value.",
        examples: &[("ceiling(10.5)", "11"), ("ceiling(-10.5)", "-10")],
        yields: Other,
        call: |call| mapped(call, Decimal::ceiling, f64::ceil),
    },
    Function {
        name: "floor",
        arity: (1, 1),
        signature: "floor($value as xs:numeric?) as xs:numeric?",
        doc: "The largest whole number not above the value.",
        examples: &[("floor(10.5)", "10"), ("floor(-10.5)", "-11")],
        yields: Other,
        call: |call| mapped(call, Decimal::floor, f64::floor),
    },
    Function {
        name: "round",
        arity: (1, 2),
        signature: "round($value as xs:numeric?, $places as xs:integer := 0) as xs:numeric?",
        doc: "The value rounded to so many decimal places, halves upwards.",
        examples: &[("round(2.5)", "3"), ("round(-2.5)", "-2"), ("round(1130.495, 2)", "1130.5")],
        yields: Other,
        call: |call| {
            let places = places(call)?;
            mapped(call, |value| value.round(places), |value| rounded(value, places, Decimal::round))
        },
    },
    Function {
        name: "round-half-to-even",
        arity: (1, 2),
        signature: "round-half-to-even($value as xs:numeric?, $places as xs:integer := 0) as xs:numeric?",
        doc: "The value rounded to so many decimal places, halves to the even neighbour.",
        examples: &[("round-half-to-even(2.5)", "2"), ("round-half-to-even(3.567812, 4)", "3.5678")],
        yields: Other,
        call: |call| {
            let places = places(call)?;
            let even = |value| rounded(value, places, Decimal::round_half_to_even);
            mapped(call, |value| value.round_half_to_even(places), even)
        },
    },
];

fn mapped(call: &Call<'_>, exact: impl Fn(Decimal) -> Decimal, double: impl Fn(f64) -> f64) -> Result<Value, Failure> {
    Ok(call.number(0)?.map(|number| number.map(exact, double).item()).into())
}

fn places(call: &Call<'_>) -> Result<i32, Failure> {
    if !call.has(1) {
        return Ok(0);
    }
    Ok(i32::try_from(call.integer(1)?.clamp(-400, 400)).unwrap_or_default())
}

/// Rounds by way of the decimal; what is out of its reach has no such digits. Zero keeps the sign.
fn rounded(value: f64, places: i32, round: fn(Decimal, i32) -> Decimal) -> f64 {
    Decimal::from_f64(value).map_or(value, |exact| round(exact, places).to_f64().copysign(value))
}
