//! Functions on nodes (F&O 3.1 §2, §13).

use super::{Call, Function, Yields::Other, string};
use crate::{
    document::{NodeId, QName},
    xpath::{Failure, Item, Value, collection::atomized},
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "name",
        arity: (0, 1),
        signature: "name($node as node()? := .) as xs:string",
        doc: "The name of a node, with the prefix its document prefers.",
        examples: &[("name(())", "")],
        yields: Other,
        call: |call| {
            let Some((document, node)) = node(call)? else { return string("") };
            let Some(tree) = call.frame.documents.get(usize::from(document)) else { return string("") };
            match tree.qname(node) {
                None => string(""),
                Some(name) => match tree.names().prefix_of(&name.namespace) {
                    Some(prefix) if !prefix.is_empty() => string(format!("{prefix}:{}", name.local)),
                    _ => string(name.local.clone()),
                },
            }
        },
    },
    Function {
        name: "local-name",
        arity: (0, 1),
        signature: "local-name($node as node()? := .) as xs:string",
        doc: "The name of a node without prefix.",
        examples: &[("local-name(())", "")],
        yields: Other,
        call: |call| string(qname(call)?.map_or_else(|| "".into(), |name| name.local)),
    },
    Function {
        name: "namespace-uri",
        arity: (0, 1),
        signature: "namespace-uri($node as node()? := .) as xs:anyURI",
        doc: "The namespace of a node's name; empty for none.",
        examples: &[("namespace-uri(())", "")],
        yields: Other,
        call: |call| string(qname(call)?.map_or_else(|| "".into(), |name| name.namespace)),
    },
    Function {
        name: "data",
        arity: (0, 1),
        signature: "data($values as item()* := .) as xs:anyAtomicType*",
        doc: "The values without nodes: a node becomes its text as written.",
        examples: &[("data((1, 'a'))", "1 a")],
        yields: Other,
        call: |call| {
            if call.has(0) {
                return Ok(atomized(call.value(0).clone())?.atomize(call.frame));
            }
            Ok(call.or_context(0)?.map(|item| call.frame.atomize_item(item)).into())
        },
    },
    Function {
        name: "root",
        arity: (0, 1),
        signature: "root($node as node()? := .) as node()?",
        doc: "The document a node belongs to.",
        examples: &[("count(root(()))", "0")],
        yields: Other,
        call: |call| Ok(node(call)?.map(|(document, _)| Item::Node(document, NodeId::ROOT)).into()),
    },
    Function {
        name: "is-null",
        arity: (0, 1),
        signature: "is-null($node as node()? := .) as xs:boolean",
        doc: "Whether a node is JSON null or has xsi:nil; false for an absent or empty one.",
        examples: &[("is-null(())", "false")],
        yields: Other,
        call: |call| {
            let null = node(call)?.is_some_and(|(document, node)| {
                call.frame.documents.get(usize::from(document)).is_some_and(|tree| tree.is_null(node))
            });
            Ok(Value::from(null))
        },
    },
];

fn node(call: &Call<'_>) -> Result<Option<(u16, NodeId)>, Failure> {
    match call.or_context(0)? {
        None => Ok(None),
        Some(Item::Node(document, node)) => Ok(Some((*document, *node))),
        Some(other) => {
            Err(Failure::error("XPTY0004", format!("a node is needed here, not a value of type {}", other.type_name())))
        }
    }
}

fn qname(call: &Call<'_>) -> Result<Option<QName>, Failure> {
    let Some((document, node)) = node(call)? else { return Ok(None) };
    Ok(call.frame.documents.get(usize::from(document)).and_then(|tree| tree.qname(node).cloned()))
}
