//! What a database error means: try again, this call only, or the end.

use std::path::Path;

use super::guard::cannot_open;
use crate::store::{
    StoreError, code,
    health::{Health, failed},
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
        _ if is_full(error) => Reach::Passing(StoreError::disk_full()),
        (Some(18..=20), _) => Reach::Call(StoreError::conflict(format!("the database refused this: {error}"))),
        (_, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => {
            Reach::Passing(StoreError::unavailable("no connection to the database is free", "try again"))
        }
        _ => Reach::Store(failed(&error.to_string())),
    }
}

/// An error while a database is being opened: a fault of the disk is one here, too.
pub fn opening(path: &Path, error: &sqlx::Error) -> StoreError {
    if is_full(error) {
        return no_room(path);
    }
    match primary(error) {
        Some(10 | 11 | 26) => failed(&error.to_string()),
        _ => cannot_open(path, &error.to_string()),
    }
}

/// Whether there was no room on the disk: `SQLITE_FULL`, or `SQLITE_IOERR_SHMSIZE` when the index of the write-ahead log
/// could not grow. Nothing was changed.
pub fn is_full(error: &sqlx::Error) -> bool {
    matches!(code_of(error), Some(13 | 4874))
}

/// The directory or database cannot be opened for want of room.
pub fn no_room(path: &Path) -> StoreError {
    let text = format!("cannot open `{}`: the disk is full", path.display());
    StoreError::refused(code::STORAGE_LOW, text, "free some space on it, and start again")
}

fn primary(error: &sqlx::Error) -> Option<u32> {
    code_of(error).map(|code| code & 0xff)
}

/// The extended result code.
fn code_of(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse::<u32>().ok()
}

impl Health {
    /// As [`Health::note`], for an error of the database.
    pub fn note_sql(&self, error: &sqlx::Error) -> StoreError {
        let (Reach::Passing(error) | Reach::Call(error) | Reach::Store(error)) = reach(error);
        self.note(error)
    }
}
