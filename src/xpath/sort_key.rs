//! Keys by which items are sorted and grouped outside formulas: totally ordered, whatever the items are.

use std::sync::Arc;

use super::{
    Frame, Item,
    temporal::{instant, midnight, time_instant},
    temporal_text,
};
use crate::document::{Decimal, Shape};

/// As what an untyped text is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SortAs {
    /// By its own type; text by code points.
    #[default]
    Value,
    /// As a decimal number where it is one.
    Number,
    /// As text, whatever its type.
    Text,
    /// As a date or a moment where it is one.
    Date,
}

/// The key of one item. Nothing comes first, then numbers, truth values, durations, times, dates, moments, texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SortKey {
    /// The empty sequence.
    Nothing,
    /// NaN.
    NotANumber,
    /// A double below every decimal; bits inverted.
    Below(u64),
    /// A number, whatever its type.
    Number(Decimal),
    /// A double above every decimal; its bits.
    Above(u64),
    /// A truth value.
    Boolean(bool),
    /// Months and microseconds.
    Duration(i128, i128),
    /// Microseconds of the day, in UTC.
    Time(i128),
    /// Microseconds since the epoch, in UTC.
    Date(i128),
    /// Microseconds since the epoch, in UTC.
    DateTime(i128),
    /// Anything else by its text.
    Text(Arc<str>),
}

impl Frame<'_> {
    /// The key of an item; `None` for the empty sequence. A node's reading is traced.
    #[must_use]
    pub fn sort_key(&self, item: Option<&Item>, sort_as: SortAs) -> SortKey {
        let Some(item) = item else { return SortKey::Nothing };
        let text = || self.text_of(item);
        if sort_as == SortAs::Text {
            return SortKey::Text((&*text()).into());
        }
        match item {
            Item::Integer(value) | Item::Decimal(value) => SortKey::Number(*value),
            Item::Double(value) => of_double(*value),
            Item::Float(value) => of_double(f64::from(*value)),
            Item::Boolean(value) => SortKey::Boolean(*value),
            Item::Duration(value) => SortKey::Duration(value.months.into(), value.micros.into()),
            Item::Time(value) => SortKey::Time(time_instant(*value).into()),
            Item::Date(value) => SortKey::Date(instant(midnight(*value)).into()),
            Item::DateTime(value) => SortKey::DateTime(instant(*value).into()),
            Item::Derived(derived) => self.sort_key(Some(&derived.base), sort_as),
            Item::Node(document, node) => {
                let tree = self.document(*document);
                let is_number = tree.is_some_and(|tree| tree.shape(*node) == Shape::Number);
                of_text(&text(), if is_number { SortAs::Number } else { sort_as })
            }
            Item::Map(_) | Item::Array(_) => SortKey::Text("".into()),
            _ => of_text(&text(), sort_as),
        }
    }
}

fn of_double(value: f64) -> SortKey {
    match Decimal::from_f64(value) {
        Some(exact) => SortKey::Number(exact),
        None if value.is_nan() => SortKey::NotANumber,
        None if value < 0.0 => SortKey::Below(!value.to_bits()),
        None => SortKey::Above(value.to_bits()),
    }
}

fn of_text(text: &str, sort_as: SortAs) -> SortKey {
    let collapsed = text.trim();
    let typed = match sort_as {
        SortAs::Number => Decimal::parse(collapsed).ok().map(SortKey::Number),
        SortAs::Date => match temporal_text::date(collapsed) {
            Ok(date) => Some(SortKey::Date(instant(midnight(date)).into())),
            Err(_) => temporal_text::date_time(collapsed).ok().map(|moment| SortKey::DateTime(instant(moment).into())),
        },
        SortAs::Value | SortAs::Text => None,
    };
    typed.unwrap_or_else(|| SortKey::Text(text.into()))
}
