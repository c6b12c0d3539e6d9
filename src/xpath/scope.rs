//! What a formula may refer to: the static context (XPath 3.1 §2.1.1).

use std::{cell::RefCell, sync::Arc};

use super::{
    made::Made,
    static_type::{Class, Occurs, Spot, StaticType, TextType},
};
use crate::document::{Document, Name, QName};

/// A type of a [`SourceModel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeRef(pub u32);

/// What documents of the source type can contain; the answer behind every "no such step".
pub trait SourceModel {
    /// The type of the document node.
    fn root(&self) -> TypeRef;
    /// The type of a child element; `None` when there can be none of that name.
    fn child(&self, of: TypeRef, name: &QName) -> Option<TypeRef>;
    /// Whether there can be an attribute of that name.
    fn attribute(&self, of: TypeRef, name: &QName) -> bool;
    /// The names of all possible child elements.
    fn child_names(&self, of: TypeRef) -> Vec<QName>;
    /// The names of all possible attributes.
    fn attribute_names(&self, of: TypeRef) -> Vec<QName>;
    /// Whether anything may appear there (a wildcard, unknown content): nothing is refused.
    fn is_open(&self, of: TypeRef) -> bool;
    /// The type of the parent, when there is only one.
    fn parent(&self, of: TypeRef) -> Option<TypeRef>;
    /// The types of all possible descendants of that name.
    fn descendant_named(&self, of: TypeRef, name: &QName) -> Vec<TypeRef>;
    /// How often there is a child element of that name.
    fn occurs(&self, _of: TypeRef, _name: &QName) -> Occurs {
        Occurs::ANY
    }
    /// Whether there is always an attribute of that name.
    fn requires_attribute(&self, _of: TypeRef, _name: &QName) -> bool {
        false
    }
    /// What the text of an element, or of one of its attributes, may be; `None` when there is none.
    fn text(&self, _of: TypeRef, _attribute: Option<&QName>) -> Option<TextType> {
        Some(TextType { class: Class::Untyped, list: false, words: Vec::new() })
    }
    /// Why a text can never be that of an element or attribute, without repeating it.
    fn misfit(&self, _of: TypeRef, _attribute: Option<&QName>, _text: &str) -> Option<String> {
        None
    }
}

/// The names that the name tests of a set of formulas use, numbered; one table per mapping.
#[derive(Debug, Default, Clone)]
pub struct Symbols {
    names: Arc<Vec<QName>>,
}

impl Symbols {
    /// The number of a name, made if new.
    pub(super) fn intern(&mut self, name: QName) -> u32 {
        let at = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            Arc::make_mut(&mut self.names).push(name);
            self.names.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn resolved(&self, document: &Document) -> Vec<Option<Name>> {
        self.names.iter().map(|name| document.names().find(&name.namespace, &name.local)).collect()
    }

    /// The names, in number order: to intern them in a reader's name table beforehand.
    #[must_use]
    pub fn names(&self) -> &[QName] {
        &self.names
    }
}

/// The numbers of [`Symbols`] resolved against some documents, so that a step matches by comparing integers; and the
/// documents that formulas make. Make one per run of a mapping, when all its formulas are compiled: names numbered later
/// match nothing.
#[derive(Debug, Default)]
pub struct Binding {
    symbols: Symbols,
    /// One vector per document.
    names: Vec<Vec<Option<Name>>>,
    /// Their indexes follow those of the documents above.
    made: Made,
}

impl Binding {
    /// Resolves every name once per document.
    #[must_use]
    pub fn new(symbols: &Symbols, documents: &[&Document]) -> Self {
        let names = documents.iter().map(|document| symbols.resolved(document)).collect();
        Self { symbols: symbols.clone(), names, made: Made::default() }
    }

    /// The document's number for a symbol; `None` when the document has no such name.
    pub(super) fn name(&self, document: u16, symbol: u32) -> Option<Name> {
        let document = usize::from(document);
        match self.names.get(document) {
            Some(names) => names.get(symbol as usize).copied().flatten(),
            None => self.made.name(document - self.names.len(), symbol),
        }
    }

    /// Adds a document that a formula made; its index, or `None` when there are too many.
    pub(super) fn add(&self, document: Document) -> Option<u16> {
        let names = self.symbols.resolved(&document);
        u16::try_from(self.names.len() + self.made.push(document, names)?).ok()
    }

    /// The documents that formulas made; their indexes follow those given, in this order.
    #[must_use]
    pub fn into_made(self) -> Vec<Document> {
        self.made.into_documents()
    }

    /// A document that a formula made.
    pub(super) fn made(&self, document: u16) -> Option<&Document> {
        self.made.document(usize::from(document).checked_sub(self.names.len())?)
    }
}

/// What a formula may refer to, and where it stands.
#[derive(Clone)]
pub struct Scope<'a> {
    /// Prefix and namespace; `xs` is always known.
    pub namespaces: &'a [(String, String)],
    /// Namespace of unprefixed element names in paths (`xpath-default-namespace`).
    pub default_element_namespace: Option<&'a str>,
    /// Names of the variables, in slot order. `current-group()` and `current-grouping-key()` are variables of that
    /// spelling, parentheses included: known where the scope lists them. A later name hides an earlier one.
    pub variables: &'a [String],
    /// The static types of the variables, in slot order; may be shorter than `variables`.
    pub variable_types: &'a [StaticType],
    /// Places of the source type that are known to be there: a condition around the formula asked for them.
    pub present: &'a [Arc<Spot>],
    /// The source type; without one, no step is checked.
    pub model: Option<&'a dyn SourceModel>,
    /// The static type of the context item.
    pub context: StaticType,
    /// Whether formulas that can never work are refused, and doubtful ones told.
    pub checked: bool,
    /// The names of all code tables; without them, none is checked.
    pub code_tables: Option<&'a [String]>,
    /// Where names are numbered; shared by the formulas of one mapping.
    pub symbols: &'a RefCell<Symbols>,
    /// The file the formula stands in.
    pub file: Option<Arc<str>>,
    /// Line where the formula's text begins, from 1.
    pub line: u32,
    /// Column where the formula's text begins (after the `=`), from 1.
    pub column: u32,
}

impl<'a> Scope<'a> {
    /// A scope that knows nothing yet, at line 1, column 1.
    #[must_use]
    pub fn new(symbols: &'a RefCell<Symbols>) -> Self {
        Self {
            namespaces: &[],
            default_element_namespace: None,
            variables: &[],
            variable_types: &[],
            present: &[],
            model: None,
            context: StaticType::any(),
            checked: false,
            code_tables: None,
            symbols,
            file: None,
            line: 1,
            column: 1,
        }
    }
}
