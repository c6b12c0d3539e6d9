//! What a partner's reply means.

use super::Profile;
use crate::{base::Limits, document::Document, mapping::Failure, xpath::Host};

/// What became of a delivery, as the reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken.
    Delivered,
    /// Refused for good: parked until a person looks.
    Rejected,
    /// The partner has it already: as good as delivered.
    Duplicate,
    /// Not now: try again later.
    Retry,
    /// Nobody knows whether it was taken: try again with the same identity.
    Unknown,
}

impl Outcome {
    /// The words profiles use.
    pub(super) const WORDS: &[(&'static str, Self)] = &[
        ("delivered", Self::Delivered),
        ("rejected", Self::Rejected),
        ("duplicate", Self::Duplicate),
        ("retry", Self::Retry),
        ("unknown", Self::Unknown),
    ];
}

/// What a reply means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What became of the delivery.
    pub outcome: Outcome,
    /// The partner's reason. May hold payload.
    pub reason: Option<String>,
    /// The entity and the id the partner gave it.
    pub xref: Option<(String, String)>,
}

pub(super) fn read(
    _profile: &Profile,
    _document_type: &str,
    _reply: Option<&Document>,
    _host: &dyn Host,
    _limits: &Limits,
) -> Result<Meaning, Failure> {
    Ok(Meaning { outcome: Outcome::Unknown, reason: None, xref: None })
}
