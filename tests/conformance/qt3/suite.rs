//! The suite as data: test sets, environments and cases, read from its catalogues.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use crossdock::{
    document::{Document, NodeId},
    format::{Doctype, ReadOptions, Syntax, read},
};

use super::tree;

/// Name and file of every test set, and the environments all of them may refer to.
pub struct Catalogue {
    pub sets: Vec<(String, PathBuf)>,
    pub environments: Environments,
}

pub type Environments = HashMap<String, Arc<Environment>>;

pub struct TestSet {
    pub cases: Vec<Case>,
}

/// What a test needs: `feature`, `schemaImport`.
#[derive(Clone, Debug)]
pub struct Dependency {
    pub kind: String,
    pub value: String,
    pub satisfied: bool,
}

pub struct Case {
    pub name: String,
    pub environment: Arc<Environment>,
    pub dependencies: Vec<Dependency>,
    pub test: String,
    pub expected: Assertion,
    /// Loads a module: XQuery.
    pub has_modules: bool,
}

/// What the expression of a test sees.
#[derive(Debug, Default)]
pub struct Environment {
    pub sources: Vec<Source>,
    pub parameters: Vec<(String, String)>,
    pub namespaces: Vec<(String, String)>,
    /// The expression that yields the context item.
    pub context: Option<String>,
    pub static_base: Option<String>,
    /// Names of what it has and formulas have not: `schema`.
    pub other: Vec<String>,
}

#[derive(Debug)]
pub struct Source {
    /// `.` for the context item, `$name`, or nothing when it is only there to be fetched.
    pub role: String,
    pub file: PathBuf,
    pub is_validated: bool,
}

/// What the result has to be.
#[derive(Clone, Debug)]
pub enum Assertion {
    AllOf(Vec<Self>),
    AnyOf(Vec<Self>),
    Not(Box<Self>),
    Holds(String),
    Equal(String),
    DeepEqual(String),
    Permutation(String),
    Type(String),
    Count(String),
    Empty,
    True,
    False,
    /// The text, and whether blanks are normalized on both sides.
    Text(String, bool),
    /// The XML as text.
    Xml(String),
    /// A pattern and its flags.
    Matches(String, String),
    /// `*` for any.
    Error(String),
    /// One this runner does not know.
    Other(String),
}

/// An element of a catalogue.
#[derive(Clone, Copy)]
struct Element<'a> {
    document: &'a Document,
    node: NodeId,
}

impl<'a> Element<'a> {
    fn name(self) -> &'a str {
        self.document.qname(self.node).map_or("", |name| &*name.local)
    }

    fn attribute(self, name: &str) -> Option<&'a str> {
        let name = self.document.names().find("", name)?;
        self.document.attribute(self.node, name).map(|node| self.document.own_text(node))
    }

    fn text(self) -> String {
        self.document.string_value(self.node).into_owned()
    }

    fn children(self) -> impl Iterator<Item = Self> {
        self.document.elements(self.node).map(move |node| Self { node, ..self })
    }

    fn named(self, name: &'static str) -> impl Iterator<Item = Self> {
        self.children().filter(move |child| child.name() == name)
    }
}

/// Reads a catalogue; one with a document type that declares entities is read by another reader.
fn document(file: &Path) -> Document {
    let bytes = std::fs::read(file).expect("a catalogue");
    let mut options = ReadOptions { doctype: Doctype::Skip, ..ReadOptions::default() };
    options.limits.document_bytes = 64 << 20;
    match read(&bytes, Syntax::Xml, &options) {
        Ok(reading) => reading.document,
        Err(problem) => tree::parse(&String::from_utf8_lossy(&bytes))
            .unwrap_or_else(|error| panic!("{}: {problem}; {error}", file.display())),
    }
}

fn root(document: &Document) -> Element<'_> {
    Element { document, node: document.root_element().expect("a root") }
}

pub fn catalogue(folder: &Path) -> Catalogue {
    let document = document(&folder.join("catalog.xml"));
    let root = root(&document);
    let attribute = |set: Element<'_>, name: &str| set.attribute(name).unwrap_or_default().to_owned();
    Catalogue {
        sets: root.named("test-set").map(|set| (attribute(set, "name"), folder.join(attribute(set, "file")))).collect(),
        environments: environments(root, folder),
    }
}

fn environments(of: Element<'_>, folder: &Path) -> Environments {
    of.named("environment")
        .filter_map(|each| Some((each.attribute("name")?.to_owned(), Arc::new(environment(each, folder)))))
        .collect()
}

fn environment(of: Element<'_>, folder: &Path) -> Environment {
    let mut made = Environment::default();
    for part in of.children() {
        let attribute = |name: &str| part.attribute(name).unwrap_or_default().to_owned();
        match part.name() {
            "source" => made.sources.push(Source {
                role: attribute("role"),
                file: folder.join(attribute("file")),
                is_validated: part.attribute("validation").is_some_and(|kind| kind != "skip"),
            }),
            "param" => made.parameters.push((attribute("name"), attribute("select"))),
            "namespace" => made.namespaces.push((attribute("prefix"), attribute("uri"))),
            "context-item" => made.context = Some(attribute("select")),
            "static-base-uri" => made.static_base = Some(attribute("uri")).filter(|uri| uri != "#UNDEFINED"),
            "collation" if attribute("default") == "true" => made.other.push("default collation".to_owned()),
            // Expressions name these.
            "collation" => {}
            // Only functions that read from outside reach these.
            "resource" | "collection" => {}
            "description" | "created" | "modified" => {}
            other => made.other.push(other.to_owned()),
        }
    }
    made
}

pub fn test_set(file: &Path, shared: &Environments) -> TestSet {
    let document = document(file);
    let root = root(&document);
    let folder = file.parent().expect("a folder");
    let own = environments(root, folder);
    let common: Vec<Dependency> = root.named("dependency").map(dependency).collect();
    let case = |of: Element<'_>| {
        let environment = match of.named("environment").next() {
            None => Arc::default(),
            Some(named) => match named.attribute("ref") {
                Some(name) => own.get(name).or_else(|| shared.get(name)).cloned().unwrap_or_else(|| {
                    Arc::new(Environment { other: vec!["an environment not defined".into()], ..Environment::default() })
                }),
                None => Arc::new(environment(named, folder)),
            },
        };
        let test = of.named("test").next();
        let in_file = test.and_then(|test| test.attribute("file"));
        Case {
            name: of.attribute("name").unwrap_or_default().to_owned(),
            environment,
            dependencies: common.iter().cloned().chain(of.named("dependency").map(dependency)).collect(),
            test: match in_file {
                Some(file) => std::fs::read_to_string(folder.join(file)).unwrap_or_default(),
                None => test.map(Element::text).unwrap_or_default(),
            },
            expected: of
                .named("result")
                .next()
                .and_then(|result| result.children().next())
                .map_or_else(|| Assertion::Other("nothing".into()), |result| assertion(result, folder)),
            has_modules: of.named("module").next().is_some(),
        }
    };
    TestSet { cases: root.named("test-case").map(case).collect() }
}

fn dependency(of: Element<'_>) -> Dependency {
    let attribute = |name: &str| of.attribute(name).unwrap_or_default().to_owned();
    Dependency {
        kind: attribute("type"),
        value: attribute("value"),
        satisfied: of.attribute("satisfied") != Some("false"),
    }
}

fn assertion(of: Element<'_>, folder: &Path) -> Assertion {
    let all = || of.children().map(|child| assertion(child, folder)).collect();
    let text = || match of.attribute("file") {
        Some(file) => std::fs::read_to_string(folder.join(file)).unwrap_or_default(),
        None => of.text(),
    };
    match of.name() {
        "all-of" => Assertion::AllOf(all()),
        "any-of" => Assertion::AnyOf(all()),
        "not" => match of.children().next() {
            Some(child) => Assertion::Not(Box::new(assertion(child, folder))),
            None => Assertion::Other("an empty `not`".into()),
        },
        "assert" => Assertion::Holds(text()),
        "assert-eq" => Assertion::Equal(text()),
        "assert-deep-eq" => Assertion::DeepEqual(text()),
        "assert-permutation" => Assertion::Permutation(text()),
        "assert-type" => Assertion::Type(text()),
        "assert-count" => Assertion::Count(text()),
        "assert-empty" => Assertion::Empty,
        "assert-true" => Assertion::True,
        "assert-false" => Assertion::False,
        "assert-string-value" => Assertion::Text(text(), of.attribute("normalize-space") == Some("true")),
        "assert-xml" => Assertion::Xml(text()),
        "serialization-matches" => Assertion::Matches(text(), of.attribute("flags").unwrap_or_default().to_owned()),
        "error" => Assertion::Error(of.attribute("code").unwrap_or("*").to_owned()),
        other => Assertion::Other(other.to_owned()),
    }
}
