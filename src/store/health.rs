//! Whether a store can still be trusted, and how it says that it cannot.

use std::sync::Arc;

use tokio::sync::watch;

use super::{StoreError, code};
use crate::base::Problem;

/// The store failed for this reason.
pub fn failed(why: &str) -> StoreError {
    StoreError::Failed(Box::new(
        Problem::new(code::FAILED, format!("reading or writing the database failed: {why}"))
            .hint("check the disk and its log before starting again; nothing more is accepted until then"),
    ))
}

/// Stored bytes do not match their digest.
pub fn corrupt(what: &str, id: &str) -> StoreError {
    StoreError::Corrupt(Box::new(
        Problem::new(code::DIGEST, format!("the {what} of `{id}` is not what was stored: its SHA-256 differs"))
            .hint("check the disk, run `crossdock messages verify`, and restore a backup"),
    ))
}

/// Whether the store can still be trusted; shared by all its parts.
pub struct Health(watch::Sender<Option<Arc<Problem>>>);

impl Health {
    /// All is well.
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Refuses once the store has failed.
    pub fn check(&self) -> Result<(), StoreError> {
        match &*self.0.borrow() {
            Some(problem) => Err(StoreError::Failed(Box::new(Problem::clone(problem)))),
            None => Ok(()),
        }
    }

    /// Notes an error on its way to the caller: the first fatal one ends the store.
    pub fn note(&self, error: StoreError) -> StoreError {
        if let StoreError::Failed(problem) | StoreError::Corrupt(problem) = &error {
            self.0.send_if_modified(|state| {
                let first = state.is_none();
                if first {
                    *state = Some(Arc::new(Problem::clone(problem)));
                }
                first
            });
        }
        error
    }

    /// Tells when the store has failed.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Problem>>> {
        self.0.subscribe()
    }
}
