//! Maps and arrays in formulas: making them, looking into them, calling them (XPath 3.1 §3.11, §3.2.2).
//!
//! A JSON document is a tree of nodes; `?` looks into it as into maps and arrays: `?order?lines?*?price`.

use std::sync::Arc;

use super::{
    Array, Failure, Item, Map, Value,
    ast::Span,
    cast::{AtomicType, cast},
    evaluate::{Evaluated, Focus, Run, append, only},
    op::Op,
};
use crate::document::{Document, NodeId, Shape};

impl Run<'_> {
    pub(super) fn map_of(&mut self, entries: &[(Op, Op)], focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let mut map = Map::default();
        for (key, value) in entries {
            let at = |failure: Failure| (failure, key.span.start);
            let found = self.atom(key, focus)?;
            let found = self.frame.atomize_item(only(&found).map_err(at)?);
            if map.get(&found).is_some() {
                return Err(at(Failure::error("XQDY0137", "the map has this key already")));
            }
            let value = self.eval(value, focus)?;
            self.frame.budget.take_items(1 + value.len()).map_err(|failure| (failure, span.start))?;
            map.put(found, value);
        }
        Ok(Value::One(Item::Map(Arc::new(map))))
    }

    pub(super) fn array_of(&mut self, members: &[Op], focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let members: Array = members.iter().map(|member| self.eval(member, focus)).collect::<Evaluated<_>>()?;
        let size = members.iter().map(Value::len).sum::<usize>() + members.len();
        self.frame.budget.take_items(size).map_err(|failure| (failure, span.start))?;
        Ok(Value::One(Item::Array(Arc::new(members))))
    }

    pub(super) fn array_from(&mut self, items: &Op, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let items = self.eval(items, focus)?;
        self.frame.budget.take_items(items.len()).map_err(|failure| (failure, span.start))?;
        Ok(Value::One(Item::Array(Arc::new(items.items().iter().cloned().map(Value::One).collect()))))
    }

    /// `input?key`; without a key, everything.
    pub(super) fn lookup(&mut self, input: &Op, key: Option<&Op>, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let at = |failure: Failure| (failure, span.start);
        let input = self.eval(input, focus)?;
        let keys = match key {
            Some(key) => Some(self.atom(key, focus)?),
            None => None,
        };
        let mut items = Vec::new();
        for item in input.items() {
            let before = items.len();
            match &keys {
                Some(keys) => {
                    for key in keys.items() {
                        append(&mut items, self.member(item, key).map_err(at)?);
                    }
                }
                None => self.members(item, &mut items).map_err(at)?,
            }
            self.frame.budget.take_items(1 + items.len() - before).map_err(at)?;
        }
        Ok(items.into())
    }

    /// `$map('key')`, `$array(1)`.
    pub(super) fn invoke(&mut self, callee: &Op, arguments: &[Op], focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let at = |failure: Failure| (failure, span.start);
        let callee = self.eval(callee, focus)?;
        let callee = only(&callee).map_err(at)?;
        let [argument] = arguments else {
            let text = format!("a map or an array takes 1 argument, not {}", arguments.len());
            return Err(at(Failure::error("XPTY0004", text)));
        };
        let key = self.atom(argument, focus)?;
        let key = only(&key).map_err(at)?;
        match callee {
            Item::Map(_) | Item::Array(_) => self.member(callee, key).map_err(at),
            other => {
                let text = format!("only maps and arrays can be called, not a value of type {}", other.type_name());
                Err(at(Failure::error("XPTY0004", text)))
            }
        }
    }

    /// One member of a map, an array, or a node of a JSON document.
    fn member(&self, of: &Item, key: &Item) -> Result<Value, Failure> {
        match of {
            Item::Map(map) => Ok(map.get(&self.frame.atomize_item(key)).cloned().unwrap_or_default()),
            Item::Array(array) => {
                let position = self.position(key)?;
                let index = position.and_then(|position| position.checked_sub(1));
                let member = index.and_then(|index| array.get(index));
                member.cloned().ok_or_else(|| out_of_bounds(array.len()))
            }
            Item::Node(document, node) => {
                let (document, tree) = (*document, self.json(of)?);
                if tree.shape(*node) == Shape::Array {
                    let index = self.position(key)?.and_then(|position| position.checked_sub(1));
                    let member = index.and_then(|index| tree.elements(*node).nth(index));
                    let found = member.map(|member| Value::One(Item::Node(document, member)));
                    return found.ok_or_else(|| out_of_bounds(tree.elements(*node).count()));
                }
                let key = self.frame.text_of(key);
                let named = |name: Option<&crate::document::QName>| name.is_some_and(|name| *name.local == *key);
                let found: Vec<NodeId> = tree.elements(*node).filter(|child| named(tree.qname(*child))).collect();
                let empty = || tree.empty_arrays(*node).any(|(name, _)| named(Some(tree.names().get(name))));
                match found.as_slice() {
                    [] if empty() => Ok(Value::One(Item::Array(Arc::default()))),
                    [first, ..] if tree.is_item(*first) => Ok(array_item(document, &found).into()),
                    all => Ok(all.iter().map(|node| Item::Node(document, *node)).collect()),
                }
            }
            other => Err(no_members(other)),
        }
    }

    /// Every member: the values of a map or of an object, the members of an array.
    fn members(&self, of: &Item, items: &mut Vec<Item>) -> Result<(), Failure> {
        match of {
            Item::Map(map) => map.entries().for_each(|(_, value)| append(items, value.clone())),
            Item::Array(array) => array.iter().for_each(|member| append(items, member.clone())),
            Item::Node(document, node) => {
                let tree = self.json(of)?;
                let children: Vec<NodeId> = tree.elements(*node).collect();
                if tree.shape(*node) == Shape::Array {
                    items.extend(children.into_iter().map(|child| Item::Node(*document, child)));
                    return Ok(());
                }
                let together = |a: &NodeId, b: &NodeId| tree.is_item(*a) && tree.name(*a) == tree.name(*b);
                for group in children.chunk_by(together) {
                    match group {
                        [first, ..] if tree.is_item(*first) => items.push(array_item(*document, group)),
                        one => items.extend(one.iter().map(|node| Item::Node(*document, *node))),
                    }
                }
                items.extend(tree.empty_arrays(*node).map(|_| Item::Array(Arc::default())));
            }
            other => return Err(no_members(other)),
        }
        Ok(())
    }

    /// The document of a node of JSON that has members.
    fn json(&self, item: &Item) -> Result<&Document, Failure> {
        let Item::Node(document, node) = item else { return Err(no_members(item)) };
        let tree = self.frame.document(*document);
        tree.filter(|tree| matches!(tree.shape(*node), Shape::Object | Shape::Array)).ok_or_else(|| no_members(item))
    }

    /// A key as a position; `None` when no array can have it.
    fn position(&self, key: &Item) -> Result<Option<usize>, Failure> {
        let whole = match key.base() {
            Item::Integer(whole) => *whole,
            Item::Node(..) | Item::Untyped(_) => match cast(self.frame, key, AtomicType::Integer)? {
                Item::Integer(whole) => whole,
                _ => return Ok(None),
            },
            other => {
                let text = format!("an array is asked for positions, not for a value of type {}", other.type_name());
                return Err(Failure::error("XPTY0004", text));
            }
        };
        Ok(whole.to_i64().and_then(|whole| usize::try_from(whole).ok()))
    }
}

fn array_item(document: u16, members: &[NodeId]) -> Item {
    Item::Array(Arc::new(members.iter().map(|node| Value::One(Item::Node(document, *node))).collect()))
}

/// `FOAY0001`: there is no such position.
pub(super) fn out_of_bounds(size: usize) -> Failure {
    Failure::error("FOAY0001", format!("the array has no such position; it has {size} members"))
}

fn no_members(item: &Item) -> Failure {
    let text = format!("`?` looks into maps, arrays and JSON objects, not into a value of type {}", item.type_name());
    Failure::error("XPTY0004", text)
}
