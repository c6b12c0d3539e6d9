//! What formulas ask of the outside, answered from the catalog, the message and known cross references.

use std::{cell::RefCell, sync::Arc};

use crate::{
    base::{Problem, Timestamp},
    catalog::{Catalog, Occasion, System},
    document::Document,
    format::{self, Charset, Doctype, Layout, ReadOptions, Syntax, WriteOptions},
    store::{MessageInfo, Reader, StoreError, XrefKey},
    xpath::{CodeAnswer, Host, ListAnswer, Markup},
};

/// What is known about the message being mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `msg_…`.
    pub id: String,
    /// When it was received.
    pub received: Timestamp,
    /// The system it came from.
    pub system: String,
    /// Its site.
    pub site: Option<String>,
    /// Its document type.
    pub document_type: String,
    /// Its business key.
    pub business_key: Option<String>,
    /// The document's own day, `YYYY-MM-DD`; without one, the day of receipt in UTC stands for it.
    pub date: Option<String>,
}

impl Facts {
    /// The facts of a stored message.
    #[must_use]
    pub fn of(message: &MessageInfo) -> Self {
        Self {
            id: message.id.clone(),
            received: message.received_at,
            system: message.system.clone(),
            site: message.site.clone(),
            document_type: message.document_type.clone(),
            business_key: message.business_key.clone(),
            date: None,
        }
    }
}

/// Where cross references are looked up. Answers must not change within one run.
pub trait Xrefs {
    /// The id that an entity has in the target system, if known.
    ///
    /// # Errors
    /// When they cannot be looked up at this moment.
    fn find(&self, key: &XrefKey) -> Result<Option<String>, StoreError>;
}

/// No cross references.
impl Xrefs for () {
    fn find(&self, _: &XrefKey) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
}

/// Cross references from the store, for a thread that may block.
pub struct StoredXrefs {
    /// Where they are.
    pub reader: Arc<dyn Reader>,
    /// The runtime that asks.
    pub runtime: tokio::runtime::Handle,
}

impl Xrefs for StoredXrefs {
    fn find(&self, key: &XrefKey) -> Result<Option<String>, StoreError> {
        self.runtime.block_on(self.reader.xref(key))
    }
}

/// The outside of one run.
pub struct RunHost<'a> {
    catalog: &'a Catalog,
    facts: &'a Facts,
    target: &'a System,
    date: String,
    xrefs: &'a dyn Xrefs,
    failed: RefCell<Option<StoreError>>,
}

impl<'a> RunHost<'a> {
    /// The outside for mapping a message for a target system.
    #[must_use]
    pub fn new(catalog: &'a Catalog, facts: &'a Facts, target: &'a System, xrefs: &'a dyn Xrefs) -> Self {
        let date = facts.date.as_deref().map_or_else(|| facts.received.to_string(), ToOwned::to_owned);
        let date = date.chars().take(10).collect();
        Self { catalog, facts, target, date, xrefs, failed: RefCell::default() }
    }

    /// Why cross references could not be looked up; what the run gave is worth nothing then.
    #[must_use]
    pub fn failed(self) -> Option<StoreError> {
        self.failed.into_inner()
    }

    /// The key under which a cross reference is kept.
    #[must_use]
    pub fn xref_key(&self, entity: &str, id: &str, system: Option<&str>) -> XrefKey {
        let source =
            self.catalog.system(&self.facts.system).map_or(self.facts.system.as_str(), |system| &system.ids_of);
        XrefKey {
            entity: entity.to_owned(),
            source_system: source.to_owned(),
            source_id: id.to_owned(),
            target_system: system.unwrap_or(&self.target.id).to_owned(),
        }
    }
}

/// Whom value rules may ask: the code lists, and nobody of what is an installation's or a message's own.
pub struct RuleHost<'a>(pub &'a Catalog);

impl Host for RuleHost<'_> {
    fn code_list(&self, list: &str, code: &str, column: Option<&str>) -> ListAnswer {
        self.0.lists().find(list, code, column)
    }
}

impl Host for RunHost<'_> {
    fn code_list(&self, list: &str, code: &str, column: Option<&str>) -> ListAnswer {
        self.catalog.lists().find(list, code, column)
    }

    fn code(&self, table: &str, value: &str) -> CodeAnswer {
        if !self.catalog.codes().contains(table) {
            return CodeAnswer::NoTable;
        }
        let occasion = Occasion {
            system: &self.target.id,
            site: self.facts.site.as_deref().unwrap_or_default(),
            date: &self.date,
        };
        match self.catalog.codes().find(table, value, occasion) {
            Some(found) => CodeAnswer::Found { value: found.target.to_owned(), place: Some(found.place) },
            None => CodeAnswer::Missing,
        }
    }

    fn xref(&self, entity: &str, id: &str, system: Option<&str>) -> Option<String> {
        let key = self.xref_key(entity, id, system);
        self.xrefs.find(&key).unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            None
        })
    }

    fn message(&self, name: &str) -> Option<String> {
        match name {
            "id" => Some(self.facts.id.clone()),
            "received" => Some(self.facts.received.to_string()),
            "system" => Some(self.facts.system.clone()),
            "site" => self.facts.site.clone(),
            "type" => Some(self.facts.document_type.clone()),
            "business-key" => self.facts.business_key.clone(),
            _ => None,
        }
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.catalog.setting(self.target, name)
    }

    fn markup(&self) -> Option<&dyn Markup> {
        Some(&Xml)
    }
}

/// XML for formulas, under the usual limits.
#[derive(Clone, Copy, Debug)]
pub struct Xml;

impl Markup for Xml {
    fn read(&self, text: &str) -> Result<Document, Problem> {
        // the text is decoded already: whatever encoding its declaration names, it is UTF-8 here
        let options = ReadOptions { charset: Some(Charset::UTF_8), doctype: Doctype::Skip, ..ReadOptions::default() };
        format::read(without_declaration(text).as_bytes(), Syntax::Xml, &options).map(|reading| reading.document)
    }

    fn write(&self, document: &Document, indent: bool) -> Result<String, Problem> {
        let layout = if indent { Layout::Pretty } else { Layout::Compact };
        let options = WriteOptions { layout, declaration: false, ..WriteOptions::default() };
        let bytes = format::write(document, Syntax::Xml, &options)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The text behind an XML or text declaration.
fn without_declaration(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.strip_prefix("<?xml").filter(|rest| rest.starts_with([' ', '\t', '\r', '\n'])) {
        Some(rest) => rest.split_once("?>").map_or(text, |(_, content)| content),
        None => text,
    }
}
