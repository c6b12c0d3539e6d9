//! A document as the JSON it is, or would be written as; and which node a place in that JSON is.

use std::collections::HashMap;

use jsonschema::paths::{Location, LocationSegment};
use serde_json::{Map, Number, Value};

use crate::{
    document::{Document, Kind, NodeId, Shape},
    format::XSI,
};

/// The JSON value of a document. Numbers keep their digits.
pub(super) fn of_document(document: &Document) -> Value {
    if is_object(document, NodeId::ROOT) { object(document, NodeId::ROOT) } else { value(document, NodeId::ROOT) }
}

/// The nodes of a document by their places in its JSON value.
pub(super) enum Index<'d> {
    Object(NodeId, HashMap<&'d str, Index<'d>>),
    /// The items, and the node that stands for all of them.
    Array(NodeId, Vec<Index<'d>>),
    Scalar(NodeId),
}

impl<'d> Index<'d> {
    pub fn of(document: &'d Document) -> Self {
        Self::value(document, NodeId::ROOT)
    }

    fn value(document: &'d Document, node: NodeId) -> Self {
        match document.shape(node) {
            Shape::Array => {
                Self::Array(node, document.elements(node).map(|item| Self::value(document, item)).collect())
            }
            _ if is_object(document, node) => Self::object(document, node),
            _ => Self::Scalar(node),
        }
    }

    /// Members by name; attributes stand with `@` before theirs where they are looked for.
    fn object(document: &'d Document, node: NodeId) -> Self {
        let mut members: HashMap<&str, Self> = HashMap::new();
        for child in document.elements(node) {
            let made = Self::value(document, child);
            let Some(known) = members.get_mut(local(document, child)) else {
                let made = if document.is_item(child) { Self::Array(child, vec![made]) } else { made };
                members.insert(local(document, child), made);
                continue;
            };
            match known {
                Self::Array(_, items) => items.push(made),
                single => {
                    let node = single.node();
                    let first = std::mem::replace(single, Self::Scalar(node));
                    *single = Self::Array(node, vec![first, made]);
                }
            }
        }
        Self::Object(node, members)
    }

    fn node(&self) -> NodeId {
        match self {
            Self::Object(node, _) | Self::Array(node, _) | Self::Scalar(node) => *node,
        }
    }

    /// The node at a place, or the nearest around it and what is left of the way.
    pub fn find(&self, document: &Document, path: &Location) -> (NodeId, String) {
        let mut at = self;
        let mut segments = path.segments();
        while let Some(segment) = segments.next() {
            let next = match (at, &segment) {
                (Self::Object(node, members), LocationSegment::Property(name)) => match name.strip_prefix('@') {
                    Some(attribute) if !members.contains_key(&**name) => {
                        let found = attributes(document, *node).find(|known| local(document, *known) == attribute);
                        return (found.unwrap_or(*node), String::new());
                    }
                    _ => members.get(&**name),
                },
                (Self::Array(_, items), LocationSegment::Index(index)) => items.get(*index),
                _ => None,
            };
            match next {
                Some(next) => at = next,
                None => {
                    let rest = std::iter::once(segment).chain(segments).map(|segment| format!("/{segment}")).collect();
                    return (at.node(), rest);
                }
            }
        }
        (at.node(), String::new())
    }
}

fn is_object(document: &Document, node: NodeId) -> bool {
    match document.shape(node) {
        Shape::Array => false,
        Shape::Object => true,
        Shape::Markup if node == NodeId::ROOT => true,
        _ => attributes(document, node).next().is_some() || document.elements(node).next().is_some(),
    }
}

fn value(document: &Document, node: NodeId) -> Value {
    match document.shape(node) {
        Shape::Array => Value::Array(document.elements(node).map(|item| value(document, item)).collect()),
        _ if is_object(document, node) => object(document, node),
        _ => scalar(document, node),
    }
}

fn object(document: &Document, node: NodeId) -> Value {
    let mut members = Map::new();
    for attribute in attributes(document, node) {
        members.insert(format!("@{}", local(document, attribute)), document.own_text(attribute).into());
    }
    let is_text = |child: NodeId| document.kind(child) == Kind::Text;
    if node != NodeId::ROOT && (document.is_null(node) || document.children(node).any(is_text)) {
        members.insert("#text".to_owned(), scalar(document, node));
    }
    for (name, _) in document.empty_arrays(node) {
        members.insert(document.names().get(name).local.to_string(), Value::Array(Vec::new()));
    }
    for child in document.elements(node) {
        let made = value(document, child);
        match members.get_mut(local(document, child)) {
            Some(Value::Array(items)) => items.push(made),
            Some(single) => {
                let first = single.take();
                *single = Value::Array(vec![first, made]);
            }
            None => {
                let made = if document.is_item(child) { Value::Array(vec![made]) } else { made };
                members.insert(local(document, child).to_owned(), made);
            }
        }
    }
    Value::Object(members)
}

fn scalar(document: &Document, node: NodeId) -> Value {
    let texts = document.children(node).filter(|child| document.kind(*child) == Kind::Text);
    let text: String = texts.map(|text| document.own_text(text)).collect();
    match document.shape(node) {
        Shape::Null => Value::Null,
        Shape::Boolean if matches!(&*text, "true" | "false") => Value::Bool(text == "true"),
        Shape::Number => text.parse::<Number>().map_or(Value::String(text), Value::Number),
        _ => Value::String(text),
    }
}

fn local(document: &Document, node: NodeId) -> &str {
    document.qname(node).map(|name| &*name.local).unwrap_or_default()
}

/// The attributes JSON has: `xsi:nil` of a null is its shape.
fn attributes(document: &Document, node: NodeId) -> impl Iterator<Item = NodeId> {
    let is_null = document.is_null(node);
    document.attributes(node).filter(move |attribute| {
        let name = document.qname(*attribute);
        !(is_null && name.is_some_and(|name| &*name.namespace == XSI && &*name.local == "nil"))
    })
}
