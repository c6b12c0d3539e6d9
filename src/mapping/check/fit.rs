//! Whether values of a static type fit a simple type of the target.

use crate::{
    mapping::source::class_of,
    schema::{Simple, SimpleKind},
    xpath::{Class, Constant, Fit, ItemType, SourceModel, TextType, lexical},
};

/// Whether an item fits, `None` for an element that holds no text.
pub(super) fn fit(item: &ItemType, target: &Simple, model: Option<&dyn SourceModel>) -> Option<Fit> {
    Some(match item {
        _ if target.list => Fit::Always,
        ItemType::Any => Fit::Always,
        ItemType::Constant(Constant { text, .. }) => {
            if text.is_empty() || target.misfit(text).is_none() {
                Fit::Always
            } else {
                Fit::Never
            }
        }
        ItemType::Atomic(class) => atomic(*class, target),
        ItemType::Node(spot) => match model {
            Some(model) => text(&spot.text(model)?, target),
            None => Fit::Always,
        },
    })
}

/// Text as it stands in the source.
fn text(source: &TextType, target: &Simple) -> Fit {
    if source.list || source.class == Class::Untyped {
        return Fit::Always;
    }
    if !source.words.is_empty() {
        let fitting = source.words.iter().filter(|word| target.misfit(word).is_none()).count();
        return match fitting {
            0 => Fit::Never,
            all if all == source.words.len() => Fit::Always,
            _ => Fit::Sometimes,
        };
    }
    match (source.class, target.kind) {
        (Class::Boolean, SimpleKind::String) => samples(&["true", "false", "0", "1"], target),
        _ => lexical(source, class_of(target.kind)),
    }
}

/// A computed value.
fn atomic(class: Class, target: &Simple) -> Fit {
    let (never, sometimes) = match target.kind {
        SimpleKind::String => (false, false),
        SimpleKind::Decimal => (class.is_temporal(), class == Class::Double),
        SimpleKind::Integer => (class.is_temporal(), matches!(class, Class::Decimal | Class::Double)),
        SimpleKind::Double => (class.is_temporal(), false),
        SimpleKind::Boolean => (class.is_temporal(), class.is_numeric()),
        SimpleKind::Date | SimpleKind::DateTime | SimpleKind::Time => (class != class_of(target.kind), false),
    };
    match class {
        Class::Untyped | Class::String => Fit::Always,
        Class::Boolean => samples(&["true", "false"], target),
        _ if never => Fit::Never,
        _ if sometimes => Fit::Sometimes,
        _ => Fit::Always,
    }
}

fn samples(texts: &[&str], target: &Simple) -> Fit {
    match texts.iter().filter(|text| target.misfit(text).is_none()).count() {
        0 => Fit::Never,
        all if all == texts.len() => Fit::Always,
        _ => Fit::Sometimes,
    }
}
