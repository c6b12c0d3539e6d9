//! Runs of schedules, and how far sources have read.

use crate::base::Timestamp;

/// A run that is to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// The schedule's name.
    pub schedule: String,
    /// The moment it was due at.
    pub due_at: Timestamp,
    /// Which process runs it.
    pub node: String,
    /// When it begins.
    pub started_at: Timestamp,
    /// Without a sign of life until then it counts as ended.
    pub until: Timestamp,
}

/// A run as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The schedule's name.
    pub schedule: String,
    /// The moment it was due at.
    pub due_at: Timestamp,
    /// Which process ran it.
    pub node: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs, or when its process died.
    pub ended_at: Option<Timestamp>,
    /// What went wrong.
    pub failure: Option<String>,
}

/// How far a source has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The source's name.
    pub source: String,
    /// Its own words for the place.
    pub value: String,
}
