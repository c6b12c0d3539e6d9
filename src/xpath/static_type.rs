//! Static types (XPath 3.1 §2.2.3.1): what is known of a formula's value before any document is there.
//!
//! A type is a list of alternatives and a number of items. Nodes are known by where they stand in the source type
//! ([`Spot`]), constants by their text and the place they were written at.

use std::{fmt, sync::Arc};

use super::{SourceModel, TypeRef};
use crate::{
    base::Place,
    document::{Kind, QName},
};

/// How many items there are at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Least {
    /// None: the source may lack it.
    Nothing,
    /// None, but only where a condition the author wrote says so.
    Filtered,
    /// One.
    One,
}

/// How many items there are at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Most {
    /// None.
    Nothing,
    /// One.
    One,
    /// Several.
    Many,
}

/// How many items a value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurs {
    /// At least.
    pub least: Least,
    /// At most.
    pub most: Most,
}

impl Occurs {
    /// `empty-sequence()`
    pub const EMPTY: Self = Self { least: Least::Nothing, most: Most::Nothing };
    /// Exactly one.
    pub const ONE: Self = Self { least: Least::One, most: Most::One };
    /// `?`
    pub const OPTIONAL: Self = Self { least: Least::Nothing, most: Most::One };
    /// `*`, of unknown cause.
    pub const ANY: Self = Self { least: Least::Filtered, most: Most::Many };
    /// `+`
    pub const SOME: Self = Self { least: Least::One, most: Most::Many };

    /// Both, one behind the other.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        let most = match (self.most, other.most) {
            (Most::Nothing, most) | (most, Most::Nothing) => most,
            _ => Most::Many,
        };
        Self { least: self.least.max(other.least), most }
    }

    /// The one or the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// The other for each of these.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let most = match (self.most, other.most) {
            (Most::Nothing, _) | (_, Most::Nothing) => Most::Nothing,
            (Most::One, most) | (most, Most::One) => most,
            _ => Most::Many,
        };
        Self { least: self.least.min(other.least), most }
    }

    /// Those that meet a condition.
    #[must_use]
    pub fn filtered(self) -> Self {
        Self { least: self.least.min(Least::Filtered), most: self.most }
    }

    /// At most one of them.
    #[must_use]
    pub fn single(self) -> Self {
        Self { least: self.least, most: self.most.min(Most::One) }
    }
}

/// The sign behind an item type: `?`, `*`, `+`, nothing.
impl fmt::Display for Occurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.least, self.most) {
            (_, Most::Nothing) => "0",
            (Least::One, Most::One) => "",
            (_, Most::One) => "?",
            (Least::One, Most::Many) => "+",
            (_, Most::Many) => "*",
        })
    }
}

/// Atomic types, as far as they decide what can be compared, computed and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// `xs:untypedAtomic`, and text nothing is known of.
    Untyped,
    /// `xs:string`, `xs:anyURI` and what is derived from them.
    String,
    /// `xs:boolean`
    Boolean,
    /// `xs:integer` and what is derived from it.
    Integer,
    /// `xs:decimal`
    Decimal,
    /// `xs:double`, `xs:float`
    Double,
    /// `xs:date`
    Date,
    /// `xs:time`
    Time,
    /// `xs:dateTime`
    DateTime,
    /// `xs:duration` and what is derived from it.
    Duration,
}

impl Class {
    /// The class of a type by its name, with or without `xs:`; `None` for types that are not told apart.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("xs:").unwrap_or(name) {
            "untypedAtomic" => Self::Untyped,
            "string" | "normalizedString" | "token" | "language" | "NMTOKEN" | "Name" | "NCName" | "ID" | "IDREF"
            | "ENTITY" | "anyURI" => Self::String,
            "boolean" => Self::Boolean,
            "integer" | "long" | "int" | "short" | "byte" | "nonNegativeInteger" | "positiveInteger"
            | "nonPositiveInteger" | "negativeInteger" | "unsignedLong" | "unsignedInt" | "unsignedShort"
            | "unsignedByte" => Self::Integer,
            "decimal" => Self::Decimal,
            "double" | "float" => Self::Double,
            "date" => Self::Date,
            "time" => Self::Time,
            "dateTime" | "dateTimeStamp" => Self::DateTime,
            "duration" | "yearMonthDuration" | "dayTimeDuration" => Self::Duration,
            _ => return None,
        })
    }

    /// Whether values are numbers.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Double)
    }

    /// Whether values are dates, times or durations.
    #[must_use]
    pub fn is_temporal(self) -> bool {
        matches!(self, Self::Date | Self::Time | Self::DateTime | Self::Duration)
    }

    /// The name of its type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Untyped => "xs:untypedAtomic",
            Self::String => "xs:string",
            Self::Boolean => "xs:boolean",
            Self::Integer => "xs:integer",
            Self::Decimal => "xs:decimal",
            Self::Double => "xs:double",
            Self::Date => "xs:date",
            Self::Time => "xs:time",
            Self::DateTime => "xs:dateTime",
            Self::Duration => "xs:duration",
        }
    }

    /// What a value is, for messages: `a number`.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Untyped => "text of unknown type",
            Self::String => "a string",
            Self::Boolean => "a boolean",
            Self::Integer => "a whole number",
            Self::Decimal => "a decimal number",
            Self::Double => "a double",
            Self::Date => "a date",
            Self::Time => "a time",
            Self::DateTime => "a date with time",
            Self::Duration => "a duration",
        }
    }
}

/// What the text of an element or attribute may be, as a source model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextType {
    /// The class of its built-in type; [`Class::Untyped`] when nothing is known.
    pub class: Class,
    /// A list of such values.
    pub list: bool,
    /// The allowed texts; empty for any.
    pub words: Vec<Arc<str>>,
}

/// Where a node stands in the source type.
#[derive(Debug)]
pub struct Spot {
    up: Option<Arc<Spot>>,
    name: Option<QName>,
    kind: Kind,
    of: TypeRef,
}

impl PartialEq for Spot {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.name == other.name
            && self.of == other.of
            && match (&self.up, &other.up) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
                (None, None) => true,
                _ => false,
            }
    }
}

impl Eq for Spot {}

impl Spot {
    /// The document node.
    #[must_use]
    pub fn document(of: TypeRef) -> Arc<Self> {
        Arc::new(Self { up: None, name: None, kind: Kind::Document, of })
    }

    /// A child element.
    #[must_use]
    pub fn child(self: &Arc<Self>, name: QName, of: TypeRef) -> Arc<Self> {
        Arc::new(Self { up: Some(self.clone()), name: Some(name), kind: Kind::Element, of })
    }

    /// An attribute.
    #[must_use]
    pub fn attribute(self: &Arc<Self>, name: QName) -> Arc<Self> {
        Arc::new(Self { up: Some(self.clone()), name: Some(name), kind: Kind::Attribute, of: self.of })
    }

    /// Its text nodes.
    #[must_use]
    pub fn text_node(self: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { up: Some(self.clone()), name: None, kind: Kind::Text, of: self.of })
    }

    /// The parent.
    #[must_use]
    pub fn up(&self) -> Option<&Arc<Self>> {
        self.up.as_ref()
    }

    /// The name of an element or attribute.
    #[must_use]
    pub fn name(&self) -> Option<&QName> {
        self.name.as_ref()
    }

    /// Document, element, attribute or text.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The type: an attribute's and a text's is the element's.
    #[must_use]
    pub fn of(&self) -> TypeRef {
        self.of
    }

    /// Whether it is the other, or stands below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self == other || self.up.as_deref().is_some_and(|up| up.is_within(other))
    }

    /// What its text may be; `None` when it holds elements only.
    #[must_use]
    pub fn text(&self, model: &dyn SourceModel) -> Option<TextType> {
        match self.kind {
            Kind::Attribute => model.text(self.of, self.name.as_ref()),
            _ => model.text(self.of, None),
        }
    }

    /// Why a text can never stand there.
    #[must_use]
    pub fn misfit(&self, model: &dyn SourceModel, text: &str) -> Option<String> {
        match self.kind {
            Kind::Attribute => model.misfit(self.of, self.name.as_ref(), text),
            _ => model.misfit(self.of, None, text),
        }
    }
}

/// `/SalesOrder/Line/@no`, local names only.
impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(up) = &self.up {
            up.fmt(f)?;
        }
        match (self.kind, &self.name) {
            (Kind::Attribute, Some(name)) => write!(f, "/@{}", name.local),
            (Kind::Element, Some(name)) => write!(f, "/{}", name.local),
            (Kind::Text, _) => f.write_str("/text()"),
            _ => Ok(()),
        }
    }
}

/// A value known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Its type.
    pub class: Class,
    /// Its string value.
    pub text: Arc<str>,
    /// Where it was written.
    pub place: Place,
}

/// One kind of items a value may consist of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemType {
    /// Nothing is known.
    Any,
    /// Nodes of one place of the source type.
    Node(Arc<Spot>),
    /// Atomic values of a class.
    Atomic(Class),
    /// One value.
    Constant(Constant),
}

impl ItemType {
    /// The class of an atomic value; `None` for nodes and for what is not known.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Atomic(class) | Self::Constant(Constant { class, .. }) => Some(*class),
            _ => None,
        }
    }
}

/// Alternatives beyond this are not told apart.
const MAX_ALTERNATIVES: usize = 200;

/// What is known of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticType {
    /// The alternatives; empty for the empty sequence.
    pub items: Vec<ItemType>,
    /// How many items there are.
    pub occurs: Occurs,
}

impl Default for StaticType {
    fn default() -> Self {
        Self::any()
    }
}

impl StaticType {
    /// Nothing is known.
    #[must_use]
    pub fn any() -> Self {
        Self { items: vec![ItemType::Any], occurs: Occurs::ANY }
    }

    /// The empty sequence.
    #[must_use]
    pub fn empty() -> Self {
        Self { items: Vec::new(), occurs: Occurs::EMPTY }
    }

    /// Atomic values.
    #[must_use]
    pub fn atomic(class: Class, occurs: Occurs) -> Self {
        Self { items: vec![ItemType::Atomic(class)], occurs }
    }

    /// The document node of a model.
    #[must_use]
    pub fn root(model: &dyn SourceModel) -> Self {
        Self { items: vec![ItemType::Node(Spot::document(model.root()))], occurs: Occurs::ONE }
    }

    /// A text written at a place.
    #[must_use]
    pub fn literal(class: Class, text: &str, place: Place) -> Self {
        let constant = Constant { class, text: text.into(), place };
        Self { items: vec![ItemType::Constant(constant)], occurs: Occurs::ONE }
    }

    /// One item of these, as the context of a step, predicate or block.
    #[must_use]
    pub fn each(&self) -> Self {
        Self { items: self.items.clone(), occurs: Occurs::ONE }
    }

    /// The same items, as many as told.
    #[must_use]
    pub fn occurring(mut self, occurs: Occurs) -> Self {
        self.occurs = occurs;
        self
    }

    /// These alternatives and others.
    #[must_use]
    pub fn with_items(mut self, more: &[ItemType]) -> Self {
        for item in more {
            if !self.items.contains(item) {
                self.items.push(item.clone());
            }
        }
        if self.items.len() > MAX_ALTERNATIVES || self.items.contains(&ItemType::Any) {
            self.items = vec![ItemType::Any];
        }
        self
    }

    /// The one or the other.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let occurs = self.occurs.or(other.occurs);
        self.with_items(&other.items).occurring(occurs)
    }

    /// The one behind the other.
    #[must_use]
    pub fn then(self, other: &Self) -> Self {
        let occurs = self.occurs.then(other.occurs);
        self.with_items(&other.items).occurring(occurs)
    }

    /// Whether an alternative is unknown.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.items.contains(&ItemType::Any)
    }

    /// The places of its nodes.
    pub fn spots(&self) -> impl Iterator<Item = &Arc<Spot>> {
        self.items.iter().filter_map(|item| match item {
            ItemType::Node(spot) => Some(spot),
            _ => None,
        })
    }

    /// The type of its nodes, when they all have the same.
    #[must_use]
    pub fn type_ref(&self) -> Option<TypeRef> {
        let mut found = None;
        for item in &self.items {
            let ItemType::Node(spot) = item else { return None };
            let of = matches!(spot.kind(), Kind::Element | Kind::Document).then(|| spot.of())?;
            if found.is_some_and(|known| known != of) {
                return None;
            }
            found = Some(of);
        }
        found
    }

    /// The effective boolean value (XPath 3.1 §2.4.3), when every value has the same: with the reason.
    #[must_use]
    pub fn truth(&self) -> Option<(bool, String)> {
        if self.occurs.most == Most::Nothing {
            return Some((false, "it is always empty".to_owned()));
        }
        if self.occurs.least != Least::One || self.items.is_empty() {
            return None;
        }
        if let [ItemType::Constant(constant)] = self.items.as_slice() {
            let truth = match constant.class {
                Class::Boolean => &*constant.text == "true",
                Class::String | Class::Untyped => !constant.text.is_empty(),
                class if class.is_numeric() => constant.text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)),
                _ => return None,
            };
            return Some((truth, "its value is known beforehand".to_owned()));
        }
        let mut spots = self.spots();
        let first = spots.next()?;
        (self.items.len() == spots.count() + 1)
            .then(|| (true, format!("every document of the source type has `{first}`")))
    }
}

/// `item()`, `/Order/Line`, `xs:string`, `'text'`, `3`.
impl fmt::Display for ItemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("item()"),
            Self::Node(spot) if spot.kind() == Kind::Document => f.write_str("/"),
            Self::Node(spot) => spot.fmt(f),
            Self::Atomic(class) => f.write_str(class.name()),
            Self::Constant(Constant { class: Class::String, text, .. }) => write!(f, "'{text}'"),
            Self::Constant(Constant { text, .. }) => f.write_str(text),
        }
    }
}

/// The alternatives and the sign of how many there are: `(/Order/Rate | 1)`, `xs:string*`.
impl fmt::Display for StaticType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.items.as_slice() {
            [] => return f.write_str("empty-sequence()"),
            [only] => only.fmt(f)?,
            several => {
                let shown: Vec<String> = several.iter().map(ToString::to_string).collect();
                write!(f, "({})", shown.join(" | "))?;
            }
        }
        self.occurs.fmt(f)
    }
}
