//! Functions that read and write XML text (F&O 3.1 §14.9); who can do it is lent by the frame's host.

use super::{Call, Function, Yields::Other, serialize::serialize, string::SPACE};
use crate::{
    document::{Builder, NodeId},
    xpath::{Failure, Item, Markup, Value},
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "parse-xml",
        arity: (1, 1),
        signature: "parse-xml($text as xs:string?) as document-node()?",
        doc: "The document that the text is; its white space is kept or dropped as when a message is read.",
        examples: &[("parse-xml('<a><b>1</b></a>')/*:a/*:b", "1"), ("parse-xml(())", "")],
        yields: Other,
        call: |call| {
            let Some(text) = call.optional_string(0)? else { return Ok(Value::Empty) };
            call.frame.budget.take_text(text.len())?;
            let document = markup(call)?.read(&text).map_err(|problem| {
                Failure::error("FODC0006", format!("the text is not a well-formed document: {}", problem.text))
            })?;
            Ok(Item::Node(call.frame.add_document(document)?, NodeId::ROOT).into())
        },
    },
    Function {
        name: "parse-xml-fragment",
        arity: (1, 1),
        signature: "parse-xml-fragment($text as xs:string?) as document-node()?",
        doc: "A document node over what the text holds: any number of elements, and text.",
        examples: &[
            ("count(parse-xml-fragment('<a/>text<b/>')/node())", "3"),
            ("string(parse-xml-fragment('<a>1</a>2'))", "12"),
        ],
        yields: Other,
        call: parse_fragment,
    },
    Function {
        name: "serialize",
        arity: (1, 2),
        signature: "serialize($values as item()*, $parameters as item()?) as xs:string",
        doc: "The values as text: methods xml, json, text and adaptive; parameters as a map or output:serialization-parameters.",
        examples: &[
            ("serialize(parse-xml('<a><b/></a>'))", "<a><b/></a>"),
            ("serialize(map{'a': [1, true()]}, map{'method': 'json'})", "{\"a\":[1,true]}"),
        ],
        yields: Other,
        call: serialize,
    },
];

/// Who reads and writes XML.
pub(super) fn markup<'a>(call: &Call<'a>) -> Result<&'a dyn Markup, Failure> {
    call.frame.host.markup().ok_or_else(|| Failure::error("FODC0006", "XML is neither read nor written here"))
}

fn parse_fragment(call: &Call<'_>) -> Result<Value, Failure> {
    let Some(text) = call.optional_string(0)? else { return Ok(Value::Empty) };
    call.frame.budget.take_text(text.len() * 2)?;
    let refuse = |why: &str| Failure::error("FODC0006", format!("the text is not a well-formed fragment: {why}"));
    let mut content = &*text;
    if let Some(rest) = text.strip_prefix("<?xml").filter(|rest| rest.starts_with(SPACE)) {
        let (declaration, rest) = rest.split_once("?>").ok_or_else(|| refuse("its declaration does not end"))?;
        if !declaration.contains("encoding") || declaration.contains("standalone") {
            return Err(refuse("a text declaration has an encoding and no `standalone`"));
        }
        content = rest;
    }
    let mut builder = Builder::default();
    if !content.is_empty() {
        let wrapped = format!("<fragment>{content}</fragment>");
        let read = markup(call)?.read(&wrapped).map_err(|problem| refuse(&problem.text))?;
        if let Some(root) = read.root_element() {
            read.children(root).for_each(|child| {
                builder.copy(&read, child);
            });
        }
    }
    Ok(Item::Node(call.frame.add_document(builder.finish())?, NodeId::ROOT).into())
}
