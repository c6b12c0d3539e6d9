//! What formulas ask of the outside when a person tries a mapping: a context file first, then the set-up, else assumed.

use std::{cell::RefCell, path::Path, sync::Arc};

use crate::{
    base::{Problem, Problems},
    catalog::Catalog,
    mapping::Context,
    pipeline::{RunHost, Xml},
    xpath::{CodeAnswer, Host, ListAnswer, Markup},
};

/// Reads a `context.yaml`.
///
/// # Errors
/// Every problem found.
pub fn read(path: &Path) -> Result<Context, Problems> {
    let file: Arc<str> = path.to_string_lossy().into();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::new(crate::catalog::UNREADABLE, format!("{file} cannot be read: {error}")))?;
    Context::parse(&text, &file)
}

/// The outside of a trial.
pub struct TrialHost<'a> {
    catalog: &'a Catalog,
    context: Option<&'a Context>,
    setup: Option<RunHost<'a>>,
    assumed: RefCell<Vec<String>>,
}

impl<'a> TrialHost<'a> {
    /// A trial. Without a context file an entity is taken to have the same id in the target system; with one, a cross
    /// reference that it does not have is missing, as in the hub.
    #[must_use]
    pub fn new(catalog: &'a Catalog, context: Option<&'a Context>, setup: Option<RunHost<'a>>) -> Self {
        Self { catalog, context, setup, assumed: RefCell::default() }
    }

    /// The cross references that were assumed, for people.
    #[must_use]
    pub fn assumed(&self) -> Vec<String> {
        self.assumed.take()
    }
}

impl Host for TrialHost<'_> {
    fn code(&self, table: &str, value: &str) -> CodeAnswer {
        let own = self.context.map_or(CodeAnswer::NoTable, |context| context.code(table, value));
        match (own, &self.setup) {
            (CodeAnswer::NoTable, Some(setup)) => setup.code(table, value),
            (own, _) => own,
        }
    }

    fn code_list(&self, list: &str, code: &str, column: Option<&str>) -> ListAnswer {
        self.catalog.lists().find(list, code, column)
    }

    fn xref(&self, entity: &str, id: &str, system: Option<&str>) -> Option<String> {
        if let Some(context) = self.context {
            return context.xref(entity, id, system);
        }
        let text = format!("{entity} {id}");
        let mut assumed = self.assumed.borrow_mut();
        if !assumed.contains(&text) {
            assumed.push(text);
        }
        Some(id.to_owned())
    }

    fn message(&self, name: &str) -> Option<String> {
        // A context file names the sender; what it does not say, the document itself does.
        let own = self.context.and_then(|context| context.message(name));
        own.or_else(|| self.setup.as_ref()?.message(name))
    }

    fn setting(&self, name: &str) -> Option<String> {
        let own = self.context.and_then(|context| context.setting(name));
        own.or_else(|| self.setup.as_ref()?.setting(name))
    }

    fn markup(&self) -> Option<&dyn Markup> {
        Some(&Xml)
    }
}
