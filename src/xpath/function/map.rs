//! Functions on maps (F&O 3.1 §17.1), those that take no function.

use std::sync::Arc;

use super::{Call, Function, Yields::Other, boolean, integer, only};
use crate::xpath::{Failure, Item, Map, Value, evaluate::append};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "map:merge",
        arity: (1, 2),
        signature: "map:merge($maps as map(*)*, $options as map(*)) as map(*)",
        doc: "The entries of several maps in one; of equal keys the first counts, or what `duplicates` says.",
        examples: &[
            ("map:merge((map {'a': 1}, map {'a': 2, 'b': 3}))?*", "1 3"),
            ("map:merge((map {'a': 1}, map {'a': 2}), map {'duplicates': 'combine'})?a", "1 2"),
        ],
        yields: Other,
        call: merge,
    },
    Function {
        name: "map:size",
        arity: (1, 1),
        signature: "map:size($map as map(*)) as xs:integer",
        doc: "The number of entries.",
        examples: &[("map:size(map {'a': 1, 'b': 2})", "2")],
        yields: Other,
        call: |call| integer(map(call, 0)?.len()),
    },
    Function {
        name: "map:keys",
        arity: (1, 1),
        signature: "map:keys($map as map(*)) as xs:anyAtomicType*",
        doc: "The keys.",
        examples: &[("map:keys(map {'a': 1, 'b': 2})", "a b")],
        yields: Other,
        call: |call| Ok(map(call, 0)?.entries().map(|(key, _)| key.clone()).collect()),
    },
    Function {
        name: "map:contains",
        arity: (2, 2),
        signature: "map:contains($map as map(*), $key as xs:anyAtomicType) as xs:boolean",
        doc: "Whether there is an entry with the key.",
        examples: &[("map:contains(map {'a': ()}, 'a')", "true"), ("map:contains(map {1: 2}, 2)", "false")],
        yields: Other,
        call: |call| boolean(map(call, 0)?.get(&key(call, 1)?).is_some()),
    },
    Function {
        name: "map:get",
        arity: (2, 2),
        signature: "map:get($map as map(*), $key as xs:anyAtomicType) as item()*",
        doc: "The value of a key; nothing when there is none.",
        examples: &[("map:get(map {'a': 1}, 'a')", "1"), ("map:get(map {1: 'x'}, 1.0)", "x")],
        yields: Other,
        call: |call| Ok(map(call, 0)?.get(&key(call, 1)?).cloned().unwrap_or_default()),
    },
    Function {
        name: "map:find",
        arity: (2, 2),
        signature: "map:find($input as item()*, $key as xs:anyAtomicType) as array(*)",
        doc: "The values of a key in all maps of the input, at every depth.",
        examples: &[("map:find([map {'a': 1}, map {'b': map {'a': 2}}], 'a')?*", "1 2")],
        yields: Other,
        call: |call| {
            let mut found = Vec::new();
            find(call, call.value(0), &key(call, 1)?, &mut found)?;
            Ok(Value::One(Item::Array(Arc::new(found))))
        },
    },
    Function {
        name: "map:put",
        arity: (3, 3),
        signature: "map:put($map as map(*), $key as xs:anyAtomicType, $value as item()*) as map(*)",
        doc: "The map with an entry more, or another value of the key.",
        examples: &[("map:put(map {'a': 1}, 'b', 2)?*", "1 2")],
        yields: Other,
        call: |call| {
            let mut map = map(call, 0)?.clone();
            map.put(key(call, 1)?, call.value(2).clone());
            made(call, map)
        },
    },
    Function {
        name: "map:entry",
        arity: (2, 2),
        signature: "map:entry($key as xs:anyAtomicType, $value as item()*) as map(*)",
        doc: "A map of one entry.",
        examples: &[("map:entry('a', 1)?a", "1")],
        yields: Other,
        call: |call| made(call, [(key(call, 0)?, call.value(1).clone())].into_iter().collect()),
    },
    Function {
        name: "map:remove",
        arity: (2, 2),
        signature: "map:remove($map as map(*), $keys as xs:anyAtomicType*) as map(*)",
        doc: "The map without the entries of some keys.",
        examples: &[("map:remove(map {'a': 1, 'b': 2}, 'a')?*", "2")],
        yields: Other,
        call: |call| {
            let keys: Vec<Item> = call.items(1).iter().map(|key| call.frame.atomize_item(key)).collect();
            made(call, map(call, 0)?.without(&keys))
        },
    },
];

fn map<'a>(call: &Call<'a>, at: usize) -> Result<&'a Map, Failure> {
    match call.value(at) {
        Value::One(Item::Map(map)) => Ok(map),
        _ => Err(Failure::error("XPTY0004", format!("argument {} must be one map", at + 1))),
    }
}

fn key(call: &Call<'_>, at: usize) -> Result<Item, Failure> {
    Ok(call.frame.atomize_item(only(call.value(at))?))
}

fn made(call: &Call<'_>, map: Map) -> Result<Value, Failure> {
    call.frame.budget.take_items(map.len())?;
    Ok(Value::One(Item::Map(Arc::new(map))))
}

/// What counts of equal keys (F&O 3.1 §17.1.2).
#[derive(Clone, Copy, PartialEq)]
enum Duplicates {
    Reject,
    First,
    Last,
    Combine,
}

fn duplicates(call: &Call<'_>) -> Result<Duplicates, Failure> {
    if !call.has(1) {
        return Ok(Duplicates::First);
    }
    let refuse = |text: &str| Failure::error("FOJS0005", format!("the option `duplicates` {text}"));
    let Some(chosen) = map(call, 1)?.get(&Item::string("duplicates")) else { return Ok(Duplicates::First) };
    let chosen = match chosen {
        Value::One(item @ (Item::String(_) | Item::Untyped(_) | Item::Node(..))) => call.frame.text_of(item),
        _ => return Err(Failure::error("XPTY0004", "the option `duplicates` must be one xs:string")),
    };
    match &*chosen {
        "reject" => Ok(Duplicates::Reject),
        "use-first" | "use-any" => Ok(Duplicates::First),
        "use-last" => Ok(Duplicates::Last),
        "combine" => Ok(Duplicates::Combine),
        _ => Err(refuse("is one of reject, use-first, use-last, use-any, combine")),
    }
}

fn merge(call: &Call<'_>) -> Result<Value, Failure> {
    let duplicates = duplicates(call)?;
    let mut merged = Map::default();
    for item in call.items(0) {
        let Item::Map(map) = item else { continue };
        call.frame.budget.take_items(map.len())?;
        for (key, value) in map.entries() {
            match (merged.get(key), duplicates) {
                (None, _) | (_, Duplicates::Last) => merged.put(key.clone(), value.clone()),
                (_, Duplicates::First) => {}
                (_, Duplicates::Reject) => {
                    return Err(Failure::error("FOJS0003", "two of the maps have the same key"));
                }
                (Some(before), Duplicates::Combine) => {
                    let mut items = before.items().to_vec();
                    append(&mut items, value.clone());
                    call.frame.budget.take_items(items.len())?;
                    merged.put(key.clone(), items.into());
                }
            }
        }
    }
    Ok(Value::One(Item::Map(Arc::new(merged))))
}

fn find(call: &Call<'_>, input: &Value, key: &Item, found: &mut Vec<Value>) -> Result<(), Failure> {
    call.frame.budget.take(input.len() as u64)?;
    for item in input.items() {
        match item {
            Item::Map(map) => {
                found.extend(map.get(key).cloned());
                for (_, value) in map.entries() {
                    find(call, value, key, found)?;
                }
            }
            Item::Array(array) => {
                for member in array.iter() {
                    find(call, member, key, found)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
