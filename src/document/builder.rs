//! Builds a document front to back.

use std::sync::Arc;

use super::{
    Document, Kind, Name, NameTable, NodeId, Shape, Text,
    node::{EmptyArray, IN_EXTRA, NO_NAME, NOWHERE, Node},
};

/// Builds a [`Document`] in document order: [`Self::start`], [`Self::attribute`]…, content, [`Self::end`].
///
/// The caller keeps the order; calls that make no sense (an attribute after content, more ends than starts) are bugs of
/// the caller and are ignored rather than panicking.
#[derive(Debug)]
pub struct Builder {
    document: Document,
    open: Vec<u32>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new(Arc::from(""))
    }
}

impl Builder {
    /// A builder whose texts may be slices of `source` (the decoded input).
    #[must_use]
    pub fn new(source: Arc<str>) -> Self {
        Self::with_names(source, Arc::default())
    }

    /// A builder that starts from known names, so that their numbers are known beforehand. The table is shared until a
    /// name is added.
    #[must_use]
    pub fn with_names(source: Arc<str>, names: Arc<NameTable>) -> Self {
        let capacity = source.len() / 16;
        let mut nodes = Vec::with_capacity(capacity.clamp(16, 1 << 20));
        nodes.push(Node {
            kind: Kind::Document,
            shape: Shape::Markup,
            item: false,
            attributes: 0,
            name: NO_NAME,
            parent: 0,
            end: 1,
            start: 0,
            length: 0,
            at: NOWHERE,
        });
        Self {
            document: Document { source, extra: String::new(), nodes, empty_arrays: Vec::new(), names },
            open: vec![0],
        }
    }

    /// The names, for interning.
    pub fn names(&mut self) -> &mut NameTable {
        Arc::make_mut(&mut self.document.names)
    }

    /// The tree so far.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// How many nodes there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.document.nodes.len()
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.document.is_empty()
    }

    /// How many elements are open.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.open.len() - 1
    }

    /// The innermost open element.
    #[must_use]
    pub fn open_node(&self) -> Option<NodeId> {
        self.open.last().filter(|_| self.open.len() > 1).map(|open| NodeId(*open))
    }

    /// Opens an element that began at a byte offset of the source (`None` for a made one).
    pub fn start(&mut self, name: Name, at: Option<usize>) -> NodeId {
        let id = self.push(Kind::Element, name, Text::Copied(""), at);
        self.open.push(id.0);
        id
    }

    /// Adds an attribute to the element just started.
    pub fn attribute(&mut self, name: Name, text: Text<'_>, at: Option<usize>) -> Option<NodeId> {
        let parent = *self.open.last()?;
        let row = &self.document.nodes[parent as usize];
        let next = parent as usize + 1 + usize::from(row.attributes);
        if row.kind != Kind::Element || next != self.document.nodes.len() || row.attributes == u16::MAX {
            return None;
        }
        let id = self.push(Kind::Attribute, name, text, at);
        self.document.nodes[parent as usize].attributes += 1;
        Some(id)
    }

    /// Adds character data; text next to text becomes one node when it can (copied text only).
    pub fn text(&mut self, text: Text<'_>, at: Option<usize>) -> NodeId {
        if let (Text::Copied(more), Some(last)) = (text, self.document.nodes.last_mut()) {
            let adjoins = last.kind == Kind::Text
                && Some(&last.parent) == self.open.last()
                && last.start & IN_EXTRA != 0
                && (last.start & !IN_EXTRA) as usize + last.length as usize == self.document.extra.len();
            if adjoins {
                self.document.extra.push_str(more);
                last.length += u32::try_from(more.len()).unwrap_or(u32::MAX);
                return NodeId(u32::try_from(self.document.nodes.len() - 1).unwrap_or(u32::MAX));
            }
        }
        self.push(Kind::Text, NO_NAME, text, at)
    }

    /// Adds a comment.
    pub fn comment(&mut self, text: Text<'_>, at: Option<usize>) -> NodeId {
        self.push(Kind::Comment, NO_NAME, text, at)
    }

    /// Adds a processing instruction.
    pub fn instruction(&mut self, target: Name, text: Text<'_>, at: Option<usize>) -> NodeId {
        self.push(Kind::Instruction, target, text, at)
    }

    /// Says what the innermost open node is in JSON.
    pub fn shape(&mut self, shape: Shape) {
        if let Some(open) = self.open.last() {
            self.document.nodes[*open as usize].shape = shape;
        }
    }

    /// Marks the innermost open element as an item of a JSON array.
    pub fn item(&mut self) {
        if let Some(open) = self.open.last() {
            self.document.nodes[*open as usize].item = true;
        }
    }

    /// Adds a JSON array without items to the innermost open element. It is no node.
    pub fn empty_array(&mut self, name: Name) {
        if let Some(parent) = self.open.last().copied() {
            let before = u32::try_from(self.document.nodes.len()).unwrap_or(u32::MAX);
            self.document.empty_arrays.push(EmptyArray { parent, name, before });
        }
    }

    /// Marks an element built before as an item of a JSON array.
    pub fn mark_item(&mut self, node: NodeId) {
        if let Some(row) = self.document.nodes.get_mut(node.index()) {
            row.item = true;
        }
    }

    /// Closes the innermost open element.
    pub fn end(&mut self) {
        if self.open.len() > 1
            && let Some(id) = self.open.pop()
        {
            self.document.nodes[id as usize].end = u32::try_from(self.document.nodes.len()).unwrap_or(u32::MAX);
        }
    }

    /// Takes the innermost open element back, with all that is in it.
    pub fn abandon(&mut self) {
        if self.open.len() > 1
            && let Some(id) = self.open.pop()
        {
            self.document.nodes.truncate(id as usize);
            self.document.empty_arrays.retain(|array| array.before <= id);
        }
    }

    /// Copies a node of another document, with all below it, to the current place.
    pub fn copy(&mut self, from: &Document, node: NodeId) {
        match from.kind(node) {
            Kind::Document => self.copy_content(from, node),
            Kind::Element => {
                let Some(name) = self.copy_name(from, node) else { return };
                self.start(name, None);
                self.shape(from.shape(node));
                if from.is_item(node) {
                    self.item();
                }
                for attribute in from.attributes(node) {
                    if let Some(name) = self.copy_name(from, attribute) {
                        self.attribute(name, Text::Copied(from.own_text(attribute)), None);
                    }
                }
                self.copy_content(from, node);
                self.end();
            }
            Kind::Attribute => {
                if let Some(name) = self.copy_name(from, node) {
                    self.attribute(name, Text::Copied(from.own_text(node)), None);
                }
            }
            Kind::Text => {
                self.text(Text::Copied(from.own_text(node)), None);
            }
            Kind::Comment => {
                self.comment(Text::Copied(from.own_text(node)), None);
            }
            Kind::Instruction => {
                if let Some(name) = self.copy_name(from, node) {
                    self.instruction(name, Text::Copied(from.own_text(node)), None);
                }
            }
        }
    }

    /// Closes what is open and hands the document over.
    #[must_use]
    pub fn finish(mut self) -> Document {
        while self.open.len() > 1 {
            self.end();
        }
        self.document.nodes[0].end = u32::try_from(self.document.nodes.len()).unwrap_or(u32::MAX);
        self.document
    }

    fn copy_content(&mut self, from: &Document, node: NodeId) {
        let mut arrays = from.empty_arrays(node).peekable();
        for child in from.children(node) {
            while let Some((name, _)) = arrays.next_if(|(_, before)| *before <= child.index()) {
                self.copy_empty_array(from, name);
            }
            self.copy(from, child);
        }
        arrays.for_each(|(name, _)| self.copy_empty_array(from, name));
    }

    fn copy_empty_array(&mut self, from: &Document, name: Name) {
        let name = from.names().get(name);
        let name = self.known_name(&name.namespace, &name.local);
        self.empty_array(name);
    }

    fn copy_name(&mut self, from: &Document, node: NodeId) -> Option<Name> {
        let name = from.qname(node)?;
        if let Some(prefix) = from.names().prefix_of(&name.namespace)
            && self.document.names.prefix_of(&name.namespace).is_none()
        {
            self.names().prefer_prefix(&name.namespace, prefix);
        }
        Some(self.known_name(&name.namespace, &name.local))
    }

    /// The number of a name; the table is only touched when it is new.
    fn known_name(&mut self, namespace: &str, local: &str) -> Name {
        let known = self.document.names.find(namespace, local);
        known.unwrap_or_else(|| self.names().intern(namespace, local))
    }

    fn push(&mut self, kind: Kind, name: Name, text: Text<'_>, at: Option<usize>) -> NodeId {
        let (start, length) = match text {
            Text::Source(start, length) => (start, length),
            Text::Copied("") => (0, 0),
            Text::Copied(text) => {
                let start = self.document.extra.len();
                self.document.extra.push_str(text);
                (start | IN_EXTRA as usize, text.len())
            }
        };
        let narrow = |wide: usize| u32::try_from(wide).unwrap_or(u32::MAX);
        let id = narrow(self.document.nodes.len());
        self.document.nodes.push(Node {
            kind,
            shape: Shape::Markup,
            item: false,
            attributes: 0,
            name,
            parent: self.open.last().copied().unwrap_or_default(),
            end: id + 1,
            start: narrow(start),
            length: narrow(length),
            at: at.map_or(NOWHERE, narrow),
        });
        NodeId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_walks_in_document_order_with_borrowed_text() {
        let mut builder = Builder::new("<a x='1'><b>two</b><b>3</b></a>".into());
        let (a, x, b) =
            (builder.names().intern("", "a"), builder.names().intern("", "x"), builder.names().intern("", "b"));
        builder.start(a, Some(0));
        builder.attribute(x, Text::Source(6, 1), Some(3));
        for (at, length) in [(12, 3), (22, 1)] {
            builder.start(b, Some(at - 3));
            builder.text(Text::Source(at, length), Some(at));
            builder.end();
        }
        let document = builder.finish();
        let root = document.root_element().expect("a root");
        let texts: Vec<_> = document.children(root).map(|child| document.string_value(child).into_owned()).collect();
        assert_eq!(texts, ["two", "3"]);
        assert_eq!(document.string_value(NodeId::ROOT), "two3");
        let second = document.children(root).nth(1).expect("two children");
        assert_eq!(document.path(second), "/a/b[2]");
        assert_eq!(document.place(second).column, 20);
        let attribute = document.attribute(root, x).expect("an attribute");
        assert_eq!((document.own_text(attribute), document.path(attribute).as_str()), ("1", "/a/@x"));
    }

    #[test]
    fn copies_keep_shape_and_adjoining_text_is_one_node() {
        let mut builder = Builder::default();
        let name = builder.names().intern("urn:x", "a");
        builder.start(name, None);
        builder.shape(Shape::Number);
        builder.text(Text::Copied("1"), None);
        builder.text(Text::Copied(".50"), None);
        let first = builder.finish();
        assert_eq!(first.len(), 3);
        let mut again = Builder::default();
        again.copy(&first, NodeId::ROOT);
        let copy = again.finish();
        let root = copy.root_element().expect("a root");
        assert_eq!((copy.shape(root), &*copy.string_value(root)), (Shape::Number, "1.50"));
        assert_eq!(copy.qname(root).map(ToString::to_string).as_deref(), Some("{urn:x}a"));
    }
}
