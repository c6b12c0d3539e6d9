//! Why a mapping gave no document.

use std::fmt;

use super::code;
use crate::{
    base::{Place, Problem},
    xpath,
};

/// A code table lacked a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingCode {
    /// The code table.
    pub table: String,
    /// The source value without a row. Payload: for the operator's screen, never for logs.
    pub value: String,
    /// Where in the mapping it was asked for.
    pub place: Place,
}

/// A cross reference is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingXref {
    /// The kind of thing: `customer`.
    pub entity: String,
    /// Its id in the source system. Payload: for the operator's screen, never for logs.
    pub id: String,
    /// The system asked for, when the formula named one.
    pub system: Option<String>,
    /// Where in the mapping it was asked for.
    pub place: Place,
}

/// Why a mapping gave no document; variants say what the caller can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Codes or cross references are missing: park until they are there. All of the document, each once.
    Missing {
        /// Code table rows that are missing.
        codes: Vec<MissingCode>,
        /// Cross references that are missing.
        xrefs: Vec<MissingXref>,
    },
    /// An `assert` of the mapping does not hold: reject the message.
    Assertion {
        /// The mapping's own message.
        message: String,
        /// The assertion's place in the mapping, and the document's root.
        place: Box<Place>,
    },
    /// The `$if` of the document does not hold: there is none, and that is right.
    LeftOut {
        /// The rule's name.
        rule: String,
    },
    /// The document cannot be mapped: reject the message.
    Error(Box<Problem>),
}

impl Failure {
    /// As problems for people. Names tables and entities, never values.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Missing { codes, xrefs } => {
                let codes = codes.iter().map(|missing| xpath::Failure::MissingCode {
                    table: missing.table.as_str().into(),
                    value: "".into(),
                    place: Box::new(missing.place.clone()),
                });
                let xrefs = xrefs.iter().map(|missing| xpath::Failure::MissingXref {
                    entity: missing.entity.as_str().into(),
                    id: "".into(),
                    system: missing.system.as_deref().map(Into::into),
                    place: Box::new(missing.place.clone()),
                });
                codes.chain(xrefs).map(|failure| failure.problem()).collect()
            }
            Self::Assertion { message, place } => {
                vec![Problem::new(code::ASSERTION, message.clone()).at((**place).clone())]
            }
            Self::LeftOut { .. } => Vec::new(),
            Self::Error(problem) => vec![(**problem).clone()],
        }
    }

    /// One line each, values included: for test cases and the operator's screen, never for logs.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Missing { codes, xrefs } => {
                let codes = codes.iter().map(|missing| format!("unmapped code: {} {}", missing.table, missing.value));
                let xrefs =
                    xrefs.iter().map(|missing| format!("unknown cross reference: {} {}", missing.entity, missing.id));
                codes.chain(xrefs).collect()
            }
            Self::Assertion { message, .. } => vec![format!("assertion: {message}")],
            Self::LeftOut { .. } => vec!["left out".to_owned()],
            Self::Error(problem) => vec![format!("error {}: {}", problem.code, problem.text)],
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Error(Box::new(problem))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems().iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
