//! A document to JSON text.

use std::collections::{HashMap, HashSet};

use super::{
    number::{Number, number},
    string::{short_escape, unit_escape},
};
use crate::{
    base::Problem,
    document::{Document, Kind, NodeId, Shape},
    format::{WriteOptions, XSI, code, output::Output},
};

/// Up to so many names are compared one by one.
const MANY: usize = 8;

/// Writes a document; its bytes are made afterwards.
pub(in crate::format) fn write(document: &Document, options: &WriteOptions) -> Result<String, Problem> {
    let out = Output::new(options, document.source().len() + document.len() * 4 + 16);
    let mut writing = Writing { document, out, open: Vec::new() };
    writing.run()?;
    writing.out.line(0);
    Ok(writing.out.text)
}

/// An open object or array: what is still to be written of it, and whether anything was.
enum Open<'d> {
    Object(std::vec::IntoIter<Group<'d>>, bool),
    Array(std::vec::IntoIter<NodeId>, bool),
}

/// The child elements of one name.
type Group<'d> = (&'d str, Vec<NodeId>);

struct Writing<'d, 'o> {
    document: &'d Document,
    out: Output<'o>,
    open: Vec<Open<'d>>,
}

impl<'d> Writing<'d, '_> {
    fn run(&mut self) -> Result<(), Problem> {
        match self.document.shape(NodeId::ROOT) {
            Shape::Markup => self.object(NodeId::ROOT)?,
            _ => self.value(NodeId::ROOT)?,
        }
        while let Some(open) = self.open.last_mut() {
            match open {
                Open::Object(groups, is_empty) => match groups.next() {
                    Some((name, group)) => {
                        let is_first = std::mem::replace(is_empty, false);
                        self.member(is_first, name, group[0])?;
                        match group[..] {
                            [single] if !self.document.is_item(single) => self.value(single)?,
                            _ => self.array(group),
                        }
                    }
                    None => {
                        let is_empty = *is_empty;
                        self.close(is_empty, '}');
                    }
                },
                Open::Array(items, is_empty) => match items.next() {
                    Some(item) => {
                        let is_first = std::mem::replace(is_empty, false);
                        self.next(is_first);
                        self.value(item)?;
                    }
                    None => {
                        let is_empty = *is_empty;
                        self.close(is_empty, ']');
                    }
                },
            }
        }
        Ok(())
    }

    /// Writes a value, or the beginning of one that is not a scalar.
    fn value(&mut self, node: NodeId) -> Result<(), Problem> {
        let document = self.document;
        let shape = document.shape(node);
        if shape == Shape::Array {
            self.array(document.elements(node).collect());
            return Ok(());
        }
        let has_members = self.attributes(node).next().is_some() || document.elements(node).next().is_some();
        if has_members || shape == Shape::Object { self.object(node) } else { self.scalar(node) }
    }

    fn array(&mut self, items: Vec<NodeId>) {
        self.out.text.push('[');
        self.open.push(Open::Array(items.into_iter(), true));
    }

    /// Writes the beginning of an object: attributes and text.
    fn object(&mut self, node: NodeId) -> Result<(), Problem> {
        let document = self.document;
        let groups = self.groups(node)?;
        self.out.text.push('{');
        self.open.push(Open::Object(groups.into_iter(), true));
        let mut is_first = true;
        for attribute in self.attributes(node) {
            let name = document.qname(attribute).map(|name| &*name.local).unwrap_or_default();
            self.member(is_first, &format!("@{name}"), attribute)?;
            is_first = false;
            self.string(document.own_text(attribute), attribute)?;
        }
        let has_text =
            document.is_null(node) || document.children(node).any(|child| document.kind(child) == Kind::Text);
        if has_text && node != NodeId::ROOT {
            self.member(is_first, "#text", node)?;
            is_first = false;
            self.scalar(node)?;
        }
        if let Some(Open::Object(_, is_empty)) = self.open.last_mut() {
            *is_empty = is_first;
        }
        Ok(())
    }

    fn close(&mut self, is_empty: bool, bracket: char) {
        self.open.pop();
        if !is_empty {
            self.out.line(self.open.len());
        }
        self.out.text.push(bracket);
    }

    fn next(&mut self, is_first: bool) {
        if !is_first {
            self.out.text.push(',');
        }
        self.out.line(self.open.len());
    }

    fn member(&mut self, is_first: bool, name: &str, node: NodeId) -> Result<(), Problem> {
        self.next(is_first);
        self.string(name, node)?;
        self.out.text.push(':');
        self.out.space();
        Ok(())
    }

    /// The text of a node as its shape says.
    fn scalar(&mut self, node: NodeId) -> Result<(), Problem> {
        let document = self.document;
        let text = self.text_of(node);
        let wrong = |what: &str| {
            Problem::new(code::JSON_WRITE, format!("the text is not a JSON {what}")).at(document.place(node))
        };
        match document.shape(node) {
            Shape::Null => self.out.text.push_str("null"),
            Shape::Number if number(text.as_bytes()) == Number::Legal(text.len()) => self.out.text.push_str(&text),
            Shape::Number => return Err(wrong("number").hint("convert it in the mapping")),
            Shape::Boolean if matches!(&*text, "true" | "false") => self.out.text.push_str(&text),
            Shape::Boolean => return Err(wrong("boolean").hint("convert it to `true` or `false` in the mapping")),
            _ => self.string(&text, node)?,
        }
        Ok(())
    }

    fn string(&mut self, text: &str, node: NodeId) -> Result<(), Problem> {
        self.out.text.push('"');
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            let Some(escape) = short_escape(byte) else { continue };
            self.plain(&text[from..at], node)?;
            if escape.is_empty() {
                unit_escape(&mut self.out.text, char::from(byte))
            } else {
                self.out.text.push_str(escape)
            }
            from = at + 1;
        }
        self.plain(&text[from..], node)?;
        self.out.text.push('"');
        Ok(())
    }

    fn plain(&mut self, text: &str, node: NodeId) -> Result<(), Problem> {
        self.out.plain(text, unit_escape).map_err(|problem| problem.at(self.document.place(node)))
    }

    /// The attributes to write: `xsi:nil` of a null is its shape.
    fn attributes(&self, node: NodeId) -> impl Iterator<Item = NodeId> + use<'d> {
        let document = self.document;
        let is_null = document.is_null(node);
        document.attributes(node).filter(move |attribute| {
            !(is_null
                && document.qname(*attribute).is_some_and(|name| &*name.namespace == XSI && &*name.local == "nil"))
        })
    }

    /// The node's own texts, joined.
    fn text_of(&self, node: NodeId) -> String {
        let document = self.document;
        let texts = document.children(node).filter(|child| document.kind(*child) == Kind::Text);
        texts.map(|text| document.own_text(text)).collect()
    }

    /// The child elements by name, in the order of each name's first.
    fn groups(&self, node: NodeId) -> Result<Vec<Group<'d>>, Problem> {
        let document = self.document;
        let mut groups: Vec<Group<'d>> = Vec::new();
        // Filled only when there are too many names to look through.
        let mut known: HashMap<&str, usize> = HashMap::new();
        for child in document.elements(node) {
            let Some(name) = document.qname(child) else { continue };
            let position = if known.is_empty() {
                groups.iter().rposition(|(group, _)| **group == *name.local)
            } else {
                known.get(&*name.local).copied()
            };
            let position = position.unwrap_or(groups.len());
            if position == groups.len() {
                groups.push((&name.local, Vec::new()));
                if !known.is_empty() {
                    known.insert(&name.local, position);
                } else if groups.len() > MANY {
                    known.extend(groups.iter().enumerate().map(|(position, (group, _))| (*group, position)));
                }
            }
            let group = &mut groups[position].1;
            if group.first().is_some_and(|first| document.name(*first) != document.name(child)) {
                let text = "two names differ only in their namespace; JSON has no namespaces";
                return Err(Problem::new(code::JSON_WRITE, text)
                    .at(document.place(child))
                    .hint("map one to another name"));
            }
            group.push(child);
        }
        let twin = |node: NodeId| {
            Problem::new(code::JSON_WRITE, "two members would have the same name").at(document.place(node))
        };
        let has = |member: &str| match known.is_empty() {
            true => groups.iter().any(|(group, _)| *group == member),
            false => known.contains_key(member),
        };
        let mut attributes = HashSet::new();
        for attribute in self.attributes(node) {
            let Some(name) = document.qname(attribute) else { continue };
            if !attributes.insert(&*name.local) || has(&format!("@{}", name.local)) {
                return Err(twin(attribute));
            }
        }
        let text = document.children(node).find(|child| document.kind(*child) == Kind::Text);
        match text {
            Some(text) if node != NodeId::ROOT && has("#text") => Err(twin(text)),
            _ => Ok(groups),
        }
    }
}
