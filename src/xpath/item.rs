//! Items: nodes and atomic values, small and cheap to clone.

use std::{borrow::Cow, sync::Arc};

use super::{Date, DateTime, Duration, Time};
use crate::document::{Decimal, Document, NodeId};

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
        }
    }
}

/// Whether an item is an `xs:integer`, `xs:decimal` or `xs:double`. Nodes are not; see [`Item::type_name`].
#[must_use]
pub fn is_numeric(item: &Item) -> bool {
    matches!(item, Item::Integer(_) | Item::Decimal(_) | Item::Double(_))
}

/// The item's string value (F&O 3.1 §2.3, §19.1.2): a node's text as written, a number in canonical form.
#[must_use]
pub fn string_of<'a>(item: &'a Item, documents: &[&'a Document]) -> Cow<'a, str> {
    match item {
        Item::Node(document, node) => {
            documents.get(usize::from(*document)).map_or(Cow::Borrowed(""), |document| document.string_value(*node))
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
    }
}

/// The cast of a double to a string (F&O 3.1 §19.1.2.2): plain between 0.000001 and 1000000, else with exponent.
fn double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.to_owned();
    }
    let size = value.abs();
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    if (0.000_001..1_000_000.0).contains(&size) {
        return format!("{value}");
    }
    let shown = format!("{value:E}");
    match shown.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => shown,
    }
}
