//! Values: sequences of items, with a fast form for none and for one.

use std::{borrow::Cow, sync::Arc};

use super::{Failure, Frame, Item, string_of};

/// A sequence (XDM 3.1 §2.1). Cloning is cheap; items are read through [`Value::items`].
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// `()`.
    #[default]
    Empty,
    /// One item.
    One(Item),
    /// Two items or more.
    Many(Arc<Vec<Item>>),
}

impl Value {
    /// The items, in order.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        match self {
            Self::Empty => &[],
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The first item.
    #[must_use]
    pub fn first(&self) -> Option<&Item> {
        self.items().first()
    }

    /// The atomized value (XPath 3.1 §2.4.2): nodes become their untyped text, as written. Nodes read are traced.
    #[must_use]
    pub fn atomize(&self, frame: &Frame<'_>) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::One(item) => Self::One(frame.atomize_item(item)),
            Self::Many(items) => items.iter().map(|item| frame.atomize_item(item)).collect(),
        }
    }

    /// The effective boolean value (XPath 3.1 §2.4.3).
    ///
    /// # Errors
    /// `FORG0006` for values that have none: dates, several atomic items.
    pub fn effective_boolean(&self) -> Result<bool, Failure> {
        let first = match self {
            Self::Empty => return Ok(false),
            Self::One(item) => item,
            Self::Many(items) => match items.first() {
                Some(Item::Node(..)) => return Ok(true),
                _ => {
                    return Err(Failure::error(
                        "FORG0006",
                        format!("a sequence of {} items is neither true nor false", items.len()),
                    ));
                }
            },
        };
        Ok(match first.base() {
            Item::Node(..) => true,
            Item::Boolean(value) => *value,
            Item::Untyped(text) | Item::String(text) | Item::Uri(text) => !text.is_empty(),
            Item::Integer(value) | Item::Decimal(value) => !value.is_zero(),
            Item::Double(value) => *value != 0.0 && !value.is_nan(),
            Item::Float(value) => *value != 0.0 && !value.is_nan(),
            other => {
                return Err(Failure::error(
                    "FORG0006",
                    format!("a value of type {} is neither true nor false", other.type_name()),
                ));
            }
        })
    }

    /// The string values of all items, joined by one space; borrowed when there is at most one.
    #[must_use]
    pub fn text<'a>(&'a self, frame: &Frame<'a>) -> Cow<'a, str> {
        match self.items() {
            [] => Cow::Borrowed(""),
            [one] => string_of(one, frame),
            many => {
                let mut joined = String::new();
                for (at, item) in many.iter().enumerate() {
                    if at > 0 {
                        joined.push(' ');
                    }
                    joined.push_str(&string_of(item, frame));
                }
                Cow::Owned(joined)
            }
        }
    }
}

impl From<Item> for Value {
    fn from(item: Item) -> Self {
        Self::One(item)
    }
}

impl From<Option<Item>> for Value {
    fn from(item: Option<Item>) -> Self {
        item.map_or(Self::Empty, Self::One)
    }
}

impl From<Vec<Item>> for Value {
    fn from(mut items: Vec<Item>) -> Self {
        match items.len() {
            0 => Self::Empty,
            1 => items.pop().map_or(Self::Empty, Self::One),
            _ => Self::Many(Arc::new(items)),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::One(Item::Boolean(value))
    }
}

impl FromIterator<Item> for Value {
    fn from_iter<T: IntoIterator<Item = Item>>(items: T) -> Self {
        items.into_iter().collect::<Vec<_>>().into()
    }
}
