//! Maps and arrays (XDM 3.1 §2.7): immutable once made, cheap to share.

use std::{collections::HashMap, sync::Arc};

use super::{BinaryKind, Failure, Item, Value, temporal};
use crate::document::{Decimal, QName};

/// An array: its members are values.
pub type Array = Vec<Value>;

/// A map: entries in the order they were first put in, found by key through an index.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<(Item, Value)>,
    index: HashMap<Key, usize>,
}

impl Map {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&Item, &Value)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The value of a key, which is atomic.
    #[must_use]
    pub fn get(&self, key: &Item) -> Option<&Value> {
        self.entries.get(*self.index.get(&Key::of(key))?).map(|(_, value)| value)
    }

    /// Puts an entry in, in place of the one with the same key. The key is atomic.
    pub fn put(&mut self, key: Item, value: Value) {
        match self.index.get(&Key::of(&key)) {
            Some(at) => self.entries[*at] = (key, value),
            None => {
                self.index.insert(Key::of(&key), self.entries.len());
                self.entries.push((key, value));
            }
        }
    }

    /// The map without the entries of some keys.
    pub(super) fn without(&self, keys: &[Item]) -> Self {
        let mut gone: Vec<usize> = keys.iter().filter_map(|key| self.index.get(&Key::of(key)).copied()).collect();
        gone.sort_unstable();
        let kept = self.entries.iter().enumerate().filter(|(at, _)| gone.binary_search(at).is_err());
        kept.map(|(_, entry)| entry.clone()).collect()
    }
}

impl FromIterator<(Item, Value)> for Map {
    fn from_iter<T: IntoIterator<Item = (Item, Value)>>(entries: T) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(key, value)| map.put(key, value));
        map
    }
}

/// What makes keys the same (F&O 3.1 §17.1.1): equal exactly when `op:same-key` holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Text(Arc<str>),
    Number(Decimal),
    /// A double that no decimal is: its bits.
    Double(u64),
    NaN,
    Boolean(bool),
    /// Kind of moment, whether it has a zone, and the instant.
    Moment(&'static str, bool, i128),
    Duration(i32, i64),
    Binary(bool, Arc<[u8]>),
    Name(QName),
    /// No atomic value.
    Other,
}

impl Key {
    fn of(item: &Item) -> Self {
        let kind = item.base().type_name();
        match item.base() {
            Item::Untyped(text) | Item::String(text) | Item::Uri(text) => Self::Text(text.clone()),
            Item::Integer(value) | Item::Decimal(value) => Self::Number(*value),
            Item::Double(value) => Self::of_double(*value),
            Item::Float(value) => Self::of_double(f64::from(*value)),
            Item::Boolean(value) => Self::Boolean(*value),
            Item::Date(date) => {
                Self::Moment(kind, date.offset.is_some(), i128::from(temporal::instant(temporal::midnight(*date))))
            }
            Item::Time(time) => Self::Moment(kind, time.offset.is_some(), i128::from(temporal::time_instant(*time))),
            Item::DateTime(moment) => {
                Self::Moment(kind, moment.offset.is_some(), i128::from(temporal::instant(*moment)))
            }
            Item::Gregorian(part) => {
                let date = temporal::Date { day: part.day, offset: part.offset };
                Self::Moment(kind, part.offset.is_some(), i128::from(temporal::instant(temporal::midnight(date))))
            }
            Item::Duration(duration) => Self::Duration(duration.months, duration.micros),
            Item::Binary(binary, bytes) => Self::Binary(*binary == BinaryKind::Hex, bytes.clone()),
            Item::QName(name) => Self::Name(name.name.clone()),
            Item::Node(..) | Item::Map(_) | Item::Array(_) | Item::Derived(_) => Self::Other,
        }
    }

    /// A double is the same key as a decimal only if it is that very number.
    fn of_double(value: f64) -> Self {
        if value.is_nan() {
            return Self::NaN;
        }
        // all digits of the binary fraction, up to where no decimal reaches
        let digits = format!("{value:.40}");
        let exact = digits.trim_end_matches('0');
        match Decimal::parse(exact.trim_end_matches('.')) {
            Ok(number) if digits.ends_with('0') && (value == 0.0 || !number.is_zero()) => Self::Number(number),
            _ => Self::Double(value.to_bits()),
        }
    }
}

/// The value with arrays replaced by their members (XPath 3.1 §2.4.2). Nodes stay: whoever reads them atomizes them.
///
/// # Errors
/// `FOTY0013` for a map.
pub(super) fn atomized(value: Value) -> Result<Value, Failure> {
    let collection = |item: &Item| matches!(item, Item::Map(_) | Item::Array(_));
    if !value.items().iter().any(collection) {
        return Ok(value);
    }
    let mut flat = Vec::new();
    if !flatten(&value, &mut flat) {
        return Err(Failure::Budget);
    }
    match flat.iter().any(collection) {
        true => Err(Failure::error("FOTY0013", "a map has no value of its own; take its entries with `?`")),
        false => Ok(flat.into()),
    }
}

/// Members and items that flattening looks at: arrays that share their members are small, and endless when flat.
const FLAT: usize = 1 << 20;

/// Adds the items of a value, arrays replaced by their members at every depth; false when there are too many.
pub(super) fn flatten(value: &Value, flat: &mut Vec<Item>) -> bool {
    fn add(value: &Value, flat: &mut Vec<Item>, left: &mut usize) -> bool {
        value.items().iter().all(|item| {
            let Some(rest) = left.checked_sub(1) else { return false };
            *left = rest;
            match item {
                Item::Array(members) => members.iter().all(|member| add(member, flat, left)),
                other => {
                    flat.push(other.clone());
                    true
                }
            }
        })
    }
    let mut left = FLAT;
    add(value, flat, &mut left)
}
