//! What texts are in JSON.

use crate::{
    document::{Decimal, Shape},
    schema::{Simple, SimpleKind},
};

/// What a text is in JSON, and the form it needs for that when it has another one.
pub(super) fn shaped(text: &str, own: Shape, simple: Option<&Simple>) -> (Shape, Option<String>) {
    let kind = simple.filter(|simple| !simple.list).map(|simple| simple.kind);
    let wants_number = kind.map_or(own == Shape::Number, SimpleKind::is_numeric);
    if wants_number {
        if is_json_number(text) {
            return (Shape::Number, None);
        }
        return match Decimal::parse(text) {
            Ok(value) => (Shape::Number, Some(value.to_string())),
            Err(_) => (Shape::String, None),
        };
    }
    let wants_boolean = kind.map_or(own == Shape::Boolean, |kind| kind == SimpleKind::Boolean);
    if wants_boolean && matches!(text, "true" | "false") { (Shape::Boolean, None) } else { (Shape::String, None) }
}

/// Whether a text is a number of RFC 8259 §6.
pub(super) fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}
