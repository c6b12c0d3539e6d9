//! Walks a document through the validator and gives every violation its node.

use std::{cell::RefCell, mem, rc::Rc, sync::Arc};

use foldhash::HashMap;
use xsd_schema::{
    NameId, SchemaSet,
    namespace::context::NamespaceContextSnapshot,
    validation::{SchemaValidator, ValidationError, ValidationRuntime, ValidationSink, ValidationWarning},
};

use super::{
    super::{Model, Simple, TypeId, Violation, declaration::declared_prefixes},
    wording::{self, Wording},
};
use crate::{
    document::{Document, Kind, NodeId, QName},
    format::XSI,
};

/// A name of a document as the validator knows it: local part, namespace.
type Known = (NameId, Option<NameId>);

/// A compiled set, ready to judge.
pub(super) struct Judge<'s> {
    set: &'s SchemaSet,
    validator: &'s SchemaValidator<'s>,
    models: &'s [Arc<Model>],
    mentions_qnames: bool,
    /// Names of documents the schemas know; so they are not many.
    known: RefCell<HashMap<QName, Known>>,
}

/// Keeps what the validator reports until the walk takes it.
#[derive(Clone, Default)]
struct Reports(Rc<RefCell<Vec<ValidationError>>>);

impl ValidationSink for Reports {
    fn on_error(&mut self, error: ValidationError) {
        self.0.borrow_mut().push(error);
    }

    fn on_warning(&mut self, _: ValidationWarning) {}
}

impl<'s> Judge<'s> {
    pub fn new(
        set: &'s SchemaSet,
        validator: &'s SchemaValidator<'s>,
        models: &'s [Arc<Model>],
        mentions_qnames: bool,
    ) -> Self {
        Self { set, validator, models, mentions_qnames, known: RefCell::default() }
    }

    /// Every violation, `most` at most, in the order they were found: a missing child at the end of its parent.
    pub fn judge(&self, document: &Document, most: usize) -> Vec<Violation> {
        let reports = Reports::default();
        let mut walk = Walk {
            judge: self,
            document,
            names: vec![None; document.names().len()],
            runtime: self.validator.start_run(reports.clone()),
            reports,
            open: Vec::new(),
            misplaced: Vec::new(),
            opening: false,
            namespaces: Namespaces::of(document, self.mentions_qnames, self.set),
            disordered: Vec::new(),
            told: None,
            found: Vec::new(),
            most,
        };
        walk.run();
        walk.found
    }

    /// What our own reading of the schemas says an element may hold.
    fn type_of(&self, document: &Document, element: NodeId) -> Option<(&'s Model, TypeId)> {
        let mut path = Vec::new();
        let mut at = element;
        while at != NodeId::ROOT {
            path.push(document.qname(at)?);
            at = document.parent(at)?;
        }
        self.models.iter().find_map(|model| {
            let down = |of: TypeId, name: &&QName| model.get(of).child(name).map(|child| child.of);
            Some((&**model, path.iter().rev().try_fold(TypeId::DOCUMENT, down)?))
        })
    }

    /// What the text of an element or attribute may be.
    fn simple_of(&self, document: &Document, node: NodeId) -> Option<&'s Simple> {
        if document.kind(node) == Kind::Attribute {
            let (model, of) = self.type_of(document, document.parent(node)?)?;
            return model.get(of).attribute(document.qname(node)?).map(|attribute| &attribute.value);
        }
        let (model, of) = self.type_of(document, node)?;
        model.get(of).value.as_ref()
    }
}

/// The prefixes in scope, for values that are names.
struct Namespaces {
    /// Those of the root element, or a made document's preferred ones.
    root: Vec<(String, String)>,
    /// Whether elements below the root may declare more.
    more: bool,
    /// Whether values of the schemas' types may be names.
    matter: bool,
    /// The default namespace alone, which costs nothing to hand over.
    usual: NamespaceContextSnapshot,
}

impl Namespaces {
    fn of(document: &Document, matter: bool, set: &SchemaSet) -> Self {
        let root = match document.root_element() {
            Some(root) if document.offset(root).is_some() => declared_prefixes(document, root),
            _ => document.names().prefixes().map(|(prefix, uri)| (prefix.to_owned(), uri.to_owned())).collect(),
        };
        let all = memchr::memmem::find_iter(document.source().as_bytes(), "xmlns").count();
        let more = all > root.len();
        let mut namespaces = Self { root, more, matter, usual: NamespaceContextSnapshot::default() };
        let whole = namespaces.snapshot(document, NodeId::ROOT, set);
        namespaces.usual.default_ns = whole.default_ns;
        namespaces
    }

    /// Whether a value of an element or its attributes may be a name with a prefix.
    fn matter_to(&self, document: &Document, element: NodeId) -> bool {
        let has_colon = |node: NodeId| memchr::memchr(b':', document.own_text(node).as_bytes()).is_some();
        let texts = || document.children(element).filter(|child| document.kind(*child) == Kind::Text);
        self.matter && (self.more || document.attributes(element).any(has_colon) || texts().any(has_colon))
    }

    fn snapshot(&self, document: &Document, element: NodeId, set: &SchemaSet) -> NamespaceContextSnapshot {
        let mut snapshot = NamespaceContextSnapshot::default();
        let mut bind = |(prefix, uri): &(String, String)| {
            let uri = (!uri.is_empty()).then(|| set.name_table.get(uri).unwrap_or_else(|| unknown(set, 0)));
            if prefix.is_empty() {
                snapshot.default_ns = snapshot.default_ns.or(uri);
            } else if let Some(uri) = uri {
                let prefix = set.name_table.add(prefix);
                if !snapshot.bindings.iter().any(|(known, _)| *known == prefix) {
                    snapshot.bindings.push((prefix, uri));
                }
            }
        };
        let mut at = element;
        while self.more && at != NodeId::ROOT {
            declared_prefixes(document, at).iter().for_each(&mut bind);
            at = document.parent(at).unwrap_or(NodeId::ROOT);
        }
        self.root.iter().for_each(bind);
        snapshot
    }
}

/// A name no schema has, one of a few: names of documents are not kept, so that they cannot fill the memory.
fn unknown(set: &SchemaSet, number: usize) -> NameId {
    set.name_table.add(&format!("urn:unknown:{number}"))
}

/// One document on its way through the validator.
struct Walk<'w, 's> {
    judge: &'w Judge<'s>,
    document: &'w Document,
    /// By the number of the document's name.
    names: Vec<Option<Known>>,
    runtime: ValidationRuntime<'w, Reports>,
    reports: Reports,
    open: Vec<NodeId>,
    /// Violations of elements that stood where they may not, with how deep: what was expected there is known after them.
    misplaced: Vec<(usize, usize)>,
    /// Whether an element is being opened, not closed.
    opening: bool,
    namespaces: Namespaces,
    /// Elements of which a child has been reported as misplaced: what follows there only follows from it.
    disordered: Vec<NodeId>,
    /// The node whose value the last violation is about.
    told: Option<NodeId>,
    found: Vec<Violation>,
    most: usize,
}

impl Walk<'_, '_> {
    fn run(&mut self) {
        for node in (1..self.document.len()).filter_map(|index| self.document.node(index)) {
            while self.open.last().is_some_and(|top| self.document.end(*top) <= node.index()) {
                self.close();
            }
            if self.found.len() >= self.most {
                return self.found.truncate(self.most);
            }
            match self.document.kind(node) {
                Kind::Element => self.open(node),
                Kind::Text => {
                    let text = self.document.own_text(node);
                    let parent = self.open.last().copied().unwrap_or(NodeId::ROOT);
                    if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
                        // Before an element it never matters.
                        let next = self.document.node(node.index() + 1);
                        let is_sibling = |next: &NodeId| self.document.parent(*next) == Some(parent);
                        if next.filter(is_sibling).is_some_and(|next| self.document.kind(next) == Kind::Element) {
                            continue;
                        }
                        self.runtime.validate_whitespace(text);
                    } else {
                        self.runtime.validate_text(text);
                    }
                    self.take(parent);
                }
                _ => (),
            }
        }
        while !self.open.is_empty() {
            self.close();
        }
        let _ = self.runtime.end_validation();
        self.take(self.document.root_element().unwrap_or(NodeId::ROOT));
        self.found.truncate(self.most);
    }

    fn known(&mut self, node: NodeId, nth: usize) -> Known {
        let Some(name) = self.document.name(node) else { return (unknown(self.judge.set, nth), None) };
        if let Some(known) = self.names[name.index()] {
            return known;
        }
        let qname = self.document.names().get(name);
        if let Some(known) = self.judge.known.borrow().get(qname) {
            return *self.names[name.index()].insert(*known);
        }
        let table = &self.judge.set.name_table;
        let namespace = (!qname.namespace.is_empty())
            .then(|| table.get(&qname.namespace).unwrap_or_else(|| unknown(self.judge.set, 0)));
        match table.get(&qname.local) {
            Some(local) => {
                if namespace.is_none_or(|namespace| namespace != unknown(self.judge.set, 0)) {
                    self.judge.known.borrow_mut().insert(qname.clone(), (local, namespace));
                }
                *self.names[name.index()].insert((local, namespace))
            }
            // Not kept: two unknown attributes of an element are two.
            None => (unknown(self.judge.set, nth), namespace),
        }
    }

    fn open(&mut self, element: NodeId) {
        let document = self.document;
        let mut kind = None;
        let mut nil = document.is_null(element).then_some("true");
        for attribute in document.attributes(element) {
            let name = document.qname(attribute).filter(|name| &*name.namespace == XSI);
            match name.map(|name| &*name.local) {
                Some("type") => kind = Some((attribute, document.own_text(attribute).trim())),
                Some("nil") => nil = Some(document.own_text(attribute)),
                _ => (),
            }
        }
        // A type nobody declared is not asked for: its name would be kept.
        let local = |written: &str| written.rsplit(':').next().unwrap_or_default().to_owned();
        if let Some((attribute, written)) = kind
            && self.judge.set.name_table.get(&local(written)).is_none()
        {
            self.report(attribute, "cvc-elt.4.2", None);
            kind = None;
        }
        let (name, namespace) = self.known(element, 0);
        let whole = kind.is_some() || self.namespaces.matter_to(document, element);
        let whole = whole.then(|| self.namespaces.snapshot(document, element, self.judge.set));
        let context = whole.as_ref().unwrap_or(&self.namespaces.usual);
        let before = self.found.len();
        self.opening = true;
        self.runtime.validate_element_by_id_novalue(name, namespace, kind.map(|(_, written)| written), nil, context);
        self.take(element);
        let misplaced = (before..self.found.len()).filter(|at| self.found[*at].rule == wording::CONTENT);
        self.misplaced.extend(misplaced.map(|at| (at, self.open.len())));
        for (nth, attribute) in document.attributes(element).enumerate() {
            let is_xsi = document.qname(attribute).is_some_and(|name| &*name.namespace == XSI);
            if is_xsi {
                continue;
            }
            let (name, namespace) = self.known(attribute, nth + 1);
            let _ = self.runtime.validate_attribute_by_id(name, namespace, document.own_text(attribute));
            self.take(attribute);
        }
        self.runtime.validate_end_of_attributes_novalue();
        self.take(element);
        self.opening = false;
        self.open.push(element);
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        self.runtime.validate_end_element_novalue();
        self.take(element);
        self.disordered.retain(|known| *known != element);
        while let Some((at, _)) = self.misplaced.pop_if(|(_, depth)| *depth == self.open.len()) {
            let table = &self.judge.set.name_table;
            let expected = self.runtime.get_expected_elements();
            let expected: Vec<String> =
                expected.iter().map(|element| format!("`{}`", table.resolve_ref(element.local_name))).collect();
            self.found[at].expected = wording::list(&expected);
        }
    }

    /// Turns what was reported since into violations of a node; a value breaks several rules at once, the first counts.
    fn take(&mut self, node: NodeId) {
        if self.reports.0.borrow().is_empty() {
            return;
        }
        let reports = mem::take(&mut *self.reports.0.borrow_mut());
        for report in reports {
            self.report(node, report.constraint, Some(&report.message));
        }
    }

    fn report(&mut self, node: NodeId, rule: &str, message: Option<&str>) {
        // Whatever is not told is left before its place is looked for: that costs as much as the document is long.
        let is_value = wording::is_about_a_value(rule);
        if (is_value && self.told == Some(node)) || self.follows_from_another(node, rule) {
            return;
        }
        let is_base64 = message.is_some_and(|message| message.contains("base64Binary"));
        if is_base64 && is_spaced_base64(&self.document.string_value(node)) {
            return;
        }
        let words = if is_value {
            wording::of_value(rule, self.judge.simple_of(self.document, node), &self.document.string_value(node))
        } else {
            let is_closing = rule == wording::CONTENT && !self.opening;
            let missing = if is_closing { self.missing_child(node) } else { None };
            wording::of_structure(rule, message, missing.as_deref())
        };
        let Wording { text, expected } = words;
        self.told = is_value.then_some(node);
        let (code, place) = (super::code::VIOLATION, self.document.place(node));
        let severity = crate::base::Severity::Error;
        self.found.push(Violation { code, rule: rule.to_owned(), severity, text, expected, place });
    }

    /// Whether a violation only follows from a misplaced element reported before. Remembers the first of its parent.
    fn follows_from_another(&mut self, node: NodeId, rule: &str) -> bool {
        if !matches!(rule, wording::CONTENT | "cvc-elt.1") {
            return false;
        }
        let is_closing = rule == wording::CONTENT && !self.opening;
        let parent = if is_closing { Some(node) } else { self.document.parent(node) };
        let Some(parent) = parent.filter(|parent| *parent != NodeId::ROOT) else { return false };
        if self.disordered.contains(&parent) {
            return true;
        }
        if rule == wording::CONTENT {
            self.disordered.push(parent);
        }
        false
    }

    /// The first child an element must have and has not.
    fn missing_child(&self, element: NodeId) -> Option<String> {
        let (model, of) = self.judge.type_of(self.document, element)?;
        let has = |name: &QName| self.document.elements(element).any(|child| self.document.qname(child) == Some(name));
        let missing = model.get(of).children.iter().find(|child| child.is_required() && !has(&child.name))?;
        Some(missing.name.local.to_string())
    }
}

/// Whether a text is base64 with white space in it, which the type allows (XSD 1.0 part 2 §3.2.16) and the validator
/// takes for wrong.
fn is_spaced_base64(text: &str) -> bool {
    let bare: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digits = bare.strip_suffix(b"==").or_else(|| bare.strip_suffix(b"=")).unwrap_or(&bare);
    bare.len() < text.len()
        && bare.len().is_multiple_of(4)
        && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
