//! The formulas' own engine.

use std::cell::RefCell;

use crossdock::{
    document::{Document, Kind, NodeId},
    format::{ReadOptions, Syntax, read},
    xpath::{Binding, Budget, Failure, Formula, Frame, Item, Scope, string_of},
};

use crate::{
    answer::{Answer, Found},
    sample::EXTENSION,
};

pub fn document(text: &str) -> Document {
    read(text.as_bytes(), Syntax::Xml, &ReadOptions::default()).expect("a well-formed sample").document
}

/// What a formula yields on a document.
pub fn answer(formula: &str, document: &Document) -> Answer {
    let symbols = RefCell::default();
    let functions = "http://www.w3.org/2005/xpath-functions";
    let mut namespaces = vec![("x".to_owned(), EXTENSION.to_owned())];
    for part in ["map", "array", "math"] {
        namespaces.push((part.to_owned(), format!("{functions}/{part}")));
    }
    let scope = Scope { namespaces: &namespaces, ..Scope::new(&symbols) };
    let formula = match Formula::compile(formula, &scope) {
        Ok(formula) => formula,
        Err(problems) => return Answer::Error(problems.0.first().map_or_else(String::new, |one| code(&one.text))),
    };
    let documents = [document];
    let item = Item::Node(0, NodeId::ROOT);
    let frame = Frame {
        documents: &documents,
        binding: &Binding::new(&symbols.borrow(), &documents),
        item: Some(&item),
        position: 1,
        size: 1,
        variables: &(),
        host: &(),
        budget: &Budget::new(5_000_000),
        trace: None,
    };
    match formula.evaluate(&frame) {
        Ok(value) => Answer::Value(value.items().iter().map(|item| found(item, document, &frame)).collect()),
        Err(Failure::Error { w3c, .. }) => Answer::Error(w3c.into_owned()),
        Err(other) => Answer::Error(other.to_string()),
    }
}

fn found(item: &Item, document: &Document, frame: &Frame<'_>) -> Found {
    let kind = match item {
        Item::Node(_, node) => match document.kind(*node) {
            Kind::Document => "document-node()",
            Kind::Element => "element()",
            Kind::Attribute => "attribute()",
            Kind::Text => "text()",
            Kind::Comment => "comment()",
            Kind::Instruction => "processing-instruction()",
        },
        other => other.type_name(),
    };
    // Doubles by value: how they are written is asked for with `string(…)`.
    let text = match item {
        Item::Double(value) => format!("{value:?}"),
        Item::Float(value) => format!("{value:?}"),
        other => string_of(other, frame).into_owned(),
    };
    Found { kind: kind.to_owned(), text }
}

/// The W3C code in a message.
fn code(text: &str) -> String {
    let is_code = |part: &&str| part.len() == 8 && part[..4].bytes().all(|byte| byte.is_ascii_uppercase());
    text.split(['(', ')', ' ', '`']).find(|part| part.is_ascii() && is_code(part)).unwrap_or("XPST0003").to_owned()
}
