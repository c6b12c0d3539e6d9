//! What a database error means: try again, this call only, or the end.

use std::{path::Path, sync::Arc};

use tokio::sync::watch;

use super::guard::cannot_open;
use crate::{
    base::Problem,
    store::{StoreError, code},
};

/// How far an error of the database reaches.
pub enum Reach {
    /// Nothing was changed; the same call may work later.
    Passing(StoreError),
    /// One call asked for something impossible.
    Call(StoreError),
    /// The store cannot be trusted any more.
    Store(StoreError),
}

/// Sorts an error by SQLite's primary result code (<https://sqlite.org/rescode.html>).
pub fn reach(error: &sqlx::Error) -> Reach {
    match (primary(error), error) {
        (Some(5 | 6), _) => Reach::Passing(StoreError::unavailable("the database is busy", "try again")),
        (Some(7), _) => Reach::Passing(StoreError::unavailable("the database is out of memory", "give it more memory")),
        (Some(13), _) => {
            Reach::Passing(StoreError::unavailable("the disk with the data directory is full", "free some space on it"))
        }
        (Some(18..=20), _) => Reach::Call(StoreError::conflict(format!("the database refused this: {error}"))),
        (_, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => {
            Reach::Passing(StoreError::unavailable("no connection to the database is free", "try again"))
        }
        _ => Reach::Store(failed(&error.to_string())),
    }
}

/// An error while a database is being opened: a fault of the disk is one here, too.
pub fn opening(path: &Path, error: &sqlx::Error) -> StoreError {
    match primary(error) {
        Some(10 | 11 | 26) => failed(&error.to_string()),
        _ => cannot_open(path, &error.to_string()),
    }
}

fn primary(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
    Some(code & 0xff)
}

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

    /// The same for an error of the database.
    pub fn note_sql(&self, error: &sqlx::Error) -> StoreError {
        let (Reach::Passing(error) | Reach::Call(error) | Reach::Store(error)) = reach(error);
        self.note(error)
    }

    /// Tells when the store has failed.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Problem>>> {
        self.0.subscribe()
    }
}
