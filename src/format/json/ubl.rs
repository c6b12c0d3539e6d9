//! UBL in JSON (OASIS UBL 2.1 JSON Alternative Representation, 2.x JSON Binding): the "model" and "legacy" bindings.
//!
//! `{"_D":…, "_A":…, "_B":…, "Order": …}`: the namespaces of the document, of aggregates and of basic components, then the
//! document element. An element with content is an object with `_` and its attributes beside it, an aggregate an object
//! of its children. Legacy writes every child as an array, model only what the model repeats.

use std::sync::Arc;

use super::{
    string::push_string,
    token::{Token, TokenKind, path_of, tokens},
    writer::{groups, is_listed, push_scalar, text_of},
};
use crate::{
    base::{Limits, Place, Problem},
    document::{Builder, Document, Kind, NodeId, Shape, Text},
    format::{Convention, ReadOptions, WriteOptions, code, output::Output},
};

const AGGREGATES: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2";
const BASICS: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2";
const EXTENSIONS: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2";

/// Reading and writing recurse: no limit that is set may lead to the end of the stack. Official instances go to 23.
const DEEPEST: usize = 128;

/// Reads either binding: what is an array says so itself.
pub(super) fn read(source: Arc<str>, options: &ReadOptions) -> Result<Document, Problem> {
    let text = source.clone();
    let limits = Limits { json_depth: options.limits.json_depth.min(DEEPEST), ..options.limits.clone() };
    let tokens = tokens(&text, &limits, options.duplicates)?;
    let mut reading = Reading {
        source: &text,
        tokens: &tokens,
        builder: Builder::new(source),
        aggregates: String::new(),
        basics: String::new(),
        extensions: String::new(),
    };
    reading.run()?;
    Ok(reading.builder.finish())
}

struct Reading<'a> {
    source: &'a str,
    tokens: &'a [Token],
    builder: Builder,
    aggregates: String,
    basics: String,
    extensions: String,
}

impl Reading<'_> {
    fn run(&mut self) -> Result<(), Problem> {
        if self.tokens.first().is_none_or(|root| root.kind != TokenKind::Object) {
            return Err(self.wrong(0, "UBL in JSON is an object"));
        }
        let (mut document, mut root) = (String::new(), None);
        for (key, value) in self.members(0) {
            let name = self.tokens[key].text(self.source).into_owned();
            let namespace = || self.tokens[value].text(self.source).into_owned();
            match name.as_str() {
                "_D" => document = namespace(),
                "_A" => self.aggregates = namespace(),
                "_B" => self.basics = namespace(),
                "_E" => self.extensions = namespace(),
                _ if root.is_none() => root = Some((key, value, name)),
                _ => return Err(self.wrong(key, "UBL in JSON has one document element beside `_D`, `_A`, `_B`, `_E`")),
            }
        }
        let Some((key, value, name)) = root else {
            return Err(self.wrong(0, "UBL in JSON has a document element beside `_D`, `_A`, `_B`"));
        };
        let names = self.builder.names();
        for (namespace, prefix) in
            [(&document, ""), (&self.aggregates, "cac"), (&self.basics, "cbc"), (&self.extensions, "ext")]
        {
            if !namespace.is_empty() {
                names.prefer_prefix(namespace, prefix);
            }
        }
        let value = match self.items(value)[..] {
            [only] => only,
            _ => return Err(self.wrong(key, "the document element is there more than once")),
        };
        self.element(&document, &name, key, value)
    }

    /// The members of an object: name and value.
    fn members(&self, object: usize) -> Vec<(usize, usize)> {
        let end = self.tokens[object].next as usize;
        let mut members = Vec::new();
        let mut at = object + 1;
        while at < end {
            if self.tokens[at].kind != TokenKind::Replaced {
                members.push((at, at + 1));
            }
            at = self.tokens[at + 1].next as usize;
        }
        members
    }

    /// The values of a member: itself, or the items of its array.
    fn items(&self, value: usize) -> Vec<usize> {
        if self.tokens[value].kind != TokenKind::Array {
            return vec![value];
        }
        let end = self.tokens[value].next as usize;
        let mut at = value + 1;
        let mut items = Vec::new();
        while at < end {
            items.push(at);
            at = self.tokens[at].next as usize;
        }
        items
    }

    /// Builds an element; nesting is bounded by the limit on JSON.
    fn element(&mut self, namespace: &str, local: &str, key: usize, value: usize) -> Result<(), Problem> {
        if self.tokens[value].kind != TokenKind::Object {
            return Err(self.wrong(value, "an element is an object: its children, or its content under `_`"));
        }
        let at = (self.tokens[key].start as usize).saturating_sub(1);
        let name = self.builder.names().intern(namespace, local);
        self.builder.start(name, Some(at));
        let members = self.members(value);
        match members.iter().find(|(key, _)| self.tokens[*key].raw(self.source) == "_").copied() {
            Some((_, content)) => self.basic(&members, content)?,
            None => {
                self.builder.shape(Shape::Object);
                for (key, value) in members {
                    let child = self.tokens[key].text(self.source).into_owned();
                    let is_array = self.tokens[value].kind == TokenKind::Array;
                    let items = self.items(value);
                    if items.is_empty() {
                        let name = self.builder.names().intern(&self.aggregates, &child);
                        self.builder.empty_array(name);
                    }
                    for item in items {
                        let namespace = self.namespace_of(local, &child, item).to_owned();
                        let before = self.builder.len();
                        self.element(&namespace, &child, key, item)?;
                        if is_array && let Some(node) = self.builder.document().node(before) {
                            self.builder.mark_item(node);
                        }
                    }
                }
            }
        }
        self.builder.end();
        Ok(())
    }

    /// Content and attributes.
    fn basic(&mut self, members: &[(usize, usize)], content: usize) -> Result<(), Problem> {
        for (key, value) in members.iter().copied().filter(|(_, value)| *value != content) {
            if matches!(self.tokens[value].kind, TokenKind::Object | TokenKind::Array | TokenKind::Null) {
                return Err(self.wrong(value, "what stands beside `_` is an attribute: a text, number or boolean"));
            }
            let name = self.tokens[key].text(self.source).into_owned();
            let name = self.builder.names().intern("", &name);
            let text = self.tokens[value].text(self.source);
            self.builder.attribute(name, Text::Copied(&text), Some(self.tokens[key].start as usize - 1));
        }
        let token = self.tokens[content];
        self.builder.shape(match token.kind {
            TokenKind::String => Shape::String,
            TokenKind::Number => Shape::Number,
            TokenKind::Boolean => Shape::Boolean,
            TokenKind::Null => Shape::Null,
            _ => return Err(self.wrong(content, "the content under `_` is a text, number or boolean")),
        });
        if token.kind != TokenKind::Null && token.length > 0 {
            let text = token.text(self.source);
            let (start, length) = (token.start as usize, token.length as usize);
            let text = if token.flag { Text::Copied(&text) } else { Text::Source(start, length) };
            self.builder.text(text, Some(start));
        }
        Ok(())
    }

    /// The namespace of a child: basic components have content, and extensions have names of their own.
    fn namespace_of(&self, parent: &str, child: &str, value: usize) -> &str {
        let is_basic = self.tokens[value].kind == TokenKind::Object
            && self.members(value).iter().any(|(key, _)| self.tokens[*key].raw(self.source) == "_");
        let is_extension = matches!(child, "UBLExtensions" | "UBLExtension" | "ExtensionContent")
            || parent == "UBLExtension" && child.starts_with("Extension");
        match (is_extension, is_basic) {
            (true, _) => &self.extensions,
            (_, true) => &self.basics,
            _ => &self.aggregates,
        }
    }

    fn wrong(&self, token: usize, text: &str) -> Problem {
        let at = self.tokens.get(token).map_or(0, |token| token.start as usize);
        let place = Place::of_offset(self.source, at).with_path(path_of(self.source, self.tokens, token));
        Problem::new(code::JSON_CONVENTION, text)
            .at(place)
            .hint("the system is set to UBL in JSON; see the page on XML and JSON")
    }
}

/// Writes one of the bindings.
pub(super) fn write(document: &Document, options: &WriteOptions) -> Result<String, Problem> {
    let out = Output::new(options, document.source().len() + document.len() * 4 + 16);
    let mut writing = Writing { document, options, out, aggregates: None, basics: None };
    writing.run()?;
    writing.out.line(0);
    Ok(writing.out.text)
}

struct Writing<'d> {
    document: &'d Document,
    options: &'d WriteOptions,
    out: Output<'d>,
    aggregates: Option<String>,
    basics: Option<String>,
}

impl Writing<'_> {
    fn run(&mut self) -> Result<(), Problem> {
        let document = self.document;
        let roots: Vec<NodeId> = document.elements(NodeId::ROOT).collect();
        let [root] = roots[..] else {
            let problem = Problem::new(code::JSON_WRITE, "UBL in JSON needs exactly one document element");
            return Err(problem.at(Place::default().with_path("/")));
        };
        let namespace = |wanted: fn(&Document, NodeId) -> bool, usual: &str| {
            let found = (root.index() + 1..document.end(root))
                .filter_map(|index| document.node(index))
                .filter(|node| document.kind(*node) == Kind::Element && wanted(document, *node))
                .filter_map(|node| document.qname(node))
                .find(|name| &*name.namespace != EXTENSIONS)
                .map(|name| name.namespace.to_string());
            let declared = document.names().prefix_of(usual).map(|_| usual.to_owned());
            found.or(declared).unwrap_or_default()
        };
        let aggregates = namespace(|document, node| !is_basic(document, node), AGGREGATES);
        let basics = namespace(is_basic, BASICS);
        let name = document.qname(root).cloned();
        let (space, local) = name.map_or_else(Default::default, |name| (name.namespace, name.local));
        self.out.text.push('{');
        let extensions = document.names().prefix_of(EXTENSIONS).map(|_| EXTENSIONS);
        let spaces = [("_D", Some(&*space)), ("_A", Some(&*aggregates)), ("_B", Some(&*basics)), ("_E", extensions)];
        for (key, space) in spaces.into_iter().filter_map(|(key, space)| Some((key, space?))) {
            self.name(key, key == "_D", 1, root)?;
            push_string(&mut self.out, space)?;
        }
        (self.aggregates, self.basics) = (Some(aggregates), Some(basics));
        self.name(&local, false, 1, root)?;
        self.values(&[root], 1)?;
        self.out.line(0);
        self.out.text.push('}');
        Ok(())
    }

    fn name(&mut self, name: &str, is_first: bool, depth: usize, node: NodeId) -> Result<(), Problem> {
        if !is_first {
            self.out.text.push(',');
        }
        self.out.line(depth);
        push_string(&mut self.out, name).map_err(|problem| problem.at(self.document.place(node)))?;
        self.out.text.push(':');
        self.out.space();
        Ok(())
    }

    /// The elements of one name in one parent.
    fn values(&mut self, nodes: &[NodeId], depth: usize) -> Result<(), Problem> {
        let document = self.document;
        let is_array = self.options.convention == Convention::UblLegacy
            || nodes.len() != 1
            || nodes.iter().any(|node| document.is_item(*node) || is_listed(document, *node, &self.options.arrays));
        if is_array {
            self.out.text.push('[');
        }
        for (position, node) in nodes.iter().enumerate() {
            if position > 0 {
                self.out.text.push(',');
            }
            self.element(*node, depth + 1)?;
        }
        if is_array {
            self.out.text.push(']');
        }
        Ok(())
    }

    fn element(&mut self, node: NodeId, depth: usize) -> Result<(), Problem> {
        let document = self.document;
        // Written by recursion: no deeper than what is read.
        let deepest = self.options.max_depth.min(DEEPEST);
        if depth > deepest {
            let text = format!("elements are nested deeper than {deepest}");
            return Err(Problem::new(code::JSON_WRITE, text).at(document.place(node)));
        }
        self.check(node)?;
        self.out.text.push('{');
        if is_basic(document, node) {
            self.name("_", true, depth, node)?;
            push_scalar(&mut self.out, document, node)?;
            for attribute in document.attributes(node) {
                let Some(name) = document.qname(attribute) else { continue };
                if document.is_null(node) && &*name.local == "nil" {
                    continue;
                }
                if &*name.local == "_" || !name.namespace.is_empty() {
                    let problem = Problem::new(code::JSON_WRITE, "UBL in JSON has no place for this attribute");
                    return Err(problem.at(document.place(attribute)));
                }
                self.name(&name.local, false, depth, attribute)?;
                push_string(&mut self.out, document.own_text(attribute))
                    .map_err(|problem| problem.at(document.place(attribute)))?;
            }
            self.out.line(depth - 1);
        } else {
            let groups = groups(document, node)?;
            let is_empty = groups.is_empty();
            for (position, (name, nodes)) in groups.into_iter().enumerate() {
                self.name(name, position == 0, depth, nodes.first().copied().unwrap_or(node))?;
                self.values(&nodes, depth)?;
            }
            if !is_empty {
                self.out.line(depth - 1);
            }
        }
        self.out.text.push('}');
        Ok(())
    }

    /// The binding knows a namespace for aggregates, one for basic components, and extensions.
    fn check(&self, node: NodeId) -> Result<(), Problem> {
        let document = self.document;
        let namespace = document.qname(node).map(|name| &*name.namespace).unwrap_or_default();
        let is_root = document.parent(node) == Some(NodeId::ROOT);
        let basic = is_basic(document, node);
        let expected = if basic { &self.basics } else { &self.aggregates };
        let wrong = |text: &str| Err(Problem::new(code::JSON_WRITE, text).at(document.place(node)));
        if !is_root && namespace != EXTENSIONS && Some(namespace) != expected.as_deref() {
            return wrong("this element is in another namespace than its neighbours; UBL in JSON cannot say so");
        }
        if !basic && document.attributes(node).next().is_some_and(|attribute| !is_schema_location(document, attribute))
        {
            return wrong("an aggregate has attributes; UBL in JSON has no place for them");
        }
        let has_text = document
            .children(node)
            .any(|child| document.kind(child) == Kind::Text && !document.own_text(child).trim().is_empty());
        if !basic && has_text {
            return wrong("an aggregate has text; UBL in JSON has no place for it");
        }
        Ok(())
    }
}

fn is_schema_location(document: &Document, attribute: NodeId) -> bool {
    document.qname(attribute).is_some_and(|name| &*name.namespace == crate::format::XSI)
}

/// Whether an element is a basic component: content, no children.
fn is_basic(document: &Document, node: NodeId) -> bool {
    document.elements(node).next().is_none()
        && (document.shape(node) != Shape::Object || !text_of(document, node).is_empty())
}
