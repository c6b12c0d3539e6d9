//! A valid example document, made from a type model.
//!
//! A model does not know which children of a choice belong together, nor fixed values, nor what a wildcard takes: of a
//! choice the first child is taken, what needs a wildcard is left out where it may be. Whoever needs certainty
//! validates the example.

mod pattern;
mod value;

use std::{collections::HashSet, sync::Arc};

use super::{Child, Model, Type, TypeId};
use crate::document::{Builder, Document, QName, Text};

/// Elements nest at most this deep in an example; a schema that requires more has no finite documents.
const MAX_DEPTH: usize = 48;
/// Elements of an example at most.
const MOST_ELEMENTS: usize = 20_000;

/// An example document with this root: what must be there or, with `all`, also what may be, each type's optional fields
/// where the type first stands. `None` when the model has no such root. The same model gives the same example.
#[must_use]
pub fn example(model: &Model, root: &QName, all: bool) -> Option<Document> {
    let root = model.get(TypeId::DOCUMENT).child(root)?;
    let builder = Builder::new(Arc::from(""));
    let mut making = Making { model, all, builder, shown: HashSet::new(), elements: 0 };
    making.element(root, 0);
    Some(making.builder.finish())
}

struct Making<'a> {
    model: &'a Model,
    all: bool,
    builder: Builder,
    /// Types whose optional fields are shown already.
    shown: HashSet<TypeId>,
    elements: usize,
}

impl Making<'_> {
    fn element(&mut self, child: &Child, depth: usize) {
        self.elements += 1;
        let name = self.builder.names().intern(&child.name.namespace, &child.name.local);
        self.builder.start(name, None);
        let model = self.model;
        let made = model.get(child.of);
        let optional = self.all && self.elements < MOST_ELEMENTS && self.shown.insert(child.of);
        for attribute in made.attributes.iter().filter(|attribute| attribute.required || optional) {
            let name = self.builder.names().intern(&attribute.name.namespace, &attribute.name.local);
            let text = value::example(&attribute.value);
            self.builder.attribute(name, Text::Copied(&text), None);
        }
        if made.children.is_empty() {
            if let Some(value) = &made.value {
                let text = value::example(value);
                if !text.is_empty() {
                    self.builder.text(Text::Copied(&text), None);
                }
            }
        } else if depth < MAX_DEPTH {
            self.children(made, optional, depth);
        }
        self.builder.end();
    }

    fn children(&mut self, of: &Type, optional: bool, depth: usize) {
        let mut in_choice = false;
        for child in &of.children {
            // Of neighbours in a choice the first that can be made is taken.
            let is_chosen = child.in_choice && !in_choice && self.can_make(child.of, &mut Vec::new());
            in_choice = child.in_choice && (in_choice || is_chosen);
            let wanted = if child.in_choice {
                is_chosen
            } else {
                child.is_required() || (optional && self.can_make(child.of, &mut Vec::new()))
            };
            if wanted {
                for _ in 0..child.min.clamp(1, 100) {
                    self.element(child, depth + 1);
                }
            }
        }
    }

    /// Whether everything that must be below a type can be made: no wildcard alone, no type that requires itself.
    fn can_make(&self, of: TypeId, around: &mut Vec<TypeId>) -> bool {
        let made = self.model.get(of);
        if around.contains(&of)
            || around.len() > MAX_DEPTH
            || (made.open && made.children.is_empty() && made.value.is_none())
        {
            return false;
        }
        around.push(of);
        let can = made.children.iter().filter(|child| child.is_required()).all(|child| self.can_make(child.of, around));
        around.pop();
        can
    }
}
