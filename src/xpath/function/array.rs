//! Functions on arrays (F&O 3.1 §17.3), those that take no function.

use std::sync::Arc;

use super::{Call, Function, Yields::Other, equality::sorted, integer};
use crate::xpath::{
    Array, Failure, Item, Value,
    collection::{atomized, flatten},
    lookup::out_of_bounds,
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "array:size",
        arity: (1, 1),
        signature: "array:size($array as array(*)) as xs:integer",
        doc: "The number of members.",
        examples: &[("array:size([1, (2, 3)])", "2")],
        yields: Other,
        call: |call| integer(members(call, 0)?.len()),
    },
    Function {
        name: "array:get",
        arity: (2, 2),
        signature: "array:get($array as array(*), $position as xs:integer) as item()*",
        doc: "The member at a position, from 1.",
        examples: &[("array:get(['a', 'b'], 2)", "b")],
        yields: Other,
        call: |call| {
            let array = members(call, 0)?;
            Ok(array[place(call, 1, array.len())?].clone())
        },
    },
    Function {
        name: "array:put",
        arity: (3, 3),
        signature: "array:put($array as array(*), $position as xs:integer, $member as item()*) as array(*)",
        doc: "The array with another member at a position.",
        examples: &[("array:put(['a', 'b'], 2, 'c')?*", "a c")],
        yields: Other,
        call: |call| {
            let mut array = members(call, 0)?.clone();
            let at = place(call, 1, array.len())?;
            array[at] = call.value(2).clone();
            made(call, array)
        },
    },
    Function {
        name: "array:append",
        arity: (2, 2),
        signature: "array:append($array as array(*), $member as item()*) as array(*)",
        doc: "The array with one more member.",
        examples: &[("array:append(['a'], ('b', 'c'))(2)", "b c")],
        yields: Other,
        call: |call| {
            let mut array = members(call, 0)?.clone();
            array.push(call.value(1).clone());
            made(call, array)
        },
    },
    Function {
        name: "array:subarray",
        arity: (2, 3),
        signature: "array:subarray($array as array(*), $start as xs:integer, $length as xs:integer) as array(*)",
        doc: "The members from a position on, or so many of them.",
        examples: &[("array:subarray([1, 2, 3, 4], 2, 2)?*", "2 3"), ("array:subarray([1, 2, 3], 2)?*", "2 3")],
        yields: Other,
        call: |call| {
            let array = members(call, 0)?;
            let from = place(call, 1, array.len() + 1)?;
            let rest = &array[from..];
            if !call.has(2) {
                return made(call, rest.to_vec());
            }
            let length = call.integer(2)?;
            if length < 0 {
                return Err(Failure::error("FOAY0002", "the length of a part of an array is not negative"));
            }
            let part = usize::try_from(length).ok().and_then(|length| rest.get(..length));
            made(call, part.ok_or_else(|| out_of_bounds(array.len()))?.to_vec())
        },
    },
    Function {
        name: "array:remove",
        arity: (2, 2),
        signature: "array:remove($array as array(*), $positions as xs:integer*) as array(*)",
        doc: "The array without the members at some positions.",
        examples: &[("array:remove(['a', 'b', 'c'], (1, 3))?*", "b")],
        yields: Other,
        call: |call| {
            let array = members(call, 0)?;
            let mut gone = Vec::with_capacity(call.items(1).len());
            for position in call.items(1) {
                gone.push(index(position, array.len())?);
            }
            gone.sort_unstable();
            let kept = array.iter().enumerate().filter(|(at, _)| gone.binary_search(at).is_err());
            made(call, kept.map(|(_, member)| member.clone()).collect())
        },
    },
    Function {
        name: "array:insert-before",
        arity: (3, 3),
        signature: "array:insert-before($array as array(*), $position as xs:integer, $member as item()*) as array(*)",
        doc: "The array with a member put in before a position, or behind the last.",
        examples: &[("array:insert-before(['a', 'c'], 2, 'b')?*", "a b c")],
        yields: Other,
        call: |call| {
            let mut array = members(call, 0)?.clone();
            let at = place(call, 1, array.len() + 1)?;
            array.insert(at, call.value(2).clone());
            made(call, array)
        },
    },
    Function {
        name: "array:head",
        arity: (1, 1),
        signature: "array:head($array as array(*)) as item()*",
        doc: "The first member.",
        examples: &[("array:head([5, 6])", "5")],
        yields: Other,
        call: |call| members(call, 0)?.first().cloned().ok_or_else(|| out_of_bounds(0)),
    },
    Function {
        name: "array:tail",
        arity: (1, 1),
        signature: "array:tail($array as array(*)) as array(*)",
        doc: "All members but the first.",
        examples: &[("array:tail([5, 6, 7])?*", "6 7")],
        yields: Other,
        call: |call| made(call, members(call, 0)?.get(1..).ok_or_else(|| out_of_bounds(0))?.to_vec()),
    },
    Function {
        name: "array:reverse",
        arity: (1, 1),
        signature: "array:reverse($array as array(*)) as array(*)",
        doc: "The members in the opposite order.",
        examples: &[("array:reverse([1, 2, 3])?*", "3 2 1")],
        yields: Other,
        call: |call| made(call, members(call, 0)?.iter().rev().cloned().collect()),
    },
    Function {
        name: "array:sort",
        arity: (1, 2),
        signature: "array:sort($array as array(*), $collation as xs:string?) as array(*)",
        doc: "The members in the order of their values; equal ones stay as they were.",
        examples: &[("array:sort([3, 1, 2])?*", "1 2 3"), ("array:sort([(2, 1), 2, ()])(2)", "2")],
        yields: Other,
        call: |call| {
            let array = members(call, 0)?;
            let keyed = array.iter().map(|member| Ok((atomized(member.clone())?, member.clone())));
            made(call, sorted(call, keyed.collect::<Result<_, Failure>>()?)?)
        },
    },
    Function {
        name: "array:join",
        arity: (1, 1),
        signature: "array:join($arrays as array(*)*) as array(*)",
        doc: "The members of several arrays in one.",
        examples: &[("array:join(([1, 2], [], [3]))?*", "1 2 3"), ("array:size(array:join(()))", "0")],
        yields: Other,
        call: |call| {
            let arrays = call.items(0).iter().filter_map(|item| match item {
                Item::Array(array) => Some(&**array),
                _ => None,
            });
            made(call, arrays.flatten().cloned().collect())
        },
    },
    Function {
        name: "array:flatten",
        arity: (1, 1),
        signature: "array:flatten($input as item()*) as item()*",
        doc: "The items, arrays replaced by their members at every depth.",
        examples: &[("array:flatten((1, [2, [3, 4]]))", "1 2 3 4")],
        yields: Other,
        call: |call| {
            let mut items = Vec::new();
            if !flatten(call.value(0), &mut items) {
                return Err(Failure::Budget);
            }
            call.frame.budget.take_items(items.len())?;
            Ok(items.into())
        },
    },
];

fn members<'a>(call: &Call<'a>, at: usize) -> Result<&'a Array, Failure> {
    match call.value(at) {
        Value::One(Item::Array(array)) => Ok(array),
        _ => Err(Failure::error("XPTY0004", format!("argument {} must be one array", at + 1))),
    }
}

/// The index of a position, of which there are so many.
fn index(position: &Item, count: usize) -> Result<usize, Failure> {
    let Item::Integer(position) = position.base() else {
        return Err(Failure::error("XPTY0004", "positions are integers"));
    };
    let index = position.to_i64().and_then(|position| usize::try_from(position.checked_sub(1)?).ok());
    index.filter(|index| *index < count).ok_or_else(|| out_of_bounds(count))
}

fn place(call: &Call<'_>, at: usize, count: usize) -> Result<usize, Failure> {
    index(super::only(call.value(at))?, count)
}

fn made(call: &Call<'_>, array: Array) -> Result<Value, Failure> {
    call.frame.budget.take_items(array.len())?;
    Ok(Value::One(Item::Array(Arc::new(array))))
}
