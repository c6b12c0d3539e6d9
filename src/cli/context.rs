//! What formulas ask of the outside when a person tries a mapping: from a file, from the set-up, or assumed.

use std::{cell::RefCell, collections::BTreeMap, path::Path, sync::Arc};

use crate::{
    base::{Problem, Problems},
    content::{Data, Fields, Yaml, parse},
    pipeline::RunHost,
    xpath::{CodeAnswer, Host},
};

/// A `context.yaml`: what is known when a case runs.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The mapping the case is for.
    pub mapping: Option<String>,
    /// The target system.
    pub system: Option<String>,
    /// The site of the document.
    pub site: Option<String>,
    /// When the message was received, RFC 3339.
    pub received: Option<String>,
    /// The system the message came from.
    pub from: Option<String>,
    /// The message's id.
    pub message: Option<String>,
    /// The document's business key.
    pub business_key: Option<String>,
    /// Settings of the target system.
    pub settings: BTreeMap<String, String>,
    /// Code tables: table, value, target.
    pub codes: BTreeMap<String, BTreeMap<String, String>>,
    /// Cross references: (entity, id), target id.
    pub xrefs: BTreeMap<(String, String), String>,
}

impl Context {
    /// Reads a context file.
    ///
    /// # Errors
    /// Every problem found.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let file: Arc<str> = path.to_string_lossy().into();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let text = format!("{file} cannot be read: {error}");
            Problem::new(crate::catalog::UNREADABLE, text)
        })?;
        let node = parse(&text, &file)?;
        let problems = RefCell::new(Problems::default());
        let context = Self::of(&node, &file, &problems);
        let problems = problems.into_inner();
        if problems.has_errors() { Err(problems) } else { Ok(context) }
    }

    fn of(node: &Yaml, file: &Arc<str>, problems: &RefCell<Problems>) -> Self {
        if node.data == Data::Null {
            return Self::default();
        }
        let fields = Fields::new(node, file, problems);
        let text = |key| fields.text(key).map(ToOwned::to_owned);
        let pairs = |entries: &[(crate::content::Key, Yaml)]| {
            entries
                .iter()
                .map(|(key, value)| (key.text.clone(), value.text().unwrap_or_default().to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let mut context = Self {
            mapping: text("mapping"),
            system: text("system"),
            site: text("site"),
            received: text("received"),
            from: text("from"),
            message: text("message"),
            business_key: text("business-key"),
            settings: pairs(fields.entries("settings")),
            ..Self::default()
        };
        for (table, rows) in fields.entries("codes") {
            context.codes.insert(table.text.clone(), pairs(rows.entries()));
        }
        for xref in fields.list("xrefs") {
            let xref = Fields::new(xref, file, problems);
            if let (Some(entity), Some(id), Some(target)) =
                (xref.required_text("entity"), xref.required_text("id"), xref.required_text("target"))
            {
                context.xrefs.insert((entity.to_owned(), id.to_owned()), target.to_owned());
            }
            xref.finish();
        }
        fields.finish();
        context
    }
}

/// The outside of a trial: the context first, then the set-up.
pub struct TrialHost<'a> {
    context: &'a Context,
    setup: Option<RunHost<'a>>,
    assume_xrefs: bool,
    assumed: RefCell<Vec<String>>,
}

impl<'a> TrialHost<'a> {
    /// A trial; with `assume_xrefs` an unknown entity is taken to have the same id in the target system.
    #[must_use]
    pub fn new(context: &'a Context, setup: Option<RunHost<'a>>, assume_xrefs: bool) -> Self {
        Self { context, setup, assume_xrefs, assumed: RefCell::default() }
    }

    /// The cross references that were assumed, for people.
    #[must_use]
    pub fn assumed(self) -> Vec<String> {
        self.assumed.into_inner()
    }
}

impl Host for TrialHost<'_> {
    fn code(&self, table: &str, value: &str) -> CodeAnswer {
        if let Some(rows) = self.context.codes.get(table) {
            return match rows.get(value) {
                Some(target) => CodeAnswer::Found { value: target.clone(), place: None },
                None => CodeAnswer::Missing,
            };
        }
        self.setup.as_ref().map_or(CodeAnswer::NoTable, |setup| setup.code(table, value))
    }

    fn xref(&self, entity: &str, id: &str, _: Option<&str>) -> Option<String> {
        let known = self.context.xrefs.get(&(entity.to_owned(), id.to_owned())).cloned();
        known.or_else(|| {
            self.assume_xrefs.then(|| {
                let text = format!("{entity} {id}");
                let mut assumed = self.assumed.borrow_mut();
                if !assumed.contains(&text) {
                    assumed.push(text);
                }
                drop(assumed);
                id.to_owned()
            })
        })
    }

    fn message(&self, name: &str) -> Option<String> {
        let own = match name {
            "id" => self.context.message.clone(),
            "received" => self.context.received.clone(),
            "system" => self.context.from.clone().or_else(|| self.context.system.clone()),
            "site" => self.context.site.clone(),
            "business-key" => self.context.business_key.clone(),
            _ => None,
        };
        own.or_else(|| self.setup.as_ref()?.message(name))
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.context.settings.get(name).cloned().or_else(|| self.setup.as_ref()?.setting(name))
    }
}
