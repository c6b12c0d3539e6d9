//! Items: nodes and atomic values, small and cheap to clone.

use std::{borrow::Cow, sync::Arc};

use super::{Array, Date, DateTime, Duration, Frame, Gregorian, Map, Time, binary, cast::AtomicType};
use crate::document::{Decimal, NodeId, QName};

/// One item of a sequence (XDM 3.1 §2.1).
#[derive(Clone, Debug)]
pub enum Item {
    /// A node of one of the frame's documents: which document, which node.
    Node(u16, NodeId),
    /// `xs:untypedAtomic`: the text of a node without a schema type.
    Untyped(Arc<str>),
    /// `xs:string`.
    String(Arc<str>),
    /// `xs:boolean`.
    Boolean(bool),
    /// `xs:integer`: a decimal without a fraction.
    Integer(Decimal),
    /// `xs:decimal`.
    Decimal(Decimal),
    /// `xs:double`.
    Double(f64),
    /// `xs:date`.
    Date(Date),
    /// `xs:time`.
    Time(Time),
    /// `xs:dateTime`.
    DateTime(DateTime),
    /// `xs:duration` and the two types derived from it.
    Duration(Duration),
    /// `xs:float`.
    Float(f32),
    /// `xs:anyURI`.
    Uri(Arc<str>),
    /// `xs:hexBinary` and `xs:base64Binary`.
    Binary(BinaryKind, Arc<[u8]>),
    /// `xs:gYear`, `xs:gYearMonth`, `xs:gMonth`, `xs:gMonthDay` and `xs:gDay`.
    Gregorian(Gregorian),
    /// `xs:QName`.
    QName(Arc<Qualified>),
    /// A value of a type derived by restriction from `xs:string`, `xs:integer` or `xs:dateTime` (`xs:token`, `xs:long`).
    Derived(Arc<Derived>),
    /// A map (XDM 3.1 §2.7.2).
    Map(Arc<Map>),
    /// An array (XDM 3.1 §2.7.3).
    Array(Arc<Array>),
}

/// How the bytes of an [`Item::Binary`] are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryKind {
    /// `xs:hexBinary`.
    Hex,
    /// `xs:base64Binary`.
    Base64,
}

/// An `xs:QName`: the expanded name, and the prefix it was written with.
#[derive(Clone, Debug)]
pub struct Qualified {
    /// The expanded name.
    pub name: QName,
    /// The prefix; empty for none.
    pub prefix: Arc<str>,
}

/// A value of a derived type.
#[derive(Clone, Debug)]
pub struct Derived {
    /// The derived type.
    pub(super) of: AtomicType,
    /// The value as one of its primitive (or integer) type; never derived itself.
    pub(super) base: Item,
}

impl Item {
    /// A string item.
    #[must_use]
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// An integer item.
    #[must_use]
    pub fn integer(value: usize) -> Self {
        Self::Integer(Decimal::from(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    /// The item without its derived type: what it calculates and compares as.
    #[must_use]
    pub fn base(&self) -> &Self {
        match self {
            Self::Derived(derived) => &derived.base,
            other => other,
        }
    }

    /// The name of the item's type, for messages: `xs:integer`, `node()`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Node(..) => "node()",
            Self::Untyped(_) => "xs:untypedAtomic",
            Self::String(_) => "xs:string",
            Self::Boolean(_) => "xs:boolean",
            Self::Integer(_) => "xs:integer",
            Self::Decimal(_) => "xs:decimal",
            Self::Double(_) => "xs:double",
            Self::Date(_) => "xs:date",
            Self::Time(_) => "xs:time",
            Self::DateTime(_) => "xs:dateTime",
            Self::Duration(duration) => duration.type_name(),
            Self::Float(_) => "xs:float",
            Self::Uri(_) => "xs:anyURI",
            Self::Binary(BinaryKind::Hex, _) => "xs:hexBinary",
            Self::Binary(BinaryKind::Base64, _) => "xs:base64Binary",
            Self::Gregorian(value) => value.type_name(),
            Self::QName(_) => "xs:QName",
            Self::Derived(derived) => derived.of.qualified_name(),
            Self::Map(_) => "map(*)",
            Self::Array(_) => "array(*)",
        }
    }
}

/// Whether an item is a number of any type. Nodes are not; see [`Item::type_name`].
#[must_use]
pub fn is_numeric(item: &Item) -> bool {
    matches!(item.base(), Item::Integer(_) | Item::Decimal(_) | Item::Double(_) | Item::Float(_))
}

/// The item's string value (F&O 3.1 §2.3, §19.1.2): a node's text as written, a number in canonical form.
#[must_use]
pub fn string_of<'a>(item: &'a Item, frame: &Frame<'a>) -> Cow<'a, str> {
    match item {
        Item::Node(document, node) => {
            frame.document(*document).map_or(Cow::Borrowed(""), |document| document.string_value(*node))
        }
        Item::Untyped(text) | Item::String(text) => Cow::Borrowed(text),
        Item::Boolean(true) => Cow::Borrowed("true"),
        Item::Boolean(false) => Cow::Borrowed("false"),
        Item::Integer(value) | Item::Decimal(value) => Cow::Owned(value.to_string()),
        Item::Double(value) => Cow::Owned(double_text(*value)),
        Item::Date(value) => Cow::Owned(value.to_string()),
        Item::Time(value) => Cow::Owned(value.to_string()),
        Item::DateTime(value) => Cow::Owned(value.to_string()),
        Item::Duration(value) => Cow::Owned(value.to_string()),
        Item::Float(value) => Cow::Owned(float_text(*value)),
        Item::Uri(text) => Cow::Borrowed(text),
        Item::Binary(kind, bytes) => Cow::Owned(binary::text(*kind, bytes)),
        Item::Gregorian(value) => Cow::Owned(value.to_string()),
        Item::QName(name) if name.prefix.is_empty() => Cow::Borrowed(&name.name.local),
        Item::QName(name) => Cow::Owned(format!("{}:{}", name.prefix, name.name.local)),
        Item::Derived(derived) => string_of(&derived.base, frame),
        // Neither has a string value: a caller that needs one refuses them before (FOTY0014).
        Item::Map(_) | Item::Array(_) => Cow::Borrowed(""),
    }
}

/// The cast of a double to a string (F&O 3.1 §19.1.2.2): plain between 0.000001 and 1000000, else with exponent.
fn double_text(value: f64) -> String {
    let shown = if (0.000_001..1_000_000.0).contains(&value.abs()) { value.to_string() } else { format!("{value:E}") };
    floating_text(value, shown)
}

/// The same for a float, which shows fewer digits.
fn float_text(value: f32) -> String {
    let shown = if (0.000_001..1_000_000.0).contains(&value.abs()) { value.to_string() } else { format!("{value:E}") };
    floating_text(f64::from(value), shown)
}

/// The special values by their names; a mantissa has a point.
fn floating_text(value: f64, shown: String) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    match shown.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Item, double_text, float_text};

    #[test]
    fn an_item_is_small() {
        assert!(size_of::<Item>() <= 32, "{}", size_of::<Item>());
    }

    #[test]
    fn floating_numbers_show_their_shortest_form() {
        for (value, shown) in [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1_000_000.0, "1.0E6"),
            (999_999.0, "999999"),
            (0.000_001, "0.000001"),
            (0.000_000_9, "9.0E-7"),
            (1.5e300, "1.5E300"),
            (f64::NEG_INFINITY, "-INF"),
        ] {
            assert_eq!(double_text(value), shown);
        }
        assert_eq!(float_text(0.1), "0.1");
        assert_eq!(float_text(16_777_216.0), "1.6777216E7");
    }
}
