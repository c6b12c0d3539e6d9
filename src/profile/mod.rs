//! Profiles: how a family of systems speaks, as data.
//!
//! It stands apart so that no partner's name or habit gets into the program: the envelope around a document, the
//! documents inside a batch, what a reply means, which settings a system of the family has, all is read from
//! `profile.yaml` and interpreted here. It never does I/O and never logs. A new partner is a new folder of data; only a
//! habit no profile had before adds a key here, read in `read.rs`.

mod code;
mod read;
mod read_back;
mod reply;
mod rule;
mod setting;
mod simulator;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use code::{CODES, RULE_BROKEN, RULE_FAILED};
pub use read_back::{Finding, Inquiry};
pub use reply::{Meaning, Outcome};
pub use rule::Rules;
pub use setting::Setting;
pub use simulator::{Health, ReplyValues, Requirement, SimulatedQuery, SimulatedReply, SimulatedRequest, Simulator};
pub use status::{StatusMeaning, StatusTable};

use crate::{
    base::{Limits, Problem, Problems},
    document::{Builder, Document, NodeId},
    mapping::{Failure, Template},
    schema::{Formats, Model},
    xpath::Host,
};

/// A document type of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentType {
    /// `family/name@version`.
    pub name: String,
    /// The XSD file inside the schema folder.
    pub schema: Option<String>,
    /// The JSON Schema file inside the schema folder.
    pub json_schema: Option<String>,
    /// What `format` says in it.
    pub formats: Formats,
    /// The namespace of its elements; empty for none.
    pub namespace: String,
    /// The local name of its root element.
    pub root: String,
    /// The kind of thing it describes, for cross references.
    pub entity: Option<String>,
}

impl DocumentType {
    /// Reads the type model of its schema, of the XML Schema when there are both; `None` without one.
    ///
    /// # Errors
    /// Every problem of the schema.
    pub fn model(&self, files: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<Result<Model, Problems>> {
        match (&self.schema, &self.json_schema) {
            (Some(xsd), _) => Some(Model::load(files, xsd)),
            (None, Some(json)) => Some(Model::load_json(files, json, &self.namespace)),
            (None, None) => None,
        }
    }
}

/// What the hub must know about a document to order and deduplicate it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The business key: documents with the same one are delivered in order.
    pub business_key: Option<String>,
    /// The site it belongs to, when the document says.
    pub site: Option<String>,
    /// What makes two messages the same message.
    pub dedup_key: Option<String>,
    /// The document's own day, `YYYY-MM-DD`: which code-table rows are in force for it.
    pub date: Option<String>,
}

/// A document found inside what was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// Its type; `None` when the profile knows none with its root element.
    pub document_type: Option<String>,
    /// Its root element in what was received.
    pub root: NodeId,
}

impl Inside {
    /// The document on its own; `of` is what it was found in. One that is all there is keeps its places in the source.
    #[must_use]
    pub fn document(&self, of: &Document) -> Document {
        let is_alone = of.elements(NodeId::ROOT).take(2).count() == 1;
        if is_alone && Some(self.root) == of.root_element() {
            return of.clone().with_single_root();
        }
        let mut builder = Builder::default();
        builder.copy(of, self.root);
        builder.finish().with_single_root()
    }
}

/// A title in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// A compiled profile; immutable, usable from any thread.
#[derive(Debug)]
pub struct Profile {
    name: String,
    title: Title,
    settings: Vec<Setting>,
    documents: Vec<read::Kind>,
    envelope: Option<Template>,
    unwrap: Vec<read::Unwrap>,
    reply: Option<reply::Reply>,
    statuses: StatusTable,
    read_backs: Vec<read_back::ReadBack>,
}

impl Profile {
    /// Compiles a `profile.yaml`; `models` gives the schema model of a document type, when it names a schema.
    ///
    /// # Errors
    /// Every problem found.
    pub fn compile(
        text: &str,
        file: &Arc<str>,
        models: &dyn Fn(&DocumentType) -> Option<Arc<Model>>,
    ) -> Result<Self, Problems> {
        read::profile(text, file, models)
    }

    /// The profile's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its title.
    #[must_use]
    pub fn title(&self) -> &Title {
        &self.title
    }

    /// The settings a system of this family has.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Its document types, in file order.
    pub fn document_types(&self) -> impl Iterator<Item = &DocumentType> {
        self.documents.iter().map(|kind| &kind.of)
    }

    /// A document type by name.
    #[must_use]
    pub fn document_type(&self, name: &str) -> Option<&DocumentType> {
        self.document_types().find(|document| document.name == name)
    }

    /// The namespace all its documents share, to be given to the names of JSON documents; `None` when they differ or
    /// have none.
    #[must_use]
    pub fn json_namespace(&self) -> Option<&str> {
        let mut namespaces = self.document_types().map(|document| document.namespace.as_str());
        let first = namespaces.next().filter(|namespace| !namespace.is_empty())?;
        namespaces.all(|other| other == first).then_some(first)
    }

    /// Checks a system's settings: `Problem`s without a place for unknown and missing ones.
    #[must_use]
    pub fn check_settings<'a>(&self, given: impl IntoIterator<Item = &'a str>) -> Vec<Problem> {
        setting::check(&self.settings, given)
    }

    /// The default of a setting.
    #[must_use]
    pub fn default_setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|setting| setting.name == name)?.default.as_deref()
    }

    /// Puts the envelope around a mapped document; without an envelope, a copy.
    ///
    /// # Errors
    /// When a formula of the envelope fails.
    pub fn wrap(&self, document: &Document, host: &dyn Host, limits: &Limits) -> Result<Document, Failure> {
        match &self.envelope {
            Some(envelope) => envelope.apply(document, &[], host, limits),
            None => Ok(document.clone()),
        }
    }

    /// The documents inside what was received, in order; itself when it is a document already. Empty when nothing of
    /// this profile is inside.
    ///
    /// # Errors
    /// When a formula fails, or when a control count of the envelope is not the number found (`XD-P005`).
    pub fn unwrap(&self, document: &Document, limits: &Limits) -> Result<Vec<Inside>, Failure> {
        read::unwrap(self, document, limits)
    }

    /// The document types with a root element, whichever version a document of it is.
    #[must_use]
    pub fn with_root(&self, document: &Document, root: NodeId) -> Vec<&DocumentType> {
        read::with_root(self, document, root)
    }

    /// The type of a document, by its root element; of several with the same one, the first whose `when` holds. JSON
    /// documents are known by the local name alone.
    #[must_use]
    pub fn identify(&self, document: &Document) -> Option<&DocumentType> {
        read::identify(self, document)
    }

    /// The business key, site and deduplication key of a document.
    ///
    /// # Errors
    /// When the type is unknown or a formula fails.
    pub fn facts(&self, document_type: &str, document: &Document, limits: &Limits) -> Result<Facts, Failure> {
        read::facts(self, document_type, document, limits)
    }

    /// The day a document is posted on, which says into which fiscal period it falls: the answer to its type's
    /// `posting-date`, else to its `date`.
    ///
    /// # Errors
    /// When the type is unknown or a formula fails.
    pub fn posting_date(
        &self,
        document_type: &str,
        document: &Document,
        limits: &Limits,
    ) -> Result<Option<String>, Failure> {
        read::posting_date(self, document_type, document, limits)
    }

    /// Whether any of its documents carries a key of its own for recognising repetitions.
    #[must_use]
    pub fn has_document_keys(&self) -> bool {
        self.documents.iter().any(read::Kind::has_key)
    }

    /// Whether the profile says what replies mean. Without it, a transport's "delivered" is the last word.
    #[must_use]
    pub fn reads_replies(&self) -> bool {
        self.reply.is_some()
    }

    /// What HTTP statuses mean in this family, where that differs from the usual.
    #[must_use]
    pub fn statuses(&self) -> &StatusTable {
        &self.statuses
    }

    /// Whether it knows how to ask a system for documents of a type.
    #[must_use]
    pub fn asks_back(&self, document_type: &str) -> bool {
        read_back::of(self, document_type).is_some()
    }

    /// The question whether the system has a document that was sent to it, envelope included; `None` when there is none
    /// to ask about this one.
    ///
    /// # Errors
    /// When a formula fails.
    pub fn ask_back(
        &self,
        document_type: &str,
        sent: &Document,
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<Option<Inquiry>, Failure> {
        read_back::ask(self, document_type, sent, host, limits)
    }

    /// What the answer to [`Self::ask_back`] means: its HTTP status, and the reply where it could be parsed.
    ///
    /// # Errors
    /// When a formula fails; nothing is known then.
    pub fn read_finding(
        &self,
        document_type: &str,
        key: &str,
        answer: (u16, Option<&Document>),
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<Finding, Failure> {
        read_back::understand(self, document_type, key, answer, host, limits)
    }

    /// What a reply to a document of a type means; `None` is a reply that could not be parsed, or none at all.
    ///
    /// # Errors
    /// When a formula fails; the outcome is then unknown.
    pub fn read_reply(
        &self,
        document_type: &str,
        reply: Option<&Document>,
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<Meaning, Failure> {
        reply::read(self, document_type, reply, host, limits)
    }
}
