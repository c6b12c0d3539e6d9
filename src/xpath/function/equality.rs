//! `deep-equal` and `sort` (F&O 3.1 §14.2.1, §14.2.7), and sets of nodes by position (§14.2.5).

use std::cmp::Ordering;

use super::{
    Call, Function,
    Yields::{First, Other},
    boolean,
    collation::Collation,
};
use crate::{
    document::{Document, Kind, NodeId},
    xpath::{Failure, Frame, Item, Map, Value, collection::atomized, operate::compare},
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "deep-equal",
        arity: (2, 3),
        signature: "deep-equal($values1 as item()*, $values2 as item()*, $collation as xs:string) as xs:boolean",
        doc: "Whether two sequences are equal item by item; nodes by name, attributes and content, comments apart.",
        examples: &[
            ("deep-equal((1, 'a'), (1.0, 'a'))", "true"),
            ("deep-equal([1, map{'a': 2}], [1, map{'a': 3}])", "false"),
            ("deep-equal(parse-xml('<a b=\"1\"/>'), parse-xml('<a b=\"1\"><!-- none --></a>'))", "true"),
        ],
        yields: Other,
        call: |call| {
            let collation = Collation::of(call, 2)?;
            boolean(values_equal(call.frame, collation, call.value(0), call.value(1))?)
        },
    },
    Function {
        name: "sort",
        arity: (1, 2),
        signature: "sort($values as item()*, $collation as xs:string?) as item()*",
        doc: "The items in the order of their values; equal ones stay as they were.",
        examples: &[("sort((3, 1, 2))", "1 2 3"), ("sort(('b', 'a', 'C'))", "C a b")],
        yields: First,
        call: sort,
    },
    Function {
        name: "innermost",
        arity: (1, 1),
        signature: "innermost($nodes as node()*) as node()*",
        doc: "The nodes without those that hold another of them.",
        examples: &[("innermost(parse-xml('<a><b/></a>')//*) ! name()", "b")],
        yields: Other,
        call: |call| {
            let nodes = in_order(call.items(0));
            // a node's descendants follow it at once
            let holds_next = |at: usize| nodes.get(at + 1).is_some_and(|next| contains(call.frame, nodes[at], *next));
            Ok((0..nodes.len()).filter(|at| !holds_next(*at)).map(|at| Item::Node(nodes[at].0, nodes[at].1)).collect())
        },
    },
    Function {
        name: "outermost",
        arity: (1, 1),
        signature: "outermost($nodes as node()*) as node()*",
        doc: "The nodes without those that lie in another of them.",
        examples: &[("outermost(parse-xml('<a><b/></a>')//*) ! name()", "a")],
        yields: Other,
        call: |call| {
            let mut kept: Vec<(u16, NodeId)> = Vec::new();
            for node in in_order(call.items(0)) {
                if !kept.last().is_some_and(|outer| contains(call.frame, *outer, node)) {
                    kept.push(node);
                }
            }
            Ok(kept.into_iter().map(|(document, node)| Item::Node(document, node)).collect())
        },
    },
    Function {
        name: "unordered",
        arity: (1, 1),
        signature: "unordered($values as item()*) as item()*",
        doc: "The items in any order: here as they are.",
        examples: &[("unordered((3, 1))", "3 1")],
        yields: First,
        call: |call| Ok(call.value(0).clone()),
    },
];

/// The nodes in document order, each once.
fn in_order(items: &[Item]) -> Vec<(u16, NodeId)> {
    let node = |item: &Item| match item {
        Item::Node(document, node) => Some((*document, *node)),
        _ => None,
    };
    let mut nodes: Vec<_> = items.iter().filter_map(node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// Whether a node lies below another one.
fn contains(frame: &Frame<'_>, outer: (u16, NodeId), inner: (u16, NodeId)) -> bool {
    let end = frame.document(outer.0).map_or(0, |tree| tree.end(outer.1));
    outer.0 == inner.0 && outer.1 < inner.1 && inner.1.index() < end
}

fn values_equal(frame: &Frame<'_>, collation: Collation, left: &Value, right: &Value) -> Result<bool, Failure> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (a, b) in left.items().iter().zip(right.items()) {
        if !items_equal(frame, collation, a, b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn items_equal(frame: &Frame<'_>, collation: Collation, left: &Item, right: &Item) -> Result<bool, Failure> {
    frame.budget.take(1)?;
    match (left, right) {
        (Item::Node(a, left), Item::Node(b, right)) => match (frame.document(*a), frame.document(*b)) {
            (Some(a), Some(b)) => nodes_equal(frame, collation, (a, *left), (b, *right)),
            _ => Ok(false),
        },
        (Item::Node(..), _) | (_, Item::Node(..)) => Ok(false),
        (Item::Map(a), Item::Map(b)) => maps_equal(frame, collation, a, b),
        (Item::Array(a), Item::Array(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                if !values_equal(frame, collation, a, b)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Item::Map(_) | Item::Array(_), _) | (_, Item::Map(_) | Item::Array(_)) => Ok(false),
        _ => Ok(atoms_equal(frame, collation, left, right)),
    }
}

/// `eq`; not a number is equal to itself, and values that cannot be compared are not equal.
pub(super) fn atoms_equal(frame: &Frame<'_>, collation: Collation, left: &Item, right: &Item) -> bool {
    match (textual(left), textual(right)) {
        (true, true) => collation.key(frame.text_of(left)) == collation.key(frame.text_of(right)),
        (false, false) => {
            is_nan(left) && is_nan(right) || matches!(compare(frame, left, right), Ok(Some(Ordering::Equal)))
        }
        _ => false,
    }
}

fn textual(item: &Item) -> bool {
    matches!(item.base(), Item::Node(..) | Item::Untyped(_) | Item::String(_) | Item::Uri(_))
}

pub(super) fn is_nan(item: &Item) -> bool {
    match item.base() {
        Item::Double(value) => value.is_nan(),
        Item::Float(value) => value.is_nan(),
        _ => false,
    }
}

fn maps_equal(frame: &Frame<'_>, collation: Collation, left: &Map, right: &Map) -> Result<bool, Failure> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (key, value) in left.entries() {
        match right.get(key) {
            Some(other) if values_equal(frame, collation, value, other)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Compares node by node in document order: trees are the same when these and the numbers of children are.
fn nodes_equal(
    frame: &Frame<'_>,
    collation: Collation,
    left: (&Document, NodeId),
    right: (&Document, NodeId),
) -> Result<bool, Failure> {
    let counts = |tree: &Document, node: NodeId| !matches!(tree.kind(node), Kind::Comment | Kind::Instruction);
    let below = |(tree, root): (&'_ Document, NodeId)| {
        (root.index() + 1..tree.end(root).max(root.index() + 1))
            .filter_map(|index| tree.node(index))
            .collect::<Vec<_>>()
    };
    let significant = |(tree, root): (&Document, NodeId)| {
        let nodes =
            below((tree, root)).into_iter().filter(|node| tree.kind(*node) != Kind::Attribute && counts(tree, *node));
        std::iter::once(root).chain(nodes).collect::<Vec<_>>()
    };
    let (a, b) = (significant(left), significant(right));
    frame.budget.take((a.len() + b.len()) as u64)?;
    let ((left, _), (right, _)) = (left, right);
    let same = |text: &str, other: &str| collation.key(text.into()) == collation.key(other.into());
    let children = |tree: &Document, node: NodeId| tree.children(node).filter(|child| counts(tree, *child)).count();
    Ok(a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| {
            let (a, b) = (*a, *b);
            left.kind(a) == right.kind(b)
                && left.qname(a) == right.qname(b)
                && match left.kind(a) {
                    Kind::Document => children(left, a) == children(right, b),
                    Kind::Element => {
                        children(left, a) == children(right, b) && attributes_equal(left, a, right, b, &same)
                    }
                    _ => same(left.own_text(a), right.own_text(b)),
                }
        }))
}

/// In any order.
fn attributes_equal(
    left: &Document,
    a: NodeId,
    right: &Document,
    b: NodeId,
    same: &dyn Fn(&str, &str) -> bool,
) -> bool {
    let twin = |attribute: NodeId| {
        let found = right.attributes(b).find(|other| right.qname(*other) == left.qname(attribute));
        found.is_some_and(|other| same(left.own_text(attribute), right.own_text(other)))
    };
    left.attributes(a).count() == right.attributes(b).count() && left.attributes(a).all(twin)
}

fn sort(call: &Call<'_>) -> Result<Value, Failure> {
    let keyed = call.items(0).iter().map(|item| Ok((atomized(Value::One(item.clone()))?, item.clone())));
    Ok(sorted(call, keyed.collect::<Result<_, Failure>>()?)?.into_iter().collect())
}

/// Things in the order of their keys; the collation is the second argument.
pub(super) fn sorted<T>(call: &Call<'_>, keyed: Vec<(Value, T)>) -> Result<Vec<T>, Failure> {
    let collation = Collation::of(call, 1)?;
    let keyed: Vec<_> = keyed.into_iter().map(|(key, thing)| (key.atomize(call.frame), thing)).collect();
    if let [(only, _)] = keyed.as_slice() {
        order(call.frame, collation, only, only)?;
    }
    let length = u64::from((keyed.len() + 1).ilog2() + 1);
    call.frame.budget.take(keyed.len() as u64 * length)?;
    let sorted = merged(keyed, &|(a, _), (b, _)| order(call.frame, collation, a, b))?;
    Ok(sorted.into_iter().map(|(_, thing)| thing).collect())
}

/// A stable sort by merging; the order may fail, and need not be one.
fn merged<T>(mut items: Vec<T>, order: &dyn Fn(&T, &T) -> Result<Ordering, Failure>) -> Result<Vec<T>, Failure> {
    if items.len() < 2 {
        return Ok(items);
    }
    let right = merged(items.split_off(items.len() / 2), order)?;
    let left = merged(items, order)?;
    let mut made = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let from = if order(a, b)? == Ordering::Greater { &mut right } else { &mut left };
        made.extend(from.next());
    }
    made.extend(left);
    made.extend(right);
    Ok(made)
}

/// The order of two keys: nothing before everything, not a number before all numbers (§14.2.7).
fn order(frame: &Frame<'_>, collation: Collation, left: &Value, right: &Value) -> Result<Ordering, Failure> {
    for (a, b) in left.items().iter().zip(right.items()) {
        let found = match (textual(a), textual(b)) {
            (true, true) => collation.key(frame.text_of(a)).cmp(&collation.key(frame.text_of(b))),
            _ if is_nan(a) || is_nan(b) => is_nan(b).cmp(&is_nan(a)),
            (false, false) if sortable(a) && sortable(b) => compare(frame, a, b)?.unwrap_or(Ordering::Equal),
            _ => {
                let text = format!("values of type {} and {} have no order", a.type_name(), b.type_name());
                return Err(Failure::error("XPTY0004", text));
            }
        };
        if found != Ordering::Equal {
            return Ok(found);
        }
    }
    Ok(left.len().cmp(&right.len()))
}

/// Whether values of the type have an order.
fn sortable(item: &Item) -> bool {
    !matches!(item.base(), Item::QName(_) | Item::Gregorian(_))
}
