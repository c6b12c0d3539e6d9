//! What sample documents tell about their schema: names, counts, orders and kinds of values.
//!
//! An element name of a namespace is one declaration, wherever it stands; `draft.rs` writes the evidence down as XML
//! Schema. Values themselves are kept only as far as an enumeration needs them.

mod draft;
mod evidence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use draft::DraftFile;
use evidence::Values;

use crate::{
    document::{Document, Kind, NodeId, QName},
    format::XSI,
};

/// How a child element was seen.
#[derive(Clone, Debug, Default)]
struct ChildSeen {
    /// Parents that have it.
    parents: u64,
    /// The most in one parent.
    most: u64,
    /// The children that came right after it somewhere, by their place in [`ElementSeen::children`].
    before: BTreeSet<usize>,
}

/// How an attribute was seen.
#[derive(Clone, Debug, Default)]
struct AttributeSeen {
    elements: u64,
    values: Values,
}

/// How an element was seen, all places together.
#[derive(Clone, Debug, Default)]
struct ElementSeen {
    times: u64,
    documents: u64,
    last_document: u64,
    /// Times it was the root.
    root: u64,
    /// `xsi:nil="true"`.
    nulls: u64,
    /// Times it held text and elements.
    mixed: u64,
    /// Times it held elements.
    with_elements: u64,
    parents: BTreeSet<QName>,
    /// In the order they were first seen.
    children: Vec<(QName, ChildSeen)>,
    attributes: BTreeMap<QName, AttributeSeen>,
    values: Values,
}

impl ElementSeen {
    fn child(&mut self, name: &QName) -> usize {
        if let Some(at) = self.children.iter().position(|(known, _)| known == name) {
            return at;
        }
        self.children.push((name.clone(), ChildSeen::default()));
        self.children.len() - 1
    }
}

/// What a set of sample documents looks like. Add documents, then ask for a draft.
#[derive(Clone, Debug, Default)]
pub struct Inference {
    documents: u64,
    elements: BTreeMap<QName, ElementSeen>,
    /// Namespaces in the order they were first seen.
    namespaces: Vec<String>,
    /// Namespace → the prefix samples use.
    prefixes: BTreeMap<String, String>,
}

impl Inference {
    /// Takes a document into account.
    pub fn add(&mut self, document: &Document) {
        self.documents += 1;
        for (prefix, namespace) in document.names().prefixes() {
            self.prefixes.entry(namespace.to_owned()).or_insert_with(|| prefix.to_owned());
        }
        let nodes = (0..document.len()).filter_map(|index| document.node(index));
        for node in nodes.filter(|node| document.kind(*node) == Kind::Element) {
            self.element(document, node);
        }
    }

    /// How many documents were taken into account.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// The root elements, and how often each was seen.
    pub fn roots(&self) -> impl Iterator<Item = (&QName, u64)> {
        self.elements.iter().filter(|(_, seen)| seen.root > 0).map(|(name, seen)| (name, seen.root))
    }

    /// How many elements have a declaration of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The draft: one schema file per namespace, the first root's first. It is called `name`, the others after it.
    #[must_use]
    pub fn draft(&self, name: &str) -> Vec<DraftFile> {
        draft::write(self, name)
    }

    fn namespace(&mut self, namespace: &str) {
        if !self.namespaces.iter().any(|known| known == namespace) {
            self.namespaces.push(namespace.to_owned());
        }
    }

    fn element(&mut self, document: &Document, node: NodeId) {
        let Some(name) = document.qname(node) else { return };
        self.namespace(&name.namespace);
        let number = self.documents;
        let seen = self.elements.entry(name.clone()).or_default();
        seen.times += 1;
        seen.documents += u64::from(seen.last_document != number);
        seen.last_document = number;
        match document.parent(node).and_then(|parent| document.qname(parent)) {
            Some(parent) if !seen.parents.contains(parent) => drop(seen.parents.insert(parent.clone())),
            Some(_) => (),
            None => seen.root += 1,
        }
        let mut foreign = Vec::new();
        for attribute in document.attributes(node) {
            let Some(name) = document.qname(attribute).filter(|name| &*name.namespace != XSI) else { continue };
            if !name.namespace.is_empty() {
                foreign.push(name.namespace.clone());
            }
            let seen = seen.attributes.entry(name.clone()).or_default();
            seen.elements += 1;
            seen.values.add(document.own_text(attribute));
        }
        if document.is_null(node) {
            seen.nulls += 1;
        } else {
            content(document, node, seen);
        }
        for namespace in foreign {
            self.namespace(&namespace);
        }
    }
}

/// Notes what an element holds.
fn content(document: &Document, node: NodeId, seen: &mut ElementSeen) {
    let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
    let mut last: Option<usize> = None;
    for child in document.elements(node) {
        let Some(name) = document.qname(child) else { continue };
        let at = seen.child(name);
        *counts.entry(at).or_default() += 1;
        if let Some(last) = last.filter(|last| *last != at) {
            seen.children[last].1.before.insert(at);
        }
        last = Some(at);
    }
    if counts.is_empty() {
        return seen.values.add(&document.string_value(node));
    }
    seen.with_elements += 1;
    let is_text = |child: &NodeId| document.kind(*child) == Kind::Text && !document.own_text(*child).trim().is_empty();
    seen.mixed += u64::from(document.children(node).any(|child| is_text(&child)));
    for (at, count) in counts {
        let child = &mut seen.children[at].1;
        child.parents += 1;
        child.most = child.most.max(count);
    }
}

/// Children in the order they must come in, by their places; those whose order was not always the same share a group.
fn ordered(seen: &ElementSeen) -> Vec<Vec<usize>> {
    let count = seen.children.len();
    let after: Vec<Vec<bool>> = (0..count).map(|from| reachable(seen, from)).collect();
    let mut left: Vec<usize> = (0..count).collect();
    let mut groups = Vec::new();
    while let Some(first) = left.iter().copied().find(|at| {
        // Nothing left must come before it, save what must also come after it.
        left.iter().all(|other| !after[*other][*at] || after[*at][*other])
    }) {
        let together = |other: usize| other == first || (after[first][other] && after[other][first]);
        let (group, rest) = left.into_iter().partition(|other| together(*other));
        groups.push(group);
        left = rest;
    }
    groups
}

/// What comes after a child somewhere, at once or later.
fn reachable(seen: &ElementSeen, from: usize) -> Vec<bool> {
    let mut found = vec![false; seen.children.len()];
    let mut next = vec![from];
    while let Some(at) = next.pop() {
        for after in &seen.children[at].1.before {
            if !std::mem::replace(&mut found[*after], true) {
                next.push(*after);
            }
        }
    }
    found
}
