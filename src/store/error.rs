//! What can go wrong with the store, by what the caller can do about it.

use super::code;
use crate::base::{Code, Problem};

/// A call to the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Not now: the disk is full, the database busy, or the store closing. Nothing was changed; try again later.
    #[error("{0}")]
    Unavailable(Box<Problem>),
    /// Reading or writing failed: nothing can be promised any more. End the process with exit code 70.
    #[error("{0}")]
    Failed(Box<Problem>),
    /// Stored bytes do not match their digest. End the process with exit code 70.
    #[error("{0}")]
    Corrupt(Box<Problem>),
    /// There is no message or delivery of that id.
    #[error("{0}")]
    NotFound(Box<Problem>),
    /// The present state does not allow this; nothing was changed.
    #[error("{0}")]
    Conflict(Box<Problem>),
    /// The store will not open here. A person must act; end the process with exit code 78.
    #[error("{0}")]
    Refused(Box<Problem>),
}

impl StoreError {
    /// What is wrong, for people.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        match self {
            Self::Unavailable(problem)
            | Self::Failed(problem)
            | Self::Corrupt(problem)
            | Self::NotFound(problem)
            | Self::Conflict(problem)
            | Self::Refused(problem) => problem,
        }
    }

    pub(super) fn unavailable(text: impl Into<String>, hint: &str) -> Self {
        Self::Unavailable(Box::new(Problem::new(code::UNAVAILABLE, text).hint(hint)))
    }

    pub(super) fn disk_full() -> Self {
        Self::Unavailable(Box::new(
            Problem::new(code::STORAGE_LOW, "the disk with the data directory is full").hint("free some space on it"),
        ))
    }

    pub(super) fn not_found(id: &str) -> Self {
        Self::NotFound(Box::new(
            Problem::new(code::NOT_FOUND, format!("there is no message or delivery `{id}`"))
                .hint("ids start with `msg_` or `dlv_`; list them with `crossdock messages list`"),
        ))
    }

    pub(super) fn conflict(text: impl Into<String>) -> Self {
        Self::Conflict(Box::new(
            Problem::new(code::CONFLICT, text).hint("look at its present state with `crossdock messages show`"),
        ))
    }

    pub(super) fn refused(code: Code, text: impl Into<String>, hint: &str) -> Self {
        Self::Refused(Box::new(Problem::new(code, text).hint(hint)))
    }
}
