//! Destinations that get nothing at the moment.

use super::Reason;
use crate::base::Timestamp;

/// Why a destination gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PauseKind {
    /// The partner said that its address is gone for good. Nothing is handed out for it until it is resumed.
    Gone,
    /// It keeps failing: a breaker is open and probes it. A note for people; who opened it keeps to it.
    Breaker,
}

impl PauseKind {
    /// Every value.
    pub const ALL: &[Self] = &[Self::Gone, Self::Breaker];

    /// The word used in the database, the API and the console.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Breaker => "breaker",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == text)
    }
}

/// A destination's pause. Another one of the same kind replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The destination system.
    pub destination: String,
    /// Why it gets nothing.
    pub kind: PauseKind,
    /// Since when.
    pub since: Timestamp,
    /// When it is tried next; `None` until a person acts.
    pub until: Option<Timestamp>,
    /// The way out it is about, for people.
    pub address: String,
    /// What happened.
    pub reason: Reason,
}
