//! Functions on qualified names (F&O 3.1 §10).

use std::sync::Arc;

use super::{Call, Function, Yields::Other};
use crate::{
    document::{QName, is_ncname},
    xpath::{Derived, Failure, Item, Qualified, Value, cast::AtomicType},
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "QName",
        arity: (2, 2),
        signature: "QName($namespace as xs:string?, $name as xs:string) as xs:QName",
        doc: "The qualified name of a namespace and a name, which may have a prefix.",
        examples: &[
            ("QName('http://example.com/', 'p:line')", "p:line"),
            ("namespace-uri-from-QName(QName('http://example.com/', 'line'))", "http://example.com/"),
        ],
        yields: Other,
        call: |call| {
            let (namespace, text) = (call.string(0)?, call.string(1)?);
            let (prefix, local) = text.split_once(':').unwrap_or(("", &text));
            let refused = |why: &str| Err(Failure::error("FOCA0002", why));
            if !is_ncname(local) || (text.contains(':') && !is_ncname(prefix)) {
                return refused("the text is no qualified name");
            }
            if namespace.is_empty() && !prefix.is_empty() {
                return refused("a name with a prefix needs a namespace");
            }
            let name = QName::new(&*namespace, local);
            Ok(Item::QName(Arc::new(Qualified { name, prefix: prefix.into() })).into())
        },
    },
    Function {
        name: "prefix-from-QName",
        arity: (1, 1),
        signature: "prefix-from-QName($name as xs:QName?) as xs:NCName?",
        doc: "The prefix a qualified name was written with; nothing without one.",
        examples: &[("prefix-from-QName(QName('http://example.com/', 'p:line'))", "p")],
        yields: Other,
        call: |call| part(call, |name| (!name.prefix.is_empty()).then(|| ncname(&name.prefix))),
    },
    Function {
        name: "local-name-from-QName",
        arity: (1, 1),
        signature: "local-name-from-QName($name as xs:QName?) as xs:NCName?",
        doc: "The local part of a qualified name.",
        examples: &[("local-name-from-QName(QName('http://example.com/', 'p:line'))", "line")],
        yields: Other,
        call: |call| part(call, |name| Some(ncname(&name.name.local))),
    },
    Function {
        name: "namespace-uri-from-QName",
        arity: (1, 1),
        signature: "namespace-uri-from-QName($name as xs:QName?) as xs:anyURI?",
        doc: "The namespace of a qualified name; empty for none.",
        examples: &[("namespace-uri-from-QName(QName('http://example.com/', 'p:line'))", "http://example.com/")],
        yields: Other,
        call: |call| part(call, |name| Some(Item::Uri(name.name.namespace.clone()))),
    },
];

fn ncname(text: &Arc<str>) -> Item {
    Item::Derived(Arc::new(Derived { of: AtomicType::NcName, base: Item::String(text.clone()) }))
}

fn part(call: &Call<'_>, of: impl Fn(&Qualified) -> Option<Item>) -> Result<Value, Failure> {
    match call.optional(0)? {
        Some(Item::QName(name)) => Ok(of(name).into()),
        _ => Ok(Value::Empty),
    }
}
