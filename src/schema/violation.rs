//! What a document breaks: a rule of its schema or a value rule, and the door to what finds it.

use std::fmt::{self, Debug};

use crate::{
    base::{Code, Place, Problem, Severity},
    document::Document,
};

/// One thing wrong with a document that could be read. Carries no value of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The kind: a schema's (`XD-S010`, `XD-S011`) or a value rule's.
    pub code: Code,
    /// The broken rule: the schema standard's name of it (`cvc-datatype-valid.1.2.1`, the keyword `required`), or the
    /// value rule's own name.
    pub rule: String,
    /// An error may stop the document; a warning is only shown.
    pub severity: Severity,
    /// One sentence for people.
    pub text: String,
    /// What would have been right, when there is a short word for it.
    pub expected: Option<String>,
    /// Line and path in the document.
    pub place: Place,
}

impl Violation {
    /// The violation as a problem, for lists that hold other problems too.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem {
            code: self.code,
            severity: self.severity,
            text: format!("{} [{}]", self.text, self.rule),
            place: self.place.clone(),
            hint: self.expected.as_ref().map(|expected| format!("expected {expected}")),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.problem(), f)
    }
}

/// A compiled schema that judges whole documents; immutable, usable from any thread.
pub trait Validator: Debug + Send + Sync {
    /// Every violation in document order, `most` of them at most. Empty when the document is valid.
    fn validate(&self, document: &Document, most: usize) -> Vec<Violation>;
}
