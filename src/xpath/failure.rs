//! Why an evaluation ended without a value.

use std::{borrow::Cow, fmt, sync::Arc};

use super::code;
use crate::base::{Place, Problem};

/// Why an evaluation ended without a value; variants say what the caller can do.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The formula cannot be evaluated on this document: reject the message.
    Error {
        /// The W3C error code: `FORG0001`; of a formula's own error, `Q{namespace}name`.
        w3c: Cow<'static, str>,
        /// Text and place for people.
        problem: Box<Problem>,
    },
    /// A code table has no row for a value: park until someone adds it.
    MissingCode {
        /// The code table.
        table: Arc<str>,
        /// The source value without a row. Payload: for the operator's screen, never for logs.
        value: Arc<str>,
        /// The formula's place.
        place: Box<Place>,
    },
    /// No cross reference yet: park until it appears.
    MissingXref {
        /// The kind of thing: `customer`.
        entity: Arc<str>,
        /// Its id in the source system. Payload: for the operator's screen, never for logs.
        id: Arc<str>,
        /// The system asked for, when the formula named one.
        system: Option<Arc<str>>,
        /// The formula's place.
        place: Box<Place>,
    },
    /// The evaluation took more steps than it may.
    Budget,
}

impl Failure {
    /// An error without a place; the evaluation adds it.
    pub(super) fn error(w3c: impl Into<Cow<'static, str>>, text: impl fmt::Display) -> Self {
        let w3c = w3c.into();
        let problem = Problem::new(code::of_w3c(&w3c), format!("{text} ({w3c})"));
        Self::Error { w3c, problem: Box::new(problem) }
    }

    /// The same failure at a place, unless it has one.
    pub(super) fn or_at(mut self, at: impl FnOnce() -> Place) -> Self {
        match &mut self {
            Self::Error { problem, .. } if problem.place == Place::default() => problem.place = at(),
            Self::MissingCode { place, .. } | Self::MissingXref { place, .. } if **place == Place::default() => {
                **place = at();
            }
            _ => {}
        }
        self
    }

    /// As a problem for people. Names table and entity, never the value.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Error { problem, .. } => (**problem).clone(),
            Self::MissingCode { table, place, .. } => {
                Problem::new(code::MISSING_CODE, format!("code table `{table}` has no row for this value"))
                    .at((**place).clone())
                    .hint("add the row, then release the message")
            }
            Self::MissingXref { entity, system, place, .. } => {
                let system = system.as_ref().map_or_else(String::new, |system| format!(" in `{system}`"));
                Problem::new(code::MISSING_XREF, format!("no cross reference for this `{entity}`{system} yet"))
                    .at((**place).clone())
                    .hint("it continues by itself once the cross reference is known")
            }
            Self::Budget => {
                Problem::new(code::BUDGET, "the evaluation took more steps, or made more text, than one message may")
                    .hint("look for a loop over the whole document inside another one")
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for Failure {}
