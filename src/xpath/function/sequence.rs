//! Functions on sequences and booleans (F&O 3.1 §7, §14).

use std::{cmp::Ordering, collections::HashSet};

use super::{
    Call, Function,
    Yields::{First, Other},
    boolean,
    collation::Collation,
    equality::{atoms_equal, is_nan},
    integer,
};
use crate::xpath::{
    Failure, Item, Value,
    operate::{Number, compare, equality_key},
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "true",
        arity: (0, 0),
        signature: "true() as xs:boolean",
        doc: "True.",
        examples: &[("true()", "true")],
        yields: Other,
        call: |_| boolean(true),
    },
    Function {
        name: "false",
        arity: (0, 0),
        signature: "false() as xs:boolean",
        doc: "False.",
        examples: &[("false()", "false")],
        yields: Other,
        call: |_| boolean(false),
    },
    Function {
        name: "not",
        arity: (1, 1),
        signature: "not($value as item()*) as xs:boolean",
        doc: "True when the value is false, zero, or empty.",
        examples: &[("not(1 = 2)", "true"), ("not(())", "true")],
        yields: Other,
        call: |call| boolean(!call.value(0).effective_boolean()?),
    },
    Function {
        name: "boolean",
        arity: (1, 1),
        signature: "boolean($value as item()*) as xs:boolean",
        doc: "Whether the value counts as true.",
        examples: &[("boolean('a')", "true"), ("boolean(0)", "false")],
        yields: Other,
        call: |call| boolean(call.value(0).effective_boolean()?),
    },
    Function {
        name: "empty",
        arity: (1, 1),
        signature: "empty($values as item()*) as xs:boolean",
        doc: "Whether there is no item.",
        examples: &[("empty(())", "true")],
        yields: Other,
        call: |call| boolean(call.value(0).is_empty()),
    },
    Function {
        name: "exists",
        arity: (1, 1),
        signature: "exists($values as item()*) as xs:boolean",
        doc: "Whether there is any item.",
        examples: &[("exists((1, 2))", "true")],
        yields: Other,
        call: |call| boolean(!call.value(0).is_empty()),
    },
    Function {
        name: "count",
        arity: (1, 1),
        signature: "count($values as item()*) as xs:integer",
        doc: "The number of items.",
        examples: &[("count((1, 2, 3))", "3")],
        yields: Other,
        call: |call| integer(call.value(0).len()),
    },
    Function {
        name: "distinct-values",
        arity: (1, 2),
        signature: "distinct-values($values as xs:anyAtomicType*, $collation as xs:string) as xs:anyAtomicType*",
        doc: "The different values, in the order they first appear.",
        examples: &[("distinct-values((1, 'a', 1.0, 'a'))", "1 a")],
        yields: Other,
        call: |call| {
            let collation = Collation::of(call, 1)?;
            let mut seen = HashSet::new();
            let first = |item: &&Item| seen.insert(collation.key(equality_key(call.frame, item).into()).into_owned());
            Ok(call.items(0).iter().filter(first).map(|item| call.frame.atomize_item(item)).collect())
        },
    },
    Function {
        name: "index-of",
        arity: (2, 3),
        signature: "index-of($values as xs:anyAtomicType*, $wanted as xs:anyAtomicType, $collation as xs:string) as xs:integer*",
        doc: "The positions of the items equal to a value.",
        examples: &[("index-of((10, 20, 10), 10)", "1 3")],
        yields: Other,
        call: |call| {
            let wanted =
                call.optional(1)?.ok_or_else(|| Failure::error("XPTY0004", "index-of needs the value to look for"))?;
            let collation = Collation::of(call, 2)?;
            let untyped = |item: &Item| matches!(item, Item::Node(..) | Item::Untyped(_));
            let equal = |item: &Item| {
                atoms_equal(call.frame, collation, item, wanted) && !is_nan(wanted)
                    || (untyped(item) != untyped(wanted)
                        && matches!(compare(call.frame, item, wanted), Ok(Some(Ordering::Equal))))
            };
            let found = call.items(0).iter().enumerate().filter(|(_, item)| equal(item));
            Ok(found.map(|(index, _)| Item::integer(index + 1)).collect())
        },
    },
    Function {
        name: "reverse",
        arity: (1, 1),
        signature: "reverse($values as item()*) as item()*",
        doc: "The items in the opposite order.",
        examples: &[("reverse(1 to 3)", "3 2 1")],
        yields: First,
        call: |call| Ok(call.items(0).iter().rev().cloned().collect()),
    },
    Function {
        name: "subsequence",
        arity: (2, 3),
        signature: "subsequence($values as item()*, $start as xs:double, $length as xs:double) as item()*",
        doc: "The items from a position (from 1) on, at most so many.",
        examples: &[("subsequence((1, 2, 3, 4), 2, 2)", "2 3")],
        yields: First,
        call: |call| {
            let bound = |at| Ok((call.number(at)?.map_or(f64::NAN, Number::to_f64) + 0.5).floor());
            let start: f64 = bound(1)?;
            let end = if call.has(2) { start + bound(2)? } else { f64::INFINITY };
            let inside = |index: usize| (index + 1) as f64 >= start && ((index + 1) as f64) < end;
            let items = call.items(0).iter().enumerate().filter(|(index, _)| inside(*index));
            Ok(items.map(|(_, item)| item.clone()).collect())
        },
    },
    Function {
        name: "head",
        arity: (1, 1),
        signature: "head($values as item()*) as item()?",
        doc: "The first item.",
        examples: &[("head((7, 8))", "7")],
        yields: First,
        call: |call| Ok(call.items(0).first().cloned().into()),
    },
    Function {
        name: "tail",
        arity: (1, 1),
        signature: "tail($values as item()*) as item()*",
        doc: "All items but the first.",
        examples: &[("tail((7, 8, 9))", "8 9")],
        yields: First,
        call: |call| Ok(call.items(0).iter().skip(1).cloned().collect()),
    },
    Function {
        name: "insert-before",
        arity: (3, 3),
        signature: "insert-before($values as item()*, $position as xs:integer, $more as item()*) as item()*",
        doc: "The items with others put in before a position.",
        examples: &[("insert-before((1, 2), 2, 9)", "1 9 2")],
        yields: Other,
        call: |call| {
            let items = call.items(0);
            let at = usize::try_from(call.integer(1)?.saturating_sub(1)).unwrap_or(0).min(items.len());
            Ok(items[..at].iter().chain(call.items(2)).chain(&items[at..]).cloned().collect())
        },
    },
    Function {
        name: "remove",
        arity: (2, 2),
        signature: "remove($values as item()*, $position as xs:integer) as item()*",
        doc: "The items without the one at a position.",
        examples: &[("remove((1, 2, 3), 2)", "1 3")],
        yields: First,
        call: |call| {
            let gone = usize::try_from(call.integer(1)?).unwrap_or(0);
            let kept = call.items(0).iter().enumerate().filter(|(index, _)| index + 1 != gone);
            Ok(kept.map(|(_, item)| item.clone()).collect())
        },
    },
    Function {
        name: "position",
        arity: (0, 0),
        signature: "position() as xs:integer",
        doc: "The position of the context item, from 1.",
        examples: &[("string-join(('a', 'b') ! (. || position()), ' ')", "a1 b2")],
        yields: Other,
        call: |call| match call.focus.item {
            Some(_) => integer(call.focus.position),
            None => Err(Failure::error("XPDY0002", "there is no context item here")),
        },
    },
    Function {
        name: "last",
        arity: (0, 0),
        signature: "last() as xs:integer",
        doc: "How many items the context item is one of.",
        examples: &[("(1 to 4)[last()]", "4")],
        yields: Other,
        call: |call| match call.focus.item {
            Some(_) => integer(call.focus.size),
            None => Err(Failure::error("XPDY0002", "there is no context item here")),
        },
    },
    Function {
        name: "zero-or-one",
        arity: (1, 1),
        signature: "zero-or-one($values as item()*) as item()?",
        doc: "The value, or an error when there is more than one item.",
        examples: &[("zero-or-one(5)", "5")],
        yields: First,
        call: |call| sized(call, "FORG0003", "at most one value", |count| count <= 1),
    },
    Function {
        name: "one-or-more",
        arity: (1, 1),
        signature: "one-or-more($values as item()*) as item()+",
        doc: "The values, or an error when there are none.",
        examples: &[("one-or-more((5, 6))", "5 6")],
        yields: First,
        call: |call| sized(call, "FORG0004", "at least one value", |count| count >= 1),
    },
    Function {
        name: "exactly-one",
        arity: (1, 1),
        signature: "exactly-one($values as item()*) as item()",
        doc: "The value, or an error when there is not exactly one item.",
        examples: &[("exactly-one(5)", "5")],
        yields: First,
        call: |call| sized(call, "FORG0005", "exactly one value", |count| count == 1),
    },
];

fn sized(call: &Call<'_>, w3c: &'static str, wanted: &str, fits: fn(usize) -> bool) -> Result<Value, Failure> {
    let value = call.value(0);
    if fits(value.len()) {
        return Ok(value.clone());
    }
    Err(Failure::error(w3c, format!("{wanted} expected, but there are {}", value.len())))
}
