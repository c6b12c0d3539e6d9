//! The schema files and their global declarations, before anything is made of them.

use std::{collections::HashMap, sync::Arc};

use super::{
    code,
    xsd::{MAX_DEPTH, XML, XS},
};
use crate::{
    base::{Code, Place, Problem, Problems},
    document::{Document, NodeId, QName},
    format::{ReadOptions, Syntax, read},
};

/// What a global declaration declares; each kind has its own names (XSD 1.0 part 1 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Global {
    Element,
    Type,
    Group,
    Attribute,
    AttributeGroup,
}

/// A node of one of the loaded files.
pub(super) type Site = (usize, NodeId);

pub(super) struct File {
    name: String,
    document: Document,
    prefixes: Vec<(String, String)>,
    pub target: Arc<str>,
    /// Its target is the including schema's: it has none of its own.
    is_chameleon: bool,
    pub qualified: bool,
    pub attributes_qualified: bool,
}

pub(super) struct Loader<'a> {
    resolve: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    pub files: Vec<File>,
    pub globals: HashMap<(Global, QName), Site>,
    pub problems: Problems,
}

impl<'a> Loader<'a> {
    /// Loads a schema and everything it includes or imports.
    pub fn load(resolve: &'a dyn Fn(&str) -> Option<Vec<u8>>, entry: &str) -> Self {
        let mut loader = Self { resolve, files: Vec::new(), globals: HashMap::new(), problems: Problems::default() };
        loader.file(entry, None, None, 0);
        loader
    }

    /// Loads a file once per target namespace; `target` is the including schema's (a chameleon include takes it over).
    fn file(&mut self, name: &str, target: Option<Arc<str>>, asked: Option<Site>, depth: usize) {
        let Some(bytes) = (self.resolve)(name) else {
            let problem = Problem::new(code::MISSING_FILE, format!("the schema file `{name}` cannot be found"));
            return self.problems.push(problem.at(
                asked.map_or_else(|| Place { file: Some(name.into()), ..Place::default() }, |site| self.place(site)),
            ));
        };
        let document = match read(&bytes, Syntax::Xml, &ReadOptions::default()) {
            Ok(reading) => reading.document,
            Err(mut problem) => {
                problem.place.file = Some(name.into());
                return self.problems.push(problem);
            }
        };
        let root = document.root_element().filter(|root| is_xs(&document, *root, "schema"));
        let Some(root) = root else {
            let problem = Problem::new(code::NOT_A_SCHEMA, "the root element is not `schema` of XML Schema");
            return self.problems.push(problem.at(Place { file: Some(name.into()), ..Place::default() }));
        };
        let own = attribute(&document, root, "targetNamespace").map(Arc::from);
        let is_chameleon = own.is_none();
        let target: Arc<str> = own.or(target).unwrap_or_default();
        if depth > MAX_DEPTH || self.files.iter().any(|file| file.name == name && file.target == target) {
            return;
        }
        let qualified = attribute(&document, root, "elementFormDefault") == Some("qualified");
        let attributes_qualified = attribute(&document, root, "attributeFormDefault") == Some("qualified");
        let prefixes = declared_prefixes(&document, root);
        let children: Vec<NodeId> = document.elements(root).collect();
        let file = self.files.len();
        self.files.push(File {
            name: name.to_owned(),
            document,
            prefixes,
            target,
            is_chameleon,
            qualified,
            attributes_qualified,
        });
        for child in children {
            self.top_level((file, child), depth);
        }
    }

    fn top_level(&mut self, site: Site, depth: usize) {
        let kind = match self.kind(site) {
            "include" | "redefine" | "import" => {
                let is_import = self.kind(site) == "import";
                let Some(location) = self.attribute(site, "schemaLocation") else { return };
                let name = beside(&self.files[site.0].name, location);
                let target = (!is_import).then(|| self.files[site.0].target.clone());
                return self.file(&name, target, Some(site), depth + 1);
            }
            "element" => Global::Element,
            "complexType" | "simpleType" => Global::Type,
            "group" => Global::Group,
            "attribute" => Global::Attribute,
            "attributeGroup" => Global::AttributeGroup,
            _ => return,
        };
        if let Some(local) = self.attribute(site, "name") {
            let name = QName::new(self.files[site.0].target.clone(), local);
            self.globals.entry((kind, name)).or_insert(site);
        }
    }

    fn document(&self, site: Site) -> &Document {
        &self.files[site.0].document
    }

    /// The local name of an XML Schema element; empty for elements of other namespaces.
    pub fn kind(&self, site: Site) -> &str {
        match self.document(site).qname(site.1) {
            Some(name) if &*name.namespace == XS => &name.local,
            _ => "",
        }
    }

    pub fn attribute(&self, site: Site, name: &str) -> Option<&str> {
        attribute(self.document(site), site.1, name)
    }

    pub fn children(&self, site: Site) -> Vec<Site> {
        self.document(site).elements(site.1).map(|child| (site.0, child)).collect()
    }

    pub fn first(&self, site: Site, kinds: &[&str]) -> Option<Site> {
        self.children(site).into_iter().find(|child| kinds.contains(&self.kind(*child)))
    }

    /// What the first `xs:documentation` of a declaration says, white space collapsed.
    pub fn documentation(&self, site: Site) -> Option<Arc<str>> {
        let said = self.first(self.first(site, &["annotation"])?, &["documentation"])?;
        let text = self.document(said).string_value(said.1);
        let text: Vec<&str> = text.split_whitespace().collect();
        (!text.is_empty()).then(|| text.join(" ").into())
    }

    fn place(&self, site: Site) -> Place {
        let mut place = self.document(site).place(site.1);
        place.file = Some(self.files[site.0].name.as_str().into());
        place.path = None;
        place
    }

    pub fn report(&mut self, code: Code, text: String, site: Site) {
        let place = self.place(site);
        self.problems.push(Problem::new(code, text).at(place));
    }

    /// The expanded name behind `prefix:local` in an attribute value.
    pub fn qname(&mut self, written: &str, site: Site) -> QName {
        let (prefix, local) = written.trim().split_once(':').unwrap_or(("", written.trim()));
        let file = &self.files[site.0];
        let namespace = match file.prefixes.iter().find(|(known, _)| known == prefix) {
            Some((_, namespace)) => namespace.as_str(),
            None if prefix == "xml" => XML,
            // Without a default namespace the name is in none; a chameleon include moves it to the including schema's.
            None if prefix.is_empty() && file.is_chameleon => &file.target,
            None if prefix.is_empty() => "",
            None => {
                self.report(code::UNKNOWN_REFERENCE, format!("the prefix `{prefix}` is not declared"), site);
                ""
            }
        };
        QName::new(namespace, local)
    }

    pub fn global(&mut self, kind: Global, name: &QName, site: Site) -> Option<Site> {
        let found = self.globals.get(&(kind, name.clone())).copied();
        if found.is_none() {
            let names = self.globals.keys().filter(|(known, _)| *known == kind).map(|(_, name)| &*name.local);
            let problem = Problem::new(code::UNKNOWN_REFERENCE, format!("`{}` is not declared", name.local))
                .did_you_mean(&name.local, names);
            let place = self.place(site);
            self.problems.push(problem.at(place));
        }
        found
    }
}

fn is_xs(document: &Document, node: NodeId, local: &str) -> bool {
    document.qname(node).is_some_and(|name| &*name.namespace == XS && &*name.local == local)
}

fn attribute<'d>(document: &'d Document, node: NodeId, local: &str) -> Option<&'d str> {
    let name = document.names().find("", local)?;
    document.attribute(node, name).map(|attribute| document.own_text(attribute))
}

/// The namespace declarations of an element, which the tree does not keep, from its start tag in the source.
pub(super) fn declared_prefixes(document: &Document, node: NodeId) -> Vec<(String, String)> {
    let mut prefixes = Vec::new();
    let Some(mut rest) = document.offset(node).and_then(|at| document.source().get(at..)) else { return prefixes };
    while let Some(at) = rest.find(['=', '>']) {
        if rest.as_bytes()[at] == b'>' {
            break;
        }
        let name = rest[..at].trim_end().rsplit(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
        let value = rest[at + 1..].trim_start();
        let Some(quote) = value.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { break };
        let Some(end) = value[1..].find(quote) else { break };
        if name == "xmlns" {
            prefixes.push((String::new(), value[1..=end].to_owned()));
        } else if let Some(prefix) = name.strip_prefix("xmlns:") {
            prefixes.push((prefix.to_owned(), value[1..=end].to_owned()));
        }
        rest = &value[end + 2..];
    }
    prefixes
}

/// A file name relative to another file's folder, `.` and `..` resolved.
pub(super) fn beside(file: &str, location: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in location.split('/') {
        match part {
            "" | "." => (),
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
