//! Nodes and the ways to walk them.

use std::{fmt::Write as _, sync::Arc};

use super::{Name, NameTable, QName};
use crate::base::Place;

/// A node of one [`Document`]. Numbers grow in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// The document node.
    pub const ROOT: Self = Self(0);

    /// The position in document order.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node is (XDM 3.1 §6, without namespace nodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The document itself.
    Document,
    /// An XML element, a JSON object member, or an item of a JSON array.
    Element,
    /// An XML attribute.
    Attribute,
    /// Character data.
    Text,
    /// An XML comment.
    Comment,
    /// An XML processing instruction; its name is the target.
    Instruction,
}

/// What an element (or the document node) was, or should be written as, in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Shape {
    /// Not from JSON: decided by content.
    #[default]
    Markup,
    /// `{…}`.
    Object,
    /// A `[…]` that is itself an item of an array, or the root; its children are items.
    Array,
    /// `"…"`.
    String,
    /// A number; its text is kept as written.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`, or XML `xsi:nil="true"`.
    Null,
}

/// Text to be put into a document.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// A slice of the document's source: nothing is copied. Byte offset and length.
    Source(usize, usize),
    /// Anything else: copied.
    Copied(&'a str),
}

/// In `Node::start`: the text lies in `extra`, not in the source.
pub(super) const IN_EXTRA: u32 = 1 << 31;
/// A node that came from nowhere (made by a mapping).
pub(super) const NOWHERE: u32 = u32::MAX;
pub(super) const NO_NAME: Name = Name(u32::MAX);

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub kind: Kind,
    pub shape: Shape,
    /// An item of a JSON array (or to be written as one even when alone).
    pub item: bool,
    pub attributes: u16,
    pub name: Name,
    pub parent: u32,
    /// One past the last descendant.
    pub end: u32,
    pub start: u32,
    pub length: u32,
    /// Byte offset in the source.
    pub at: u32,
}

/// A JSON array without items: no element stands for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct EmptyArray {
    pub parent: u32,
    pub name: Name,
    /// The node it stands before.
    pub before: u32,
}

/// A tree in an arena. Made by [`super::Builder`]; never changed afterwards.
#[derive(Clone, Debug)]
pub struct Document {
    pub(super) source: Arc<str>,
    pub(super) extra: String,
    pub(super) nodes: Vec<Node>,
    /// In the order of the document.
    pub(super) empty_arrays: Vec<EmptyArray>,
    pub(super) names: Arc<NameTable>,
}

impl Document {
    /// The names used here.
    #[must_use]
    pub fn names(&self) -> &NameTable {
        &self.names
    }

    /// How many nodes there are, the document node included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing but the document node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// What a node is.
    #[must_use]
    pub fn kind(&self, node: NodeId) -> Kind {
        self.nodes[node.index()].kind
    }

    /// The JSON shape of a node.
    #[must_use]
    pub fn shape(&self, node: NodeId) -> Shape {
        self.nodes[node.index()].shape
    }

    /// Whether the node is an item of a JSON array.
    #[must_use]
    pub fn is_item(&self, node: NodeId) -> bool {
        self.nodes[node.index()].item
    }

    /// Whether the node is null: JSON `null` or `xsi:nil`. Absent is no node; empty is a node without text.
    #[must_use]
    pub fn is_null(&self, node: NodeId) -> bool {
        self.shape(node) == Shape::Null
    }

    /// The name's number: of elements, attributes and processing instructions.
    #[must_use]
    pub fn name(&self, node: NodeId) -> Option<Name> {
        let name = self.nodes[node.index()].name;
        (name != NO_NAME).then_some(name)
    }

    /// The name itself.
    #[must_use]
    pub fn qname(&self, node: NodeId) -> Option<&QName> {
        self.name(node).map(|name| self.names.get(name))
    }

    /// The parent; `None` for the document node.
    #[must_use]
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        (node != NodeId::ROOT).then(|| NodeId(self.nodes[node.index()].parent))
    }

    /// The attributes of an element, in order; empty for other nodes.
    pub fn attributes(&self, node: NodeId) -> impl DoubleEndedIterator<Item = NodeId> + Clone + use<> {
        let count = u32::from(self.nodes[node.index()].attributes);
        (node.0 + 1..node.0 + 1 + count).map(NodeId)
    }

    /// The attribute with a name.
    #[must_use]
    pub fn attribute(&self, node: NodeId, name: Name) -> Option<NodeId> {
        self.attributes(node).find(|attribute| self.name(*attribute) == Some(name))
    }

    /// The children, in order, attributes not among them.
    #[must_use]
    pub fn children(&self, node: NodeId) -> Children<'_> {
        let row = &self.nodes[node.index()];
        let first = node.0 + 1 + u32::from(row.attributes);
        Children { document: self, next: first, end: row.end.max(first) }
    }

    /// The child elements, in order.
    pub fn elements(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.children(node).filter(|child| self.kind(*child) == Kind::Element)
    }

    /// The JSON arrays without items in an object, with the index of the node each stands before. They are no nodes: only
    /// a writer of JSON asks for them.
    pub fn empty_arrays(&self, node: NodeId) -> impl Iterator<Item = (Name, usize)> + '_ {
        let first = self.empty_arrays.partition_point(|array| array.before <= node.0);
        let below = self.empty_arrays[first..].iter().take_while(move |array| array.before as usize <= self.end(node));
        below.filter(move |array| array.parent == node.0).map(|array| (array.name, array.before as usize))
    }

    /// The outermost element; `None` in an empty document. A JSON object's members all lie under the document node.
    #[must_use]
    pub fn root_element(&self) -> Option<NodeId> {
        self.elements(NodeId::ROOT).next()
    }

    /// One past the node's last descendant, attributes included: all nodes in `node.index()+1..end` lie below it.
    #[must_use]
    pub fn end(&self, node: NodeId) -> usize {
        self.nodes[node.index()].end as usize
    }

    /// The node with an index.
    #[must_use]
    pub fn node(&self, index: usize) -> Option<NodeId> {
        (index < self.nodes.len()).then(|| NodeId(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    /// A node's own text: of texts, attributes, comments and instructions. Empty for elements.
    #[must_use]
    pub fn own_text(&self, node: NodeId) -> &str {
        let row = &self.nodes[node.index()];
        let length = row.length as usize;
        if row.start & IN_EXTRA == 0 {
            &self.source[row.start as usize..row.start as usize + length]
        } else {
            let start = (row.start & !IN_EXTRA) as usize;
            &self.extra[start..start + length]
        }
    }

    /// The string value (XDM 3.1 §5.13): own text, or all text below; borrowed when it is one piece.
    #[must_use]
    pub fn string_value(&self, node: NodeId) -> std::borrow::Cow<'_, str> {
        use std::borrow::Cow;
        if !matches!(self.kind(node), Kind::Element | Kind::Document) {
            return Cow::Borrowed(self.own_text(node));
        }
        let mut texts = (node.index() + 1..self.end(node))
            .map(|index| NodeId(u32::try_from(index).unwrap_or(u32::MAX)))
            .filter(|below| self.kind(*below) == Kind::Text);
        let Some(first) = texts.next() else { return Cow::Borrowed("") };
        let Some(second) = texts.next() else { return Cow::Borrowed(self.own_text(first)) };
        let mut joined = String::from(self.own_text(first));
        joined.push_str(self.own_text(second));
        texts.for_each(|text| joined.push_str(self.own_text(text)));
        Cow::Owned(joined)
    }

    /// The same document with a root element that stands alone: no item of an array.
    #[must_use]
    pub fn with_single_root(mut self) -> Self {
        if let Some(root) = self.root_element() {
            self.nodes[root.index()].item = false;
        }
        self
    }

    /// The text the document was read from, decoded; empty when it was made by a mapping.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The byte offset in [`Self::source`] where a node began; `None` when it was made, not read.
    #[must_use]
    pub fn offset(&self, node: NodeId) -> Option<usize> {
        let at = self.nodes[node.index()].at;
        (at != NOWHERE).then_some(at as usize)
    }

    /// Line, column and path of a node.
    #[must_use]
    pub fn place(&self, node: NodeId) -> Place {
        self.offset(node)
            .map_or_else(Place::default, |at| Place::of_offset(&self.source, at))
            .with_path(self.path(node))
    }

    /// The path of a node with positions where a name repeats: `/SalesOrder/Line[2]/@id`.
    #[must_use]
    pub fn path(&self, node: NodeId) -> String {
        let mut steps = Vec::new();
        let mut at = node;
        while let Some(parent) = self.parent(at) {
            let mut step = String::from("/");
            match (self.kind(at), self.qname(at)) {
                (Kind::Attribute, Some(name)) => {
                    let _ = write!(step, "@{}", name.local);
                }
                (Kind::Element, Some(name)) => {
                    let same = |other: &NodeId| self.name(*other) == self.name(at);
                    let twins = self.elements(parent).filter(same).take(2).count();
                    let _ = write!(step, "{}", name.local);
                    if twins > 1 {
                        let position = self.elements(parent).filter(same).take_while(|other| *other <= at).count();
                        let _ = write!(step, "[{position}]");
                    }
                }
                (Kind::Text, _) => step.push_str("text()"),
                (Kind::Comment, _) => step.push_str("comment()"),
                _ => step.push_str("processing-instruction()"),
            }
            steps.push(step);
            at = parent;
        }
        if steps.is_empty() { "/".to_owned() } else { steps.into_iter().rev().collect() }
    }
}

/// The children of a node.
#[derive(Clone, Debug)]
pub struct Children<'a> {
    document: &'a Document,
    next: u32,
    end: u32,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        (self.next < self.end).then(|| {
            let child = NodeId(self.next);
            self.next = self.document.nodes[child.index()].end;
            child
        })
    }
}
