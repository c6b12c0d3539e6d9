//! Maps and arrays (XDM 3.1 §2.7): immutable, cheap to share.

use super::{Item, Value};

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
