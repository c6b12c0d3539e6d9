//! Trigonometry, logarithms and powers, in doubles (F&O 3.1 §4.8).

use super::{Call, Function, Yields::Other};
use crate::xpath::{Failure, Item, Value, operate::Number};

macro_rules! of_double {
    ($name:literal, $doc:literal, $example:literal, $shown:literal, $function:expr) => {
        Function {
            name: concat!("math:", $name),
            arity: (1, 1),
            signature: concat!("math:", $name, "($value as xs:double?) as xs:double?"),
            doc: $doc,
            examples: &[($example, $shown)],
            yields: Other,
            call: |call| of_doubles(call, |value, _| $function(value)),
        }
    };
}

macro_rules! of_two {
    ($name:literal, $signature:literal, $doc:literal, $example:literal, $shown:literal, $function:expr) => {
        Function {
            name: concat!("math:", $name),
            arity: (2, 2),
            signature: $signature,
            doc: $doc,
            examples: &[($example, $shown)],
            yields: Other,
            call: |call| of_doubles(call, $function),
        }
    };
}

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "math:pi",
        arity: (0, 0),
        signature: "math:pi() as xs:double",
        doc: "The number π.",
        examples: &[("math:pi()", "3.141592653589793")],
        yields: Other,
        call: |_| Ok(Item::Double(std::f64::consts::PI).into()),
    },
    of_double!("exp", "e to a power.", "math:exp(0)", "1", f64::exp),
    of_double!("exp10", "10 to a power.", "math:exp10(3)", "1000", |value| 10_f64.powf(value)),
    of_double!("log", "The natural logarithm.", "math:log(1)", "0", f64::ln),
    of_double!("log10", "The logarithm to base 10.", "math:log10(1000)", "3", f64::log10),
    of_double!("sqrt", "The square root.", "math:sqrt(2.25)", "1.5", f64::sqrt),
    of_double!("sin", "The sine of an angle in radians.", "math:sin(0)", "0", f64::sin),
    of_double!("cos", "The cosine of an angle in radians.", "math:cos(0)", "1", f64::cos),
    of_double!("tan", "The tangent of an angle in radians.", "math:tan(0)", "0", f64::tan),
    of_double!("asin", "The angle in radians that has a sine.", "math:asin(0)", "0", f64::asin),
    of_double!("acos", "The angle in radians that has a cosine.", "math:acos(1)", "0", f64::acos),
    of_double!("atan", "The angle in radians that has a tangent.", "math:atan(0)", "0", f64::atan),
    of_two!(
        "atan2",
        "math:atan2($y as xs:double, $x as xs:double) as xs:double",
        "The angle in radians between the x axis and the line from the origin to a point.",
        "math:atan2(0, 1)",
        "0",
        f64::atan2
    ),
    of_two!(
        "pow",
        "math:pow($base as xs:double?, $exponent as xs:numeric) as xs:double?",
        "A number to a power.",
        "math:pow(2, 10)",
        "1024",
        f64::powf
    ),
];

/// A function of the arguments; a second one that is missing is 0.
fn of_doubles(call: &Call<'_>, function: impl Fn(f64, f64) -> f64) -> Result<Value, Failure> {
    let Some(first) = call.number(0)? else { return Ok(Value::Empty) };
    let second = call.number(1)?.map_or(0.0, Number::to_f64);
    Ok(Item::Double(function(first.to_f64(), second)).into())
}
