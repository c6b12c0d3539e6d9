//! A document to JSON text.

use foldhash::{HashMap, HashSet};

use super::{
    number::{Number, number},
    string::push_string,
    ubl,
};
use crate::{
    base::Problem,
    document::{Document, Kind, Name, NodeId, Shape},
    format::{ArrayPath, Convention, Layout, WriteOptions, XSI, code, output::Output},
};

/// Up to so many names are compared one by one.
const MANY: usize = 24;

/// Writes a document; its bytes are made afterwards.
pub(in crate::format) fn write(document: &Document, options: &WriteOptions) -> Result<String, Problem> {
    if options.convention != Convention::Plain {
        return ubl::write(document, options);
    }
    let out = Output::new(options, document.source().len() + document.len() * 4 + 16);
    let mut writing = Writing {
        document,
        arrays: &options.arrays,
        is_canonical: options.layout == Layout::Canonical,
        out,
        open: Vec::new(),
    };
    writing.run()?;
    writing.out.line(0);
    Ok(writing.out.text)
}

/// An open object or array: what is still to be written of it, and whether nothing was yet.
enum Open<'d> {
    Object(NodeId, std::vec::IntoIter<Group<'d>>, bool),
    Array(std::vec::IntoIter<NodeId>, bool),
}

/// The child elements of one name.
type Group<'d> = (&'d str, Vec<NodeId>);

struct Writing<'d, 'o> {
    document: &'d Document,
    arrays: &'o [ArrayPath],
    is_canonical: bool,
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
                Open::Object(node, groups, is_empty) => match groups.next() {
                    Some((name, group)) => {
                        let is_first = std::mem::replace(is_empty, false);
                        let at = group.first().copied().unwrap_or(*node);
                        self.member(is_first, name, at)?;
                        match group[..] {
                            [single]
                                if !self.document.is_item(single) && !is_listed(self.document, single, self.arrays) =>
                            {
                                self.value(single)?
                            }
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
        let mut groups = self.groups(node)?;
        if self.is_canonical {
            groups.sort_by_key(|(name, _)| *name);
        }
        self.out.text.push('{');
        self.open.push(Open::Object(node, groups.into_iter(), true));
        let mut is_first = true;
        let mut attributes: Vec<NodeId> = self.attributes(node).collect();
        if self.is_canonical {
            attributes.sort_by_key(|attribute| document.qname(*attribute).map(|name| &name.local));
        }
        for attribute in attributes {
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
        if let Some(Open::Object(_, _, is_empty)) = self.open.last_mut() {
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

    fn scalar(&mut self, node: NodeId) -> Result<(), Problem> {
        push_scalar(&mut self.out, self.document, node)
    }

    fn string(&mut self, text: &str, node: NodeId) -> Result<(), Problem> {
        push_string(&mut self.out, text).map_err(|problem| problem.at(self.document.place(node)))
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

    /// The child elements by name, none of which may be taken for an attribute or the text.
    fn groups(&self, node: NodeId) -> Result<Vec<Group<'d>>, Problem> {
        let document = self.document;
        let groups = groups(document, node)?;
        let twin = |node: NodeId| {
            Problem::new(code::JSON_WRITE, "two members would have the same name").at(document.place(node))
        };
        let names: HashSet<&str> = match groups.len() {
            ..=MANY => HashSet::default(),
            _ => groups.iter().map(|(group, _)| *group).collect(),
        };
        let has = |member: &str| match names.is_empty() {
            true => groups.iter().any(|(group, _)| *group == member),
            false => names.contains(member),
        };
        let mut attributes = HashSet::default();
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

/// The child elements by name, in the order of each name's first; without any for an array without items.
pub(super) fn groups<'d>(document: &'d Document, node: NodeId) -> Result<Vec<Group<'d>>, Problem> {
    let mut groups = Groups::default();
    let mut empty = document.empty_arrays(node).peekable();
    let local = |name: Name| &*document.names().get(name).local;
    for child in document.elements(node) {
        while let Some((name, _)) = empty.next_if(|(_, before)| *before <= child.index()) {
            groups.position(local(name));
        }
        let Some(name) = document.name(child) else { continue };
        let position = groups.position(local(name));
        let group = &mut groups.found[position].1;
        if group.first().is_some_and(|first| document.name(*first) != Some(name)) {
            let text = "two names differ only in their namespace; JSON has no namespaces";
            return Err(Problem::new(code::JSON_WRITE, text).at(document.place(child)).hint("map one to another name"));
        }
        group.push(child);
    }
    for (name, _) in empty {
        groups.position(local(name));
    }
    Ok(groups.found)
}

#[derive(Default)]
struct Groups<'d> {
    found: Vec<Group<'d>>,
    /// Filled only when there are too many names to look through.
    known: HashMap<&'d str, usize>,
}

impl<'d> Groups<'d> {
    /// Where the group of a name is, made if new.
    fn position(&mut self, name: &'d str) -> usize {
        let known = if self.known.is_empty() {
            self.found.iter().rposition(|(group, _)| *group == name)
        } else {
            self.known.get(name).copied()
        };
        if let Some(position) = known {
            return position;
        }
        let position = self.found.len();
        self.found.push((name, Vec::new()));
        if !self.known.is_empty() {
            self.known.insert(name, position);
        } else if self.found.len() > MANY {
            self.known.extend(self.found.iter().enumerate().map(|(position, (group, _))| (*group, position)));
        }
        position
    }
}

/// The node's own texts, joined.
pub(super) fn text_of(document: &Document, node: NodeId) -> String {
    let texts = document.children(node).filter(|child| document.kind(*child) == Kind::Text);
    texts.map(|text| document.own_text(text)).collect()
}

/// The text of a node as its shape says.
pub(super) fn push_scalar(out: &mut Output<'_>, document: &Document, node: NodeId) -> Result<(), Problem> {
    let text = text_of(document, node);
    let wrong =
        |what: &str| Problem::new(code::JSON_WRITE, format!("the text is not a JSON {what}")).at(document.place(node));
    match document.shape(node) {
        Shape::Null => out.text.push_str("null"),
        Shape::Number if number(text.as_bytes()) == Number::Legal(text.len()) => out.text.push_str(&text),
        Shape::Number => return Err(wrong("number").hint("convert it in the mapping")),
        Shape::Boolean if matches!(&*text, "true" | "false") => out.text.push_str(&text),
        Shape::Boolean => return Err(wrong("boolean").hint("convert it to `true` or `false` in the mapping")),
        _ => push_string(out, &text).map_err(|problem| problem.at(document.place(node)))?,
    }
    Ok(())
}

/// Whether an element's path is in a list of arrays.
pub(super) fn is_listed(document: &Document, node: NodeId, arrays: &[ArrayPath]) -> bool {
    arrays.iter().any(|path| {
        let mut at = node;
        let mut fits = path.iter().rev().all(|step| {
            let fits = document.qname(at).is_some_and(|name| step == "*" || **step == *name.local);
            at = document.parent(at).unwrap_or(NodeId::ROOT);
            fits
        });
        fits &= at == NodeId::ROOT && !path.is_empty();
        fits
    })
}
