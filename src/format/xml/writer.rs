//! A document to XML text.

use std::borrow::Cow;

use foldhash::{HashMap, HashSet};

use super::{
    XML_NAMESPACE, XMLNS_NAMESPACE,
    character::{first_illegal, is_ncname, is_space},
};
use crate::{
    base::{Place, Problem},
    document::{Document, Kind, Name, NodeId},
    format::{Layout, WriteOptions, XSI, code, output::Output},
};

/// Writes a document; its bytes are made afterwards.
pub(in crate::format) fn write(document: &Document, options: &WriteOptions) -> Result<String, Problem> {
    let mut writing = Writing {
        document,
        prefixes: Prefixes::choose(document),
        names: vec![[const { None }; 2]; document.names().len()],
        out: Output::new(options, document.source().len() + document.len() * 8 + 64),
        open: Vec::new(),
        is_canonical: options.layout == Layout::Canonical,
    };
    writing.check_root()?;
    let has_declaration = options.declaration && !writing.is_canonical;
    if has_declaration {
        let name = options.charset.declared_name();
        writing.out.text.push_str(&format!("<?xml version=\"1.0\" encoding=\"{name}\"?>"));
    }
    let mut is_first = !has_declaration;
    for child in document.children(NodeId::ROOT) {
        if !is_first {
            writing.between();
        }
        is_first = false;
        writing.top(child)?;
    }
    writing.out.line(0);
    Ok(writing.out.text)
}

/// Which prefix stands for which namespace in the whole document.
#[derive(Default)]
struct Prefixes {
    /// Namespace → prefix for elements (perhaps empty) and prefix for attributes (never empty).
    chosen: HashMap<String, (String, String)>,
    /// What to declare, in order.
    declarations: Vec<(String, String)>,
}

impl Prefixes {
    fn choose(document: &Document) -> Self {
        let mut used = Vec::new();
        let (mut elements, mut attributes) = (HashSet::default(), HashSet::default());
        let mut seen = vec![[false; 2]; document.names().len()];
        for node in (1..document.len()).filter_map(|index| document.node(index)) {
            let is_attribute = document.kind(node) == Kind::Attribute;
            let is_element = document.kind(node) == Kind::Element;
            if is_element && document.is_null(node) && attributes.insert(XSI) && !elements.contains(XSI) {
                used.push(XSI);
            }
            let Some(name) = document.name(node).filter(|_| is_attribute || is_element) else { continue };
            if std::mem::replace(&mut seen[name.index()][usize::from(is_attribute)], true) {
                continue;
            }
            let namespace = &*document.names().get(name).namespace;
            let is_known = elements.contains(namespace) || attributes.contains(namespace);
            if !is_known {
                used.push(namespace);
            }
            if is_attribute {
                attributes.insert(namespace)
            } else {
                elements.insert(namespace)
            };
        }
        let mut prefixes = Self::default();
        let mut taken: HashSet<String> = HashSet::default();
        if elements.contains("") {
            taken.insert(String::new());
        }
        let preferred = |namespace: &str| {
            let known = document.names().prefix_of(namespace);
            if namespace == XSI { Some(known.filter(|prefix| !prefix.is_empty()).unwrap_or("xsi")) } else { known }
        };
        // First those that know what they want, so that a made prefix cannot take it from them.
        for namespace in used.iter().filter(|namespace| !namespace.is_empty() && **namespace != XML_NAMESPACE) {
            let wanted = preferred(namespace).filter(|prefix| prefix.is_empty() || is_ncname(prefix));
            let Some(prefix) = wanted.filter(|prefix| !prefix.to_ascii_lowercase().starts_with("xml")) else {
                continue;
            };
            let is_useful = !prefix.is_empty() || elements.contains(namespace);
            if is_useful && taken.insert(prefix.to_owned()) {
                prefixes.declare(namespace, prefix);
            }
        }
        let mut number = 0;
        for namespace in used.iter().filter(|namespace| !namespace.is_empty() && **namespace != XML_NAMESPACE) {
            let needs_prefix = attributes.contains(namespace);
            let is_done =
                prefixes.chosen.get(*namespace).is_some_and(|(_, prefix)| !needs_prefix || !prefix.is_empty());
            if is_done {
                continue;
            }
            let prefix = loop {
                number += 1;
                let prefix = format!("ns{number}");
                if taken.insert(prefix.clone()) {
                    break prefix;
                }
            };
            prefixes.declare(namespace, &prefix);
        }
        // In the order of first use, whether a prefix was wanted or made: what is written again comes out the same.
        let order: HashMap<&str, usize> = used.iter().enumerate().map(|(at, namespace)| (*namespace, at)).collect();
        prefixes.declarations.sort_by_key(|(_, namespace)| order.get(namespace.as_str()).copied());
        prefixes
    }

    fn declare(&mut self, namespace: &str, prefix: &str) {
        self.declarations.push((prefix.to_owned(), namespace.to_owned()));
        let (_, for_attributes) =
            self.chosen.entry(namespace.to_owned()).or_insert_with(|| (prefix.to_owned(), String::new()));
        for_attributes.replace_range(.., prefix);
    }
}

struct Open {
    end: usize,
    name: Name,
    /// Whether its content stands on lines of its own.
    is_indented: bool,
}

struct Writing<'d, 'o> {
    document: &'d Document,
    prefixes: Prefixes,
    /// Names as written, by number: as an element, as an attribute.
    names: Vec<[Option<Cow<'d, str>>; 2]>,
    out: Output<'o>,
    open: Vec<Open>,
    is_canonical: bool,
}

impl Writing<'_, '_> {
    fn check_root(&self) -> Result<(), Problem> {
        let roots = self.document.elements(NodeId::ROOT).count();
        let has_text = self.document.children(NodeId::ROOT).any(|child| self.document.kind(child) == Kind::Text);
        if roots == 1 && !has_text {
            return Ok(());
        }
        let text = if has_text {
            "the document is a bare value; XML needs one root element".to_owned()
        } else {
            format!("the document has {roots} outermost elements; XML needs exactly one")
        };
        Err(Problem::new(code::XML_WRITE, text)
            .at(Place::default().with_path("/"))
            .hint("map it into one root element"))
    }

    /// What stands between the children of the document node (Canonical XML 1.0 §2.3: a line end).
    fn between(&mut self) {
        if self.is_canonical { self.out.text.push('\n') } else { self.out.line(0) }
    }

    /// Writes a child of the document node with all below it.
    fn top(&mut self, top: NodeId) -> Result<(), Problem> {
        let document = self.document;
        let mut index = top.index();
        let end = document.end(top);
        while index < end {
            self.close_before(index)?;
            let Some(node) = document.node(index) else { break };
            index = self.node(node).map_err(|problem| self.placed(problem, node))?;
        }
        self.close_before(usize::MAX)
    }

    /// Writes end tags of the elements that end before a node.
    fn close_before(&mut self, index: usize) -> Result<(), Problem> {
        while self.open.last().is_some_and(|open| open.end <= index) {
            let Some(open) = self.open.pop() else { break };
            if open.is_indented {
                self.out.line(self.open.len());
            }
            self.out.text.push_str("</");
            self.name(open.name, false)?;
            self.out.text.push('>');
        }
        Ok(())
    }

    /// Writes a node without its children; says which node follows.
    fn node(&mut self, node: NodeId) -> Result<usize, Problem> {
        let document = self.document;
        if document.kind(node) != Kind::Text && self.open.last().is_some_and(|open| open.is_indented) {
            self.out.line(self.open.len());
        }
        match document.kind(node) {
            Kind::Element => return self.element(node),
            Kind::Text => {
                let mut text = document.own_text(node);
                if self.would_be_dropped(node, text) {
                    // A reference is never taken for indentation.
                    let (first, rest) = text.split_at(1);
                    self.out.text.push_str(&format!("&#{};", first.as_bytes()[0]));
                    text = rest;
                }
                self.escaped(text, false)?;
            }
            Kind::Comment => {
                let text = document.own_text(node);
                if text.contains("--") || text.ends_with('-') {
                    return Err(Problem::new(code::XML_WRITE, "a comment contains `--` or ends with `-`"));
                }
                self.out.text.push_str("<!--");
                self.unescaped(text)?;
                self.out.text.push_str("-->");
            }
            Kind::Instruction => {
                let text = document.own_text(node);
                let target = document.qname(node).map(|name| &*name.local).unwrap_or_default();
                if text.contains("?>") || !is_ncname(target) || target.eq_ignore_ascii_case("xml") {
                    return Err(Problem::new(code::XML_WRITE, "a processing instruction has no form in XML"));
                }
                self.out.text.push_str("<?");
                self.out.verbatim(target)?;
                if !text.is_empty() {
                    self.out.text.push(' ');
                    self.unescaped(text)?;
                }
                self.out.text.push_str("?>");
            }
            Kind::Attribute | Kind::Document => (),
        }
        Ok(node.index() + 1)
    }

    /// Whether a reader would take a text for white space between tags.
    fn would_be_dropped(&self, node: NodeId, text: &str) -> bool {
        let document = self.document;
        let is_blank = !self.is_canonical && !text.is_empty() && text.bytes().all(is_space);
        is_blank
            && document.parent(node).is_some_and(|parent| {
                let mut before = document.children(parent).take_while(|child| *child < node);
                let is_first_text = before.all(|child| document.kind(child) != Kind::Text);
                is_first_text && document.children(parent).nth(1).is_some()
            })
    }

    fn element(&mut self, node: NodeId) -> Result<usize, Problem> {
        let document = self.document;
        let Some(name) = document.name(node) else { return Ok(node.index() + 1) };
        self.out.text.push('<');
        self.name(name, false)?;
        if document.parent(node) == Some(NodeId::ROOT) {
            self.declarations()?;
        }
        if self.is_canonical {
            self.sorted_attributes(node)?;
        } else {
            for attribute in document.attributes(node) {
                self.attribute(attribute)?;
            }
            if document.is_null(node) {
                self.nil();
            }
        }
        let first = node.index() + 1 + document.attributes(node).count();
        let end = document.end(node);
        if first >= end && self.is_canonical {
            self.out.text.push_str("></");
            self.name(name, false)?;
            self.out.text.push('>');
        } else if first >= end {
            self.out.text.push_str("/>");
        } else {
            self.out.text.push('>');
            let is_mixed = self.open.last().is_some_and(|open| !open.is_indented)
                || document.children(node).any(|child| document.kind(child) == Kind::Text);
            self.open.push(Open { end, name, is_indented: !is_mixed });
        }
        Ok(first)
    }

    /// Attributes in canonical order (Canonical XML 1.0 §2.2: by namespace, then local name).
    fn sorted_attributes(&mut self, node: NodeId) -> Result<(), Problem> {
        let document = self.document;
        let mut attributes: Vec<NodeId> = document.attributes(node).collect();
        attributes.sort_by_key(|attribute| document.qname(*attribute));
        let follows_nil = |attribute: &NodeId| {
            document.qname(*attribute).is_some_and(|name| (&*name.namespace, &*name.local) > (XSI, "nil"))
        };
        let nil = attributes.iter().position(follows_nil).unwrap_or(attributes.len());
        for attribute in &attributes[..nil] {
            self.attribute(*attribute)?;
        }
        if document.is_null(node) {
            self.nil();
        }
        attributes[nil..].iter().try_for_each(|attribute| self.attribute(*attribute))
    }

    /// Writes an attribute, unless it is the `xsi:nil` that [`Self::nil`] writes.
    fn attribute(&mut self, attribute: NodeId) -> Result<(), Problem> {
        let document = self.document;
        let Some(name) = document.name(attribute) else { return Ok(()) };
        let qname = document.names().get(name);
        let is_nil = &*qname.namespace == XSI && &*qname.local == "nil";
        if is_nil && document.parent(attribute).is_some_and(|element| document.is_null(element)) {
            return Ok(());
        }
        let written = |writing: &mut Self| {
            writing.out.text.push(' ');
            writing.name(name, true)?;
            writing.out.text.push_str("=\"");
            writing.escaped(document.own_text(attribute), true)
        };
        written(self).map_err(|problem| self.placed(problem, attribute))?;
        self.out.text.push('"');
        Ok(())
    }

    fn nil(&mut self) {
        let prefix = self.prefixes.chosen.get(XSI).map(|(_, prefix)| prefix.as_str()).unwrap_or("xsi");
        self.out.text.push_str(&format!(" {prefix}:nil=\"true\""));
    }

    fn declarations(&mut self) -> Result<(), Problem> {
        let mut declarations = std::mem::take(&mut self.prefixes.declarations);
        if self.is_canonical {
            declarations.sort();
        }
        for (prefix, namespace) in declarations {
            if namespace == XMLNS_NAMESPACE {
                return Err(Problem::new(code::XML_WRITE, "a name is in the reserved namespace of `xmlns`"));
            }
            self.out.text.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.out.verbatim(&prefix)?;
            self.out.text.push_str("=\"");
            self.escaped(&namespace, true)?;
            self.out.text.push('"');
        }
        Ok(())
    }

    fn name(&mut self, name: Name, is_attribute: bool) -> Result<(), Problem> {
        let known = &mut self.names[name.index()][usize::from(is_attribute)];
        if known.is_none() {
            let qname = self.document.names().get(name);
            if !is_ncname(&qname.local) {
                let kind = if is_attribute { "attribute" } else { "element" };
                let text = format!("`{}` is not a legal name for an XML {kind}", shown(&qname.local));
                return Err(
                    Problem::new(code::XML_WRITE, text).hint("map it to a name of letters, digits, `_`, `-`, `.`")
                );
            }
            let prefix = match (&*qname.namespace, self.prefixes.chosen.get(&*qname.namespace)) {
                (XML_NAMESPACE, _) => "xml",
                (_, Some((_, prefix))) if is_attribute => prefix,
                (_, Some((prefix, _))) => prefix,
                (_, None) => "",
            };
            let written = if prefix.is_empty() {
                Cow::Borrowed(&*qname.local)
            } else {
                Cow::Owned([prefix, ":", &qname.local].concat())
            };
            self.out.verbatim(&written)?;
            *known = Some(written);
            return Ok(());
        }
        self.out.text.push_str(known.as_deref().unwrap_or_default());
        Ok(())
    }

    /// Text or an attribute value with everything escaped that could be taken for something else.
    fn escaped(&mut self, text: &str, is_value: bool) -> Result<(), Problem> {
        let reference = |out: &mut String, character: char| out.push_str(&format!("&#x{:X};", u32::from(character)));
        if text.bytes().all(|byte| !IS_SPECIAL[usize::from(byte)]) {
            return self.out.plain(text, reference);
        }
        check_characters(text)?;
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' if !is_value || !self.is_canonical => "&gt;",
                b'\r' => "&#xD;",
                b'"' if is_value => "&quot;",
                b'\t' if is_value => "&#x9;",
                b'\n' if is_value => "&#xA;",
                _ => continue,
            };
            self.out.plain(&text[from..at], reference)?;
            self.out.text.push_str(escape);
            from = at + 1;
        }
        self.out.plain(&text[from..], reference)
    }

    /// Text of comments and instructions, where nothing can be escaped.
    fn unescaped(&mut self, text: &str) -> Result<(), Problem> {
        check_characters(text)?;
        self.out.verbatim(text)
    }

    fn placed(&self, problem: Problem, node: NodeId) -> Problem {
        if problem.place.path.is_some() { problem } else { problem.at(self.document.place(node)) }
    }
}

/// Bytes that are escaped somewhere, or may begin a character XML cannot hold (controls, U+FFFE, U+FFFF).
const IS_SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'&' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'"' as usize] = true;
    table[0xEF] = true;
    table
};

/// A name for a message: short, and nothing that could disturb a log.
fn shown(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}

fn check_characters(text: &str) -> Result<(), Problem> {
    match first_illegal(text) {
        None => Ok(()),
        Some(at) => {
            let bad = text[at..].chars().next().map_or(0, u32::from);
            let text = format!("U+{bad:04X} cannot be written in XML, not even escaped");
            Err(Problem::new(code::XML_WRITE, text).hint("remove it in the mapping"))
        }
    }
}
