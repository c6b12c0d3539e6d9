//! A document to JSON text.

use std::collections::{HashMap, HashSet};

use super::{
    number::{Number, number},
    string::{short_escape, unit_escape},
};
use crate::{
    base::Problem,
    document::{Document, Kind, NodeId, Shape},
    format::{WriteOptions, XSI, code, limit_problem, output::Output},
};

/// Documents deeper than this are refused, whatever made them: writing recurses.
const MAX_DEPTH: usize = 512;

/// Writes a document; its bytes are made afterwards.
pub(in crate::format) fn write(document: &Document, options: &WriteOptions) -> Result<String, Problem> {
    let out = Output::new(options, document.source().len() + document.len() * 4 + 16);
    let mut writing = Writing { document, out, depth: 0 };
    let root = NodeId::ROOT;
    match document.shape(root) {
        Shape::Array => writing.array(&document.elements(root).collect::<Vec<_>>())?,
        Shape::Markup | Shape::Object => writing.object(root)?,
        _ => writing.value(root)?,
    }
    writing.out.line(0);
    Ok(writing.out.text)
}

struct Writing<'d, 'o> {
    document: &'d Document,
    out: Output<'o>,
    depth: usize,
}

impl<'d> Writing<'d, '_> {
    fn value(&mut self, node: NodeId) -> Result<(), Problem> {
        let document = self.document;
        if self.depth >= MAX_DEPTH {
            return Err(
                limit_problem("the document is nested too deep to be written", MAX_DEPTH).at(document.place(node))
            );
        }
        let shape = document.shape(node);
        if shape == Shape::Array {
            return self.array(&document.elements(node).collect::<Vec<_>>());
        }
        let has_members = self.attributes(node).next().is_some() || document.elements(node).next().is_some();
        if has_members || shape == Shape::Object {
            return self.object(node);
        }
        self.scalar(node)
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

    fn object(&mut self, node: NodeId) -> Result<(), Problem> {
        let document = self.document;
        let groups = self.groups(node)?;
        self.out.text.push('{');
        self.depth += 1;
        let mut is_first = true;
        for attribute in self.attributes(node) {
            let name = document.qname(attribute).map(|name| &*name.local).unwrap_or_default();
            self.member(&mut is_first, &format!("@{name}"), attribute)?;
            self.string(document.own_text(attribute), attribute)?;
        }
        let is_root = node == NodeId::ROOT;
        let has_text = !is_root && document.children(node).any(|child| document.kind(child) == Kind::Text);
        if has_text || (!is_root && document.is_null(node)) {
            self.member(&mut is_first, "#text", node)?;
            if document.is_null(node) {
                self.out.text.push_str("null");
            } else {
                let text = self.text_of(node);
                self.string(&text, node)?;
            }
        }
        for (name, group) in groups {
            self.member(&mut is_first, name, group[0])?;
            match &group[..] {
                [single] if !document.is_item(*single) => self.value(*single)?,
                items => self.array(items)?,
            }
        }
        self.depth -= 1;
        if !is_first {
            self.out.line(self.depth);
        }
        self.out.text.push('}');
        Ok(())
    }

    fn array(&mut self, items: &[NodeId]) -> Result<(), Problem> {
        self.out.text.push('[');
        self.depth += 1;
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                self.out.text.push(',');
            }
            self.out.line(self.depth);
            self.value(*item)?;
        }
        self.depth -= 1;
        if !items.is_empty() {
            self.out.line(self.depth);
        }
        self.out.text.push(']');
        Ok(())
    }

    fn member(&mut self, is_first: &mut bool, name: &str, node: NodeId) -> Result<(), Problem> {
        if !std::mem::replace(is_first, false) {
            self.out.text.push(',');
        }
        self.out.line(self.depth);
        self.string(name, node)?;
        self.out.text.push(':');
        self.out.space();
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
    fn groups(&self, node: NodeId) -> Result<Vec<(&'d str, Vec<NodeId>)>, Problem> {
        let document = self.document;
        let mut groups: Vec<(&str, Vec<NodeId>)> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for child in document.elements(node) {
            let Some(name) = document.qname(child) else { continue };
            let position = *known.entry(&name.local).or_insert(groups.len());
            if position == groups.len() {
                groups.push((&name.local, Vec::new()));
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
        let mut attributes = HashSet::new();
        for attribute in self.attributes(node) {
            let Some(name) = document.qname(attribute) else { continue };
            if !attributes.insert(&*name.local) || known.contains_key(format!("@{}", name.local).as_str()) {
                return Err(twin(attribute));
            }
        }
        let text = document.children(node).find(|child| document.kind(*child) == Kind::Text);
        match text {
            Some(text) if node != NodeId::ROOT && known.contains_key("#text") => Err(twin(text)),
            _ => Ok(groups),
        }
    }
}
