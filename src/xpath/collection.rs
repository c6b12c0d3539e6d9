//! Maps and arrays (XDM 3.1 §2.7): immutable, cheap to share.

use super::{Failure, Item, Value};

/// An array: its members are values.
pub type Array = Vec<Value>;

/// A map: entries in the order they were first put in.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<(Item, Value)>,
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
    flatten_into(&value, &mut flat);
    match flat.iter().any(collection) {
        true => Err(Failure::error("FOTY0013", "a map has no value of its own; take its entries with `?`")),
        false => Ok(flat.into()),
    }
}

/// Adds the items of a value, arrays replaced by their members at every depth.
fn flatten_into(value: &Value, flat: &mut Vec<Item>) {
    for item in value.items() {
        match item {
            Item::Array(members) => members.iter().for_each(|member| flatten_into(member, flat)),
            other => flat.push(other.clone()),
        }
    }
}
