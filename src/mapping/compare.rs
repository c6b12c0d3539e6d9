//! Compares documents as documents, not as text: what a mapping's test case checks.

use std::collections::HashMap;

use serde::Serialize;

use crate::document::{Document, Kind, NodeId, QName};

/// A field in which two documents differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its path: `/order/line[2]/price`.
    pub path: String,
    /// What was expected; absent when nothing was.
    pub expected: Option<String>,
    /// What was there; absent when nothing was.
    pub actual: Option<String>,
}

/// Every field in which two documents differ, in the order of the expected one; empty when they are the same.
///
/// Prefixes, comments, processing instructions, attribute order and JSON shapes do not count; element order does where
/// elements of one name repeat.
#[must_use]
pub fn compare(expected: &Document, actual: &Document) -> Vec<Difference> {
    let mut comparing = Comparing { expected, actual, differences: Vec::new() };
    comparing.children(NodeId::ROOT, NodeId::ROOT, "");
    comparing.differences
}

struct Comparing<'a> {
    expected: &'a Document,
    actual: &'a Document,
    differences: Vec<Difference>,
}

impl Comparing<'_> {
    fn children(&mut self, expected: NodeId, actual: NodeId, path: &str) {
        self.attributes(expected, actual, path);
        let (ours, theirs) = (grouped(self.expected, expected), grouped(self.actual, actual));
        if ours.is_empty() && theirs.is_empty() {
            let (want, have) = (self.expected.string_value(expected), self.actual.string_value(actual));
            if want != have {
                let (want, have) = (Some(want.into_owned()), Some(have.into_owned()));
                self.note(path.to_owned(), want, have);
            }
            return;
        }
        let index: HashMap<&QName, &Vec<NodeId>> = theirs.iter().map(|(name, nodes)| (*name, nodes)).collect();
        for (name, nodes) in &ours {
            let others = index.get(name).map(|nodes| nodes.as_slice()).unwrap_or_default();
            let many = nodes.len().max(others.len()) > 1;
            for at in 0..nodes.len().max(others.len()) {
                let step =
                    if many { format!("{path}/{}[{}]", name.local, at + 1) } else { format!("{path}/{}", name.local) };
                match (nodes.get(at), others.get(at)) {
                    (Some(ours), Some(theirs)) => self.children(*ours, *theirs, &step),
                    (Some(ours), None) => self.note(step, Some(self.expected.string_value(*ours).into_owned()), None),
                    (None, Some(theirs)) => self.note(step, None, Some(self.actual.string_value(*theirs).into_owned())),
                    (None, None) => (),
                }
            }
        }
        for (name, nodes) in &theirs {
            if ours.iter().any(|(known, _)| known == name) {
                continue;
            }
            for node in nodes {
                let value = self.actual.string_value(*node).into_owned();
                let step = format!(
                    "{path}{}",
                    self.actual.path(*node).rsplit('/').next().map_or_else(String::new, |s| format!("/{s}"))
                );
                self.note(step, None, Some(value));
            }
        }
    }

    fn attributes(&mut self, expected: NodeId, actual: NodeId, path: &str) {
        let (document, other) = (self.expected, self.actual);
        let twin = |document: &Document, of: NodeId, name: Option<&QName>| {
            document.attributes(of).find(|attribute| document.qname(*attribute) == name)
        };
        for attribute in document.attributes(expected) {
            let name = document.qname(attribute);
            let have = twin(other, actual, name).map(|attribute| other.own_text(attribute));
            let want = document.own_text(attribute);
            if have != Some(want) {
                let step = format!("{path}/@{}", name.map(|name| &*name.local).unwrap_or_default());
                self.note(step, Some(want.to_owned()), have.map(str::to_owned));
            }
        }
        for attribute in other.attributes(actual) {
            let name = other.qname(attribute);
            if twin(document, expected, name).is_none() {
                let step = format!("{path}/@{}", name.map(|name| &*name.local).unwrap_or_default());
                self.note(step, None, Some(other.own_text(attribute).to_owned()));
            }
        }
    }

    fn note(&mut self, path: String, expected: Option<String>, actual: Option<String>) {
        let path = if path.is_empty() { "/".to_owned() } else { path };
        self.differences.push(Difference { path, expected, actual });
    }
}

/// The child elements by name, in the order the names first appear.
fn grouped(document: &Document, node: NodeId) -> Vec<(&QName, Vec<NodeId>)> {
    let mut groups: Vec<(&QName, Vec<NodeId>)> = Vec::new();
    let mut index = HashMap::new();
    for child in document.children(node).filter(|child| document.kind(*child) == Kind::Element) {
        let Some(name) = document.qname(child) else { continue };
        let at = *index.entry(name).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(child);
    }
    groups
}
