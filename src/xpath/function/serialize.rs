//! `serialize` (F&O 3.1 §14.9.4; Serialization 3.1): values as XML, JSON, plain text, or for people.

use std::{collections::HashSet, fmt::Write as _};

use super::{Call, json_text, markup::markup, string, string::SPACE};
use crate::{
    document::{Builder, Document, Kind, NodeId, Text},
    xpath::{
        Failure, Item, Map, Value,
        cast::{AtomicType, cast},
        collection::flatten,
        is_numeric,
    },
};

/// The namespace of parameters written as elements.
const OUTPUT: &str = "http://www.w3.org/2010/xslt-xquery-serialization";

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Xml,
    Json,
    Text,
    Adaptive,
}

/// What a parameter's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    Boolean,
    /// A boolean, or nothing.
    Choice,
    Text,
    Number,
    Names,
    Characters,
}

/// The parameters of the standard.
const KNOWN: &[(&str, Kinds)] = &[
    ("allow-duplicate-names", Kinds::Boolean),
    ("byte-order-mark", Kinds::Boolean),
    ("cdata-section-elements", Kinds::Names),
    ("doctype-public", Kinds::Text),
    ("doctype-system", Kinds::Text),
    ("encoding", Kinds::Text),
    ("escape-uri-attributes", Kinds::Boolean),
    ("html-version", Kinds::Number),
    ("include-content-type", Kinds::Boolean),
    ("indent", Kinds::Boolean),
    ("item-separator", Kinds::Text),
    ("json-node-output-method", Kinds::Text),
    ("media-type", Kinds::Text),
    ("method", Kinds::Text),
    ("normalization-form", Kinds::Text),
    ("omit-xml-declaration", Kinds::Boolean),
    ("standalone", Kinds::Choice),
    ("suppress-indentation", Kinds::Names),
    ("undeclare-prefixes", Kinds::Boolean),
    ("use-character-maps", Kinds::Characters),
    ("version", Kinds::Text),
];

struct Parameters {
    method: Method,
    indent: bool,
    declaration: bool,
    standalone: Option<bool>,
    version: String,
    separator: Option<String>,
    duplicate_names: bool,
    characters: Vec<(char, String)>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            method: Method::Xml,
            indent: false,
            declaration: false,
            standalone: None,
            version: "1.0".to_owned(),
            separator: None,
            duplicate_names: false,
            characters: Vec::new(),
        }
    }
}

pub(super) fn serialize(call: &Call<'_>) -> Result<Value, Failure> {
    let mut parameters = Parameters::default();
    match call.optional(1)? {
        None => {}
        Some(Item::Map(map)) => parameters.read_map(call, map)?,
        Some(Item::Node(document, node)) => {
            if let Some(tree) = call.frame.document(*document) {
                parameters.read_element(tree, *node)?;
            }
        }
        Some(_) => return Err(Failure::error("XPTY0004", "the parameters of serialize are a map or an element")),
    }
    let writer = Writer { call, parameters: &parameters };
    let text = match parameters.method {
        Method::Json => writer.json(call.value(0))?,
        Method::Adaptive => writer.adaptive(call.value(0))?,
        Method::Xml | Method::Text => writer.markup(call.value(0))?,
    };
    string(text)
}

/// The items, arrays replaced by their members.
fn flat(value: &Value) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    if flatten(value, &mut items) { Ok(items) } else { Err(Failure::Budget) }
}

impl Parameters {
    fn read_map(&mut self, call: &Call<'_>, map: &Map) -> Result<(), Failure> {
        for (name, kind) in KNOWN {
            let Some(value) = map.get(&Item::string(*name)) else { continue };
            let wrong = || Failure::error("XPTY0004", format!("parameter `{name}` has a value of the wrong type"));
            let items = flat(value)?;
            let untyped = |item: &Item| matches!(item, Item::Untyped(_) | Item::Node(..));
            match (kind, items.as_slice()) {
                (Kinds::Choice, []) | (Kinds::Text | Kinds::Number, []) => {}
                (Kinds::Boolean | Kinds::Choice, [item])
                    if untyped(item) || matches!(item.base(), Item::Boolean(_)) =>
                {
                    let Item::Boolean(truth) = cast(call.frame, item, AtomicType::Boolean)? else {
                        return Err(wrong());
                    };
                    self.truth(name, truth);
                }
                (Kinds::Text, [item]) if untyped(item) || matches!(item.base(), Item::String(_) | Item::Uri(_)) => {
                    self.text(name, &call.frame.text_of(item))?;
                }
                (Kinds::Text, [Item::QName(_)]) if *name == "method" => return Err(no_method("of a vendor")),
                (Kinds::Number, [item]) if untyped(item) || is_numeric(item) => {}
                (Kinds::Names, items) if items.iter().all(|item| matches!(item.base(), Item::QName(_))) => {}
                (Kinds::Characters, [Item::Map(map)]) => {
                    for (from, to) in map.entries() {
                        let (Item::String(from), [to]) = (from.base(), to.items()) else { return Err(wrong()) };
                        if !matches!(to.base(), Item::String(_)) {
                            return Err(wrong());
                        }
                        self.character(from, &call.frame.text_of(to), "SEPM0016")?;
                    }
                }
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }

    /// Serialization 3.1 §3.1: `output:serialization-parameters`.
    fn read_element(&mut self, tree: &Document, node: NodeId) -> Result<(), Failure> {
        let is = |node: NodeId, local: &str| {
            tree.qname(node).is_some_and(|name| &*name.namespace == OUTPUT && &*name.local == local)
        };
        if !is(node, "serialization-parameters") {
            return Err(Failure::error("XPTY0004", "the element is no output:serialization-parameters"));
        }
        let invalid = |why: &str| Failure::error("SEPM0017", format!("serialization parameters: {why}"));
        let plain = |attribute: &NodeId| tree.qname(*attribute).is_some_and(|name| name.namespace.is_empty());
        if tree.attributes(node).any(|attribute| plain(&attribute)) {
            return Err(invalid("the element has no attributes"));
        }
        let mut seen = HashSet::new();
        for child in tree.elements(node) {
            let Some(name) = tree.qname(child) else { continue };
            if !seen.insert(name) {
                return Err(Failure::error("SEPM0019", format!("parameter `{}` stands there twice", name.local)));
            }
            if name.namespace.is_empty() {
                return Err(invalid("an element without namespace"));
            }
            if &*name.namespace != OUTPUT {
                continue;
            }
            let known = KNOWN.iter().find(|(known, _)| **known == *name.local);
            let (name, kind) = known.ok_or_else(|| invalid(&format!("there is no `{}`", name.local)))?;
            let named = |local: &str| tree.names().find("", local).and_then(|name| tree.attribute(child, name));
            let value = named("value").map(|value| tree.own_text(value).trim_matches(SPACE));
            let extra = tree.attributes(child).filter(plain).count() > usize::from(value.is_some());
            if extra || (*kind == Kinds::Characters) == value.is_some() {
                return Err(invalid(&format!("`{name}` has one attribute, `value`")));
            }
            let value = value.unwrap_or_default();
            match kind {
                Kinds::Choice if value == "omit" => {}
                Kinds::Boolean | Kinds::Choice => match value {
                    "yes" | "true" | "1" => self.truth(name, true),
                    "no" | "false" | "0" => self.truth(name, false),
                    _ => return Err(invalid(&format!("`{name}` is yes or no"))),
                },
                Kinds::Text if *name == "item-separator" => {
                    let raw = named("value").map(|value| tree.own_text(value)).unwrap_or_default();
                    self.text(name, raw)?;
                }
                Kinds::Text => self.text(name, value).map_err(|_| invalid(&format!("`{name}` has no such value")))?,
                Kinds::Number | Kinds::Names => {}
                Kinds::Characters => {
                    for mapping in tree.elements(child) {
                        let part = |local: &str| {
                            let found = tree.names().find("", local).and_then(|name| tree.attribute(mapping, name));
                            found.map(|found| tree.own_text(found))
                        };
                        let (Some(from), Some(to)) = (part("character"), part("map-string")) else {
                            return Err(invalid("a character map has `character` and `map-string`"));
                        };
                        if !is(mapping, "character-map") || tree.attributes(mapping).filter(plain).count() > 2 {
                            return Err(invalid("a character map consists of output:character-map"));
                        }
                        if self.characters.iter().any(|(known, _)| from.chars().eq([*known])) {
                            return Err(Failure::error("SEPM0018", "a character is mapped twice"));
                        }
                        self.character(from, to, "SEPM0017")?;
                    }
                }
            }
        }
        Ok(())
    }

    fn truth(&mut self, name: &str, value: bool) {
        match name {
            "indent" => self.indent = value,
            "omit-xml-declaration" => self.declaration = !value,
            "standalone" => self.standalone = Some(value),
            "allow-duplicate-names" => self.duplicate_names = value,
            _ => {}
        }
    }

    fn text(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        match name {
            "method" => {
                self.method = match value {
                    "xml" => Method::Xml,
                    "json" => Method::Json,
                    "text" => Method::Text,
                    "adaptive" => Method::Adaptive,
                    other => return Err(no_method(other)),
                }
            }
            "item-separator" => self.separator = Some(value.to_owned()),
            "version" => value.clone_into(&mut self.version),
            _ => {}
        }
        Ok(())
    }

    fn character(&mut self, from: &str, to: &str, w3c: &'static str) -> Result<(), Failure> {
        let mut chars = from.chars();
        match (chars.next(), chars.next()) {
            (Some(from), None) => self.characters.push((from, to.to_owned())),
            _ => return Err(Failure::error(w3c, "a character map maps single characters")),
        }
        Ok(())
    }

    fn mapped(&self, text: &str) -> String {
        let found = |c: char| self.characters.iter().find(|(from, _)| *from == c).map(|(_, to)| to);
        let mut made = String::with_capacity(text.len());
        for c in text.chars() {
            match found(c) {
                Some(to) => made.push_str(to),
                None => made.push(c),
            }
        }
        made
    }
}

fn no_method(name: &str) -> Failure {
    Failure::error("SEPM0016", format!("there is no output method `{name}`; known are xml, json, text and adaptive"))
}

struct Writer<'a> {
    call: &'a Call<'a>,
    parameters: &'a Parameters,
}

impl Writer<'_> {
    /// Methods `xml` and `text`: the normalized sequence (Serialization 3.1 §2), piece by piece.
    fn markup(&self, value: &Value) -> Result<String, Failure> {
        let items = flat(value)?;
        self.call.frame.budget.take_items(items.len())?;
        let mut made = String::new();
        if self.parameters.declaration && self.parameters.method == Method::Xml {
            let _ = write!(made, "<?xml version=\"{}\" encoding=\"UTF-8\"", self.parameters.version);
            if let Some(alone) = self.parameters.standalone {
                let _ = write!(made, " standalone=\"{}\"", if alone { "yes" } else { "no" });
            }
            made.push_str("?>");
        }
        let mut follows_text = false;
        for (at, item) in items.iter().enumerate() {
            let is_text = !matches!(item, Item::Node(..));
            match &self.parameters.separator {
                Some(separator) if at > 0 => self.add(&mut made, &self.escaped(separator))?,
                None if is_text && follows_text => made.push(' '),
                _ => {}
            }
            follows_text = is_text;
            match item {
                Item::Node(document, node) => {
                    let Some(tree) = self.call.frame.document(*document) else { continue };
                    self.node(tree, *node, &mut made)?;
                }
                Item::Map(_) => return Err(Failure::error("SENR0001", "a map has no form in XML; use method json")),
                other => self.add(&mut made, &self.escaped(&self.call.frame.text_of(other)))?,
            }
        }
        Ok(made)
    }

    /// Adds a piece of text, and takes what it costs: the same member may stand in a value any number of times.
    fn add(&self, made: &mut String, piece: &str) -> Result<(), Failure> {
        self.call.frame.budget.take_text(piece.len())?;
        made.push_str(piece);
        Ok(())
    }

    fn escaped(&self, text: &str) -> String {
        let text = self.parameters.mapped(text);
        if self.parameters.method == Method::Text {
            return text;
        }
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xD;")
    }

    fn node(&self, tree: &Document, node: NodeId, made: &mut String) -> Result<(), Failure> {
        if self.parameters.method == Method::Text && matches!(tree.kind(node), Kind::Document | Kind::Element) {
            return self.add(made, &self.parameters.mapped(&tree.string_value(node)));
        }
        let name = || tree.qname(node).map(|name| &*name.local).unwrap_or_default();
        match tree.kind(node) {
            Kind::Document => {
                for child in tree.children(node) {
                    self.node(tree, child, made)?;
                }
            }
            Kind::Element => {
                self.call.frame.budget.take_items(tree.end(node) - node.index())?;
                let mut builder = Builder::default();
                self.copy(&mut builder, tree, node);
                let text = markup(self.call)?.write(&builder.finish(), self.parameters.indent);
                let text = text.map_err(|problem| Failure::error("SERE0003", problem.text))?;
                self.add(made, text.trim_end_matches('\n'))?;
            }
            Kind::Attribute => {
                return Err(Failure::error("SENR0001", "an attribute cannot be written by itself"));
            }
            Kind::Text => self.add(made, &self.escaped(tree.own_text(node)))?,
            _ if self.parameters.method == Method::Text => {}
            Kind::Comment => {
                let _ = write!(made, "<!--{}-->", tree.own_text(node));
            }
            Kind::Instruction => {
                let _ = write!(made, "<?{} {}?>", name(), tree.own_text(node));
            }
        }
        Ok(())
    }

    /// Copies an element, characters replaced by their maps.
    fn copy(&self, builder: &mut Builder, tree: &Document, node: NodeId) {
        if self.parameters.characters.is_empty() {
            builder.copy(tree, node);
            return;
        }
        // the elements that are open, by where they end
        let mut open: Vec<usize> = Vec::new();
        for at in (node.index()..tree.end(node)).filter_map(|index| tree.node(index)) {
            while open.last().is_some_and(|end| *end <= at.index()) {
                open.pop();
                builder.end();
            }
            match (tree.kind(at), tree.qname(at)) {
                (Kind::Element, Some(name)) => {
                    if let Some(prefix) = tree.names().prefix_of(&name.namespace) {
                        builder.names().prefer_prefix(&name.namespace, prefix);
                    }
                    let name = builder.names().intern(&name.namespace, &name.local);
                    builder.start(name, None);
                    open.push(tree.end(at));
                }
                (Kind::Attribute, Some(name)) => {
                    if let Some(prefix) = tree.names().prefix_of(&name.namespace) {
                        builder.names().prefer_prefix(&name.namespace, prefix);
                    }
                    let name = builder.names().intern(&name.namespace, &name.local);
                    builder.attribute(name, Text::Copied(&self.parameters.mapped(tree.own_text(at))), None);
                }
                (Kind::Text, _) => {
                    builder.text(Text::Copied(&self.parameters.mapped(tree.own_text(at))), None);
                }
                _ => builder.copy(tree, at),
            }
        }
        open.iter().for_each(|_| builder.end());
    }

    fn json(&self, value: &Value) -> Result<String, Failure> {
        let mut made = String::new();
        self.json_value(value, &mut made, 0)?;
        Ok(made)
    }

    /// A line break and the blanks of a level, when the text is to be indented.
    fn line(&self, made: &mut String, depth: usize) {
        if self.parameters.indent {
            made.push('\n');
            made.extend(std::iter::repeat_n("  ", depth));
        }
    }

    fn json_value(&self, value: &Value, made: &mut String, depth: usize) -> Result<(), Failure> {
        self.call.frame.budget.take(1)?;
        let item = match value.items() {
            [] => {
                made.push_str("null");
                return Ok(());
            }
            [item] => item,
            _ => return Err(Failure::error("SERE0023", "JSON has no form for several items; put them into an array")),
        };
        let text = |text: &str| json_text::quoted(&self.parameters.mapped(text));
        match item.base() {
            Item::Array(members) => {
                made.push('[');
                for (at, member) in members.iter().enumerate() {
                    if at > 0 {
                        made.push(',');
                    }
                    self.line(made, depth + 1);
                    self.json_value(member, made, depth + 1)?;
                }
                if !members.is_empty() {
                    self.line(made, depth);
                }
                made.push(']');
            }
            Item::Map(map) => {
                made.push('{');
                let mut seen = HashSet::new();
                for (at, (key, member)) in map.entries().enumerate() {
                    let key = self.call.frame.text_of(key);
                    if !seen.insert(key.to_string()) && !self.parameters.duplicate_names {
                        return Err(Failure::error("SERE0022", "two keys of a map have the same text"));
                    }
                    if at > 0 {
                        made.push(',');
                    }
                    self.line(made, depth + 1);
                    self.add(made, &text(&key))?;
                    made.push(':');
                    self.json_value(member, made, depth + 1)?;
                }
                if !map.is_empty() {
                    self.line(made, depth);
                }
                made.push('}');
            }
            Item::Node(document, node) => {
                let mut inner = String::new();
                if let Some(tree) = self.call.frame.document(*document) {
                    let plain = Parameters::default();
                    Writer { call: self.call, parameters: &plain }.node(tree, *node, &mut inner)?;
                }
                self.add(made, &text(&inner))?;
            }
            Item::Boolean(value) => made.push_str(if *value { "true" } else { "false" }),
            number if is_numeric(number) => {
                let shown = self.call.frame.text_of(number);
                if matches!(&*shown, "NaN" | "INF" | "-INF") {
                    return Err(Failure::error("SERE0020", format!("JSON has no number {shown}")));
                }
                self.add(made, &shown)?;
            }
            other => self.add(made, &text(&self.call.frame.text_of(other)))?,
        }
        Ok(())
    }

    fn adaptive(&self, value: &Value) -> Result<String, Failure> {
        let separator = self.parameters.separator.as_deref().unwrap_or("\n");
        let pieces: Result<Vec<String>, Failure> = value.items().iter().map(|item| self.adaptive_item(item)).collect();
        Ok(pieces?.join(separator))
    }

    fn adaptive_item(&self, item: &Item) -> Result<String, Failure> {
        self.call.frame.budget.take(1)?;
        let sequence = |value: &Value| -> Result<String, Failure> {
            let pieces: Result<Vec<String>, Failure> =
                value.items().iter().map(|item| self.adaptive_item(item)).collect();
            let joined = pieces?.join(",");
            Ok(if value.len() == 1 { joined } else { format!("({joined})") })
        };
        let frame = self.call.frame;
        let made = match item {
            Item::Node(document, node) => {
                let Some(tree) = frame.document(*document) else { return Ok(String::new()) };
                if tree.kind(*node) == Kind::Attribute {
                    let name = tree.qname(*node).map(|name| {
                        let prefix = tree.names().prefix_of(&name.namespace).filter(|prefix| !prefix.is_empty());
                        prefix.map_or_else(|| name.local.to_string(), |prefix| format!("{prefix}:{}", name.local))
                    });
                    let text = self.escaped(tree.own_text(*node)).replace('"', "&quot;");
                    return Ok(format!("{}=\"{text}\"", name.unwrap_or_default()));
                }
                let mut made = String::new();
                self.node(tree, *node, &mut made)?;
                made
            }
            Item::Map(map) => {
                let entries: Result<Vec<String>, Failure> = (map.entries())
                    .map(|(key, value)| Ok(format!("{}:{}", self.adaptive_item(key)?, sequence(value)?)))
                    .collect();
                format!("map{{{}}}", entries?.join(","))
            }
            Item::Array(members) => {
                let members: Result<Vec<String>, Failure> = members.iter().map(sequence).collect();
                format!("[{}]", members?.join(","))
            }
            other => match other.base() {
                Item::Boolean(value) => format!("{value}()"),
                Item::QName(name) => format!("Q{{{}}}{}", name.name.namespace, name.name.local),
                Item::String(_) | Item::Untyped(_) | Item::Uri(_) => {
                    format!("\"{}\"", frame.text_of(other).replace('"', "\"\""))
                }
                number if is_numeric(number) => frame.text_of(number).into_owned(),
                typed => format!("{}(\"{}\")", other.type_name(), frame.text_of(typed)),
            },
        };
        frame.budget.take_text(made.len())?;
        Ok(made)
    }
}
