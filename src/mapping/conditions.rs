//! Conditions on the nodes of a document: the core of value rules.

use std::{cell::RefCell, sync::Arc};

use super::{
    Failure, TemplateScope,
    compile::{Compiled, Compiler},
    plan::Rule,
    scope::{Scope, with_scope},
};
use crate::{
    base::{Limits, Problems},
    content::Yaml,
    document::{Document, NodeId},
    xpath::{Host, Item, Symbols},
};

/// Several conditions with common variables, asked of one document.
#[derive(Debug)]
pub struct Conditions {
    file: Arc<str>,
    symbols: Symbols,
    first_slot: usize,
    lets: Vec<Rule>,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    number: usize,
    each: Option<Rule>,
    that: Rule,
}

/// A condition as written: its number among its kind, what it is about (the document when left out), what must hold.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'y> {
    /// What [`Conditions::unmet`] calls it.
    pub number: usize,
    /// The nodes it is about, one by one.
    pub each: Option<&'y Yaml>,
    /// What must hold, with such a node as the context.
    pub that: &'y Yaml,
}

impl Conditions {
    /// Compiles conditions with their variables; every problem goes to `problems`.
    #[must_use]
    pub fn compile(
        lets: Option<&Yaml>,
        demands: &[Demand<'_>],
        file: &Arc<str>,
        scope: &TemplateScope<'_>,
        problems: &RefCell<Problems>,
    ) -> Self {
        let mut compiler = Compiler::new(file, *scope, problems);
        let root_type = compiler.root_type();
        let lets = lets.map(|lets| compiler.lets(lets, &root_type)).unwrap_or_default();
        let condition = |demand: &Demand<'_>| {
            let each = match demand.each {
                Some(each) => Some(compiler.rule(each, &root_type)?),
                None => None,
            };
            let context = each.as_ref().map_or_else(|| root_type.clone(), |each: &Rule| each.static_type().each());
            Some(Condition { number: demand.number, each, that: compiler.rule(demand.that, &context)? })
        };
        let conditions = demands.iter().filter_map(condition).collect();
        let Compiled { symbols, .. } = compiler.finish();
        Self { file: file.clone(), symbols, first_slot: scope.given.len(), lets, conditions }
    }

    /// Asks a document. `found` gets the number of every condition that does not hold, with the node it does not hold
    /// for or why it could not be judged, and says whether to go on.
    pub fn unmet(
        &self,
        document: &Document,
        host: &dyn Host,
        limits: &Limits,
        found: &mut dyn FnMut(usize, Result<NodeId, Failure>) -> bool,
    ) {
        let (lets, asked) = ((self.first_slot, &*self.lets), (document, &[][..]));
        with_scope(&self.file, &self.symbols, lets, asked, (host, None), limits, |scope| {
            for condition in &self.conditions {
                if !condition.unmet(scope, &mut |outcome| found(condition.number, outcome)) {
                    return;
                }
            }
        });
    }
}

impl Condition {
    /// Whether to go on with the next condition.
    fn unmet(&self, scope: &Scope<'_>, found: &mut dyn FnMut(Result<NodeId, Failure>) -> bool) -> bool {
        let Some(each) = &self.each else {
            return match held(scope, &self.that) {
                Ok(true) => true,
                Ok(false) => found(Ok(NodeId::ROOT)),
                Err(failure) => found(Err(failure)),
            };
        };
        let items = match scope.value(each) {
            Ok(value) => value.unwrap_or_default(),
            Err(failure) => return found(Err(failure)),
        };
        let size = items.items().len();
        for (at, item) in items.items().iter().enumerate() {
            let inner = Scope::new(scope.shared(), Some(scope), (usize::MAX, &[]), item, at + 1, size);
            let node = match item {
                Item::Node(0, node) => *node,
                _ => NodeId::ROOT,
            };
            let go_on = match held(&inner, &self.that) {
                Ok(true) => true,
                Ok(false) => found(Ok(node)),
                Err(failure) => found(Err(failure)),
            };
            if !go_on {
                return false;
            }
        }
        true
    }
}

/// Whether a condition holds; a code or cross reference that is missing is a failure.
fn held(scope: &Scope<'_>, that: &Rule) -> Result<bool, Failure> {
    match scope.holds(that)? {
        Some(holds) => Ok(holds),
        None => Err(scope.missing().unwrap_or_else(|| {
            crate::base::Problem::new(super::code::WRONG_FORM, "the condition has no value").into()
        })),
    }
}
