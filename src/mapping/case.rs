//! Test cases of mappings: what the outside answers in a case, and how documents are compared.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use serde::Serialize;

use super::{Failure, run::XSI};
use crate::{
    base::Problems,
    content::{Fields, Key, Yaml, parse},
    document::{Document, Kind, NodeId, QName},
    xpath::{CodeAnswer, Host},
};

/// A case's `context.yaml`: the mapping it tests, and everything the outside answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The mapping: `<profile>/<file without .yaml>`.
    pub mapping: String,
    /// What `message()` answers: `id`, `received`, `system`, `site`, `type`, `business-key`.
    pub message: Vec<(String, String)>,
    /// What `setting()` answers.
    pub settings: Vec<(String, String)>,
    /// Code tables: name, and rows of source and target value.
    pub codes: Vec<(String, Vec<(String, String)>)>,
    /// Cross references: entity, source id, target id.
    pub xrefs: Vec<(String, String, String)>,
}

/// What `message('id')` answers in a case that does not say.
const CASE_ID: &str = "msg_00000000000000000000000000000001";
/// What `message('received')` answers in a case that does not say.
const CASE_RECEIVED: &str = "2026-01-01T00:00:00Z";

impl Context {
    /// Reads a `context.yaml`.
    ///
    /// # Errors
    /// Every problem found.
    pub fn parse(text: &str, file: &Arc<str>) -> Result<Self, Problems> {
        let root = parse(text, file)?;
        let problems = RefCell::default();
        let fields = Fields::new(&root, file, &problems);
        let mut context = Self {
            mapping: fields.required_text("mapping").unwrap_or_default().to_owned(),
            settings: pairs(fields.entries("settings")),
            codes: fields
                .entries("codes")
                .iter()
                .map(|(key, rows)| (key.text.clone(), pairs(rows.entries())))
                .collect(),
            ..Self::default()
        };
        let message = |key: &'static str, default: Option<&str>| {
            fields.text(key).or(default).map(|text| (key.to_owned(), text.to_owned()))
        };
        context.message = [
            message("id", Some(CASE_ID)),
            message("received", Some(CASE_RECEIVED)),
            message("system", None),
            message("site", None),
            message("type", None),
            message("business-key", None),
        ]
        .into_iter()
        .flatten()
        .collect();
        for node in fields.list("xrefs") {
            let xref = Fields::new(node, file, &problems);
            let part = |key| xref.required_text(key).unwrap_or_default().to_owned();
            context.xrefs.push((part("entity"), part("id"), part("target")));
            xref.finish();
        }
        fields.finish();
        let problems = problems.into_inner();
        if problems.has_errors() { Err(problems) } else { Ok(context) }
    }
}

fn pairs(entries: &[(Key, Yaml)]) -> Vec<(String, String)> {
    entries.iter().map(|(key, value)| (key.text.clone(), value.text().unwrap_or_default().to_owned())).collect()
}

fn find(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

impl Host for Context {
    fn code(&self, table: &str, value: &str) -> CodeAnswer {
        let Some((_, rows)) = self.codes.iter().find(|(name, _)| name == table) else { return CodeAnswer::NoTable };
        match find(rows, value) {
            Some(value) => CodeAnswer::Found { value, place: None },
            None => CodeAnswer::Missing,
        }
    }

    fn xref(&self, entity: &str, id: &str, _: Option<&str>) -> Option<String> {
        let same = |known: &&(String, String, String)| known.0 == entity && known.1 == id;
        self.xrefs.iter().find(same).map(|(_, _, target)| target.clone())
    }

    fn message(&self, name: &str) -> Option<String> {
        find(&self.message, name)
    }

    fn setting(&self, name: &str) -> Option<String> {
        find(&self.settings, name)
    }
}

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

/// What a case expects.
#[derive(Clone, Copy, Debug)]
pub enum Expectation<'a> {
    /// This document.
    Document(&'a Document),
    /// A failure with these lines ([`Failure::lines`]): the text of `problems.txt`.
    Failure(&'a str),
}

/// In what a result differs from what a case expects; empty when the case passes. Failures are compared line by line
/// under the path `problems`.
#[must_use]
pub fn judge(result: &Result<Document, Failure>, expectation: Expectation<'_>) -> Vec<Difference> {
    let found: Vec<String> = match (result, expectation) {
        (Ok(actual), Expectation::Document(expected)) => return compare(expected, actual),
        (Ok(_), Expectation::Failure(_)) => Vec::new(),
        (Err(failure), _) => failure.lines(),
    };
    let expected: Vec<&str> = match expectation {
        Expectation::Document(_) => Vec::new(),
        Expectation::Failure(text) => text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect(),
    };
    let pairs = (0..expected.len().max(found.len())).map(|at| (expected.get(at), found.get(at)));
    pairs
        .filter(|(expected, found)| expected.copied() != found.map(String::as_str))
        .map(|(expected, found)| Difference {
            path: "problems".to_owned(),
            expected: expected.map(|line| (*line).to_owned()),
            actual: found.cloned(),
        })
        .collect()
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
        let null = |is: bool| is.then(|| "true".to_owned());
        let (want, have) = (document.is_null(expected), other.is_null(actual));
        if want != have {
            self.note(format!("{path}/@nil"), null(want), null(have));
        }
        for attribute in document.attributes(expected).filter(|attribute| !is_nil(document, *attribute)) {
            let name = document.qname(attribute);
            let have = twin(other, actual, name).map(|attribute| other.own_text(attribute));
            let want = document.own_text(attribute);
            if have != Some(want) {
                let step = format!("{path}/@{}", name.map(|name| &*name.local).unwrap_or_default());
                self.note(step, Some(want.to_owned()), have.map(str::to_owned));
            }
        }
        for attribute in other.attributes(actual).filter(|attribute| !is_nil(other, *attribute)) {
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

/// Whether an attribute is `xsi:nil`: what it says is the element's being null, which JSON says without it.
fn is_nil(document: &Document, attribute: NodeId) -> bool {
    document.qname(attribute).is_some_and(|name| &*name.namespace == XSI && &*name.local == "nil")
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
