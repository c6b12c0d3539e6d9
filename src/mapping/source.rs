//! A schema as the source model of formulas.

use crate::{
    document::QName,
    schema::{Model, TypeId},
    xpath::{SourceModel, TypeRef},
};

/// A schema as formulas ask it.
#[derive(Clone, Copy)]
pub struct Source<'a>(pub &'a Model);

impl SourceModel for Source<'_> {
    fn root(&self) -> TypeRef {
        TypeRef(TypeId::DOCUMENT.0)
    }

    fn child(&self, of: TypeRef, name: &QName) -> Option<TypeRef> {
        self.0.get(TypeId(of.0)).child(name).map(|child| TypeRef(child.of.0))
    }

    fn attribute(&self, of: TypeRef, name: &QName) -> bool {
        self.0.get(TypeId(of.0)).attribute(name).is_some()
    }

    fn child_names(&self, of: TypeRef) -> Vec<QName> {
        self.0.get(TypeId(of.0)).children.iter().map(|child| child.name.clone()).collect()
    }

    fn attribute_names(&self, of: TypeRef) -> Vec<QName> {
        self.0.get(TypeId(of.0)).attributes.iter().map(|attribute| attribute.name.clone()).collect()
    }

    fn is_open(&self, of: TypeRef) -> bool {
        self.0.get(TypeId(of.0)).open
    }

    fn parent(&self, of: TypeRef) -> Option<TypeRef> {
        self.0.parent(TypeId(of.0)).map(|parent| TypeRef(parent.0))
    }

    fn descendant_named(&self, of: TypeRef, name: &QName) -> Vec<TypeRef> {
        self.0.descendants_named(TypeId(of.0), name).into_iter().map(|id| TypeRef(id.0)).collect()
    }
}
