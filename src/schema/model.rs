//! The type model: types, their children and attributes.

use std::sync::Arc;

use super::{Simple, declaration::Sources, json_model, xsd};
use crate::{base::Problems, document::QName};

/// A type of one [`Model`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type of the document node: its children are the possible root elements.
    pub const DOCUMENT: Self = Self(0);
}

/// A child element a type may have.
#[derive(Clone, Debug)]
pub struct Child {
    /// Its name.
    pub name: QName,
    /// Its type.
    pub of: TypeId,
    /// How often it must be there at least; 0 inside a choice or an optional group.
    pub min: u32,
    /// How often it may be there at most; `None` without bound.
    pub max: Option<u32>,
    /// Whether it stands in a choice.
    pub in_choice: bool,
    /// Whether it may be `xsi:nil`.
    pub nillable: bool,
    /// Its place among its siblings; children with the same number may come in any order.
    pub order: u32,
    /// What the schema says it means.
    pub doc: Option<Arc<str>>,
}

impl Child {
    /// Whether a valid parent always has it.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.min > 0
    }

    /// Whether it may be there more than once.
    #[must_use]
    pub fn repeats(&self) -> bool {
        self.max.is_none_or(|max| max > 1)
    }
}

/// An attribute a type may have.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: QName,
    /// Whether it must be there.
    pub required: bool,
    /// What its text may be.
    pub value: Simple,
    /// What the schema says it means.
    pub doc: Option<Arc<str>>,
}

/// What an element may hold.
#[derive(Clone, Debug, Default)]
pub struct Type {
    /// The type's name, when it has one.
    pub name: Option<Arc<str>>,
    /// The possible child elements, in the schema's order.
    pub children: Vec<Child>,
    /// The possible attributes.
    pub attributes: Vec<Attribute>,
    /// What its text may be; `None` when it holds elements only.
    pub value: Option<Simple>,
    /// Whether anything else may appear too (`xs:any`, `xs:anyType`).
    pub open: bool,
}

impl Type {
    /// The child with a name.
    #[must_use]
    pub fn child(&self, name: &QName) -> Option<&Child> {
        self.children.iter().find(|child| child.name == *name)
    }

    /// The attribute with a name.
    #[must_use]
    pub fn attribute(&self, name: &QName) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == *name)
    }

    /// Whether it holds text without elements.
    #[must_use]
    pub fn is_simple(&self) -> bool {
        self.children.is_empty() && self.value.is_some()
    }
}

/// Reads many schemas that share files: each file is read once.
pub struct ModelReader<'a>(Sources<'a>);

impl<'a> ModelReader<'a> {
    /// A reader of files; `files` gives the bytes of a name inside the schema folder.
    #[must_use]
    pub fn new(files: &'a dyn Fn(&str) -> Option<Vec<u8>>) -> Self {
        Self(Sources::new(files))
    }

    /// Reads an XML Schema and what it includes or imports.
    ///
    /// # Errors
    /// Every problem found.
    pub fn load(&self, entry: &str) -> Result<Model, Problems> {
        xsd::load(&self.0, entry)
    }
}

/// What documents of a family may look like.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) types: Vec<Type>,
    pub(super) target_namespace: Arc<str>,
    pub(super) qualified: bool,
}

impl Model {
    /// Reads an XML Schema and what it includes or imports; `files` gives the bytes of a name inside the schema folder.
    ///
    /// # Errors
    /// Every problem found.
    pub fn load(files: &dyn Fn(&str) -> Option<Vec<u8>>, entry: &str) -> Result<Self, Problems> {
        ModelReader::new(files).load(entry)
    }

    /// Reads a JSON Schema and what it refers to; `namespace` is the one its names get when documents are read.
    ///
    /// # Errors
    /// Every problem found.
    pub fn load_json(files: &dyn Fn(&str) -> Option<Vec<u8>>, entry: &str, namespace: &str) -> Result<Self, Problems> {
        json_model::load(files, entry, namespace)
    }

    /// A type; an open one for a number of another model.
    #[must_use]
    pub fn get(&self, id: TypeId) -> &Type {
        static OPEN: Type = Type { name: None, children: Vec::new(), attributes: Vec::new(), value: None, open: true };
        self.types.get(id.0 as usize).unwrap_or(&OPEN)
    }

    /// How many types there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there are no root elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.get(TypeId::DOCUMENT).children.is_empty()
    }

    /// The `targetNamespace` of the entry schema; empty for none.
    #[must_use]
    pub fn target_namespace(&self) -> &str {
        &self.target_namespace
    }

    /// Whether local elements are in the target namespace (`elementFormDefault="qualified"`).
    #[must_use]
    pub fn is_qualified(&self) -> bool {
        self.qualified
    }

    /// The type of the parent, when there is only one.
    #[must_use]
    pub fn parent(&self, of: TypeId) -> Option<TypeId> {
        let mut parents =
            self.types.iter().enumerate().filter(|(_, parent)| parent.children.iter().any(|c| c.of == of));
        let first = parents.next()?;
        parents.next().is_none().then(|| TypeId(u32::try_from(first.0).unwrap_or(u32::MAX)))
    }

    /// The types of all possible descendants of that name.
    #[must_use]
    pub fn descendants_named(&self, of: TypeId, name: &QName) -> Vec<TypeId> {
        let mut found = Vec::new();
        let mut seen = vec![of];
        let mut next = 0;
        while let Some(at) = seen.get(next).copied() {
            next += 1;
            for child in &self.get(at).children {
                if child.name == *name && !found.contains(&child.of) {
                    found.push(child.of);
                }
                if !seen.contains(&child.of) {
                    seen.push(child.of);
                }
            }
        }
        found
    }
}
