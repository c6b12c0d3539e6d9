//! The schema files and their global declarations, before anything is made of them.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use super::{
    code,
    xsd::{MAX_DEPTH, XML, XS},
};
use crate::{
    base::{Code, Place, Problem, Problems},
    document::{Document, NodeId, QName},
    format::{Doctype, ReadOptions, Syntax, read},
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

/// A schema file, read once for every model that needs it.
pub(super) struct Parsed {
    document: Document,
    prefixes: Vec<(String, String)>,
    target: Option<Arc<str>>,
    qualified: bool,
    attributes_qualified: bool,
    globals: HashMap<(Global, Arc<str>), NodeId>,
    /// Whatever includes, redefines or imports another file.
    references: Vec<NodeId>,
}

/// A file as part of one schema: a chameleon include has the target namespace of the schema around it.
pub(super) struct File {
    name: String,
    parsed: Arc<Parsed>,
    pub target: Arc<str>,
    /// Its target is the including schema's: it has none of its own.
    is_chameleon: bool,
    pub qualified: bool,
    pub attributes_qualified: bool,
}

/// What became of a file that was asked for; `None` when it is not there.
type Asked = Option<Result<Arc<Parsed>, Problem>>;

/// Schema files as they are asked for, each read once.
pub(super) struct Sources<'a> {
    resolve: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    parsed: RefCell<HashMap<String, Asked>>,
}

impl<'a> Sources<'a> {
    pub fn new(resolve: &'a dyn Fn(&str) -> Option<Vec<u8>>) -> Self {
        Self { resolve, parsed: RefCell::default() }
    }

    fn get(&self, name: &str) -> Asked {
        if let Some(known) = self.parsed.borrow().get(name) {
            return known.clone();
        }
        let parsed = (self.resolve)(name).map(|bytes| Parsed::read(name, &bytes).map(Arc::new));
        self.parsed.borrow_mut().insert(name.to_owned(), parsed.clone());
        parsed
    }
}

/// A schema file and its root element.
///
/// # Errors
/// `XD-S002` when it is no XML Schema; a code of the XML reader when it is no XML.
pub(super) fn schema_document(name: &str, bytes: &[u8]) -> Result<(Document, NodeId), Problem> {
    // Some standards' files have a DOCTYPE with nothing in it that counts.
    let options = ReadOptions { doctype: Doctype::Skip, ..ReadOptions::default() };
    let reading = read(bytes, Syntax::Xml, &options).map_err(|mut problem| {
        problem.place.file = Some(name.into());
        problem
    })?;
    let document = reading.document;
    let root = document.root_element().filter(|root| is_xs(&document, *root, "schema"));
    match root {
        Some(root) => Ok((document, root)),
        None => {
            let problem = Problem::new(code::NOT_A_SCHEMA, "the root element is not `schema` of XML Schema");
            Err(problem.at(Place { file: Some(name.into()), ..Place::default() }))
        }
    }
}

impl Parsed {
    fn read(name: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let (document, root) = schema_document(name, bytes)?;
        let (mut globals, mut references) = (HashMap::new(), Vec::new());
        for child in document.elements(root) {
            let kind = match xs_kind(&document, child) {
                "include" | "redefine" | "import" => {
                    references.push(child);
                    continue;
                }
                "element" => Global::Element,
                "complexType" | "simpleType" => Global::Type,
                "group" => Global::Group,
                "attribute" => Global::Attribute,
                "attributeGroup" => Global::AttributeGroup,
                _ => continue,
            };
            if let Some(local) = attribute(&document, child, "name") {
                globals.entry((kind, Arc::from(local))).or_insert(child);
            }
        }
        Ok(Self {
            prefixes: declared_prefixes(&document, root),
            target: attribute(&document, root, "targetNamespace").map(Arc::from),
            qualified: attribute(&document, root, "elementFormDefault") == Some("qualified"),
            attributes_qualified: attribute(&document, root, "attributeFormDefault") == Some("qualified"),
            document,
            globals,
            references,
        })
    }
}

pub(super) struct Loader<'a> {
    sources: &'a Sources<'a>,
    pub files: Vec<File>,
    by_target: HashMap<Arc<str>, Vec<usize>>,
    pub problems: Problems,
}

impl<'a> Loader<'a> {
    /// Loads a schema and everything it includes or imports.
    pub fn load(sources: &'a Sources<'a>, entry: &str) -> Self {
        let mut loader = Self { sources, files: Vec::new(), by_target: HashMap::new(), problems: Problems::default() };
        loader.file(entry, None, None, 0);
        loader
    }

    /// Loads a file once per target namespace; `target` is the including schema's (a chameleon include takes it over).
    fn file(&mut self, name: &str, target: Option<Arc<str>>, asked: Option<Site>, depth: usize) {
        let parsed =
            match self.sources.get(name) {
                Some(Ok(parsed)) => parsed,
                Some(Err(problem)) => return self.problems.push(problem),
                None => {
                    let problem = Problem::new(code::MISSING_FILE, format!("the schema file `{name}` cannot be found"));
                    return self.problems.push(problem.at(asked.map_or_else(
                        || Place { file: Some(name.into()), ..Place::default() },
                        |site| self.place(site),
                    )));
                }
            };
        let is_chameleon = parsed.target.is_none();
        let target: Arc<str> = parsed.target.clone().or(target).unwrap_or_default();
        let same = self.by_target.get(&target).into_iter().flatten().any(|file| self.files[*file].name == name);
        if depth > MAX_DEPTH || same {
            return;
        }
        let file = self.files.len();
        self.by_target.entry(target.clone()).or_default().push(file);
        let (qualified, attributes_qualified) = (parsed.qualified, parsed.attributes_qualified);
        self.files.push(File {
            name: name.to_owned(),
            parsed: parsed.clone(),
            target,
            is_chameleon,
            qualified,
            attributes_qualified,
        });
        for reference in &parsed.references {
            self.reference((file, *reference), depth);
        }
    }

    fn reference(&mut self, site: Site, depth: usize) {
        let is_import = self.kind(site) == "import";
        let Some(location) = self.attribute(site, "schemaLocation") else { return };
        let name = beside(&self.files[site.0].name, location);
        // The attributes of XML itself are known without their schema.
        if is_import && self.attribute(site, "namespace") == Some(XML) && self.sources.get(&name).is_none() {
            return;
        }
        let target = (!is_import).then(|| self.files[site.0].target.clone());
        self.file(&name, target, Some(site), depth + 1);
    }

    /// The elements declared at the top of the schema, in the order of the files.
    pub fn elements(&self) -> Vec<(QName, Site)> {
        let mut found = Vec::new();
        for (at, file) in self.files.iter().enumerate() {
            let elements = file.parsed.globals.iter().filter(|((kind, _), _)| *kind == Global::Element);
            found.extend(elements.map(|((_, name), node)| (QName::new(file.target.clone(), &**name), (at, *node))));
        }
        found.sort_by_key(|(_, site)| *site);
        found
    }

    fn document(&self, site: Site) -> &Document {
        &self.files[site.0].parsed.document
    }

    /// The local name of an XML Schema element; empty for elements of other namespaces.
    pub fn kind(&self, site: Site) -> &str {
        xs_kind(self.document(site), site.1)
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

    /// What `xs:documentation` says of a declaration, in one line; of a structured text (UN/CEFACT's component
    /// descriptions) its `Definition`.
    pub fn documentation(&self, site: Site) -> Option<Arc<str>> {
        let document = self.document(site);
        let annotation = document.elements(site.1).find(|child| is_xs(document, *child, "annotation"))?;
        let said = document.elements(annotation).find(|child| is_xs(document, *child, "documentation"))?;
        let is_definition = |node: &NodeId| document.qname(*node).is_some_and(|name| &*name.local == "Definition");
        let defined = document.elements(said).find_map(|part| document.elements(part).find(is_definition));
        let text = document.string_value(defined.unwrap_or(said));
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        (!words.is_empty()).then(|| words.join(" ").into())
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
        let namespace = match file.parsed.prefixes.iter().find(|(known, _)| known == prefix) {
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
        let key = (kind, name.local.clone());
        let files = self.by_target.get(&name.namespace).into_iter().flatten();
        let found = files.into_iter().find_map(|at| Some((*at, *self.files[*at].parsed.globals.get(&key)?)));
        if found.is_none() {
            let all = self.files.iter().flat_map(|file| file.parsed.globals.keys());
            let names = all.filter(|(known, _)| *known == kind).map(|(_, name)| &**name);
            let problem = Problem::new(code::UNKNOWN_REFERENCE, format!("`{}` is not declared", name.local))
                .did_you_mean(&name.local, names);
            let place = self.place(site);
            self.problems.push(problem.at(place));
        }
        found
    }
}

/// The local name of an XML Schema element; empty for elements of other namespaces.
fn xs_kind(document: &Document, node: NodeId) -> &str {
    match document.qname(node) {
        Some(name) if &*name.namespace == XS => &name.local,
        _ => "",
    }
}

pub(super) fn is_xs(document: &Document, node: NodeId, local: &str) -> bool {
    document.qname(node).is_some_and(|name| &*name.namespace == XS && &*name.local == local)
}

pub(super) fn attribute<'d>(document: &'d Document, node: NodeId, local: &str) -> Option<&'d str> {
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
