//! A schema as the source model of formulas.

use crate::{
    document::QName,
    schema::{Model, Simple, SimpleKind, TypeId},
    xpath::{Class, Least, Most, Occurs, SourceModel, TextType, TypeRef},
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

    fn occurs(&self, of: TypeRef, name: &QName) -> Occurs {
        let held = self.0.get(TypeId(of.0));
        let Some(child) = held.child(name) else { return Occurs::ANY };
        // Of a choice one is there; which one, no rule can know.
        let alone = of == self.root() && held.children.len() == 1;
        let least = match child.min {
            0 if alone => Least::One,
            0 if child.in_choice => Least::Filtered,
            0 => Least::Nothing,
            _ => Least::One,
        };
        Occurs { least, most: if child.repeats() { Most::Many } else { Most::One } }
    }

    fn requires_attribute(&self, of: TypeRef, name: &QName) -> bool {
        self.0.get(TypeId(of.0)).attribute(name).is_some_and(|attribute| attribute.required)
    }

    fn text(&self, of: TypeRef, attribute: Option<&QName>) -> Option<TextType> {
        let held = self.0.get(TypeId(of.0));
        let simple = self.simple(of, attribute);
        match simple {
            // Anything may stand there, so nothing is known of the text.
            _ if held.open && attribute.is_none() => {
                Some(TextType { class: Class::Untyped, list: false, words: Vec::new() })
            }
            Some(simple) => {
                let class = if attribute.is_none() && !held.children.is_empty() {
                    Class::Untyped
                } else {
                    class_of(simple.kind)
                };
                Some(TextType { class, list: simple.list, words: simple.enumeration.clone() })
            }
            None => None,
        }
    }

    fn misfit(&self, of: TypeRef, attribute: Option<&QName>, text: &str) -> Option<String> {
        let held = self.0.get(TypeId(of.0));
        if held.open || (attribute.is_none() && !held.children.is_empty()) {
            return None;
        }
        self.simple(of, attribute)?.misfit(text)
    }
}

impl Source<'_> {
    fn simple(&self, of: TypeRef, attribute: Option<&QName>) -> Option<&Simple> {
        let held = self.0.get(TypeId(of.0));
        match attribute {
            Some(name) => held.attribute(name).map(|attribute| &attribute.value),
            None => held.value.as_ref(),
        }
    }
}

/// The atomic class of a simple type.
pub(super) fn class_of(kind: SimpleKind) -> Class {
    match kind {
        SimpleKind::String => Class::String,
        SimpleKind::Decimal => Class::Decimal,
        SimpleKind::Integer => Class::Integer,
        SimpleKind::Double => Class::Double,
        SimpleKind::Boolean => Class::Boolean,
        SimpleKind::Date => Class::Date,
        SimpleKind::DateTime => Class::DateTime,
        SimpleKind::Time => Class::Time,
    }
}
