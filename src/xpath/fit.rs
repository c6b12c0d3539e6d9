//! Whether values of some static types can be numbers, arguments and cast, and whether comparing them means anything.

use std::sync::Arc;

use super::{
    SourceModel,
    ast::{Comparison, Span},
    code,
    infer::Inference,
    static_type::{Class, Constant, ItemType, Most, Spot, StaticType, TextType},
};
use crate::{base::suggest, document::Decimal};

/// Whether something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// For every value.
    Always,
    /// For some values.
    Sometimes,
    /// For no value.
    Never,
}

/// The verdict on all alternatives together.
pub fn all(items: &[ItemType], verdict: impl Fn(&ItemType) -> Fit) -> Fit {
    let verdicts: Vec<Fit> = items.iter().map(verdict).collect();
    if verdicts.iter().all(|fit| *fit == Fit::Always) {
        Fit::Always
    } else if verdicts.iter().all(|fit| *fit == Fit::Never) {
        Fit::Never
    } else {
        Fit::Sometimes
    }
}

/// What the items are, for messages.
#[must_use]
pub fn nouns(items: &[ItemType], model: Option<&dyn SourceModel>) -> String {
    let mut nouns: Vec<&str> = Vec::new();
    for item in items {
        let noun = match item {
            ItemType::Any => "anything",
            ItemType::Atomic(class) | ItemType::Constant(Constant { class, .. }) => class.noun(),
            ItemType::Node(spot) => match model.and_then(|model| spot.text(model)) {
                Some(text) => text.class.noun(),
                None => "an element with children",
            },
        };
        if !nouns.contains(&noun) {
            nouns.push(noun);
        }
    }
    nouns.join(" or ")
}

/// Text of a class as another: what the lexical forms allow.
fn text_as(text: &TextType, wanted: impl Fn(&str) -> bool, same: bool, apart: bool) -> Fit {
    if text.list || text.class == Class::Untyped || same {
        return Fit::Always;
    }
    if !text.words.is_empty() {
        let fitting = text.words.iter().filter(|word| wanted(word)).count();
        return match fitting {
            0 => Fit::Never,
            all if all == text.words.len() => Fit::Always,
            _ => Fit::Sometimes,
        };
    }
    if apart { Fit::Never } else { Fit::Sometimes }
}

fn is_number(text: &str) -> bool {
    Decimal::parse(text.trim()).is_ok()
}

/// Whether an item can be used as a number.
pub(super) fn number(item: &ItemType, model: Option<&dyn SourceModel>) -> Fit {
    match item {
        ItemType::Any | ItemType::Atomic(Class::Untyped) => Fit::Always,
        ItemType::Constant(Constant { class: Class::Untyped, text, .. }) if is_number(text) => Fit::Always,
        ItemType::Atomic(class) | ItemType::Constant(Constant { class, .. }) => {
            if class.is_numeric() {
                Fit::Always
            } else {
                Fit::Never
            }
        }
        ItemType::Node(spot) => {
            let Some(model) = model else { return Fit::Always };
            match spot.text(model) {
                None => Fit::Never,
                Some(text) => text_as(&text, is_number, text.class.is_numeric(), text.class.is_temporal()),
            }
        }
    }
}

/// Whether an item can be an argument of a type: untyped text is cast, everything else must be of the type.
pub(super) fn argument(item: &ItemType, wanted: Class, model: Option<&dyn SourceModel>) -> Fit {
    match item {
        ItemType::Any => Fit::Always,
        ItemType::Atomic(class) | ItemType::Constant(Constant { class, .. }) => match (wanted, *class) {
            (_, Class::Untyped) => Fit::Always,
            (wanted, class) if wanted == class => Fit::Always,
            (Class::Date, Class::DateTime) => Fit::Always,
            // Functions on dates read strings.
            (wanted, Class::String) if wanted.is_temporal() => Fit::Sometimes,
            _ => Fit::Never,
        },
        ItemType::Node(spot) => match (model, wanted) {
            (Some(model), wanted) if wanted.is_temporal() || wanted == Class::Boolean => match spot.text(model) {
                None => Fit::Never,
                Some(text) => lexical(&text, wanted),
            },
            _ => Fit::Always,
        },
    }
}

/// Whether text of the source can be read as a class.
pub fn lexical(text: &TextType, wanted: Class) -> Fit {
    let class = text.class;
    let same = wanted == class
        || matches!(wanted, Class::String | Class::Untyped)
        || (wanted.is_numeric() && class == Class::Integer)
        || (wanted == Class::Double && class.is_numeric());
    let apart = match wanted {
        _ if class == Class::String => false,
        Class::Integer | Class::Decimal | Class::Double => class.is_temporal(),
        Class::Boolean => class.is_temporal(),
        _ => true,
    };
    text_as(text, |word| reads_as(word, wanted), same, apart)
}

fn reads_as(word: &str, wanted: Class) -> bool {
    match wanted {
        Class::Integer => is_number(word) && !word.contains('.'),
        Class::Decimal | Class::Double => is_number(word),
        Class::Boolean => matches!(word, "true" | "false" | "0" | "1"),
        Class::Date | Class::DateTime | Class::Time | Class::Duration => word.contains(|c: char| c.is_ascii_digit()),
        Class::String | Class::Untyped => true,
    }
}

/// Reports a cast that can never succeed.
pub(super) fn cast(inference: &mut Inference<'_>, from: &StaticType, to: Class, span: Span) {
    let model = inference.model();
    let verdict = all(&from.items, |item| match item {
        ItemType::Any => Fit::Always,
        ItemType::Node(spot) => match model.map(|model| spot.text(model)) {
            None => Fit::Always,
            Some(None) => Fit::Never,
            Some(Some(text)) if text.class == Class::DateTime && to == Class::Date => Fit::Never,
            Some(Some(text)) => lexical(&text, to),
        },
        ItemType::Atomic(class) | ItemType::Constant(Constant { class, .. }) => match (*class, to) {
            (Class::String | Class::Untyped, _) | (_, Class::String | Class::Untyped) => Fit::Sometimes,
            (from, to) if from == to => Fit::Always,
            (from, to)
                if (from.is_numeric() || from == Class::Boolean) && (to.is_numeric() || to == Class::Boolean) =>
            {
                Fit::Always
            }
            (Class::Date, Class::DateTime) | (Class::DateTime, Class::Date | Class::Time) => Fit::Always,
            _ => Fit::Never,
        },
    });
    if verdict == Fit::Never && from.occurs.most != Most::Nothing {
        let noun = nouns(&from.items, model);
        let text = format!("`{}` never succeeds: {noun} cannot be cast to {}", inference.written(span), to.noun());
        inference.error(code::NEVER_WORKS, span, text, None);
    }
}

/// What comparing two kinds of items comes to.
enum Verdict {
    Fine,
    /// It fails whenever it is tried.
    Fails,
    /// The two are never equal; why, and what was probably meant.
    NeverEqual(String, Option<String>),
    /// Numbers, compared letter by letter.
    AsText,
}

/// Reports a comparison that fails, is never true, or compares numbers as texts.
pub(super) fn compare(
    inference: &mut Inference<'_>,
    comparison: Comparison,
    (left, a): (&StaticType, Span),
    (right, b): (&StaticType, Span),
    span: Span,
) {
    if left.occurs.most == Most::Nothing || right.occurs.most == Most::Nothing {
        let written = inference.written(if left.occurs.most == Most::Nothing { a } else { b });
        let text = format!("this comparison never holds: `{written}` is always empty");
        return inference.warn(code::NEVER_EQUAL, span, text, None);
    }
    let constant = |known: &StaticType| known.items.iter().all(|item| matches!(item, ItemType::Constant(_)));
    if constant(left) && constant(right) && left.items.len() == 1 && right.items.len() == 1 {
        return;
    }
    let model = inference.model();
    let mut verdicts = Vec::new();
    for one in &left.items {
        for other in &right.items {
            verdicts.push(pair(one, other, comparison, model));
        }
    }
    if verdicts.iter().all(|verdict| matches!(verdict, Verdict::Fails)) {
        let (one, other) = (nouns(&left.items, model), nouns(&right.items, model));
        let text = format!("`{}` compares {one} with {other}, which always fails", inference.written(span));
        return inference.error(code::NEVER_WORKS, span, text, None);
    }
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if equality && verdicts.iter().all(|verdict| matches!(verdict, Verdict::NeverEqual(..) | Verdict::Fails)) {
        let reasons = verdicts.into_iter().filter_map(|verdict| match verdict {
            Verdict::NeverEqual(why, hint) => Some((why, hint)),
            _ => None,
        });
        if let Some((why, hint)) = reasons.min_by_key(|(_, hint)| hint.is_none()) {
            let at = if constant(left) { a } else { b };
            let always = if comparison == Comparison::Equal { "false" } else { "true" };
            let text = format!("`{}` is always {always}: {why}", inference.written(span));
            inference.warn(code::NEVER_EQUAL, at, text, hint);
        }
        return;
    }
    if verdicts.iter().any(|verdict| matches!(verdict, Verdict::AsText)) {
        let text = format!(
            "`{}` compares numbers as texts: `10` is less than `9`, and `1.0` is not `1`",
            inference.written(span)
        );
        let hint = if constant(left) || constant(right) {
            "write the number without quotes".to_owned()
        } else {
            format!("write `number({})`, or `xs:decimal(…)`", inference.written(b))
        };
        inference.warn(code::AS_TEXT, span, text, Some(hint));
    }
}

fn group(class: Class) -> u8 {
    match class {
        Class::Untyped => 0,
        Class::String => 1,
        Class::Boolean => 2,
        Class::Integer | Class::Decimal | Class::Double => 3,
        Class::Date => 4,
        Class::Time => 5,
        Class::DateTime => 6,
        Class::Duration => 7,
    }
}

fn pair(one: &ItemType, other: &ItemType, comparison: Comparison, model: Option<&dyn SourceModel>) -> Verdict {
    match (one, other) {
        (ItemType::Any, _) | (_, ItemType::Any) => Verdict::Fine,
        (ItemType::Node(a), ItemType::Node(b)) => match model {
            Some(model) => nodes(a, b, model),
            None => Verdict::Fine,
        },
        (ItemType::Node(spot), atomic) | (atomic, ItemType::Node(spot)) => match model {
            Some(model) => node_and_value(spot, atomic, comparison, model),
            None => Verdict::Fine,
        },
        (one, other) => {
            let (Some(a), Some(b)) = (one.class(), other.class()) else { return Verdict::Fine };
            if a != Class::Untyped && b != Class::Untyped && group(a) != group(b) {
                return Verdict::Fails;
            }
            match (one, other) {
                (ItemType::Constant(a), ItemType::Constant(b)) if a.class == Class::String && a.text != b.text => {
                    Verdict::NeverEqual(format!("it is `{}`, never `{}`", a.text, b.text), {
                        suggest(&b.text, [&*a.text]).map(|best| format!("did you mean `{best}`?"))
                    })
                }
                _ => Verdict::Fine,
            }
        }
    }
}

/// Two nodes are compared as texts.
fn nodes(a: &Arc<Spot>, b: &Arc<Spot>, model: &dyn SourceModel) -> Verdict {
    let (Some(one), Some(other)) = (a.text(model), b.text(model)) else { return Verdict::Fine };
    if one.list || other.list {
        return Verdict::Fine;
    }
    if one.class.is_numeric() && other.class.is_numeric() {
        return Verdict::AsText;
    }
    if !one.words.is_empty() && !other.words.is_empty() && !one.words.iter().any(|word| other.words.contains(word)) {
        return Verdict::NeverEqual("the two have no value in common".to_owned(), None);
    }
    let known = |class: Class| !matches!(class, Class::String | Class::Untyped);
    let apart = known(one.class) && known(other.class) && group(one.class) != group(other.class);
    let bits = |class: Class| class.is_numeric() || class == Class::Boolean;
    if apart && !(bits(one.class) && bits(other.class)) {
        return Verdict::NeverEqual(format!("{} is never {}", one.class.noun(), other.class.noun()), None);
    }
    Verdict::Fine
}

fn node_and_value(spot: &Arc<Spot>, value: &ItemType, comparison: Comparison, model: &dyn SourceModel) -> Verdict {
    let (Some(text), Some(class)) = (spot.text(model), value.class()) else { return Verdict::Fine };
    if text.list {
        return Verdict::Fine;
    }
    if !matches!(class, Class::String | Class::Untyped) {
        // The text is cast to the type of the value.
        return if lexical(&text, class) == Fit::Never { Verdict::Fails } else { Verdict::Fine };
    }
    let ItemType::Constant(constant) = value else { return Verdict::Fine };
    if constant.text.is_empty() {
        return Verdict::Fine;
    }
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if equality && let Some(why) = spot.misfit(model, &constant.text) {
        let hint = suggest(&constant.text, text.words.iter().map(|word| &**word));
        let name = spot.name().map_or_else(|| spot.to_string(), |name| name.local.to_string());
        let why = format!("in `{name}` `{}` cannot be: {why}", constant.text);
        return Verdict::NeverEqual(why, hint.map(|best| format!("did you mean `{best}`?")));
    }
    if text.class.is_numeric() && is_number(&constant.text) {
        return Verdict::AsText;
    }
    Verdict::Fine
}
