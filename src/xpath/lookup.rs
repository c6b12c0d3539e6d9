//! Maps and arrays in formulas: making them, looking into them, calling them (XPath 3.1 §3.11, §3.2.2).
//!
//! A JSON document is a tree of nodes; `?` looks into it as into maps and arrays: `?order?lines?*?price`.

use std::sync::Arc;

use super::{
    Array, Failure, Item, Map, Value,
    ast::Span,
    cast::{AtomicType, cast},
    evaluate::{Evaluated, Focus, Run, append, only, raised},
    op::Op,
};
use crate::document::{Document, NodeId, Shape};

impl Run<'_> {
    pub(super) fn map_of(&mut self, entries: &[(Op, Op)], focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let mut map = Map::default();
        for (key, value) in entries {
            let at = |failure: Failure| raised(failure, key.span.start);
            let found = self.atom(key, focus)?;
            let found = self.frame.atomize_item(only(&found).map_err(at)?);
            if map.get(&found).is_some() {
                return Err(at(Failure::error("XQDY0137", "the map has this key already")));
            }
            let value = self.eval(value, focus)?;
            self.frame.budget.take_items(1 + value.len()).map_err(|failure| raised(failure, span.start))?;
            map.put(found, value);
        }
        Ok(Value::One(Item::Map(Arc::new(map))))
    }

    pub(super) fn array_of(&mut self, members: &[Op], focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let members: Array = members.iter().map(|member| self.eval(member, focus)).collect::<Evaluated<_>>()?;
        let size = members.iter().map(Value::len).sum::<usize>() + members.len();
        self.frame.budget.take_items(size).map_err(|failure| raised(failure, span.start))?;
        Ok(Value::One(Item::Array(Arc::new(members))))
    }

    pub(super) fn array_from(&mut self, items: &Op, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let items = self.eval(items, focus)?;
        self.frame.budget.take_items(items.len()).map_err(|failure| raised(failure, span.start))?;
        Ok(Value::One(Item::Array(Arc::new(items.items().iter().cloned().map(Value::One).collect()))))
    }

    /// `input?key`; without a key, everything.
    pub(super) fn lookup(&mut self, input: &Op, key: Option<&Op>, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let at = |failure: Failure| raised(failure, span.start);
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
        let at = |failure: Failure| raised(failure, span.start);
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{
        super::{
            Binding, Budget, Failure, Formula, Frame, Scope,
            tests::{check, run},
        },
        Item, NodeId, Shape,
    };
    use crate::document::{Builder, Document, Text};

    #[test]
    fn maps_and_arrays_are_made_and_looked_into() {
        check(&[
            ("map {'a': 1, 'b': (2, 3)}?b", "2 3"),
            ("map {'a': 1}('a')", "1"),
            ("map {'a': 1}?b", ""),
            ("[1, (2, 3), []]?2", "2 3"),
            ("array {1, (2, 3)}?3", "3"),
            ("[[1, 2], [3]]?*?1", "1 3"),
            ("(map {'a': 1}, map {'a': 2})?a", "1 2"),
            ("[5, 6, 7]?(1, 3)", "5 7"),
            ("[5, 6]?(1 to 2)", "5 6"),
            ("(map {'a': 1}, map {'a': 2}) ! ?a", "1 2"),
            ("map {'a': 1}[?a = 1] ! ?*", "1"),
            ("let $m := map {'a': [1, map {'b': 'x'}]} return $m?a?2?b", "x"),
            ("let $m := map {'a': 1} return map:size(map {$m?a:true()})", "1"),
            ("map {1: 'i', '1': 's'}?1", "i"),
            ("map {1: 'i'}(1e0)", "i"),
            ("map {xs:double('NaN'): 1}(xs:float('NaN'))", "1"),
            ("let $f := map {'b': 2} return 'b' => $f()", "2"),
            ("[1, [2, 3]] = 3", "true"),
            ("sum([1, [2, 3]])", "6"),
            ("data([1, ['a']])", "1 a"),
            ("[4] + 1", "5"),
            ("map {'a': 1} instance of map(xs:string, xs:integer)", "true"),
            ("map {'a': 1} instance of map(xs:integer, item()*)", "false"),
            ("[1, 2] instance of array(xs:integer)", "true"),
            ("[1, 'a'] instance of array(xs:integer)", "false"),
            ("[1] instance of function(*)", "true"),
            ("map {} instance of function(xs:anyAtomicType) as item()*", "true"),
            ("map:keys(map:merge((map {'a': 1}, map {'b': 2})))", "a b"),
        ]);
        for (formula, expected) in [
            ("[1]?2", "FOAY0001"),
            ("[1]?a", "XPTY0004"),
            ("map {'a': 1, 'a': 2}", "XQDY0137"),
            ("map {'a': 1} + 1", "FOTY0013"),
            ("(1)?a", "XPTY0004"),
            ("Order?a", "XPTY0004"),
            ("array:subarray([1], 1, -1)", "FOAY0002"),
            ("map:merge((map {'a': 1}, map {'a': 2}), map {'duplicates': 'reject'})", "FOJS0003"),
            ("map:merge((), map {'duplicates': 'other'})", "FOJS0005"),
        ] {
            match run(formula) {
                Err(Failure::Error { w3c, problem }) if w3c == "static" => {
                    assert!(problem.text.contains(expected), "{formula}: {problem}");
                }
                Err(Failure::Error { w3c, problem }) => assert_eq!(w3c, expected, "{formula}: {problem}"),
                other => panic!("{formula}: {other:?}"),
            }
        }
    }

    /// `{"order": {"no": "7", "lines": [{"price": "1.5"}, {"price": "2"}], "notes": [], "grid": [["a", "b"]]}}`
    fn json() -> Document {
        let mut builder = Builder::default();
        let start = |builder: &mut Builder, name: &str, shape: Shape, item: bool| {
            let name = builder.names().intern("", name);
            builder.start(name, None);
            builder.shape(shape);
            if item {
                builder.item();
            }
        };
        let text = |builder: &mut Builder, text: &str| {
            builder.text(Text::Copied(text), None);
            builder.end();
        };
        builder.shape(Shape::Object);
        start(&mut builder, "order", Shape::Object, false);
        start(&mut builder, "no", Shape::String, false);
        text(&mut builder, "7");
        for price in ["1.5", "2"] {
            start(&mut builder, "lines", Shape::Object, true);
            start(&mut builder, "price", Shape::Number, false);
            text(&mut builder, price);
            builder.end();
        }
        let notes = builder.names().intern("", "notes");
        builder.empty_array(notes);
        start(&mut builder, "grid", Shape::Array, true);
        for cell in ["a", "b"] {
            start(&mut builder, "grid", Shape::String, true);
            text(&mut builder, cell);
        }
        builder.end();
        builder.end();
        builder.finish()
    }

    #[test]
    fn a_json_document_is_looked_into_like_maps_and_arrays() {
        let document = json();
        let documents = [&document];
        for (text, expected) in [
            ("?order?no", "7"),
            ("?order?lines?*?price", "1.5 2"),
            ("?order?lines?2?price", "2"),
            ("sum(?order?lines?*?price)", "3.5"),
            ("array:size(?order?lines)", "2"),
            ("array:size(?order?notes)", "0"),
            ("?order?grid?1?2", "b"),
            ("count(?order?*)", "4"),
            ("?order?nothing", ""),
            ("order?lines?*?price", "1.5 2"),
            ("?order?lines?*[?price > 1.8]?price", "2"),
            ("order/lines/price", "1.5 2"),
        ] {
            let symbols = RefCell::default();
            let formula = Formula::compile(text, &Scope::new(&symbols)).expect(text);
            let frame = Frame {
                documents: &documents,
                binding: &Binding::new(&symbols.borrow(), &documents),
                item: Some(&Item::Node(0, NodeId::ROOT)),
                position: 1,
                size: 1,
                variables: &(),
                host: &(),
                budget: &Budget::new(1_000),
                trace: None,
            };
            match formula.evaluate(&frame) {
                Ok(value) => assert_eq!(value.text(&frame), expected, "{text}"),
                Err(failure) => panic!("{text}: {failure}"),
            }
        }
    }
}
