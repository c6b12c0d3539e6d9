//! The function conversion rules (XPath 3.1 §3.1.5.2), driven by signatures.
//!
//! What a function reads as text or number in place stays as it is: nodes and untyped values are atomized by whoever
//! reads them, without a copy. Compilation leaves out every check that cannot fail.

use super::{
    Failure, Frame, Item, Value,
    ast::Occurrence,
    cast::{AtomicType, cast},
    collection::atomized,
    is_numeric,
    op::{Op, OpKind, StepOp},
    signature::{ItemType, Parameter, SequenceType},
};

/// The argument as a function may take it.
///
/// # Errors
/// `XPTY0004` for a wrong type or number of items, `FOTY0013` for a map where a value is needed, what the cast of
/// untyped text raises.
pub(super) fn convert(frame: &Frame<'_>, value: Value, parameter: &Parameter) -> Result<Value, Failure> {
    let to = parameter.of;
    if fits(frame, to, &value) {
        return Ok(value);
    }
    let converted = match to.item {
        ItemType::Atomic(atomic) => match atomized(value)? {
            Value::Empty => Value::Empty,
            Value::One(item) => Value::One(atomic_item(frame, &item, atomic)?),
            Value::Many(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| atomic_item(frame, item, atomic)).collect();
                items?.into()
            }
        },
        _ => value,
    };
    if fits(frame, to, &converted) {
        return Ok(converted);
    }
    let wanted = format!("`${}` must be {to}", parameter.name);
    let stranger = converted.items().iter().find(|item| !fits_item(frame, to.item, item));
    Err(Failure::error(
        "XPTY0004",
        match (converted.len(), stranger) {
            (0, _) => format!("{wanted}, not an empty sequence"),
            (_, Some(item)) => {
                let advice = if to.item == ItemType::Atomic(AtomicType::String) { "; use string(…)" } else { "" };
                format!("{wanted}, not a value of type {}{advice}", item.type_name())
            }
            (count, None) => format!("{wanted}, not a sequence of {count}"),
        },
    ))
}

fn counts(occurrence: Occurrence, count: usize) -> bool {
    match occurrence {
        Occurrence::One => count == 1,
        Occurrence::Optional => count <= 1,
        Occurrence::Any => true,
        Occurrence::Some => count >= 1,
    }
}

/// Whether a function takes the value as it is.
fn fits(frame: &Frame<'_>, to: SequenceType, value: &Value) -> bool {
    match value {
        Value::One(item) => fits_item(frame, to.item, item),
        value => {
            let items = value.items();
            counts(to.occurrence, items.len())
                && (to.item == ItemType::Item || items.iter().all(|item| fits_item(frame, to.item, item)))
        }
    }
}

fn fits_item(frame: &Frame<'_>, to: ItemType, item: &Item) -> bool {
    match (to, item) {
        (ItemType::Item, _) | (ItemType::Node(None), Item::Node(..)) => true,
        (ItemType::Node(Some(kind)), Item::Node(document, node)) => {
            frame.document(*document).is_some_and(|document| document.kind(*node) == kind)
        }
        (ItemType::Map, Item::Map(_)) | (ItemType::Array, Item::Array(_)) => true,
        (ItemType::Function, Item::Map(_) | Item::Array(_)) => true,
        (ItemType::Atomic(_), Item::Map(_) | Item::Array(_)) => false,
        (ItemType::Atomic(atomic), Item::Node(..) | Item::Untyped(_)) => read_in_place(atomic),
        (ItemType::Atomic(AtomicType::Double), _) => is_numeric(item),
        (ItemType::Atomic(atomic), _) => atomic.covers(item),
        _ => false,
    }
}

/// Whether functions read untyped text of that type by themselves.
fn read_in_place(to: AtomicType) -> bool {
    use AtomicType::{AnyAtomic, Decimal, Double, Numeric, String, Untyped};
    matches!(to, AnyAtomic | Untyped | String | Numeric | Decimal | Double)
}

fn atomic_item(frame: &Frame<'_>, item: &Item, to: AtomicType) -> Result<Item, Failure> {
    match item {
        Item::Node(..) | Item::Untyped(_) if !read_in_place(to) => cast(frame, item, to),
        Item::Uri(text) if to == AtomicType::String => Ok(Item::String(text.clone())),
        _ => Ok(item.clone()),
    }
}

/// Whether the value of an operation surely needs no conversion.
pub(super) fn surely_fits(op: &Op, to: SequenceType) -> bool {
    if to == SequenceType::ANY {
        return true;
    }
    let known = known_type(op);
    let item = match (to.item, known.item) {
        (ItemType::Item, _) => true,
        (ItemType::Atomic(to), ItemType::Node(_)) => read_in_place(to),
        (ItemType::Atomic(to), ItemType::Atomic(known)) => {
            to == known
                || (to == AtomicType::AnyAtomic)
                || (matches!(to, AtomicType::Numeric | AtomicType::Double)
                    && matches!(known, AtomicType::Integer | AtomicType::Decimal | AtomicType::Double))
        }
        (to, known) => to == known || (to == ItemType::Node(None) && matches!(known, ItemType::Node(_))),
    };
    let count = match (to.occurrence, known.occurrence) {
        (Occurrence::Any, _) | (_, Occurrence::One) => true,
        (a, b) => a == b,
    };
    item && count
}

/// What is known of the value of an operation.
fn known_type(op: &Op) -> SequenceType {
    let of = |item, occurrence| SequenceType { item, occurrence };
    match &op.kind {
        OpKind::Constant(Value::One(Item::String(_))) | OpKind::Concat(_) => {
            of(ItemType::Atomic(AtomicType::String), Occurrence::One)
        }
        OpKind::Constant(Value::One(Item::Integer(_))) => of(ItemType::Atomic(AtomicType::Integer), Occurrence::One),
        OpKind::Constant(Value::One(Item::Decimal(_))) => of(ItemType::Atomic(AtomicType::Decimal), Occurrence::One),
        OpKind::Path { steps, .. } if matches!(steps.last(), None | Some(StepOp::Axis(_))) => {
            of(ItemType::Node(None), Occurrence::Any)
        }
        OpKind::Cast { to, optional, .. } => {
            of(ItemType::Atomic(*to), if *optional { Occurrence::Optional } else { Occurrence::One })
        }
        OpKind::Call { function, .. } => function.types().map_or(SequenceType::ANY, |signature| signature.result),
        _ => SequenceType::ANY,
    }
}
