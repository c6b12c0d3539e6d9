//! What formulas ask of the outside, answered from the catalog, the message and known cross references.

use std::cell::RefCell;

use crate::{
    base::Timestamp,
    catalog::{Catalog, Occasion, System},
    store::{MessageInfo, StoreError, XrefKey},
    xpath::{CodeAnswer, Host},
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

impl Host for RunHost<'_> {
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
}
