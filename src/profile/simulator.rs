//! A stand-in for a partner's system, as data: for tests, demonstrations and training.

use std::sync::Arc;

use crate::{
    base::{Limits, Problems},
    document::Document,
    mapping::Failure,
    xpath::Host,
};

/// The answer to a health request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The HTTP method asked with.
    pub method: String,
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// What must be there before a document is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The kind of thing.
    pub entity: String,
    /// Its id.
    pub id: String,
    /// The reply when it is not there.
    pub otherwise: String,
}

/// A request as the simulator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedRequest {
    /// The document type.
    pub document_type: String,
    /// The kind of thing it brings.
    pub entity: String,
    /// The document's number.
    pub key: String,
    /// What must be there already.
    pub requires: Option<Requirement>,
    /// The reply when the key is known already.
    pub when_known: String,
    /// The reply when the key is new.
    pub when_new: String,
}

/// A simulated reply.
#[derive(Clone, Debug)]
pub enum SimulatedReply {
    /// A document, to be written in the request's syntax.
    Document {
        /// The HTTP status.
        status: u16,
        /// The media type.
        content_type: String,
        /// The document.
        document: Box<Document>,
    },
    /// A fixed text.
    Text {
        /// The HTTP status.
        status: u16,
        /// The media type.
        content_type: String,
        /// The text.
        body: String,
    },
}

/// A compiled `simulator.yaml`.
#[derive(Debug)]
pub struct Simulator {
    health: Option<Health>,
}

impl Simulator {
    /// Compiles a `simulator.yaml`.
    ///
    /// # Errors
    /// Every problem found.
    pub fn compile(_text: &str, _file: &Arc<str>) -> Result<Self, Problems> {
        Err(Problems::default())
    }

    /// The answer to a health request.
    #[must_use]
    pub fn health(&self) -> Option<&Health> {
        self.health.as_ref()
    }

    /// The names of all replies.
    pub fn replies(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// What a request asks for; `None` when no document of the profile is inside.
    ///
    /// # Errors
    /// When a formula fails.
    pub fn read(
        &self,
        _request: &Document,
        _host: &dyn Host,
        _limits: &Limits,
    ) -> Result<Option<SimulatedRequest>, Failure> {
        Ok(None)
    }

    /// A reply by name; formulas see the request, `$key` (the document's number), `$message` and `$ledger`.
    ///
    /// # Errors
    /// When there is no such reply or a formula fails.
    pub fn reply(
        &self,
        _name: &str,
        _request: &Document,
        _key: &str,
        _message: &str,
        _ledger: &str,
        _host: &dyn Host,
        _limits: &Limits,
    ) -> Result<SimulatedReply, Failure> {
        Ok(SimulatedReply::Text { status: 200, content_type: String::new(), body: String::new() })
    }
}
