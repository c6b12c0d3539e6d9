//! What every store decides in the same way.

use std::collections::HashMap;

use super::{AcceptOutcome, Accepted, Act, MAX_HANDED_BYTES, MAX_PARSE_ATTEMPTS, NewMessage, Reason, StoreError};
use crate::base::Sha256;

/// How many bytes one call may still hand out.
#[derive(Default)]
pub struct Budget {
    taken: u64,
}

impl Budget {
    /// Whether one more of this size fits; the first always does.
    pub fn takes(&mut self, size: i64) -> bool {
        let first = self.taken == 0;
        self.taken = self.taken.saturating_add(size.unsigned_abs().max(1));
        first || self.taken <= MAX_HANDED_BYTES as u64
    }
}

/// The first message of a key.
pub struct Known {
    /// Its place in accept order.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// Its digest.
    pub sha256: Vec<u8>,
}

/// What became of a message to be accepted: stored now (its seq by id), or known before by system and key.
pub fn outcome(
    message: &NewMessage,
    sha256: Sha256,
    stored: &HashMap<String, i64>,
    known: &HashMap<(String, String), Known>,
) -> Result<Accepted, StoreError> {
    if let Some(seq) = stored.get(&message.id) {
        return Ok(Accepted { id: message.id.clone(), seq: *seq, outcome: AcceptOutcome::New });
    }
    let first = message.dedup_key.clone().and_then(|key| known.get(&(message.system.clone(), key)));
    let Some(first) = first else {
        return Err(StoreError::conflict(format!("there is a message `{}` already", message.id)));
    };
    let same = first.sha256 == sha256.0;
    let outcome = if same { AcceptOutcome::Duplicate } else { AcceptOutcome::Conflict };
    Ok(Accepted { id: first.id.clone(), seq: first.seq, outcome })
}

/// The reason of something a rule filtered.
pub fn filtered_by(rule: &str) -> Reason {
    Reason { cause: "filtered".into(), text: format!("filtered by rule `{rule}`"), ..Reason::default() }
}

/// The reason of something a person gave up.
pub fn skipped_by(act: &Act) -> Reason {
    let text = format!("skipped by {}: {}", act.by, act.why);
    Reason { cause: "skipped".into(), text, ..Reason::default() }
}

/// The reason of something given up for another that takes its place.
pub fn replaced_by(id: &str, act: &Act) -> Reason {
    let text = format!("replaced by {id}, by {}: {}", act.by, act.why);
    Reason { cause: "skipped".into(), text, ..Reason::default() }
}

/// Faults of one kind that `verify` tells one by one.
pub const FAULTS_TOLD: i64 = 20;

/// The fault of a message that lacks something.
pub fn incomplete(id: &str) -> String {
    format!("message `{id}` lacks a delivery or part it was planned to have")
}

/// A value as JSON text, for columns and for lists passed to SQL.
pub fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// How many messages go together that a process held so often when it ended: fewer each time, so that the one that ends
/// it is found soon and its neighbours are not blamed. Those that are exhausted are not looked at, and harm nobody.
pub fn together(parse_attempts: i64) -> usize {
    match parse_attempts {
        1 => 16,
        2.. if parse_attempts < i64::from(MAX_PARSE_ATTEMPTS) => 1,
        _ => usize::MAX,
    }
}
