//! What formulas ask of the outside, answered from the catalog, the message and known cross references.

use std::{cell::RefCell, collections::HashMap};

use crate::{
    base::Timestamp,
    catalog::{Catalog, Occasion, System},
    store::{MessageInfo, XrefKey},
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
        }
    }
}

/// Cross references known to one run: what was looked up, with its answer.
pub type Xrefs = HashMap<XrefKey, Option<String>>;

/// The outside of one run. A cross reference not looked up yet is answered "none" and noted in [`RunHost::asked`]; the
/// caller looks it up and runs again, so that formulas need no store.
pub struct RunHost<'a> {
    catalog: &'a Catalog,
    facts: &'a Facts,
    target: &'a System,
    date: String,
    xrefs: &'a Xrefs,
    asked: RefCell<Vec<XrefKey>>,
}

impl<'a> RunHost<'a> {
    /// The outside for mapping a message for a target system.
    #[must_use]
    pub fn new(catalog: &'a Catalog, facts: &'a Facts, target: &'a System, xrefs: &'a Xrefs) -> Self {
        let date = facts.received.to_string().chars().take(10).collect();
        Self { catalog, facts, target, date, xrefs, asked: RefCell::default() }
    }

    /// The cross references asked for that nobody has looked up.
    #[must_use]
    pub fn asked(self) -> Vec<XrefKey> {
        self.asked.into_inner()
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
        match self.xrefs.get(&key) {
            Some(known) => known.clone(),
            None => {
                let mut asked = self.asked.borrow_mut();
                if !asked.contains(&key) {
                    asked.push(key);
                }
                None
            }
        }
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
